#include <array>

#include "tracking/tracking.h"

namespace slip::tracking {
namespace {

// Points cluster by (run, key, step): a curve is one range of the key. `flag`: 0 finite, 1 NaN
// (value 0), 2 and 3 the infinities (value ±DBL_MAX, so that they sort and compare).
constexpr std::string_view kExperimentsAndRuns = R"sql(
CREATE TABLE experiment (
  project TEXT NOT NULL, experiment_id BIGINT NOT NULL, name TEXT NOT NULL,
  artifact_location TEXT NOT NULL, lifecycle BIGINT NOT NULL, author TEXT NOT NULL,
  created_ms BIGINT NOT NULL, updated_ms BIGINT NOT NULL,
  PRIMARY KEY (project, experiment_id));
CREATE UNIQUE INDEX experiment_by_name ON experiment (project, name);
CREATE TABLE experiment_tag (
  project TEXT NOT NULL, experiment_id BIGINT NOT NULL, key TEXT NOT NULL, value TEXT NOT NULL,
  PRIMARY KEY (project, experiment_id, key));
CREATE TABLE run (
  project TEXT NOT NULL, run_id TEXT NOT NULL, experiment_id BIGINT NOT NULL, name TEXT NOT NULL,
  user_id TEXT NOT NULL, status BIGINT NOT NULL, start_ms BIGINT NOT NULL, end_ms BIGINT,
  lifecycle BIGINT NOT NULL, artifact_uri TEXT NOT NULL, author TEXT NOT NULL,
  created_ms BIGINT NOT NULL, deleted_ms BIGINT,
  PRIMARY KEY (project, run_id));
CREATE INDEX run_by_start ON run (project, experiment_id, start_ms, run_id);
CREATE TABLE run_param (
  project TEXT NOT NULL, run_id TEXT NOT NULL, key TEXT NOT NULL, value TEXT NOT NULL,
  PRIMARY KEY (project, run_id, key));
CREATE TABLE run_tag (
  project TEXT NOT NULL, run_id TEXT NOT NULL, key TEXT NOT NULL, value TEXT NOT NULL,
  PRIMARY KEY (project, run_id, key));
CREATE TABLE run_metric (
  project TEXT NOT NULL, run_id TEXT NOT NULL, key TEXT NOT NULL, step BIGINT NOT NULL,
  timestamp_ms BIGINT NOT NULL, value DOUBLE PRECISION NOT NULL, flag BIGINT NOT NULL,
  PRIMARY KEY (project, run_id, key, step, timestamp_ms, value, flag));
CREATE TABLE run_metric_latest (
  project TEXT NOT NULL, run_id TEXT NOT NULL, key TEXT NOT NULL, step BIGINT NOT NULL,
  timestamp_ms BIGINT NOT NULL, value DOUBLE PRECISION NOT NULL, flag BIGINT NOT NULL,
  PRIMARY KEY (project, run_id, key));
CREATE TABLE dataset_seen (
  project TEXT NOT NULL, experiment_id BIGINT NOT NULL, name TEXT NOT NULL, digest TEXT NOT NULL,
  source_type TEXT NOT NULL, source TEXT NOT NULL, schema_text TEXT, profile TEXT,
  PRIMARY KEY (project, experiment_id, name, digest));
CREATE TABLE run_input (
  project TEXT NOT NULL, run_id TEXT NOT NULL, name TEXT NOT NULL, digest TEXT NOT NULL,
  PRIMARY KEY (project, run_id, name, digest));
CREATE TABLE run_input_tag (
  project TEXT NOT NULL, run_id TEXT NOT NULL, name TEXT NOT NULL, digest TEXT NOT NULL,
  key TEXT NOT NULL, value TEXT NOT NULL,
  PRIMARY KEY (project, run_id, name, digest, key));
CREATE TABLE run_model_input (
  project TEXT NOT NULL, run_id TEXT NOT NULL, model_id TEXT NOT NULL,
  PRIMARY KEY (project, run_id, model_id));
CREATE TABLE run_model_output (
  project TEXT NOT NULL, run_id TEXT NOT NULL, model_id TEXT NOT NULL, step BIGINT NOT NULL,
  PRIMARY KEY (project, run_id, model_id, step));
)sql";

constexpr std::string_view kModelsAndArtifacts = R"sql(
CREATE TABLE logged_model (
  project TEXT NOT NULL, model_id TEXT NOT NULL, experiment_id BIGINT NOT NULL,
  name TEXT NOT NULL, model_type TEXT NOT NULL, source_run_id TEXT NOT NULL,
  status BIGINT NOT NULL, status_message TEXT NOT NULL, created_ms BIGINT NOT NULL,
  updated_ms BIGINT NOT NULL, lifecycle BIGINT NOT NULL, artifact_uri TEXT NOT NULL,
  author TEXT NOT NULL,
  PRIMARY KEY (project, model_id));
CREATE INDEX logged_model_by_time ON logged_model (project, experiment_id, created_ms, model_id);
CREATE TABLE logged_model_tag (
  project TEXT NOT NULL, model_id TEXT NOT NULL, key TEXT NOT NULL, value TEXT NOT NULL,
  PRIMARY KEY (project, model_id, key));
CREATE TABLE logged_model_param (
  project TEXT NOT NULL, model_id TEXT NOT NULL, key TEXT NOT NULL, value TEXT NOT NULL,
  PRIMARY KEY (project, model_id, key));
CREATE TABLE logged_model_metric (
  project TEXT NOT NULL, model_id TEXT NOT NULL, key TEXT NOT NULL, timestamp_ms BIGINT NOT NULL,
  step BIGINT NOT NULL, run_id TEXT NOT NULL, value DOUBLE PRECISION NOT NULL,
  flag BIGINT NOT NULL, dataset_name TEXT NOT NULL, dataset_digest TEXT NOT NULL,
  PRIMARY KEY (project, model_id, key, timestamp_ms, step, run_id));
CREATE TABLE artifact_tree (
  project TEXT NOT NULL, base TEXT NOT NULL, root TEXT NOT NULL, updated_ms BIGINT NOT NULL,
  PRIMARY KEY (project, base));
)sql";

