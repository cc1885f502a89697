#include <array>

#include "tracking/pending_store.h"
#include "tracking/purge_store.h"
#include "tracking/trace_schema.h"
#include "tracking/tracking.h"

namespace slip::tracking {
namespace {

// `flag`: 0 finite, 1 NaN (value 0), 2 and 3 the infinities (value ±DBL_MAX, so that they sort and
// compare).
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

// A run has a number and a metric's name has one: points and latest values are rows of numbers that
// lie in their key, and so does everything else that hangs on a run. Indexes end with what a search
// looks at, so that it reads a row only when it shows it.
constexpr std::string_view kRunNumbers = R"sql(
CREATE TABLE run_counter (name TEXT NOT NULL PRIMARY KEY, next_n BIGINT NOT NULL);
CREATE TABLE run_new (
  run_n BIGINT NOT NULL, project TEXT NOT NULL, run_id TEXT NOT NULL,
  experiment_id BIGINT NOT NULL, name TEXT NOT NULL, user_id TEXT NOT NULL, status BIGINT NOT NULL,
  start_ms BIGINT NOT NULL, end_ms BIGINT, lifecycle BIGINT NOT NULL, artifact_uri TEXT NOT NULL,
  author TEXT NOT NULL, created_ms BIGINT NOT NULL, deleted_ms BIGINT,
  PRIMARY KEY (run_n)) /* clustered */;
INSERT INTO run_new (run_n, project, run_id, experiment_id, name, user_id, status, start_ms, end_ms,
  lifecycle, artifact_uri, author, created_ms, deleted_ms)
  SELECT ROW_NUMBER() OVER (ORDER BY created_ms, project, run_id), project, run_id, experiment_id,
  name, user_id, status, start_ms, end_ms, lifecycle, artifact_uri, author, created_ms, deleted_ms
  FROM run;
DROP TABLE run;
ALTER TABLE run_new RENAME TO run;
INSERT INTO run_counter (name, next_n) SELECT 'run', COALESCE(MAX(run_n), 0) + 1 FROM run;
CREATE UNIQUE INDEX run_by_id ON run (project, run_id);
CREATE INDEX run_by_time ON run (project, start_ms DESC, run_id, experiment_id, lifecycle);
CREATE INDEX run_by_experiment ON run (project, experiment_id, start_ms DESC, run_id, lifecycle);

CREATE TABLE metric_key (
  project TEXT NOT NULL, key TEXT NOT NULL, key_n BIGINT NOT NULL, PRIMARY KEY (project, key));
CREATE UNIQUE INDEX metric_key_by_number ON metric_key (key_n);
INSERT INTO metric_key (project, key, key_n)
  SELECT k.project, k.key, ROW_NUMBER() OVER (ORDER BY k.project, k.key)
  FROM (SELECT DISTINCT project, key FROM run_metric_latest) k;
CREATE TABLE metric_point (
  run_n BIGINT NOT NULL, key_n BIGINT NOT NULL, step BIGINT NOT NULL, timestamp_ms BIGINT NOT NULL,
  value DOUBLE PRECISION NOT NULL, flag BIGINT NOT NULL,
  PRIMARY KEY (run_n, key_n, step, timestamp_ms, value, flag)) /* clustered */;
INSERT INTO metric_point (run_n, key_n, step, timestamp_ms, value, flag)
  SELECT r.run_n, k.key_n, m.step, m.timestamp_ms, m.value, m.flag FROM run_metric m
  JOIN run r ON r.project = m.project AND r.run_id = m.run_id
  JOIN metric_key k ON k.project = m.project AND k.key = m.key;
DROP TABLE run_metric;
CREATE TABLE metric_latest (
  run_n BIGINT NOT NULL, key_n BIGINT NOT NULL, step BIGINT NOT NULL, timestamp_ms BIGINT NOT NULL,
  value DOUBLE PRECISION NOT NULL, flag BIGINT NOT NULL,
  PRIMARY KEY (run_n, key_n)) /* clustered */;
INSERT INTO metric_latest (run_n, key_n, step, timestamp_ms, value, flag)
  SELECT r.run_n, k.key_n, m.step, m.timestamp_ms, m.value, m.flag FROM run_metric_latest m
  JOIN run r ON r.project = m.project AND r.run_id = m.run_id
  JOIN metric_key k ON k.project = m.project AND k.key = m.key;
DROP TABLE run_metric_latest;
CREATE INDEX metric_latest_by_value ON metric_latest (key_n, value, flag, run_n);

CREATE TABLE run_param_new (
  run_n BIGINT NOT NULL, key TEXT NOT NULL, value TEXT NOT NULL,
  PRIMARY KEY (run_n, key)) /* clustered */;
INSERT INTO run_param_new (run_n, key, value)
  SELECT r.run_n, t.key, t.value FROM run_param t
  JOIN run r ON r.project = t.project AND r.run_id = t.run_id;
DROP TABLE run_param;
ALTER TABLE run_param_new RENAME TO run_param;

CREATE TABLE run_tag_new (
  run_n BIGINT NOT NULL, key TEXT NOT NULL, value TEXT NOT NULL,
  PRIMARY KEY (run_n, key)) /* clustered */;
INSERT INTO run_tag_new (run_n, key, value)
  SELECT r.run_n, t.key, t.value FROM run_tag t
  JOIN run r ON r.project = t.project AND r.run_id = t.run_id;
DROP TABLE run_tag;
ALTER TABLE run_tag_new RENAME TO run_tag;

CREATE TABLE run_input_new (
  run_n BIGINT NOT NULL, name TEXT NOT NULL, digest TEXT NOT NULL,
  PRIMARY KEY (run_n, name, digest)) /* clustered */;
INSERT INTO run_input_new (run_n, name, digest)
  SELECT r.run_n, t.name, t.digest FROM run_input t
  JOIN run r ON r.project = t.project AND r.run_id = t.run_id;
DROP TABLE run_input;
ALTER TABLE run_input_new RENAME TO run_input;

CREATE TABLE run_input_tag_new (
  run_n BIGINT NOT NULL, name TEXT NOT NULL, digest TEXT NOT NULL, key TEXT NOT NULL,
  value TEXT NOT NULL,
  PRIMARY KEY (run_n, name, digest, key)) /* clustered */;
INSERT INTO run_input_tag_new (run_n, name, digest, key, value)
  SELECT r.run_n, t.name, t.digest, t.key, t.value FROM run_input_tag t
  JOIN run r ON r.project = t.project AND r.run_id = t.run_id;
DROP TABLE run_input_tag;
ALTER TABLE run_input_tag_new RENAME TO run_input_tag;

CREATE TABLE run_model_input_new (
  run_n BIGINT NOT NULL, model_id TEXT NOT NULL,
  PRIMARY KEY (run_n, model_id)) /* clustered */;
INSERT INTO run_model_input_new (run_n, model_id)
  SELECT r.run_n, t.model_id FROM run_model_input t
  JOIN run r ON r.project = t.project AND r.run_id = t.run_id;
DROP TABLE run_model_input;
ALTER TABLE run_model_input_new RENAME TO run_model_input;

CREATE TABLE run_model_output_new (
  run_n BIGINT NOT NULL, model_id TEXT NOT NULL, step BIGINT NOT NULL,
  PRIMARY KEY (run_n, model_id, step)) /* clustered */;
INSERT INTO run_model_output_new (run_n, model_id, step)
  SELECT r.run_n, t.model_id, t.step FROM run_model_output t
  JOIN run r ON r.project = t.project AND r.run_id = t.run_id;
DROP TABLE run_model_output;
ALTER TABLE run_model_output_new RENAME TO run_model_output;
)sql";

// `evidence`: files and metrics of both sides, as JSON.
constexpr std::string_view kReproductions = R"sql(
CREATE TABLE run_reproduction (
  project TEXT NOT NULL, uid TEXT NOT NULL, run_id TEXT NOT NULL, again_run_id TEXT NOT NULL,
  verdict BIGINT NOT NULL, same_status BIGINT NOT NULL, environment TEXT NOT NULL,
  evidence TEXT NOT NULL, author TEXT NOT NULL, created_ms BIGINT NOT NULL,
  PRIMARY KEY (project, run_id, uid));
CREATE UNIQUE INDEX run_reproduction_by_pair ON run_reproduction (project, run_id, again_run_id);
)sql";

