-- steps ebcee769db5e0f48
CREATE TABLE ledger_event ( project TEXT NOT NULL, id TEXT NOT NULL, seq BIGINT, ts_us BIGINT NOT NULL, actor_uid TEXT NOT NULL, actor_kind TEXT NOT NULL, verb TEXT NOT NULL, kind TEXT NOT NULL, uid TEXT NOT NULL, version TEXT NOT NULL, object_digest TEXT NOT NULL, before_digest TEXT NOT NULL, after_digest TEXT NOT NULL, decision TEXT NOT NULL, request_id TEXT NOT NULL, trace_id TEXT NOT NULL, leaf TEXT NOT NULL, PRIMARY KEY (project, id));
CREATE UNIQUE INDEX ledger_event_seq ON ledger_event (seq);
CREATE INDEX ledger_event_uid ON ledger_event (uid, seq);
CREATE INDEX ledger_event_verb ON ledger_event (verb, seq);
CREATE TABLE event_body ( project TEXT NOT NULL, id TEXT NOT NULL, salt BYTEA NOT NULL, content TEXT NOT NULL, PRIMARY KEY (project, id));
CREATE TABLE ledger_head ( name TEXT NOT NULL PRIMARY KEY, seq BIGINT NOT NULL, ts_us BIGINT NOT NULL);
CREATE TABLE ledger_cursor (name TEXT NOT NULL PRIMARY KEY, seq BIGINT NOT NULL);
CREATE TABLE ledger_tally ( minute BIGINT NOT NULL, uid TEXT NOT NULL, verb TEXT NOT NULL, actor_uid TEXT NOT NULL, project TEXT NOT NULL, actor_kind TEXT NOT NULL, kind TEXT NOT NULL, name TEXT NOT NULL, version TEXT NOT NULL, n BIGINT NOT NULL, digest TEXT NOT NULL, PRIMARY KEY (minute, uid, verb, actor_uid, project)) WITHOUT ROWID;
CREATE TABLE principal ( uid TEXT NOT NULL PRIMARY KEY, name TEXT NOT NULL, kind TEXT NOT NULL, password TEXT NOT NULL, created_ms BIGINT NOT NULL, number BIGINT NOT NULL DEFAULT 0);
CREATE UNIQUE INDEX principal_name ON principal (name);
CREATE TABLE auth_token ( id TEXT NOT NULL PRIMARY KEY, principal_uid TEXT NOT NULL, project TEXT NOT NULL, role TEXT NOT NULL, secret_sha256 TEXT NOT NULL, once BIGINT NOT NULL, created_ms BIGINT NOT NULL, expires_ms BIGINT, last_used_ms BIGINT, revoked_ms BIGINT);
CREATE INDEX auth_token_principal ON auth_token (principal_uid);
CREATE TABLE auth_grant ( project TEXT NOT NULL, principal_uid TEXT NOT NULL, kind TEXT NOT NULL, object TEXT NOT NULL, role TEXT NOT NULL, created_ms BIGINT NOT NULL, number BIGINT NOT NULL DEFAULT 0, PRIMARY KEY (project, principal_uid, kind, object));
CREATE TABLE auth_epoch (name TEXT NOT NULL PRIMARY KEY, value BIGINT NOT NULL);
CREATE INDEX auth_grant_principal ON auth_grant (principal_uid);
CREATE INDEX auth_grant_number ON auth_grant (number);
CREATE TABLE auth_role ( uid TEXT NOT NULL PRIMARY KEY, number BIGINT NOT NULL, project TEXT NOT NULL, name TEXT NOT NULL, description TEXT, created_ms BIGINT NOT NULL);
CREATE UNIQUE INDEX auth_role_name ON auth_role (project, name);
CREATE UNIQUE INDEX auth_role_number ON auth_role (number);
CREATE TABLE auth_member ( principal_uid TEXT NOT NULL, role_uid TEXT NOT NULL, number BIGINT NOT NULL, PRIMARY KEY (principal_uid, role_uid));
CREATE INDEX auth_member_role ON auth_member (role_uid);
CREATE TABLE auth_project ( name TEXT NOT NULL PRIMARY KEY, description TEXT, author TEXT NOT NULL, created_ms BIGINT NOT NULL);
CREATE TABLE job ( project TEXT NOT NULL, uid TEXT NOT NULL, kind TEXT NOT NULL, state TEXT NOT NULL, payload TEXT NOT NULL, cursor TEXT NOT NULL, attempts BIGINT NOT NULL, next_run_ms BIGINT NOT NULL, lease_token TEXT NOT NULL, lease_until_ms BIGINT NOT NULL, error TEXT NOT NULL, created_ms BIGINT NOT NULL, updated_ms BIGINT NOT NULL, PRIMARY KEY (project, uid));
CREATE INDEX job_due ON job (state, next_run_ms);
CREATE TABLE legal_hold (
  project TEXT NOT NULL, uid TEXT NOT NULL, kind TEXT NOT NULL, object_uid TEXT NOT NULL,
  name TEXT NOT NULL, reason TEXT NOT NULL, actor TEXT NOT NULL, created_ms BIGINT NOT NULL,
  released_ms BIGINT, released_by TEXT NOT NULL, release_reason TEXT NOT NULL,
  PRIMARY KEY (project, uid));
