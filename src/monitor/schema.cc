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

constexpr std::string_view kSchema2 =
    "ALTER TABLE alert ADD COLUMN event_id TEXT NOT NULL DEFAULT ''";

// Labels from before have no event time of their own: their arrival's; of those that wait even the
// arrival is unknown, but not before the newest prediction.
constexpr std::string_view kSchema3 = R"(
ALTER TABLE prediction_row ADD COLUMN event_ms BIGINT NOT NULL DEFAULT 0;
UPDATE prediction_row SET event_ms = labeled_us / 1000 WHERE label IS NOT NULL;
ALTER TABLE pending_label ADD COLUMN event_ms BIGINT NOT NULL DEFAULT 0;
ALTER TABLE pending_label ADD COLUMN labeled_us BIGINT NOT NULL DEFAULT 0;
UPDATE pending_label SET labeled_us = (SELECT COALESCE(MAX(ts_us), 0) FROM prediction_row);
UPDATE pending_label SET event_ms = labeled_us / 1000;
ALTER TABLE monitor_outcome ADD COLUMN event_ms_max BIGINT NOT NULL DEFAULT 0;
ALTER TABLE monitor_outcome ADD COLUMN delay_ms_sum BIGINT NOT NULL DEFAULT 0;
ALTER TABLE monitor_outcome ADD COLUMN delay_n BIGINT NOT NULL DEFAULT 0
)";

constexpr std::string_view kSchema4 = R"(
CREATE INDEX prediction_row_ts ON prediction_row (project, deployment_uid, ts_us);
CREATE INDEX pending_label_labeled ON pending_label (project, deployment_uid, labeled_us)
)";

constexpr std::array<store::Migration, 4> kMigrations = {{
    {"monitor", 1, kSchema1},
    {"monitor", 2, kSchema2},
    {"monitor", 3, kSchema3},
    {"monitor", 4, kSchema4},
}};

}  // namespace

std::span<const store::Migration> migrations() { return kMigrations; }

}  // namespace slip::monitor
