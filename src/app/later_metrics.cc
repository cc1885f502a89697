#include "app/later_metrics.h"

#include <array>

#include "core/later/later.h"

namespace slip::app {

using telemetry::MetricKind;

std::span<const telemetry::MetricRow> later_metrics() {
  static constexpr std::array<telemetry::MetricRow, 5> kRows = {{
      {"slipway_async_queued", MetricKind::kGauge, "", "Asynchronous requests that wait."},
      {"slipway_async_running", MetricKind::kGauge, "", "Those that are being answered."},
      {"slipway_async_oldest_seconds", MetricKind::kGauge, "", "Age of the oldest that waits."},
      {"slipway_async_ended_total", MetricKind::kCounter, "status",
       "Those that this process has ended: done or failed."},
      {"slipway_async_retried_total", MetricKind::kCounter, "",
       "Attempts that failed and are made again."},
  }};
  return kRows;
}

void collect_later(telemetry::Metrics& metrics, later::Later& later) {
  metrics.collect([&later](std::vector<telemetry::Sample>* out) {
    const auto stats = later.stats();
    if (!stats.ok()) return;  // The database doesn't answer; others say so.
    const auto put = [&](std::string_view name, telemetry::Labels labels, int64_t value) {
      out->push_back({name, std::move(labels), static_cast<double>(value)});
    };
    put("slipway_async_queued", {}, stats->queued);
    put("slipway_async_running", {}, stats->running);
    out->push_back(
        {"slipway_async_oldest_seconds", {}, static_cast<double>(stats->oldest_ms) / 1e3});
    put("slipway_async_ended_total", {{"status", "done"}}, stats->done);
    put("slipway_async_ended_total", {{"status", "failed"}}, stats->failed);
    put("slipway_async_retried_total", {}, stats->retried);
  });
}

}  // namespace slip::app