CREATE INDEX legal_hold_open ON legal_hold (project, kind, object_uid) WHERE released_ms IS NULL;
CREATE TABLE http_replay ( project TEXT NOT NULL, actor_uid TEXT NOT NULL, key TEXT NOT NULL, fingerprint TEXT NOT NULL, status BIGINT NOT NULL, content_type TEXT NOT NULL, body TEXT NOT NULL, created_ms BIGINT NOT NULL, PRIMARY KEY (project, actor_uid, key));
CREATE INDEX http_replay_age ON http_replay (created_ms);
CREATE TABLE repository (
  project TEXT NOT NULL, uid TEXT NOT NULL, name TEXT NOT NULL, created_ms BIGINT NOT NULL,
  updated_ms BIGINT NOT NULL, created_by TEXT NOT NULL,
  PRIMARY KEY (project, uid));
CREATE UNIQUE INDEX repository_by_name ON repository (project, name);
CREATE TABLE branch (
  project TEXT NOT NULL, repository_uid TEXT NOT NULL, name TEXT NOT NULL, version BIGINT NOT NULL,
  PRIMARY KEY (project, repository_uid, name));
CREATE TABLE dataset_version (
  project TEXT NOT NULL, repository_uid TEXT NOT NULL, version BIGINT NOT NULL, uid TEXT NOT NULL,
  digest TEXT NOT NULL, root TEXT NOT NULL, parent_version BIGINT NOT NULL, format TEXT NOT NULL,
  row_count BIGINT NOT NULL, byte_count BIGINT NOT NULL, columns TEXT NOT NULL,
  message TEXT NOT NULL, created_ms BIGINT NOT NULL, created_by TEXT NOT NULL,
  PRIMARY KEY (project, repository_uid, version));
CREATE INDEX dataset_version_by_digest ON dataset_version (project, repository_uid, digest);
CREATE INDEX dataset_version_by_root ON dataset_version (root);
CREATE INDEX dataset_version_by_uid ON dataset_version (project, uid);
CREATE TABLE feature_definition ( project TEXT NOT NULL, kind TEXT NOT NULL, name TEXT NOT NULL, version BIGINT NOT NULL, uid TEXT NOT NULL, digest TEXT NOT NULL, document TEXT NOT NULL, created_ms BIGINT NOT NULL, created_by TEXT NOT NULL, PRIMARY KEY (project, kind, name, version));
CREATE UNIQUE INDEX feature_definition_uid ON feature_definition (uid);
CREATE TABLE feature_segment ( project TEXT NOT NULL, source TEXT NOT NULL, first_seq BIGINT NOT NULL, last_seq BIGINT NOT NULL, loaded BIGINT NOT NULL, ingest_us BIGINT NOT NULL, digest TEXT NOT NULL, schema_json TEXT NOT NULL, rows_count BIGINT NOT NULL, bytes BIGINT NOT NULL, min_event_us BIGINT NOT NULL, max_event_us BIGINT NOT NULL, went_to BIGINT NOT NULL DEFAULT 3, view_name TEXT NOT NULL DEFAULT '', PRIMARY KEY (project, source, first_seq));
CREATE TABLE feature_archived ( log_segment BIGINT NOT NULL, last_seq BIGINT NOT NULL, PRIMARY KEY (log_segment));
CREATE TABLE feature_materialized ( project TEXT NOT NULL, view_uid TEXT NOT NULL, through_seq BIGINT NOT NULL, end_us BIGINT NOT NULL, updated_ms BIGINT NOT NULL, PRIMARY KEY (project, view_uid));
CREATE TABLE feature_quarantine ( project TEXT NOT NULL, source TEXT NOT NULL, uid TEXT NOT NULL, created_ms BIGINT NOT NULL, reason TEXT NOT NULL, record TEXT NOT NULL, bytes BIGINT NOT NULL DEFAULT 0, load_uid TEXT NOT NULL DEFAULT '', PRIMARY KEY (project, source, uid));
CREATE TABLE feature_materialization ( project TEXT NOT NULL, view_uid TEXT NOT NULL, begin_us BIGINT NOT NULL, end_us BIGINT NOT NULL, after_seq BIGINT NOT NULL, through_seq BIGINT NOT NULL, start_us BIGINT NOT NULL, until_us BIGINT NOT NULL, after_until_us BIGINT NOT NULL, PRIMARY KEY (project, view_uid, begin_us));
CREATE TABLE feature_erasure ( project TEXT NOT NULL, uid TEXT NOT NULL, actor_uid TEXT NOT NULL, actor_kind TEXT NOT NULL, keys_json TEXT NOT NULL, reason TEXT NOT NULL, begin_us BIGINT NOT NULL, done_us BIGINT NOT NULL, through_seq BIGINT NOT NULL, rows_count BIGINT NOT NULL, PRIMARY KEY (project, uid));
CREATE TABLE feature_file ( project TEXT NOT NULL, source TEXT NOT NULL, path TEXT NOT NULL, size BIGINT NOT NULL, modified_us BIGINT NOT NULL, columns_text TEXT NOT NULL, PRIMARY KEY (project, source, path));
CREATE TABLE feature_kept ( project TEXT NOT NULL, kind TEXT NOT NULL, name TEXT NOT NULL, content TEXT NOT NULL, updated_ms BIGINT NOT NULL, PRIMARY KEY (project, kind, name));
CREATE TABLE feature_run ( project TEXT NOT NULL, source TEXT NOT NULL, number BIGINT NOT NULL, begin_us BIGINT NOT NULL, end_us BIGINT NOT NULL, query_digest TEXT NOT NULL, inputs_json TEXT NOT NULL, added BIGINT NOT NULL, taken_back BIGINT NOT NULL, through_seq BIGINT NOT NULL, PRIMARY KEY (project, source, number));
CREATE TABLE feature_stream_mark ( project TEXT NOT NULL, source TEXT NOT NULL, topic TEXT NOT NULL, partition_number BIGINT NOT NULL, seq BIGINT NOT NULL, next_offset BIGINT NOT NULL, last_offset BIGINT NOT NULL, print BIGINT NOT NULL, PRIMARY KEY (project, source, topic, partition_number));
CREATE TABLE feature_stream ( project TEXT NOT NULL, source TEXT NOT NULL, paused BIGINT NOT NULL, updated_ms BIGINT NOT NULL, updated_by TEXT NOT NULL, owner TEXT NOT NULL DEFAULT '', owner_shown TEXT NOT NULL DEFAULT '', PRIMARY KEY (project, source));
CREATE INDEX feature_quarantine_by_age ON feature_quarantine (project, source, created_ms, uid);
CREATE TABLE feature_quarantine_tally ( project TEXT NOT NULL, source TEXT NOT NULL, bytes BIGINT NOT NULL, dropped_rows BIGINT NOT NULL, told_rows BIGINT NOT NULL, told_ms BIGINT NOT NULL, PRIMARY KEY (project, source));
CREATE TABLE feature_history_owner ( only_one BIGINT NOT NULL, owner TEXT NOT NULL, owner_shown TEXT NOT NULL, since_ms BIGINT NOT NULL, PRIMARY KEY (only_one));
CREATE TABLE experiment (
  project TEXT NOT NULL, experiment_id BIGINT NOT NULL, name TEXT NOT NULL,
  artifact_location TEXT NOT NULL, lifecycle BIGINT NOT NULL, author TEXT NOT NULL,
  created_ms BIGINT NOT NULL, updated_ms BIGINT NOT NULL,
  PRIMARY KEY (project, experiment_id));
