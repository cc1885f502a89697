#pragma once

#include <span>

#include "core/telemetry/metrics.h"

namespace slip::serving {
class ResponseCache;
class Serving;
}  // namespace slip::serving

// What each served version has done, by the names that Triton's dashboards know (nv_inference_…),
// for /metrics, at scrape time. The label `project` is there for what isn't in `default`.
namespace slip::app {

std::span<const telemetry::MetricRow> inference_metrics();
void collect_inference(telemetry::Metrics& metrics, const serving::Serving& serving,
                       const serving::ResponseCache& cache);

}  // namespace slip::app
