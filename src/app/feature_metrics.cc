#include "app/feature_metrics.h"

#include <array>

#include "features/features.h"

namespace slip::app {

using telemetry::MetricKind;

std::span<const telemetry::MetricRow> feature_metrics() {
  static constexpr std::array<telemetry::MetricRow, 11> kRows = {{
      {"slipway_feature_freshness_seconds", MetricKind::kGauge, "project,view",
       "Now minus the newest event's time, of those whose time has come."},
      {"slipway_feature_freshness_sla_seconds", MetricKind::kGauge, "project,view",
       "What the source's contract asks of it."},
      {"slipway_feature_values_served_total", MetricKind::kCounter, "project,view,status",
       "Values that were read, by status."},
      {"slipway_feature_age_at_serve_seconds_sum", MetricKind::kCounter, "project,view",
       "Ages of values when they were served: event to served, added up."},
      {"slipway_feature_age_at_serve_seconds_count", MetricKind::kCounter, "project,view",
       "How many ages were added up."},
      {"slipway_feature_lateness_seconds_sum", MetricKind::kCounter, "project,view",
       "Event to received, added up over rows."},
      {"slipway_feature_lateness_seconds_count", MetricKind::kCounter, "project,view",
       "How many rows were received."},
      {"slipway_feature_ingest_lag_seconds_sum", MetricKind::kCounter, "project,view",
       "Received to visible, added up over rows."},
      {"slipway_feature_ingest_lag_seconds_count", MetricKind::kCounter, "project,view",
       "How many rows became visible."},
      {"slipway_feature_vectors_unlogged_total", MetricKind::kCounter, "",
       "Served vectors that could not be logged."},
      {"slipway_feature_quarantine_dropped_total", MetricKind::kCounter, "project,source",
       "Rows and messages that left the quarantine for want of room."},
  }};
  return kRows;
}

namespace {

double seconds(int64_t us) { return static_cast<double>(us) * 1e-6; }

void add_spread(std::string_view sum, std::string_view count, const telemetry::Labels& labels,
                const features::Spread& spread, std::vector<telemetry::Sample>* out) {
  const int64_t n = spread.count();
  if (n == 0) return;
  out->push_back({sum, labels, spread.sum_s()});
  out->push_back({count, labels, static_cast<double>(n)});
}

void add_view(const features::Features& features, const features::Shelf& shelf,
              const features::CompiledView& view, std::vector<telemetry::Sample>* out) {
  const telemetry::Labels labels = {{"project", view.project}, {"view", view.name}};
  const int64_t event_us = features.newest_event_us(view);
  if (event_us != 0)
    out->push_back(
        {"slipway_feature_freshness_seconds", labels, seconds(features.now_us() - event_us)});
  const auto contract = shelf.contracts.find(view.source_name);
  if (contract != shelf.contracts.end() && contract->second.freshness_us)
    out->push_back(
        {"slipway_feature_freshness_sla_seconds", labels, seconds(*contract->second.freshness_us)});
  const features::ViewClocks& c = *view.clocks;
  for (size_t i = 0; i < c.served.size(); ++i) {
    const int64_t n = c.served[i].load(std::memory_order_relaxed);
    if (n == 0) continue;
    telemetry::Labels named = labels;
    const auto status = static_cast<features::ReadStatus>(i);
    named.emplace_back("status", std::string(features::read_status_name(status)));
    out->push_back(
        {"slipway_feature_values_served_total", std::move(named), static_cast<double>(n)});
  }
  add_spread("slipway_feature_age_at_serve_seconds_sum",
             "slipway_feature_age_at_serve_seconds_count", labels, c.age, out);
  add_spread("slipway_feature_lateness_seconds_sum", "slipway_feature_lateness_seconds_count",
             labels, c.lateness, out);
  add_spread("slipway_feature_ingest_lag_seconds_sum", "slipway_feature_ingest_lag_seconds_count",
             labels, c.lag, out);
}

}  // namespace

void collect_features(telemetry::Metrics& metrics, features::Features& features) {
  metrics.collect([&features](std::vector<telemetry::Sample>* out) {
    const auto shelves = features.catalog().shelves().load();
    for (const auto& [project, shelf] : *shelves)
      for (const auto& [name, view] : shelf->latest_views) add_view(features, *shelf, *view, out);
    out->push_back(
        {"slipway_feature_vectors_unlogged_total", {}, static_cast<double>(features.unlogged())});
    for (const auto& [of, rows] : features.quarantine().dropped()) {
      const telemetry::Labels labels = {{"project", of.first}, {"source", of.second}};
      out->push_back(
          {"slipway_feature_quarantine_dropped_total", labels, static_cast<double>(rows)});
    }
  });
}

}  // namespace slip::app
