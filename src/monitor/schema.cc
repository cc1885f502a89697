#include <array>

#include "monitor/monitor.h"

namespace slip::monitor {
namespace {

constexpr std::string_view kSchema1 = R"(
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
  labeled_us BIGINT NOT NULL,
  PRIMARY KEY (project, prediction_id, row_number)
);
CREATE INDEX prediction_row_ref ON prediction_row (project, deployment_uid, client_ref, ts_us);
CREATE TABLE pending_label (
  project TEXT NOT NULL,
  deployment_uid TEXT NOT NULL,
  label_key TEXT NOT NULL,
  label TEXT NOT NULL,
  PRIMARY KEY (project, deployment_uid, label_key)
);
CREATE TABLE monitor_outcome (
  project TEXT NOT NULL,
  deployment_uid TEXT NOT NULL,
  window_number BIGINT NOT NULL,
  version BIGINT NOT NULL,
  labeled BIGINT NOT NULL,
  correct BIGINT NOT NULL,
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
  resolved_us BIGINT NOT NULL,
  PRIMARY KEY (project, id)
);
CREATE INDEX alert_open ON alert (project, deployment_uid, resolved_us, feature)
)";

constexpr std::array<store::Migration, 1> kMigrations = {{{"monitor", 1, kSchema1}}};

}  // namespace

std::span<const store::Migration> migrations() { return kMigrations; }

}  // namespace slip::monitor