CREATE UNIQUE INDEX experiment_by_name ON experiment (project, name);
CREATE TABLE experiment_tag (
  project TEXT NOT NULL, experiment_id BIGINT NOT NULL, key TEXT NOT NULL, value TEXT NOT NULL,
  PRIMARY KEY (project, experiment_id, key));
CREATE TABLE dataset_seen (
  project TEXT NOT NULL, experiment_id BIGINT NOT NULL, name TEXT NOT NULL, digest TEXT NOT NULL,
  source_type TEXT NOT NULL, source TEXT NOT NULL, schema_text TEXT, profile TEXT,
  PRIMARY KEY (project, experiment_id, name, digest));
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
CREATE TABLE trace (
  project TEXT NOT NULL, trace_id TEXT NOT NULL, experiment_id BIGINT NOT NULL,
  request_us BIGINT NOT NULL, duration_us BIGINT, state BIGINT NOT NULL,
  client_request_id TEXT, request_preview TEXT, response_preview TEXT, name TEXT, session_id TEXT, finalized BIGINT NOT NULL DEFAULT 0, input_tokens BIGINT, output_tokens BIGINT, total_tokens BIGINT, cache_read_input_tokens BIGINT, cache_creation_input_tokens BIGINT,
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
  body TEXT NOT NULL, parent_id TEXT NOT NULL DEFAULT '', name TEXT NOT NULL DEFAULT '', type TEXT NOT NULL DEFAULT '', status BIGINT NOT NULL DEFAULT 0, end_ns BIGINT NOT NULL DEFAULT 0, attributes TEXT NOT NULL DEFAULT '', model_name TEXT NOT NULL DEFAULT '', model_provider TEXT NOT NULL DEFAULT '', input_cost DOUBLE PRECISION, output_cost DOUBLE PRECISION, total_cost DOUBLE PRECISION,
  PRIMARY KEY (project, trace_id, span_id));
CREATE TABLE trace_assessment (
  project TEXT NOT NULL, trace_id TEXT NOT NULL, assessment_id TEXT NOT NULL,
  created_us BIGINT NOT NULL, body TEXT NOT NULL, kind TEXT NOT NULL DEFAULT '', name TEXT NOT NULL DEFAULT '', value TEXT NOT NULL DEFAULT '', number DOUBLE PRECISION, is_number BIGINT NOT NULL DEFAULT 0, valid BIGINT NOT NULL DEFAULT 1, overrides TEXT NOT NULL DEFAULT '', of_session BIGINT NOT NULL DEFAULT 0,
  PRIMARY KEY (project, trace_id, assessment_id));
CREATE TABLE run_counter (name TEXT NOT NULL PRIMARY KEY, next_n BIGINT NOT NULL);
CREATE TABLE "run" (
  run_n BIGINT NOT NULL, project TEXT NOT NULL, run_id TEXT NOT NULL,
  experiment_id BIGINT NOT NULL, name TEXT NOT NULL, user_id TEXT NOT NULL, status BIGINT NOT NULL,
  start_ms BIGINT NOT NULL, end_ms BIGINT, lifecycle BIGINT NOT NULL, artifact_uri TEXT NOT NULL,
  author TEXT NOT NULL, created_ms BIGINT NOT NULL, deleted_ms BIGINT,
  PRIMARY KEY (run_n)) WITHOUT ROWID;
CREATE UNIQUE INDEX run_by_id ON run (project, run_id);
CREATE INDEX run_by_time ON run (project, start_ms DESC, run_id, experiment_id, lifecycle);
CREATE INDEX run_by_experiment ON run (project, experiment_id, start_ms DESC, run_id, lifecycle);
CREATE TABLE metric_key (
  project TEXT NOT NULL, key TEXT NOT NULL, key_n BIGINT NOT NULL, PRIMARY KEY (project, key));
