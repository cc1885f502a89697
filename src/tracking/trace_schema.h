#pragma once

#include <string_view>

// What traces and artifacts added to the tables of schema.cc. Private to tracking/.
namespace slip::tracking {

// A span's name, kind, model and costs as columns, its attributes as a text that SQL can search
// (trace_spans.h); `body` keeps the rest. Rows of before keep their attributes in the body.
// The index by name goes on by time, so that what comes in touches its last pages only.
// What is asked of all traces of an experiment (name, session, tokens) stands beside the head; tags
// and metadata stay what is true.
inline constexpr std::string_view kTraceColumns = R"sql(
ALTER TABLE trace ADD COLUMN name TEXT;
ALTER TABLE trace ADD COLUMN session_id TEXT;
ALTER TABLE trace ADD COLUMN finalized BIGINT NOT NULL DEFAULT 0;
ALTER TABLE trace ADD COLUMN input_tokens BIGINT;
ALTER TABLE trace ADD COLUMN output_tokens BIGINT;
ALTER TABLE trace ADD COLUMN total_tokens BIGINT;
ALTER TABLE trace ADD COLUMN cache_read_input_tokens BIGINT;
ALTER TABLE trace ADD COLUMN cache_creation_input_tokens BIGINT;
ALTER TABLE trace_span ADD COLUMN parent_id TEXT NOT NULL DEFAULT '';
ALTER TABLE trace_span ADD COLUMN name TEXT NOT NULL DEFAULT '';
ALTER TABLE trace_span ADD COLUMN type TEXT NOT NULL DEFAULT '';
ALTER TABLE trace_span ADD COLUMN status BIGINT NOT NULL DEFAULT 0;
ALTER TABLE trace_span ADD COLUMN end_ns BIGINT NOT NULL DEFAULT 0;
ALTER TABLE trace_span ADD COLUMN attributes TEXT NOT NULL DEFAULT '';
ALTER TABLE trace_span ADD COLUMN model_name TEXT NOT NULL DEFAULT '';
ALTER TABLE trace_span ADD COLUMN model_provider TEXT NOT NULL DEFAULT '';
ALTER TABLE trace_span ADD COLUMN input_cost DOUBLE PRECISION;
ALTER TABLE trace_span ADD COLUMN output_cost DOUBLE PRECISION;
ALTER TABLE trace_span ADD COLUMN total_cost DOUBLE PRECISION;
CREATE INDEX trace_span_by_name ON trace_span (project, name, start_ns, trace_id);
ALTER TABLE trace_assessment ADD COLUMN kind TEXT NOT NULL DEFAULT '';
ALTER TABLE trace_assessment ADD COLUMN name TEXT NOT NULL DEFAULT '';
ALTER TABLE trace_assessment ADD COLUMN value TEXT NOT NULL DEFAULT '';
ALTER TABLE trace_assessment ADD COLUMN number DOUBLE PRECISION;
ALTER TABLE trace_assessment ADD COLUMN is_number BIGINT NOT NULL DEFAULT 0;
ALTER TABLE trace_assessment ADD COLUMN valid BIGINT NOT NULL DEFAULT 1;
ALTER TABLE trace_assessment ADD COLUMN overrides TEXT NOT NULL DEFAULT '';
ALTER TABLE trace_assessment ADD COLUMN of_session BIGINT NOT NULL DEFAULT 0;
CREATE INDEX trace_assessment_by_name ON trace_assessment (project, kind, name, trace_id);
CREATE TABLE trace_link (
  project TEXT NOT NULL, kind TEXT NOT NULL, target TEXT NOT NULL, trace_id TEXT NOT NULL,
  PRIMARY KEY (project, kind, target, trace_id));
CREATE INDEX trace_link_by_trace ON trace_link (project, trace_id);
UPDATE trace SET name = (SELECT g.value FROM trace_tag g WHERE g.project = trace.project
  AND g.trace_id = trace.trace_id AND g.key = 'mlflow.traceName');
UPDATE trace SET session_id = (SELECT m.value FROM trace_metadata m
  WHERE m.project = trace.project AND m.trace_id = trace.trace_id
  AND m.key = 'mlflow.trace.session');
)sql";

// Uploads in parts: what has begun, and the parts that have come. An upload that was completed
// stays until it expires, so that a repeated completion finds it done.
inline constexpr std::string_view kUploadTables = R"sql(
CREATE TABLE artifact_upload (
  upload_id TEXT NOT NULL, project TEXT NOT NULL, path TEXT NOT NULL, author TEXT NOT NULL,
  parts BIGINT NOT NULL, state BIGINT NOT NULL, expires_ms BIGINT NOT NULL,
  PRIMARY KEY (upload_id));
CREATE INDEX artifact_upload_by_end ON artifact_upload (expires_ms);
CREATE TABLE artifact_part (
  upload_id TEXT NOT NULL, part_number BIGINT NOT NULL, digest TEXT NOT NULL,
  size BIGINT NOT NULL,
  PRIMARY KEY (upload_id, part_number));
)sql";

}  // namespace slip::tracking
