#include "app/inference_metrics.h"

#include <array>

#include "serving/response_cache.h"
#include "serving/serving.h"

namespace slip::app {

using telemetry::MetricKind;

namespace {

using serving::ArmStats;
using Value = std::atomic<int64_t> ArmStats::*;

struct Row {
  telemetry::MetricRow row;
  Value value;
  double unit = 1;  // Of the metric, in units of the value.
};

constexpr double kUs = 1e-3;
constexpr std::string_view kLabels = "model,version,project";

const std::array<Row, 13>& table() {
  static const std::array<Row, 13> rows = {{
      {{"nv_inference_request_success", MetricKind::kCounter, kLabels,
        "Requests that were answered."},
       &ArmStats::successes},
      {{"nv_inference_request_failure", MetricKind::kCounter, "model,version,project,reason",
        "Requests that failed."},
       &ArmStats::errors},
      {{"nv_inference_count", MetricKind::kCounter, kLabels, "Rows that were answered."},
       &ArmStats::rows},
      {{"nv_inference_exec_count", MetricKind::kCounter, kLabels, "Runs of the model."},
       &ArmStats::executions},
      {{"nv_inference_request_duration_us", MetricKind::kCounter, kLabels,
        "Microseconds that answered requests took, added up."},
       &ArmStats::busy_ns,
       kUs},
      {{"nv_inference_queue_duration_us", MetricKind::kCounter, kLabels,
        "Microseconds that they waited, added up."},
       &ArmStats::queue_ns,
       kUs},
      {{"nv_inference_compute_input_duration_us", MetricKind::kCounter, kLabels,
        "Microseconds that their inputs took into the batch, added up."},
       &ArmStats::input_ns,
       kUs},
      {{"nv_inference_compute_infer_duration_us", MetricKind::kCounter, kLabels,
        "Microseconds that the model took, added up."},
       &ArmStats::infer_ns,
       kUs},
      {{"nv_inference_compute_output_duration_us", MetricKind::kCounter, kLabels,
        "Microseconds that their outputs took out of the batch, added up."},
       &ArmStats::output_ns,
       kUs},
      {{"nv_cache_num_hits_per_model", MetricKind::kCounter, kLabels,
        "Requests that the cache answered."},
       &ArmStats::cache_hits},
      {{"nv_cache_num_misses_per_model", MetricKind::kCounter, kLabels,
        "Requests that the cache could not answer."},
       &ArmStats::cache_misses},
      {{"nv_cache_hit_duration_per_model", MetricKind::kCounter, kLabels,
        "Microseconds of the cache's answers, added up."},
       &ArmStats::cache_hit_ns,
       kUs},
      {{"nv_cache_miss_duration_per_model", MetricKind::kCounter, kLabels,
        "Microseconds of looking in vain and keeping, added up."},
       &ArmStats::cache_miss_ns,
       kUs},
  }};
  return rows;
}

constexpr std::array<telemetry::MetricRow, 4> kOfCache = {{
    {"slipway_response_cache_bytes", MetricKind::kGauge, "", "What kept answers take."},
    {"slipway_response_cache_entries", MetricKind::kGauge, "", "How many are kept."},
    {"slipway_response_cache_evicted_total", MetricKind::kCounter, "",
     "Answers that went for others' sake."},
    {"slipway_response_cache_expired_total", MetricKind::kCounter, "",
     "Answers that were too old."},
}};

void add_arm(const serving::Route& route, const serving::Arm& arm,
             std::vector<telemetry::Sample>* out) {
  for (const Row& row : table()) {
    telemetry::Labels labels = {{"model", route.name}, {"version", std::to_string(arm.version)}};
    if (route.project != kDefaultProject) labels.emplace_back("project", route.project);
    if (row.row.labels.ends_with("reason")) labels.emplace_back("reason", "OTHER");
    const int64_t value = (arm.stats.get()->*row.value).load(std::memory_order_relaxed);
    out->push_back({row.row.name, std::move(labels), static_cast<double>(value) * row.unit});
  }
}

}  // namespace

std::span<const telemetry::MetricRow> inference_metrics() {
  static const std::vector<telemetry::MetricRow> rows = [] {
    std::vector<telemetry::MetricRow> out;
    for (const Row& row : table()) out.push_back(row.row);
    out.insert(out.end(), kOfCache.begin(), kOfCache.end());
    return out;
  }();
  return rows;
}

void collect_inference(telemetry::Metrics& metrics, const serving::Serving& serving,
                       const serving::ResponseCache& cache) {
  metrics.collect([&serving, &cache](std::vector<telemetry::Sample>* out) {
    const auto table_now = serving.table().load();
    for (const auto& [key, route] : table_now->routes)
      for (const serving::Arm& arm : route->arms) add_arm(*route, arm, out);
    const serving::CacheStoreStats kept = cache.stats();
    const std::array<int64_t, 4> values = {kept.bytes, kept.entries, kept.evicted, kept.expired};
    for (size_t i = 0; i < values.size(); ++i)
      out->push_back({kOfCache[i].name, {}, static_cast<double>(values[i])});
  });
}

}  // namespace slip::app