// Of a run, counted from 1 in the order in which its datasets were logged; 0 before it was kept.
constexpr std::string_view kInputOrder = R"sql(
ALTER TABLE run_input ADD COLUMN position BIGINT NOT NULL DEFAULT 0;
)sql";

// Who the children of a run are. Statements spell the key out, or neither database uses it.
constexpr std::string_view kChildren = R"sql(
CREATE INDEX run_tag_parent ON run_tag (value, run_n) WHERE key = 'mlflow.parentRunId';
)sql";

constexpr std::array<store::Migration, 11> kMigrations = {{
    {"tracking", 1, kExperimentsAndRuns},
    {"tracking", 2, kModelsAndArtifacts},
    {"tracking", 3, kTraces},
    {"tracking", 4, kRunNumbers},
    {"tracking.traces", 1, kTraceColumns},
    {"tracking.artifacts", 1, kUploadTables},
    {"tracking.reproductions", 1, kReproductions},
    {"tracking.purge", 1, sql::kPurgeTables},
    {"tracking.pending", 1, sql::kPendingTables},
    {"tracking.inputs", 1, kInputOrder},
    {"tracking.children", 1, kChildren},
}};

constexpr std::array<ledger::Scope, 3> kScopes = {{
    {"run", "'run'",
     "SELECT CAST(r.experiment_id AS TEXT) FROM run r WHERE r.project = e.project"
     " AND r.run_id = e.uid"},
    {"logged_model", "'logged_model'",
     "SELECT CAST(l.experiment_id AS TEXT) FROM logged_model l WHERE l.project = e.project"
     " AND l.model_id = e.uid"},
    {"trace", "'trace'",
     "SELECT CAST(t.experiment_id AS TEXT) FROM trace t WHERE t.project = e.project"
     " AND t.trace_id = e.uid"},
}};

}  // namespace

std::span<const store::Migration> migrations() { return kMigrations; }
std::span<const ledger::Scope> event_scopes() { return kScopes; }

}  // namespace slip::tracking
