#include <array>

#include "core/ledger/ledger.h"
#include "registry/registry.h"

namespace slip::registry {
namespace {

// Versions hang on the model's uid, so that a rename touches one row and a deleted name can be
// given again without its old versions.
constexpr std::string_view kTables = R"sql(
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
  stage BIGINT NOT NULL, source TEXT NOT NULL, location TEXT NOT NULL, run_id TEXT NOT NULL,
  run_link TEXT, logged_model_id TEXT NOT NULL, description TEXT, author TEXT NOT NULL,
  created_ms BIGINT NOT NULL, updated_ms BIGINT NOT NULL, digest TEXT NOT NULL,
  deleted_ms BIGINT,
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
  champion_value DOUBLE PRECISION, passed BIGINT NOT NULL, detail TEXT NOT NULL,
  PRIMARY KEY (project, model_uid, version, n));
CREATE TABLE model_version_approval (
  project TEXT NOT NULL, model_uid TEXT NOT NULL, version BIGINT NOT NULL, actor TEXT NOT NULL,
  approved BIGINT NOT NULL, comment TEXT NOT NULL, created_ms BIGINT NOT NULL,
  digest TEXT NOT NULL,
  PRIMARY KEY (project, model_uid, version, actor));
CREATE TABLE stage_tenure (
  project TEXT NOT NULL, model_uid TEXT NOT NULL, n BIGINT NOT NULL, stage BIGINT NOT NULL,
  version BIGINT NOT NULL, from_ms BIGINT NOT NULL, to_ms BIGINT, actor TEXT NOT NULL,
  reason TEXT NOT NULL, back_n BIGINT NOT NULL,
  PRIMARY KEY (project, model_uid, n));
)sql";

constexpr std::string_view kVersionsByUid =
    "CREATE INDEX model_version_by_uid ON model_version (project, uid)";

// Stages by name, since a model may declare its own; approvals hang on requests and bind to all
// that was approved. Words given before bound to the bytes alone: those on versions that came to
// hold Production stay, the others are kept as void.
constexpr std::string_view kGovernance = R"sql(
ALTER TABLE model_version ADD COLUMN stage_name TEXT NOT NULL DEFAULT 'None';
UPDATE model_version SET stage_name = CASE stage WHEN 1 THEN 'Staging' WHEN 2 THEN 'Production'
  WHEN 3 THEN 'Archived' ELSE 'None' END;
ALTER TABLE model_version DROP COLUMN stage;
ALTER TABLE model_version RENAME COLUMN stage_name TO stage;
ALTER TABLE stage_tenure ADD COLUMN stage_name TEXT NOT NULL DEFAULT 'None';
UPDATE stage_tenure SET stage_name = CASE stage WHEN 1 THEN 'Staging' WHEN 2 THEN 'Production'
  WHEN 3 THEN 'Archived' ELSE 'None' END;
ALTER TABLE stage_tenure DROP COLUMN stage;
ALTER TABLE stage_tenure RENAME COLUMN stage_name TO stage;
ALTER TABLE model_version_check ADD COLUMN options TEXT NOT NULL DEFAULT '';
ALTER TABLE model_version_check ADD COLUMN evidence TEXT NOT NULL DEFAULT '';
ALTER TABLE model_version_check ADD COLUMN envelope TEXT NOT NULL DEFAULT '';
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
INSERT INTO transition_request (project, uid, model_uid, version, target, from_stage, requester,
  comment, state, created_ms, updated_ms, expires_ms, archive_existing, plan_version, plan_digest,
  plan_owner, plan_valid, plan_detail, plan_checked_ms, closed_by, closed_reason)
  SELECT a.project, v.uid, a.model_uid, a.version, 'Production', 'None', v.author, '',
    MAX(CASE WHEN EXISTS (SELECT 1 FROM stage_tenure t WHERE t.project = v.project
      AND t.model_uid = v.model_uid AND t.version = v.version AND t.stage = 'Production') THEN 1
      ELSE 4 END), MIN(a.created_ms), MAX(a.created_ms),
    MAX(a.created_ms), 0, NULL, '', '', 0, '', 0, '',
    'approved before approvals were bound to a request'
  FROM model_version_approval a JOIN model_version v ON v.project = a.project
    AND v.model_uid = a.model_uid AND v.version = a.version
  GROUP BY a.project, v.uid, a.model_uid, a.version, v.author, v.stage;
INSERT INTO request_approval (project, request_uid, n, actor, approved, comment, created_ms,
  binding, digest, voided_ms)
  SELECT a.project, v.uid, ROW_NUMBER() OVER (PARTITION BY a.project, v.uid
      ORDER BY a.created_ms, a.actor), a.actor, a.approved, a.comment, a.created_ms, '', a.digest,
    CASE WHEN EXISTS (SELECT 1 FROM stage_tenure t WHERE t.project = v.project
      AND t.model_uid = v.model_uid AND t.version = v.version AND t.stage = 'Production') THEN 0
      ELSE a.created_ms END
  FROM model_version_approval a JOIN model_version v ON v.project = a.project
    AND v.model_uid = a.model_uid AND v.version = a.version;
