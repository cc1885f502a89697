#include <array>

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

constexpr std::array<store::Migration, 1> kMigrations = {{{"registry", 1, kTables}}};

}  // namespace

std::span<const store::Migration> migrations() { return kMigrations; }

}  // namespace slip::registry
