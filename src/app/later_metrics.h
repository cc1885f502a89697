#pragma once

#include <span>

#include "core/telemetry/metrics.h"

namespace slip::later {
class Later;
}

// Requests that are answered later, for /metrics, at scrape time.
namespace slip::app {

std::span<const telemetry::MetricRow> later_metrics();
void collect_later(telemetry::Metrics& metrics, later::Later& later);

}  // namespace slip::app