CREATE UNIQUE INDEX metric_key_by_number ON metric_key (key_n);
CREATE TABLE metric_point (
  run_n BIGINT NOT NULL, key_n BIGINT NOT NULL, step BIGINT NOT NULL, timestamp_ms BIGINT NOT NULL,
  value DOUBLE PRECISION NOT NULL, flag BIGINT NOT NULL,
  PRIMARY KEY (run_n, key_n, step, timestamp_ms, value, flag)) WITHOUT ROWID;
CREATE TABLE metric_latest (
  run_n BIGINT NOT NULL, key_n BIGINT NOT NULL, step BIGINT NOT NULL, timestamp_ms BIGINT NOT NULL,
  value DOUBLE PRECISION NOT NULL, flag BIGINT NOT NULL,
  PRIMARY KEY (run_n, key_n)) WITHOUT ROWID;
CREATE INDEX metric_latest_by_value ON metric_latest (key_n, value, flag, run_n);
CREATE TABLE "run_param" (
  run_n BIGINT NOT NULL, key TEXT NOT NULL, value TEXT NOT NULL,
  PRIMARY KEY (run_n, key)) WITHOUT ROWID;
CREATE TABLE "run_tag" (
  run_n BIGINT NOT NULL, key TEXT NOT NULL, value TEXT NOT NULL,
  PRIMARY KEY (run_n, key)) WITHOUT ROWID;
CREATE TABLE "run_input" (
  run_n BIGINT NOT NULL, name TEXT NOT NULL, digest TEXT NOT NULL, position BIGINT NOT NULL DEFAULT 0,
  PRIMARY KEY (run_n, name, digest)) WITHOUT ROWID;
CREATE TABLE "run_input_tag" (
  run_n BIGINT NOT NULL, name TEXT NOT NULL, digest TEXT NOT NULL, key TEXT NOT NULL,
  value TEXT NOT NULL,
  PRIMARY KEY (run_n, name, digest, key)) WITHOUT ROWID;
CREATE TABLE "run_model_input" (
  run_n BIGINT NOT NULL, model_id TEXT NOT NULL,
  PRIMARY KEY (run_n, model_id)) WITHOUT ROWID;
CREATE TABLE "run_model_output" (
  run_n BIGINT NOT NULL, model_id TEXT NOT NULL, step BIGINT NOT NULL,
  PRIMARY KEY (run_n, model_id, step)) WITHOUT ROWID;
CREATE INDEX trace_span_by_name ON trace_span (project, name, start_ns, trace_id);
CREATE INDEX trace_assessment_by_name ON trace_assessment (project, kind, name, trace_id);
CREATE TABLE trace_link (
  project TEXT NOT NULL, kind TEXT NOT NULL, target TEXT NOT NULL, trace_id TEXT NOT NULL,
  PRIMARY KEY (project, kind, target, trace_id));
CREATE INDEX trace_link_by_trace ON trace_link (project, trace_id);
CREATE TABLE artifact_upload (
  upload_id TEXT NOT NULL, project TEXT NOT NULL, path TEXT NOT NULL, author TEXT NOT NULL,
  parts BIGINT NOT NULL, state BIGINT NOT NULL, expires_ms BIGINT NOT NULL,
  PRIMARY KEY (upload_id));
CREATE INDEX artifact_upload_by_end ON artifact_upload (expires_ms);
CREATE TABLE artifact_part (
  upload_id TEXT NOT NULL, part_number BIGINT NOT NULL, digest TEXT NOT NULL,
  size BIGINT NOT NULL,
  PRIMARY KEY (upload_id, part_number));
CREATE TABLE run_reproduction (
  project TEXT NOT NULL, uid TEXT NOT NULL, run_id TEXT NOT NULL, again_run_id TEXT NOT NULL,
  verdict BIGINT NOT NULL, same_status BIGINT NOT NULL, environment TEXT NOT NULL,
  evidence TEXT NOT NULL, author TEXT NOT NULL, created_ms BIGINT NOT NULL,
  PRIMARY KEY (project, run_id, uid));
CREATE UNIQUE INDEX run_reproduction_by_pair ON run_reproduction (project, run_id, again_run_id);
CREATE TABLE experiment_counter (
  project TEXT NOT NULL PRIMARY KEY, last_id BIGINT NOT NULL);
CREATE TABLE retention_rule (
  project TEXT NOT NULL, experiment_id BIGINT NOT NULL, deleted_ms BIGINT, runs_ms BIGINT,
  traces_ms BIGINT, updated_ms BIGINT NOT NULL, actor TEXT NOT NULL,
  PRIMARY KEY (project, experiment_id));
CREATE TABLE purge_leftover (
  project TEXT NOT NULL, kind TEXT NOT NULL, uid TEXT NOT NULL, n BIGINT NOT NULL,
  artifact_uri TEXT NOT NULL,
  PRIMARY KEY (project, kind, uid));
CREATE TABLE purge_run (
  project TEXT NOT NULL, uid TEXT NOT NULL, started_ms BIGINT NOT NULL, ended_ms BIGINT,
  actor TEXT NOT NULL, reason TEXT NOT NULL,
  PRIMARY KEY (project, uid));
CREATE TABLE purge_count (
  project TEXT NOT NULL, run_uid TEXT NOT NULL, kind TEXT NOT NULL, n BIGINT NOT NULL,
  PRIMARY KEY (project, run_uid, kind));
