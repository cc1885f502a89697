#pragma once

#include <span>

#include "core/telemetry/metrics.h"

namespace slip::worker {
class Workers;
}

// What the workers of functions in Python did, for /metrics, at scrape time.
namespace slip::app {

std::span<const telemetry::MetricRow> worker_metrics();
void collect_workers(telemetry::Metrics& metrics, const worker::Workers& workers);

}  // namespace slip::app
