#include "tracking/trace_metrics.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <initializer_list>
#include <utility>

#include "base/text.h"
#include "core/search/sql.h"
#include "store/db.h"
#include "tracking/trace_spans.h"

namespace slip::tracking {
namespace {

using search::Sql;

enum Bit : uint8_t {
  kNone = 0,
  kCountBit = 1,
  kSumBit = 2,
  kAvgBit = 4,
  kPercentileBit = 8,
  kMinBit = 16,
  kMaxBit = 32
};
constexpr uint8_t kSpread = kAvgBit | kMinBit | kMaxBit | kPercentileBit;
constexpr uint8_t kTotal = kSpread | kSumBit;

struct MetricRow {
  MetricView view;
  std::string_view name;
  uint8_t aggregations;
  std::string_view expr;        // NULL: the row does not count.
  std::string_view dimensions;  // Blank-separated.
};
// `t` is the trace, `s` the span, `a` the assessment.
constexpr std::array<MetricRow, 15> kMetrics = {{
    {MetricView::kTraces, "trace_count", kCountBit, "1", "trace_name trace_status"},
    {MetricView::kTraces, "session_count", kCountBit, "t.session_id", ""},
    {MetricView::kTraces, "latency", kSpread, "(t.duration_us / 1000)", "trace_name"},
    {MetricView::kTraces, "input_tokens", kTotal, "t.input_tokens", "trace_name"},
    {MetricView::kTraces, "output_tokens", kTotal, "t.output_tokens", "trace_name"},
    {MetricView::kTraces, "total_tokens", kTotal, "t.total_tokens", "trace_name"},
    {MetricView::kTraces, "cache_read_input_tokens", kTotal, "t.cache_read_input_tokens",
     "trace_name"},
    {MetricView::kTraces, "cache_creation_input_tokens", kTotal, "t.cache_creation_input_tokens",
     "trace_name"},
    {MetricView::kSpans, "span_count", kCountBit, "1",
     "span_name span_type span_status span_model_name span_model_provider"},
    {MetricView::kSpans, "latency", kSpread,
     "CASE WHEN s.end_ns > 0 THEN (s.end_ns - s.start_ns) / 1000000 END", "span_name span_status"},
    {MetricView::kSpans, "input_cost", kTotal, "s.input_cost",
     "span_model_name span_model_provider"},
    {MetricView::kSpans, "output_cost", kTotal, "s.output_cost",
     "span_model_name span_model_provider"},
    {MetricView::kSpans, "total_cost", kTotal, "s.total_cost",
     "span_model_name span_model_provider"},
    {MetricView::kAssessments, "assessment_count", kCountBit, "1",
     "assessment_name assessment_value"},
    {MetricView::kAssessments, "assessment_value", kSpread, "a.number", "assessment_name"},
}};

struct DimensionRow {
  std::string_view name;
  std::string_view expr;  // NULL or "": the row does not count.
};
constexpr std::array<DimensionRow, 9> kDimensions = {{
    {"trace_name", "t.name"},
    {"trace_status",
     "CASE t.state WHEN 1 THEN 'OK' WHEN 2 THEN 'ERROR' WHEN 3 THEN 'IN_PROGRESS'"
     " ELSE 'STATE_UNSPECIFIED' END"},
    {"span_name", "s.name"},
    {"span_type", "s.type"},
    {"span_status", "CASE s.status WHEN 1 THEN 'OK' WHEN 2 THEN 'ERROR' ELSE 'UNSET' END"},
    {"span_model_name", "s.model_name"},
    {"span_model_provider", "s.model_provider"},
    {"assessment_name", "a.name"},
    {"assessment_value", "a.value"},
}};

constexpr std::array<std::string_view, 7> kKindNames = {"",           "COUNT", "SUM", "AVG",
                                                        "PERCENTILE", "MIN",   "MAX"};
constexpr std::array<uint8_t, 7> kKindBits = {kNone,          kCountBit, kSumBit, kAvgBit,
                                              kPercentileBit, kMinBit,   kMaxBit};

std::string_view expr_of(std::string_view dimension) {
  for (const DimensionRow& row : kDimensions)
    if (row.name == dimension) return row.expr;
  CHECK(false);
}

std::string quoted_list(std::initializer_list<std::vector<std::string_view>> lists) {
  std::string out;
  for (const auto& list : lists)
    for (const std::string_view item : list)
      if (!item.empty()) out += concat({out.empty() ? "'" : ", '", item, "'"});
  return concat({"[", out, "]"});
}

Result<const MetricRow*> metric_of(const TraceMetricsQuery& query) {
  std::vector<std::string_view> names;
  for (const MetricRow& row : kMetrics) {
    if (row.view != query.view) continue;
    if (row.name == query.metric) return &row;
    names.push_back(row.name);
  }
  return invalid(
      "trace_metrics.metric",
      concat({"metric_name must be one of ", quoted_list({names}), ", got '", query.metric, "'"}));
}

Status check(const TraceMetricsQuery& query, const MetricRow& metric) {
  for (const Aggregation& a : query.aggregations) {
    const auto kind = static_cast<size_t>(a.kind);
    if ((metric.aggregations & kKindBits[kind]) == 0) {
      std::vector<std::string_view> good;
      for (size_t i = 1; i < kKindBits.size(); ++i)
        if (metric.aggregations & kKindBits[i]) good.push_back(kKindNames[i]);
      std::sort(good.begin(), good.end());
      return invalid("trace_metrics.aggregation",
                     concat({"Found invalid aggregation_type(s): ['", kKindNames[kind],
                             "']. Supported aggregation types: ", quoted_list({good})}));
    }
    if (a.kind == AggregationKind::kPercentile && !(a.percentile >= 0 && a.percentile <= 100))
      return invalid("trace_metrics.aggregation",
                     concat({"Percentile value must be between 0 and 100, got ",
                             format_double(a.percentile)}));
  }
  const std::vector<std::string_view> good = split(metric.dimensions, ' ');
  for (const std::string& d : query.dimensions)
    if (d.empty() || std::find(good.begin(), good.end(), d) == good.end())
      return invalid("trace_metrics.dimension",
                     concat({"Found invalid dimension(s): ['", d,
                             "']. Supported dimensions: ", quoted_list({good})}));
  if (query.interval_s && (!query.start_ms || !query.end_ms))
    return invalid("trace_metrics.time",
                   "start_time_ms and end_time_ms are required if time_interval_seconds is set");
  if (query.interval_s && (*query.interval_s <= 0 || *query.interval_s > int64_t{1} << 32))
    return invalid("trace_metrics.time", "time_interval_seconds must be positive");
  if (query.max_results < 1 || query.max_results > kMetricPointsMax)
    return invalid("trace_metrics.limit", concat({"max_results must be between 1 and ",
                                                  std::to_string(kMetricPointsMax)}));
  return {};
}

// ---- filters: "trace.status = 'OK'", "trace.tag.k = 'v'", "span.name = 'x'", …
Status wrong_filter(std::string why) { return invalid("trace_metrics.filter", std::move(why)); }

Status add_trace_filter(Sql* sql, const std::string& name, const std::string& value) {
  if (name == "status") {
    sql->add(" AND ").add(expr_of("trace_status")).add(" = ?").bind(value);
    return {};
  }
  const bool tag = name.starts_with("tag.");
  if (!tag && !name.starts_with("metadata."))
    return wrong_filter(concat({"Invalid entity '", name,
                                "' specified for view type 'trace'. Valid entities are "
                                "['status', 'tag', 'metadata']"}));
  const std::string key = name.substr(name.find('.') + 1);
  if (key.empty()) return wrong_filter("Filtering by tag or metadata requires a key");
  if (key == "mlflow.traceName" && tag) {
    sql->add(" AND t.name = ?").bind(value);
    return {};
  }
  sql->add(" AND (EXISTS (SELECT 1 FROM ").add(tag ? "trace_tag" : "trace_metadata");
  sql->add(
         " p WHERE p.project = t.project AND p.trace_id = t.trace_id AND p.key = ?"
         " AND p.value = ?)")
      .bind(key)
      .bind(value);
  if (key == "mlflow.sourceRun" && !tag)
    sql->add(
           " OR EXISTS (SELECT 1 FROM trace_link l WHERE l.project = t.project"
           " AND l.kind = 'run' AND l.target = ? AND l.trace_id = t.trace_id)")
        .bind(value);
  sql->add(")");
  return {};
}

Status add_filter(Sql* sql, MetricView view, const std::string& text) {
  const search::Filter parsed = TRY(search::parse_filter(text));
  if (parsed.parts.size() != 1 || parsed.parts.front().kind != search::Filter::Kind::kTest)
    return wrong_filter(concat({"Invalid filter: '", text, "'. Expected one filter clause."}));
  const search::Comparison& c = parsed.parts.front().test;
  if (c.op != search::Op::kEq)
    return wrong_filter(
        concat({"Invalid comparator: '", c.op_written, "', only '=' operator is supported"}));
  if (c.values.front().is_number)
    return wrong_filter(concat({"Expected a quoted string value for ", c.key.name,
                                " value (e.g. 'my-value'). Got value ", c.values.front().text}));
  const std::string& value = c.values.front().text;
  if (c.key.entity == "trace") return add_trace_filter(sql, c.key.name, value);
  if (c.key.entity == "span") {
    if (view != MetricView::kSpans)
      return wrong_filter("Filtering by span is only supported for SPANS view type");
    if (c.key.name != "name" && c.key.name != "type" && c.key.name != "status")
      return wrong_filter(concat({"Invalid entity '", c.key.name,
                                  "' specified for view type 'span'. Valid entities are "
                                  "['name', 'status', 'type']"}));
    sql->add(" AND ").add(expr_of("span_" + c.key.name)).add(" = ?").bind(value);
    return {};
  }
  if (c.key.entity == "assessment") {
    if (view != MetricView::kAssessments)
      return wrong_filter("Filtering by assessment is only supported for ASSESSMENTS view type");
    if (c.key.name != "name" && c.key.name != "type")
      return wrong_filter(concat({"Invalid entity '", c.key.name,
                                  "' specified for view type 'assessment'. Valid entities are "
                                  "['name', 'type']"}));
    sql->add(c.key.name == "name" ? " AND a.name = ?" : " AND a.kind = ?").bind(value);
    return {};
  }
  return wrong_filter(concat({"Invalid view type '", c.key.entity,
                              "'. Valid values are ['trace', 'span', 'assessment']"}));
}

// Money is spent when the span runs, everything else belongs to the trace's beginning.
bool by_span_time(const MetricRow& metric) { return metric.name.ends_with("_cost"); }

void add_time(Sql* sql, const TraceMetricsQuery& query, bool span_time) {
  constexpr int64_t kFar = INT64_MAX / 1'000'000 - 1;
  const int64_t scale = span_time ? 1'000'000 : 1000;
  const std::string_view column = span_time ? " AND s.start_ns" : " AND t.request_us";
  if (query.start_ms)
    sql->add(column).add(" >= ?").bind(std::clamp(*query.start_ms, -kFar, kFar) * scale);
  if (query.end_ms)
    sql->add(column).add(" < ?").bind((std::clamp(*query.end_ms, -kFar, kFar - 1) + 1) * scale);
}

Result<Sql> statement(const std::string& project, const TraceMetricsQuery& query,
                      const MetricRow& metric) {
  Sql sql;
  sql.add("SELECT ").add(metric.expr);
  sql.add(query.view == MetricView::kSpans ? ", s.start_ns / 1000000" : ", t.request_us / 1000");
  for (const std::string& d : query.dimensions) sql.add(", ").add(expr_of(d));
  sql.add(" FROM trace t");
  if (query.view == MetricView::kSpans)
    sql.add(" JOIN trace_span s ON s.project = t.project AND s.trace_id = t.trace_id");
  if (query.view == MetricView::kAssessments)
    sql.add(" JOIN trace_assessment a ON a.project = t.project AND a.trace_id = t.trace_id");
  sql.add(" WHERE t.project = ? AND t.experiment_id IN (").bind(project);
  for (size_t i = 0; i < query.experiment_ids.size(); ++i)
    sql.add(i ? ", ?" : "?").bind(query.experiment_ids[i]);
  sql.add(")");
  if (query.view == MetricView::kAssessments) sql.add(" AND a.valid = 1");
  add_time(&sql, query, by_span_time(metric));
  for (const std::string& filter : query.filters) TRY(add_filter(&sql, query.view, filter));
  return sql;
}

// ---- aggregation, as rows come
struct Group {
  int64_t count = 0;
  double sum = 0;
  double lost = 0;  // Of the compensated sum.
  double min = 0;
  double max = 0;
  std::vector<double> values;      // When quantiles are asked for.
  std::vector<std::string> texts;  // When distinct ones are counted.
};

void add_value(Group* g, double value, bool keep) {
  g->min = g->count == 0 ? value : std::min(g->min, value);
  g->max = g->count == 0 ? value : std::max(g->max, value);
  ++g->count;
  // Kahan–Neumaier: the sum does not depend on how the rows were ordered, to the last digit or two.
  const double next = g->sum + value;
  const bool bigger = std::abs(g->sum) >= std::abs(value);
  g->lost += bigger ? (g->sum - next) + value : (value - next) + g->sum;
  g->sum = next;
  if (keep) g->values.push_back(value);
}

double result_of(Group* g, const Aggregation& a) {
  switch (a.kind) {
    case AggregationKind::kCount:
      return static_cast<double>(g->count);
    case AggregationKind::kSum:
      return g->sum + g->lost;
    case AggregationKind::kAvg:
      return (g->sum + g->lost) / static_cast<double>(g->count);
    case AggregationKind::kMin:
      return g->min;
    case AggregationKind::kMax:
      return g->max;
    case AggregationKind::kPercentile:
      return percentile_of(&g->values, a.percentile);
  }
  CHECK(false);
}

int64_t bucket_of(int64_t ms, int64_t width_ms) {
  const int64_t rest = ms % width_ms;
  return ms - rest - (rest < 0 ? width_ms : 0);
}

using GroupKey = std::pair<int64_t, std::vector<std::string>>;

std::vector<MetricPoint> points_of(std::map<GroupKey, Group>* groups,
                                   const TraceMetricsQuery& query) {
  std::vector<MetricPoint> out;
  for (auto& [key, group] : *groups) {
    if (static_cast<int64_t>(out.size()) == query.max_results) break;
    MetricPoint& point = out.emplace_back();
    if (query.interval_s) point.bucket_ms = key.first;
    for (size_t i = 0; i < query.dimensions.size(); ++i)
      point.dimensions.emplace_back(query.dimensions[i], key.second[i]);
    if (!group.texts.empty()) {
      std::sort(group.texts.begin(), group.texts.end());
      group.count = std::unique(group.texts.begin(), group.texts.end()) - group.texts.begin();
    }
    for (const Aggregation& a : query.aggregations)
      point.values.emplace_back(a.label(), result_of(&group, a));
  }
  return out;
}

}  // namespace

std::string Aggregation::label() const {
  if (kind != AggregationKind::kPercentile)
    return std::string(kKindNames[static_cast<size_t>(kind)]);
  std::string out = "P";
  append_number(&out, percentile);
  return out;
}

double percentile_of(std::vector<double>* values, double percent) {
  CHECK(!values->empty());
  const double at = percent / 100 * static_cast<double>(values->size() - 1);
  const auto below = static_cast<size_t>(std::floor(at));
  const auto low = values->begin() + static_cast<std::ptrdiff_t>(below);
  std::nth_element(values->begin(), low, values->end());
  if (below + 1 == values->size()) return *low;
  const double high = *std::min_element(low + 1, values->end());
  const double part = at - static_cast<double>(below);
  // From the nearer end, as numpy has it: exact at both.
  return part < 0.5 ? *low + (high - *low) * part : high - (high - *low) * (1 - part);
}

Result<std::vector<MetricPoint>> TraceMetrics::query(const Ctx& ctx,
                                                     const TraceMetricsQuery& query) {
  const MetricRow& metric = *TRY(metric_of(query));
  TRY(check(query, metric));
  std::vector<MetricPoint> out;
  if (query.experiment_ids.empty()) return out;
  const Sql sql = TRY(statement(ctx.project.text, query, metric));
  const bool keep =
      std::any_of(query.aggregations.begin(), query.aggregations.end(),
                  [](const Aggregation& a) { return a.kind == AggregationKind::kPercentile; });
  const bool distinct = metric.name == "session_count";
  std::map<GroupKey, Group> groups;
  int64_t rows = 0;
  TRY(deps_.db.read([&](store::Tx& tx) -> Status {
    groups.clear();
    rows = 0;
    GroupKey key;
    key.second.resize(query.dimensions.size());
    return tx.each(sql.text, sql.values(), [&](const store::Row& row) {
      if (++rows > kMetricRowsMax || row.is_null(0)) return;
      for (size_t i = 0; i < key.second.size(); ++i) {
        const std::string_view text = row.text(static_cast<int>(i) + 2);
        if (text.empty()) return;
        key.second[i] = text;
      }
      if (query.interval_s) key.first = bucket_of(row.i64(1), *query.interval_s * 1000);
      Group& group = groups[key];
      if (distinct) group.texts.push_back(row.str(0));
      add_value(&group, distinct ? 0 : row.f64(0), keep);
    });
  }));
  if (rows > kMetricRowsMax)
    return invalid("trace_metrics.limit",
                   "More than " + std::to_string(kMetricRowsMax) + " rows: ask for a shorter time");
  // Of nothing at all there is still a count.
  if (groups.empty() && query.dimensions.empty() && !query.interval_s &&
      metric.aggregations == kCountBit)
    groups[GroupKey()];
  return points_of(&groups, query);
}

}  // namespace slip::tracking