CREATE INDEX run_deleted ON run (project, run_id) WHERE lifecycle = 1;
CREATE INDEX trace_link_to_run ON trace_link (project, target) WHERE kind = 'run';
CREATE TABLE metric_pending (
  pending_n BIGINT NOT NULL, run_n BIGINT NOT NULL, points BIGINT NOT NULL, at_us BIGINT NOT NULL,
  actor_uid TEXT NOT NULL, actor_kind TEXT NOT NULL, logged TEXT NOT NULL,
  PRIMARY KEY (pending_n)) WITHOUT ROWID;
CREATE INDEX run_tag_parent ON run_tag (value, run_n) WHERE key = 'mlflow.parentRunId';
CREATE TABLE registered_model (
  project TEXT NOT NULL, uid TEXT NOT NULL, name TEXT NOT NULL, description TEXT,
  author TEXT NOT NULL, created_ms BIGINT NOT NULL, updated_ms BIGINT NOT NULL,
  is_protected BIGINT NOT NULL, last_version BIGINT NOT NULL, deleted_ms BIGINT,
  PRIMARY KEY (project, uid));
CREATE UNIQUE INDEX registered_model_by_name ON registered_model (project, name)
  WHERE deleted_ms IS NULL;
CREATE TABLE registered_model_tag (
  project TEXT NOT NULL, model_uid TEXT NOT NULL, key TEXT NOT NULL, value TEXT NOT NULL,
  PRIMARY KEY (project, model_uid, key));
CREATE TABLE model_alias (
  project TEXT NOT NULL, model_uid TEXT NOT NULL, alias TEXT NOT NULL, version BIGINT NOT NULL,
  PRIMARY KEY (project, model_uid, alias));
CREATE TABLE model_version (
  project TEXT NOT NULL, model_uid TEXT NOT NULL, version BIGINT NOT NULL, uid TEXT NOT NULL,
  source TEXT NOT NULL, location TEXT NOT NULL, run_id TEXT NOT NULL,
  run_link TEXT, logged_model_id TEXT NOT NULL, description TEXT, author TEXT NOT NULL,
  created_ms BIGINT NOT NULL, updated_ms BIGINT NOT NULL, digest TEXT NOT NULL,
  deleted_ms BIGINT, stage TEXT NOT NULL DEFAULT 'None', user_id TEXT NOT NULL DEFAULT '',
  PRIMARY KEY (project, model_uid, version));
CREATE TABLE model_version_tag (
  project TEXT NOT NULL, model_uid TEXT NOT NULL, version BIGINT NOT NULL, key TEXT NOT NULL,
  value TEXT NOT NULL,
  PRIMARY KEY (project, model_uid, version, key));
CREATE TABLE model_version_gate (
  project TEXT NOT NULL, model_uid TEXT NOT NULL, version BIGINT NOT NULL,
  passed BIGINT NOT NULL, evaluated_ms BIGINT NOT NULL, actor TEXT NOT NULL,
  digest TEXT NOT NULL,
  PRIMARY KEY (project, model_uid, version));
CREATE TABLE model_version_check (
  project TEXT NOT NULL, model_uid TEXT NOT NULL, version BIGINT NOT NULL, n BIGINT NOT NULL,
  kind BIGINT NOT NULL, metric TEXT NOT NULL, bound DOUBLE PRECISION NOT NULL,
  value DOUBLE PRECISION, threshold DOUBLE PRECISION, champion_version BIGINT NOT NULL,
  champion_value DOUBLE PRECISION, passed BIGINT NOT NULL, detail TEXT NOT NULL, options TEXT NOT NULL DEFAULT '', evidence TEXT NOT NULL DEFAULT '', envelope TEXT NOT NULL DEFAULT '',
  PRIMARY KEY (project, model_uid, version, n));
CREATE TABLE stage_tenure (
  project TEXT NOT NULL, model_uid TEXT NOT NULL, n BIGINT NOT NULL, version BIGINT NOT NULL, from_ms BIGINT NOT NULL, to_ms BIGINT, actor TEXT NOT NULL,
  reason TEXT NOT NULL, back_n BIGINT NOT NULL, stage TEXT NOT NULL DEFAULT 'None',
  PRIMARY KEY (project, model_uid, n));
CREATE INDEX model_version_by_uid ON model_version (project, uid);
CREATE TABLE model_stage (
  project TEXT NOT NULL, model_uid TEXT NOT NULL, name TEXT NOT NULL, actor TEXT NOT NULL,
  created_ms BIGINT NOT NULL,
  PRIMARY KEY (project, model_uid, name));
CREATE TABLE stage_policy (
  project TEXT NOT NULL, model_uid TEXT NOT NULL, target TEXT NOT NULL, body TEXT NOT NULL,
  actor TEXT NOT NULL, updated_ms BIGINT NOT NULL,
  PRIMARY KEY (project, model_uid, target));
CREATE TABLE transition_request (
  project TEXT NOT NULL, uid TEXT NOT NULL, model_uid TEXT NOT NULL, version BIGINT NOT NULL,
  target TEXT NOT NULL, from_stage TEXT NOT NULL, requester TEXT NOT NULL, comment TEXT NOT NULL,
  state BIGINT NOT NULL, created_ms BIGINT NOT NULL, updated_ms BIGINT NOT NULL,
  expires_ms BIGINT NOT NULL, archive_existing BIGINT NOT NULL, plan_version BIGINT,
  plan_digest TEXT NOT NULL, plan_owner TEXT NOT NULL, plan_valid BIGINT NOT NULL,
  plan_detail TEXT NOT NULL, plan_checked_ms BIGINT NOT NULL, closed_by TEXT NOT NULL,
  closed_reason TEXT NOT NULL,
  PRIMARY KEY (project, uid));
