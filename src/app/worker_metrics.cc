#include "app/worker_metrics.h"

#include <array>

#include "core/worker/worker.h"

namespace slip::app {

using telemetry::MetricKind;

std::span<const telemetry::MetricRow> worker_metrics() {
  static constexpr std::array<telemetry::MetricRow, 4> kRows = {{
      {"slipway_worker_calls_total", MetricKind::kCounter, "outcome",
       "Calls of functions in Python: ok, or the error's reason."},
      {"slipway_worker_busy_seconds_total", MetricKind::kCounter, "",
       "What workers spent on calls, starting included."},
      {"slipway_worker_starts_total", MetricKind::kCounter, "", "Processes started, or tried to."},
      {"slipway_workers", MetricKind::kGauge, "", "Processes that run."},
  }};
  return kRows;
}

void collect_workers(telemetry::Metrics& metrics, const worker::Workers& workers) {
  metrics.collect([&workers](std::vector<telemetry::Sample>* out) {
    const worker::Counters c = workers.counters();
    for (const auto& [outcome, n] : c.calls)
      out->push_back(
          {"slipway_worker_calls_total", {{"outcome", outcome}}, static_cast<double>(n)});
    out->push_back(
        {"slipway_worker_busy_seconds_total", {}, static_cast<double>(c.busy_us) * 1e-6});
    out->push_back({"slipway_worker_starts_total", {}, static_cast<double>(c.starts)});
    out->push_back({"slipway_workers", {}, static_cast<double>(c.running)});
  });
}

}  // namespace slip::app