constexpr std::string_view kTraces = R"sql(
CREATE TABLE trace (
  project TEXT NOT NULL, trace_id TEXT NOT NULL, experiment_id BIGINT NOT NULL,
  request_us BIGINT NOT NULL, duration_us BIGINT, state BIGINT NOT NULL,
  client_request_id TEXT, request_preview TEXT, response_preview TEXT,
  PRIMARY KEY (project, trace_id));
CREATE INDEX trace_by_time ON trace (project, experiment_id, request_us, trace_id);
CREATE TABLE trace_tag (
  project TEXT NOT NULL, trace_id TEXT NOT NULL, key TEXT NOT NULL, value TEXT NOT NULL,
  PRIMARY KEY (project, trace_id, key));
CREATE TABLE trace_metadata (
  project TEXT NOT NULL, trace_id TEXT NOT NULL, key TEXT NOT NULL, value TEXT NOT NULL,
  PRIMARY KEY (project, trace_id, key));
CREATE TABLE trace_span (
  project TEXT NOT NULL, trace_id TEXT NOT NULL, span_id TEXT NOT NULL, start_ns BIGINT NOT NULL,
  body TEXT NOT NULL,
  PRIMARY KEY (project, trace_id, span_id));
CREATE TABLE trace_assessment (
  project TEXT NOT NULL, trace_id TEXT NOT NULL, assessment_id TEXT NOT NULL,
  created_us BIGINT NOT NULL, body TEXT NOT NULL,
  PRIMARY KEY (project, trace_id, assessment_id));
)sql";

constexpr std::array<store::Migration, 3> kMigrations = {{
    {"tracking", 1, kExperimentsAndRuns},
    {"tracking", 2, kModelsAndArtifacts},
    {"tracking", 3, kTraces},
}};

}  // namespace

std::span<const store::Migration> migrations() { return kMigrations; }

}  // namespace slip::tracking