DROP TABLE model_version_approval;
)sql";

// Who purges a run, a logged model or its files asks which versions were made of it.
constexpr std::string_view kVersionsBySource = R"sql(
CREATE INDEX model_version_by_run ON model_version (project, run_id);
CREATE INDEX model_version_by_logged_model ON model_version (project, logged_model_id);
CREATE INDEX model_version_by_location ON model_version (project, location);
)sql";

// Whom another server named, for versions that were taken over from it.
constexpr std::string_view kVersionUsers =
    "ALTER TABLE model_version ADD COLUMN user_id TEXT NOT NULL DEFAULT ''";

// Requests of a whole project are listed newest first, and those of one state apart.
constexpr std::string_view kRequestsByTime = R"sql(
CREATE INDEX transition_request_by_time ON transition_request (project, created_ms, uid);
CREATE INDEX transition_request_open_by_time ON transition_request (project, created_ms, uid)
  WHERE state = 0;
CREATE INDEX transition_request_by_requester ON transition_request
  (project, requester, created_ms, uid);
)sql";

// Who held which alias when, and which policies were in force. Until here only the present was
// kept: what is there goes over with its time where one is known (champion with the promotion that
// gave it, policies with their last change), else with the earliest that it can have been.
constexpr std::string_view kTimeline = R"sql(
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
INSERT INTO alias_tenure (project, model_uid, n, alias, version, from_ms, from_known, to_ms, actor,
  reason)
  SELECT a.project, a.model_uid, ROW_NUMBER() OVER (PARTITION BY a.project, a.model_uid
      ORDER BY a.alias), a.alias, a.version, COALESCE(t.from_ms, v.created_ms, 0),
    CASE WHEN t.from_ms IS NULL THEN 0 ELSE 1 END, NULL, COALESCE(t.actor, ''),
    COALESCE(t.reason, '')
  FROM model_alias a LEFT JOIN model_version v ON v.project = a.project
    AND v.model_uid = a.model_uid AND v.version = a.version
  LEFT JOIN stage_tenure t ON t.project = a.project AND t.model_uid = a.model_uid
    AND t.version = a.version AND t.stage = 'Production' AND t.to_ms IS NULL
    AND a.alias = 'champion';
INSERT INTO policy_tenure (project, model_uid, n, target, body, from_ms, from_known, to_ms, actor)
  SELECT p.project, p.model_uid, ROW_NUMBER() OVER (PARTITION BY p.project, p.model_uid
      ORDER BY p.updated_ms, p.target), p.target, p.body, p.updated_ms, 1, NULL, p.actor
  FROM stage_policy p JOIN registered_model m ON m.project = p.project AND m.uid = p.model_uid
    AND m.deleted_ms IS NULL;
INSERT INTO policy_tenure (project, model_uid, n, target, body, from_ms, from_known, to_ms, actor)
  SELECT m.project, m.uid, 0, 'Production', '', m.created_ms, 0, NULL, ''
  FROM registered_model m WHERE m.is_protected = 1 AND m.deleted_ms IS NULL
    AND NOT EXISTS (SELECT 1 FROM stage_policy p WHERE p.project = m.project
      AND p.model_uid = m.uid AND p.target = 'Production');
)sql";

constexpr std::array<store::Migration, 7> kMigrations = {{{"registry", 1, kTables},
                                                          {"registry", 2, kVersionsByUid},
                                                          {"registry", 3, kGovernance},
                                                          {"registry", 4, kVersionsBySource},
                                                          {"registry", 5, kVersionUsers},
                                                          {"registry", 6, kRequestsByTime},
                                                          {"registry", 7, kTimeline}}};

// Deleted models and versions keep their rows, and prompts are granted apart.
constexpr std::array<ledger::Scope, 2> kScopes = {{
    {"registered_model",
     "CASE WHEN EXISTS (SELECT 1 FROM registered_model_tag t WHERE t.project = e.project"
     " AND t.model_uid = e.uid AND t.key = 'mlflow.prompt.is_prompt' AND LOWER(t.value) = 'true')"
     " THEN 'prompt' ELSE 'model' END",
     "SELECT e.uid"},
    {"model_version",
     "CASE WHEN EXISTS (SELECT 1 FROM model_version v JOIN registered_model_tag t"
     " ON t.project = v.project AND t.model_uid = v.model_uid WHERE v.project = e.project"
     " AND v.uid = e.uid AND t.key = 'mlflow.prompt.is_prompt' AND LOWER(t.value) = 'true')"
     " THEN 'prompt_version' ELSE 'model_version' END",
     "SELECT v.model_uid FROM model_version v WHERE v.project = e.project AND v.uid = e.uid"},
}};

}  // namespace

std::span<const store::Migration> migrations() { return kMigrations; }
std::span<const ledger::Scope> event_scopes() { return kScopes; }

}  // namespace slip::registry