CREATE UNIQUE INDEX transition_request_open ON transition_request
  (project, model_uid, version, target) WHERE state = 0;
CREATE INDEX transition_request_of_version ON transition_request (project, model_uid, version);
CREATE INDEX transition_request_by_plan ON transition_request (plan_checked_ms)
  WHERE state <= 1 AND plan_version IS NOT NULL;
CREATE INDEX transition_request_by_expiry ON transition_request (expires_ms) WHERE state = 0;
CREATE TABLE request_approval (
  project TEXT NOT NULL, request_uid TEXT NOT NULL, n BIGINT NOT NULL, actor TEXT NOT NULL,
  approved BIGINT NOT NULL, comment TEXT NOT NULL, created_ms BIGINT NOT NULL,
  binding TEXT NOT NULL, digest TEXT NOT NULL, voided_ms BIGINT NOT NULL,
  PRIMARY KEY (project, request_uid, n));
CREATE TABLE model_comment (
  project TEXT NOT NULL, uid TEXT NOT NULL, model_uid TEXT NOT NULL, version BIGINT NOT NULL,
  actor TEXT NOT NULL, comment TEXT NOT NULL, created_ms BIGINT NOT NULL,
  updated_ms BIGINT NOT NULL,
  PRIMARY KEY (project, uid));
CREATE INDEX model_comment_of_version ON model_comment (project, model_uid, version);
CREATE TABLE gate_waiver (
  project TEXT NOT NULL, uid TEXT NOT NULL, model_uid TEXT NOT NULL, version BIGINT NOT NULL,
  check_name TEXT NOT NULL, reason TEXT NOT NULL, actor TEXT NOT NULL, created_ms BIGINT NOT NULL,
  expires_ms BIGINT NOT NULL, revoked_ms BIGINT NOT NULL,
  PRIMARY KEY (project, uid));
CREATE INDEX gate_waiver_of_version ON gate_waiver (project, model_uid, version);
CREATE TABLE model_review (
  project TEXT NOT NULL, uid TEXT NOT NULL, model_uid TEXT NOT NULL, version BIGINT NOT NULL,
  digest TEXT NOT NULL, title TEXT NOT NULL, owner TEXT NOT NULL, due_ms BIGINT NOT NULL,
  state BIGINT NOT NULL, conclusion TEXT NOT NULL, actor TEXT NOT NULL,
  created_ms BIGINT NOT NULL, updated_ms BIGINT NOT NULL,
  PRIMARY KEY (project, uid));
CREATE INDEX model_review_of_version ON model_review (project, model_uid, version);
CREATE TABLE model_review_item (
  project TEXT NOT NULL, review_uid TEXT NOT NULL, n BIGINT NOT NULL, kind BIGINT NOT NULL,
  wording TEXT NOT NULL, severity TEXT NOT NULL, owner TEXT NOT NULL, due_ms BIGINT NOT NULL,
  state BIGINT NOT NULL, note TEXT NOT NULL, actor TEXT NOT NULL, updated_ms BIGINT NOT NULL,
  PRIMARY KEY (project, review_uid, n));
CREATE TABLE prediction_evidence (
  project TEXT NOT NULL, model_uid TEXT NOT NULL, version BIGINT NOT NULL, dataset TEXT NOT NULL,
  dataset_version BIGINT NOT NULL, predictions_dataset TEXT NOT NULL,
  predictions_version BIGINT NOT NULL, actor TEXT NOT NULL, created_ms BIGINT NOT NULL,
  PRIMARY KEY (project, model_uid, version, dataset, dataset_version));
CREATE TABLE model_scan (
  project TEXT NOT NULL, digest TEXT NOT NULL, scanner BIGINT NOT NULL, verdict BIGINT NOT NULL,
  report TEXT NOT NULL, scanned_ms BIGINT NOT NULL,
  PRIMARY KEY (project, digest));
CREATE INDEX model_version_by_run ON model_version (project, run_id);
CREATE INDEX model_version_by_logged_model ON model_version (project, logged_model_id);
CREATE INDEX model_version_by_location ON model_version (project, location);
CREATE INDEX transition_request_by_time ON transition_request (project, created_ms, uid);
CREATE INDEX transition_request_open_by_time ON transition_request (project, created_ms, uid)
  WHERE state = 0;
CREATE INDEX transition_request_by_requester ON transition_request
  (project, requester, created_ms, uid);
CREATE TABLE alias_tenure (
  project TEXT NOT NULL, model_uid TEXT NOT NULL, n BIGINT NOT NULL, alias TEXT NOT NULL,
  version BIGINT NOT NULL, from_ms BIGINT NOT NULL, from_known BIGINT NOT NULL, to_ms BIGINT,
  actor TEXT NOT NULL, reason TEXT NOT NULL,
  PRIMARY KEY (project, model_uid, n));
CREATE UNIQUE INDEX alias_tenure_open ON alias_tenure (project, model_uid, alias)
  WHERE to_ms IS NULL;
