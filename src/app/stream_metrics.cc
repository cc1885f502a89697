#include <array>

#include "app/feature_metrics.h"
#include "features/streams.h"
#include "scoring/streams.h"

namespace slip::app {

using telemetry::MetricKind;

std::span<const telemetry::MetricRow> stream_metrics() {
  static constexpr std::array<telemetry::MetricRow, 10> kRows = {{
      {"slipway_feature_stream_running", MetricKind::kGauge, "project,source",
       "Whether the source's topic is being read: 1 or 0."},
      {"slipway_feature_stream_lag_messages", MetricKind::kGauge, "project,source,partition",
       "Messages that the partition has and that weren't read."},
      {"slipway_feature_stream_messages_total", MetricKind::kCounter, "project,source",
       "Messages that were taken in."},
      {"slipway_feature_stream_bytes_total", MetricKind::kCounter, "project,source",
       "Bytes of their values."},
      {"slipway_feature_stream_rows_total", MetricKind::kCounter, "project,source",
       "Rows that were made of them."},
      {"slipway_feature_stream_strays_total", MetricKind::kCounter, "project,source",
       "Messages that are no rows."},
      {"slipway_feature_stream_rejected_total", MetricKind::kCounter, "project,source",
       "Rows that the contract or a view kept apart."},
      {"slipway_feature_stream_batches_total", MetricKind::kCounter, "project,source",
       "Records of the history that they came in."},
      {"slipway_feature_stream_assignments_total", MetricKind::kCounter, "project,source",
       "How often reading began anew: at starts, for new partitions, after topics came back."},
      {"slipway_feature_stream_resets_total", MetricKind::kCounter, "project,source",
       "Partitions that a rule set to another offset."},
  }};
  return kRows;
}

void collect_streams(telemetry::Metrics& metrics, const features::Streams& streams) {
  metrics.collect([&streams](std::vector<telemetry::Sample>* out) {
    for (const features::Streams::Told& one : streams.list("")) {
      const telemetry::Labels labels = {{"project", one.project}, {"source", one.source}};
      const features::StreamStatus& s = one.status;
      out->push_back({"slipway_feature_stream_running", labels, s.state == "running" ? 1.0 : 0.0});
      const std::pair<std::string_view, int64_t> counters[] = {
          {"slipway_feature_stream_messages_total", s.messages},
          {"slipway_feature_stream_bytes_total", s.bytes},
          {"slipway_feature_stream_rows_total", s.rows},
          {"slipway_feature_stream_strays_total", s.strays},
          {"slipway_feature_stream_rejected_total", s.rejected},
          {"slipway_feature_stream_batches_total", s.batches},
          {"slipway_feature_stream_assignments_total", s.assignments},
          {"slipway_feature_stream_resets_total", s.resets}};
      for (const auto& [name, n] : counters) out->push_back({name, labels, static_cast<double>(n)});
      for (const features::StreamStatus::Partition& p : s.partitions) {
        telemetry::Labels named = labels;
        named.emplace_back("partition", std::to_string(p.partition));
        out->push_back(
            {"slipway_feature_stream_lag_messages", std::move(named), static_cast<double>(p.lag)});
      }
    }
  });
}

std::span<const telemetry::MetricRow> score_stream_metrics() {
  static constexpr std::array<telemetry::MetricRow, 6> kRows = {{
      {"slipway_score_stream_running", MetricKind::kGauge, "project,stream",
       "Whether the topic is being scored: 1 or 0."},
      {"slipway_score_stream_lag_records", MetricKind::kGauge, "project,stream,partition",
       "Records that the partition has and that weren't answered."},
      {"slipway_score_stream_records_total", MetricKind::kCounter, "project,stream",
       "Records whose answers or dead letters were published."},
      {"slipway_score_stream_dead_letters_total", MetricKind::kCounter, "project,stream",
       "Records that couldn't be answered."},
      {"slipway_score_stream_batches_total", MetricKind::kCounter, "project,stream",
       "Transactions that they came in."},
      {"slipway_score_stream_failures_total", MetricKind::kCounter, "project,stream",
       "Times that a batch was tried again, or a connection begun anew."},
  }};
  return kRows;
}

void collect_score_streams(telemetry::Metrics& metrics, const scoring::ScoreStreams& streams) {
  metrics.collect([&streams](std::vector<telemetry::Sample>* out) {
    for (const scoring::ScoreStreams::Told& one : streams.running()) {
      const telemetry::Labels labels = {{"project", one.stream.project},
                                        {"stream", one.stream.name}};
      const scoring::ScoreStatus& s = one.status;
      out->push_back({"slipway_score_stream_running", labels, s.state == "running" ? 1.0 : 0.0});
      const std::pair<std::string_view, int64_t> counters[] = {
          {"slipway_score_stream_records_total", s.records},
          {"slipway_score_stream_dead_letters_total", s.dead},
          {"slipway_score_stream_batches_total", s.batches},
          {"slipway_score_stream_failures_total", s.failures}};
      for (const auto& [name, n] : counters) out->push_back({name, labels, static_cast<double>(n)});
      for (const scoring::ScoreStatus::Partition& p : s.partitions) {
        telemetry::Labels named = labels;
        named.emplace_back("partition", std::to_string(p.partition));
        out->push_back(
            {"slipway_score_stream_lag_records", std::move(named), static_cast<double>(p.lag)});
      }
    }
  });
}

}  // namespace slip::app
