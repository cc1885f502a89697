#pragma once

#include <span>

#include "core/telemetry/metrics.h"

namespace slip::features {
class Features;
}

// Freshness and answers of every view that is served, for /metrics, at scrape time.
namespace slip::app {

std::span<const telemetry::MetricRow> feature_metrics();
void collect_features(telemetry::Metrics& metrics, features::Features& features);

}  // namespace slip::app
