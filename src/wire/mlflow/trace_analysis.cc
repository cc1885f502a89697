// Numbers over many traces: metrics by dimension and time, and how much one property tells of
// another.

#include <array>
#include <utility>

#include "base/text.h"
#include "tracking/tracking.h"
#include "tracking/validate.h"
#include "wire/mlflow/proto_out.h"
#include "wire/mlflow/proto_time.h"
#include "wire/mlflow/rows.h"

namespace slip::wire::mlflow {
namespace {

using codec::Json;
using http::Audit;
using http::Method;
using http::Right;

Result<std::vector<int64_t>> experiment_ids_of(const In& in) {
  std::vector<int64_t> out;
  for (const std::string& id : TRY(in.texts("experiment_ids")))
    out.push_back(TRY(tracking::parse_experiment_id(id)));
  if (out.empty()) TRY(in.text("experiment_ids"));
  return out;
}

Result<tracking::Aggregation> read_aggregation(const In& in) {
  static const In::EnumNames kinds = {1, {"COUNT", "SUM", "AVG", "PERCENTILE", "MIN", "MAX"}};
  tracking::Aggregation out;
  const auto kind = TRY(in.maybe_enum("aggregation_type", kinds));
  if (!kind) TRY(in.text("aggregation_type"));
  out.kind = static_cast<tracking::AggregationKind>(*kind);
  const bool percentile = out.kind == tracking::AggregationKind::kPercentile;
  if (percentile != in.has("percentile_value"))
    return invalid("trace_metrics.aggregation",
                   percentile ? "Percentile value is required for PERCENTILE aggregation"
                              : "Percentile value is only allowed for PERCENTILE aggregation type");
  if (percentile) out.percentile = TRY(in.number("percentile_value"));
  return out;
}

// "2026-11-23T03:28:00+00:00", as Python's isoformat writes it.
std::string iso_time(int64_t ms) {
  std::string out = format_timestamp_us(ms * 1000);
  if (out.ends_with("Z")) out.pop_back();
  if (ms % 1000 == 0 && out.find('.') != out.npos) out.resize(out.find('.'));
  if (ms % 1000 != 0) out += "000";
  return out + "+00:00";
}

Json message_of(const tracking::MetricPoint& point, const std::string& metric) {
  Json dimensions = Json::object();
  if (point.bucket_ms) dimensions.set("time_bucket", iso_time(*point.bucket_ms));
  for (const auto& [name, value] : point.dimensions) dimensions.set(name, value);
  Json values = Json::object();
  for (const auto& [label, value] : point.values) values.set(label, value);
  Json out = Json::object({{"metric_name", metric}});
  if (!dimensions.members().empty()) out.set("dimensions", std::move(dimensions));
  out.set("values", std::move(values));
  return out;
}

Result<Json> metrics(App& app, const Ctx& ctx, const In& in) {
  static const In::EnumNames views = {1, {"TRACES", "SPANS", "ASSESSMENTS"}};
  tracking::TraceMetricsQuery query;
  query.experiment_ids = TRY(experiment_ids_of(in));
  const auto view = TRY(in.maybe_enum("view_type", views));
  if (!view) TRY(in.text("view_type"));
  query.view = static_cast<tracking::MetricView>(*view);
  query.metric = TRY(in.text("metric_name"));
  for (const In& item : TRY(in.list("aggregations")))
    query.aggregations.push_back(TRY(read_aggregation(item)));
  if (query.aggregations.empty()) TRY(in.text("aggregations"));
  query.dimensions = TRY(in.texts("dimensions"));
  query.filters = TRY(in.texts("filters"));
  query.interval_s = TRY(in.maybe_integer("time_interval_seconds"));
  query.start_ms = TRY(in.maybe_integer("start_time_ms"));
  query.end_ms = TRY(in.maybe_integer("end_time_ms"));
  query.max_results = TRY(in.integer_or("max_results", 1000));
  std::vector<Json> points;
  for (const tracking::MetricPoint& p : TRY(app.tracking.trace_metrics.query(ctx, query)))
    points.push_back(message_of(p, query.metric));
  Json out = Json::object();
  set_list(&out, "data_points", std::move(points));
  return out;
}

Result<Json> correlation(App& app, const Ctx& ctx, const In& in) {
  const auto experiments = TRY(experiment_ids_of(in));
  std::array<std::string, 3> filters;
  filters[0] = TRY(in.text("filter_string1"));
  filters[1] = TRY(in.text("filter_string2"));
  filters[2] = TRY(in.text_or("base_filter", ""));
  const auto got = TRY(app.tracking.traces.correlation(ctx, experiments, filters));
  return Json::object({{"npmi", got.npmi},
                       {"npmi_smoothed", got.npmi_smoothed},
                       {"filter1_count", got.filter1_count},
                       {"filter2_count", got.filter2_count},
                       {"joint_count", got.joint_count},
                       {"total_count", got.total_count}});
}

constexpr http::Permission kRead{Right::kRead, "trace"};

constexpr std::array<Row, 2> kRows = {{
    {Method::kPost, "3.0/mlflow/traces/metrics", kRead, Audit::kNone, metrics,
     "Count, sum and rank over traces, spans or assessments", traces_in_experiments},
    {Method::kPost, "3.0/mlflow/traces/calculate-filter-correlation", kRead, Audit::kNone,
     correlation, "Tell how much one property of traces says about another", traces_in_experiments},
}};

}  // namespace

void add_trace_analysis(std::vector<http::Route>* out, const App& app) {
  add_rows(out, app, kRows);
}

}  // namespace slip::wire::mlflow
