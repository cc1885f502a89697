#pragma once

#include <span>

#include "core/telemetry/metrics.h"

namespace slip::features {
class Features;
class Streams;
}  // namespace slip::features
namespace slip::scoring {
class ScoreStreams;
}

// Freshness and answers of every view that is served, and how far streams are, for /metrics, at
// scrape time.
namespace slip::app {

std::span<const telemetry::MetricRow> feature_metrics();
std::span<const telemetry::MetricRow> stream_metrics();
void collect_streams(telemetry::Metrics& metrics, const features::Streams& streams);
std::span<const telemetry::MetricRow> score_stream_metrics();
void collect_score_streams(telemetry::Metrics& metrics, const scoring::ScoreStreams& streams);
void collect_features(telemetry::Metrics& metrics, features::Features& features);

}  // namespace slip::app