CREATE TABLE policy_tenure (
  project TEXT NOT NULL, model_uid TEXT NOT NULL, n BIGINT NOT NULL, target TEXT NOT NULL,
  body TEXT NOT NULL, from_ms BIGINT NOT NULL, from_known BIGINT NOT NULL, to_ms BIGINT,
  actor TEXT NOT NULL,
  PRIMARY KEY (project, model_uid, n));
CREATE UNIQUE INDEX policy_tenure_open ON policy_tenure (project, model_uid, target)
  WHERE to_ms IS NULL;
CREATE TABLE signing_key (keyid TEXT NOT NULL PRIMARY KEY, public_pem TEXT NOT NULL, created_ms BIGINT NOT NULL);
CREATE TABLE deployment (
  project TEXT NOT NULL,
  name TEXT NOT NULL,
  uid TEXT NOT NULL,
  model TEXT NOT NULL,
  target TEXT NOT NULL,
  log_ack TEXT NOT NULL,
  stable_version BIGINT NOT NULL,
  previous_version BIGINT NOT NULL,
  canary_version BIGINT NOT NULL,
  canary_weight DOUBLE PRECISION NOT NULL,
  canary_state TEXT NOT NULL,
  canary_alpha DOUBLE PRECISION NOT NULL,
  canary_started_ms BIGINT NOT NULL,
  canary_ended_ms BIGINT NOT NULL,
  canary_verdict TEXT NOT NULL,
  created_ms BIGINT NOT NULL,
  updated_ms BIGINT NOT NULL,
  revision BIGINT NOT NULL, cache_ttl_ms BIGINT NOT NULL DEFAULT 0,
  PRIMARY KEY (project, name)
);
CREATE UNIQUE INDEX deployment_uid ON deployment (uid);
CREATE TABLE prediction_archive (
  project TEXT NOT NULL,
  deployment_uid TEXT NOT NULL,
  root TEXT NOT NULL,
  PRIMARY KEY (project, deployment_uid)
);
CREATE TABLE prediction_part (
  project TEXT NOT NULL,
  deployment_uid TEXT NOT NULL,
  segment BIGINT NOT NULL,
  digest TEXT NOT NULL,
  rows_count BIGINT NOT NULL,
  bytes BIGINT NOT NULL,
  start_us BIGINT NOT NULL,
  end_us BIGINT NOT NULL,
  PRIMARY KEY (project, deployment_uid, segment)
);
CREATE TABLE score_stream (
  project TEXT NOT NULL,
  name TEXT NOT NULL,
  uid TEXT NOT NULL,
  document TEXT NOT NULL,
  paused BIGINT NOT NULL,
  owner TEXT NOT NULL,
  owner_until_ms BIGINT NOT NULL,
  created_ms BIGINT NOT NULL,
  updated_ms BIGINT NOT NULL,
  PRIMARY KEY (project, name)
);
CREATE UNIQUE INDEX score_stream_uid ON score_stream (uid);
CREATE TABLE canary_guard (
  project TEXT NOT NULL,
  deployment_uid TEXT NOT NULL,
  canary_started_ms BIGINT NOT NULL,
  state TEXT NOT NULL, draws_kept BIGINT NOT NULL DEFAULT 0,
  PRIMARY KEY (project, deployment_uid, canary_started_ms)
);
CREATE TABLE canary_guard_draw (
  project TEXT NOT NULL,
  deployment_uid TEXT NOT NULL,
  canary_started_ms BIGINT NOT NULL,
  draw_digest TEXT NOT NULL,
  PRIMARY KEY (project, deployment_uid, canary_started_ms, draw_digest)
);
CREATE TABLE monitor (
  project TEXT NOT NULL,
  deployment_uid TEXT NOT NULL,
  config TEXT NOT NULL,
  PRIMARY KEY (project, deployment_uid)
);
CREATE TABLE monitor_cursor (
  project TEXT NOT NULL,
  segment BIGINT NOT NULL,
  position BIGINT NOT NULL,
  row_number BIGINT NOT NULL,
  PRIMARY KEY (project)
);
CREATE TABLE monitor_window (
  project TEXT NOT NULL,
  deployment_uid TEXT NOT NULL,
  number BIGINT NOT NULL,
  start_us BIGINT NOT NULL,
  end_us BIGINT NOT NULL,
  row_count BIGINT NOT NULL,
  score_sum DOUBLE PRECISION NOT NULL,
  closed BIGINT NOT NULL,
  alarm BIGINT NOT NULL,
  versions TEXT NOT NULL,
  state TEXT NOT NULL,
  PRIMARY KEY (project, deployment_uid, number)
);
CREATE TABLE monitor_baseline (
  project TEXT NOT NULL,
  deployment_uid TEXT NOT NULL,
  version BIGINT NOT NULL,
  state TEXT NOT NULL,
  PRIMARY KEY (project, deployment_uid, version)
);
CREATE TABLE prediction_row (
  project TEXT NOT NULL,
  prediction_id TEXT NOT NULL,
  row_number BIGINT NOT NULL,
  deployment_uid TEXT NOT NULL,
  ts_us BIGINT NOT NULL,
  version BIGINT NOT NULL,
  on_canary BIGINT NOT NULL,
  canary_weight DOUBLE PRECISION NOT NULL,
  client_ref TEXT NOT NULL,
  predicted TEXT NOT NULL,
  score DOUBLE PRECISION NOT NULL,
  window_number BIGINT NOT NULL,
  label TEXT,
  labeled_us BIGINT NOT NULL, event_ms BIGINT NOT NULL DEFAULT 0,
  PRIMARY KEY (project, prediction_id, row_number)
);
CREATE INDEX prediction_row_ref ON prediction_row (project, deployment_uid, client_ref, ts_us);
CREATE TABLE pending_label (
  project TEXT NOT NULL,
  deployment_uid TEXT NOT NULL,
  label_key TEXT NOT NULL,
  label TEXT NOT NULL, event_ms BIGINT NOT NULL DEFAULT 0, labeled_us BIGINT NOT NULL DEFAULT 0,
  PRIMARY KEY (project, deployment_uid, label_key)
);
CREATE TABLE monitor_outcome (
  project TEXT NOT NULL,
  deployment_uid TEXT NOT NULL,
  window_number BIGINT NOT NULL,
  version BIGINT NOT NULL,
  labeled BIGINT NOT NULL,
  correct BIGINT NOT NULL, event_ms_max BIGINT NOT NULL DEFAULT 0, delay_ms_sum BIGINT NOT NULL DEFAULT 0, delay_n BIGINT NOT NULL DEFAULT 0,
  PRIMARY KEY (project, deployment_uid, window_number, version)
);
CREATE TABLE alert (
  project TEXT NOT NULL,
  id TEXT NOT NULL,
  deployment_uid TEXT NOT NULL,
  deployment TEXT NOT NULL,
  kind TEXT NOT NULL,
  feature TEXT NOT NULL,
  value DOUBLE PRECISION NOT NULL,
  threshold DOUBLE PRECISION NOT NULL,
  window_number BIGINT NOT NULL,
  fired_us BIGINT NOT NULL,
  resolved_us BIGINT NOT NULL, event_id TEXT NOT NULL DEFAULT '',
  PRIMARY KEY (project, id)
);
CREATE INDEX alert_open ON alert (project, deployment_uid, resolved_us, feature);
CREATE INDEX prediction_row_ts ON prediction_row (project, deployment_uid, ts_us);
CREATE INDEX pending_label_labeled ON pending_label (project, deployment_uid, labeled_us);
CREATE TABLE webhook (
  project TEXT NOT NULL,
  uid TEXT NOT NULL,
  name TEXT NOT NULL,
  url TEXT NOT NULL,
  description TEXT NOT NULL,
  secret TEXT NOT NULL,
  active BIGINT NOT NULL,
  events TEXT NOT NULL,
  for_mlflow BIGINT NOT NULL,
  created_ms BIGINT NOT NULL,
  updated_ms BIGINT NOT NULL,
  busy_until_ms BIGINT NOT NULL DEFAULT 0, form TEXT NOT NULL DEFAULT 'mlflow', credentials TEXT NOT NULL DEFAULT '', model_uid TEXT NOT NULL DEFAULT '', model_name TEXT NOT NULL DEFAULT '', test_mode BIGINT NOT NULL DEFAULT 0,
  PRIMARY KEY (project, uid)
);
CREATE TABLE webhook_delivery (
  project TEXT NOT NULL,
  uid TEXT NOT NULL,
  webhook_uid TEXT NOT NULL,
  event TEXT NOT NULL,
  seq BIGINT NOT NULL,
  payload TEXT NOT NULL,
  state TEXT NOT NULL,
  attempts BIGINT NOT NULL,
  next_ms BIGINT NOT NULL,
  created_ms BIGINT NOT NULL,
  updated_ms BIGINT NOT NULL,
  status BIGINT NOT NULL,
  response TEXT NOT NULL,
  error TEXT NOT NULL,
  replay_of TEXT NOT NULL,
  PRIMARY KEY (project, webhook_uid, uid)
);
CREATE INDEX webhook_delivery_due ON webhook_delivery (project, webhook_uid, state, next_ms, seq);
CREATE INDEX webhook_delivery_age ON webhook_delivery (created_ms);
CREATE TABLE later_request ( project TEXT NOT NULL, uid TEXT NOT NULL, actor_uid TEXT NOT NULL, actor_kind TEXT NOT NULL, credential TEXT NOT NULL, trace_id TEXT NOT NULL, key TEXT NOT NULL, fingerprint TEXT NOT NULL, method TEXT NOT NULL, target TEXT NOT NULL, head BYTEA NOT NULL, body BYTEA NOT NULL, body_digest TEXT NOT NULL, body_bytes BIGINT NOT NULL, state TEXT NOT NULL, attempts BIGINT NOT NULL, next_ms BIGINT NOT NULL, lease_token TEXT NOT NULL, lease_until_ms BIGINT NOT NULL, created_ms BIGINT NOT NULL, started_ms BIGINT NOT NULL, ended_ms BIGINT NOT NULL, expires_ms BIGINT NOT NULL, status BIGINT NOT NULL, answer_head BYTEA NOT NULL, answer BYTEA NOT NULL, answer_digest TEXT NOT NULL, answer_bytes BIGINT NOT NULL, error TEXT NOT NULL, PRIMARY KEY (project, uid));
CREATE UNIQUE INDEX later_request_key ON later_request (project, actor_uid, key);
CREATE INDEX later_request_queue ON later_request (state, project, actor_uid, uid, next_ms, created_ms, body_bytes);
CREATE INDEX later_request_end ON later_request (expires_ms, state);
INSERT INTO ledger_head (name, seq, ts_us) VALUES ('head', 0, 0);
INSERT INTO auth_epoch (name, value) VALUES ('epoch', 1);
INSERT INTO auth_epoch (name, value) VALUES ('number', 0);
INSERT INTO run_counter (name, next_n) VALUES ('run', 1);
