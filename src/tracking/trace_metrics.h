#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "sys/ctx.h"
#include "tracking/deps.h"

// Counts, sums and quantiles over traces, their spans or their assessments, by dimension and by
// interval of time. Any thread.
//
// Errors: kInvalid `trace_metrics.view|trace_metrics.metric|trace_metrics.aggregation|
// trace_metrics.dimension|trace_metrics.filter|trace_metrics.time`, and those of core/search.
namespace slip::tracking {

inline constexpr int64_t kMetricPointsMax = 10'000;
inline constexpr int64_t kMetricRowsMax = 20'000'000;  // Looked at for one answer.

enum class MetricView : uint8_t { kTraces = 1, kSpans = 2, kAssessments = 3 };
enum class AggregationKind : uint8_t {
  kCount = 1,
  kSum = 2,
  kAvg = 3,
  kPercentile = 4,
  kMin = 5,
  kMax = 6,
};

struct Aggregation {
  AggregationKind kind = AggregationKind::kCount;
  double percentile = 0;      // Of kPercentile: 0 … 100; between neighbours linear.
  std::string label() const;  // "COUNT", "P99.9"
};

struct TraceMetricsQuery {
  std::vector<int64_t> experiment_ids = {};
  MetricView view = MetricView::kTraces;
  std::string metric = {};  // "trace_count", "latency", …
  std::vector<Aggregation> aggregations = {};
  std::vector<std::string> dimensions = {};
  std::vector<std::string> filters = {};  // One comparison each.
  std::optional<int64_t> interval_s = {};
  std::optional<int64_t> start_ms = {};  // Both inclusive.
  std::optional<int64_t> end_ms = {};
  int64_t max_results = 1000;
};

struct MetricPoint {
  std::optional<int64_t> bucket_ms;                             // Start of the interval.
  std::vector<std::pair<std::string, std::string>> dimensions;  // As asked for.
  std::vector<std::pair<std::string, double>> values;           // Label, value.
};

class TraceMetrics {
 public:
  explicit TraceMetrics(Deps deps) : deps_(deps) {}
  // Ordered by interval, then by dimensions; groups that have no value are left out.
  Result<std::vector<MetricPoint>> query(const Ctx& ctx, const TraceMetricsQuery& query);

 private:
  Deps deps_;
};

// Hyndman and Fan's seventh definition, as numpy.quantile's default; `values` get partly sorted.
double percentile_of(std::vector<double>* values, double percent);

}  // namespace slip::tracking
