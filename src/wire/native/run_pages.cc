#include "wire/native/run_pages.h"

#include <algorithm>
#include <limits>
#include <map>
#include <utility>

#include "base/text.h"
#include "tracking/tracking.h"
#include "wire/native/native.h"
#include "wire/native/run_groups.h"
#include "wire/native/run_query.h"

namespace slip::wire::native {
namespace {

using codec::Json;
using tracking::CurveAxis;
using tracking::Run;
using tracking::RunStatus;
using tracking::Tag;

std::string_view status_name(RunStatus status) {
  switch (status) {
    case RunStatus::kRunning:
      return "RUNNING";
    case RunStatus::kScheduled:
      return "SCHEDULED";
    case RunStatus::kFinished:
      return "FINISHED";
    case RunStatus::kFailed:
      return "FAILED";
    case RunStatus::kKilled:
      break;
  }
  return "KILLED";
}

std::string_view lifecycle_name(tracking::Lifecycle lifecycle) {
  return lifecycle == tracking::Lifecycle::kActive ? "active" : "deleted";
}

Json pairs_json(const std::vector<Tag>& pairs) {
  Json out = Json::object();
  for (const Tag& p : pairs) out.set(p.key, p.value);
  return out;
}

Json head_json(const RunsApp& app, const Run& run) {
  Json out = Json::object({{"run_id", run.id},
                           {"name", run.name},
                           {"experiment_id", std::to_string(run.experiment_id)},
                           {"status", status_name(run.status)},
                           {"lifecycle", lifecycle_name(run.lifecycle)},
                           {"user_id", run.user_id},
                           {"author", app.auth.label(run.author)},
                           {"start_ms", run.start_ms},
                           {"end_ms", run.end_ms ? Json(*run.end_ms) : Json()}});
  out.set("params", pairs_json(run.params));
  out.set("tags", pairs_json(run.tags));
  return out;
}

Json row_json(const RunsApp& app, const Run& run) {
  Json out = head_json(app, run);
  Json metrics = Json::object();
  for (const tracking::Metric& m : run.metrics) metrics.set(m.key, m.value);
  out.set("metrics", std::move(metrics));
  return out;
}

Json whole_json(const RunsApp& app, const Run& run) {
  Json out = head_json(app, run);
  out.set("artifact_uri", run.artifact_uri);
  Json metrics = Json::array();
  for (const tracking::Metric& m : run.metrics)
    metrics.push(Json::object(
        {{"key", m.key}, {"value", m.value}, {"step", m.step}, {"timestamp_ms", m.timestamp_ms}}));
  Json inputs = Json::array();
  for (const tracking::DatasetInput& i : run.dataset_inputs)
    inputs.push(Json::object({{"name", i.dataset.name},
                              {"digest", i.dataset.digest},
                              {"source_type", i.dataset.source_type},
                              {"tags", pairs_json(i.tags)}}));
  Json models = Json::array();
  for (const tracking::ModelOutput& o : run.model_outputs)
    models.push(Json::object({{"model_id", o.model_id}, {"step", o.step}}));
  out.set("metrics", std::move(metrics));
  out.set("inputs", std::move(inputs));
  out.set("model_outputs", std::move(models));
  return out;
}

Result<http::Reply> search(const RunsApp& app, const Ctx& ctx, http::Request& request) {
  const Json body = TRY(body_object(request));
  const tracking::RunQuery query = TRY(run_query(body));
  tracking::TableColumns columns;
  columns.metrics = TRY(texts(body, "metrics"));
  columns.params = TRY(texts(body, "params"));
  columns.tags = TRY(texts(body, "tags"));
  columns.family = TRY(codec::bool_or(body, "nested", false));
  const bool counted = TRY(codec::bool_or(body, "count", false));
  const auto page = TRY(app.tracking.run_table.rows(ctx, query, columns));
  Json items = Json::array();
  for (const Run& run : page.items) {
    Json row = row_json(app, run);
    if (columns.family) row.set("has_children", std::ranges::count(page.with_children, run.id) > 0);
    items.push(std::move(row));
  }
  Json out = Json::object();
  out.set("items", std::move(items));
  if (!page.next_page_token.empty()) out.set("next_page_token", page.next_page_token);
  if (counted) out.set("total", TRY(app.tracking.run_table.count(ctx, query)));
  return json_reply(out);
}

Json keys_json(const std::vector<tracking::TableKey>& keys) {
  Json out = Json::array();
  for (const tracking::TableKey& k : keys)
    out.push(Json::object({{"key", k.key}, {"runs", k.runs}, {"differs", k.differs}}));
  return out;
}

Result<http::Reply> columns(const RunsApp& app, const Ctx& ctx, http::Request& request) {
  const Json body = TRY(body_object(request));
  const tracking::TableKeys keys = TRY(app.tracking.run_table.keys(ctx, TRY(run_query(body))));
  return json_reply(Json::object({{"runs", keys.runs},
                                  {"whole", keys.whole},
                                  {"metrics", keys_json(keys.metrics)},
                                  {"params", keys_json(keys.params)},
                                  {"tags", keys_json(keys.tags)}}));
}

Result<http::Reply> one(const RunsApp& app, const Ctx& ctx, http::Request& request) {
  return json_reply(whole_json(app, TRY(app.tracking.runs.get(ctx, request.param("run_id")))));
}

// Columns of numbers, so that a thousand buckets stay small and need no names.
Json curve_json(const tracking::ThinCurve& curve) {
  Json x_first = Json::array();
  Json x_last = Json::array();
  Json n = Json::array();
  Json first = Json::array();
  Json low = Json::array();
  Json high = Json::array();
  Json last = Json::array();
  Json marks = Json::array();
  int64_t points = 0;
  for (const tracking::Bucket& b : curve.buckets) {
    const auto value = [&](const tracking::CurvePoint& p) {
      return b.finite ? Json(p.value) : Json();
    };
    points += b.finite + b.nan + b.above + b.below;
    x_first.push(b.x_first);
    x_last.push(b.x_last);
    n.push(b.finite);
    first.push(value(b.first));
    low.push(value(b.low));
    high.push(value(b.high));
    last.push(value(b.last));
    if (b.nan + b.above + b.below == 0) continue;
    marks.push(
        Json::object({{"x", b.x_first}, {"nan", b.nan}, {"above", b.above}, {"below", b.below}}));
  }
  Json out = Json::object({{"run_id", curve.run_id}, {"key", curve.key}, {"points", points}});
  if (curve.whole) {
    out.set("x_min", curve.whole->first);
    out.set("x_max", curve.whole->second);
  }
  out.set("x_first", std::move(x_first));
  out.set("x_last", std::move(x_last));
  out.set("n", std::move(n));
  out.set("first", std::move(first));
  out.set("min", std::move(low));
  out.set("max", std::move(high));
  out.set("last", std::move(last));
  out.set("marks", std::move(marks));
  return out;
}

Result<CurveAxis> axis_of(std::string_view text) {
  if (text.empty() || text == "step") return CurveAxis::kStep;
  if (text == "time") return CurveAxis::kTime;
  return invalid("request.query", "x is step or time");
}

std::optional<std::pair<int64_t, int64_t>> part_of(std::optional<int64_t> from,
                                                   std::optional<int64_t> to) {
  if (!from && !to) return std::nullopt;
  return std::pair(from.value_or(std::numeric_limits<int64_t>::min()),
                   to.value_or(std::numeric_limits<int64_t>::max()));
}

Result<http::Reply> curve(const RunsApp& app, const Ctx& ctx, http::Request& request) {
  tracking::CurveQuery query;
  query.run_ids = {request.param("run_id")};
  query.keys = {request.param("key")};
  query.axis = TRY(axis_of(query_text(request, "x")));
  query.points = TRY(query_int(request, "points")).value_or(tracking::kCurvePointsDefault);
  const std::optional<int64_t> from = TRY(query_int(request, "from"));
  query.part = part_of(from, TRY(query_int(request, "to")));
  const auto found = TRY(app.tracking.curves.read(ctx, query));
  return json_reply(curve_json(found.front()));
}

Result<std::optional<int64_t>> int_if(const Json& body, std::string_view key) {
  if (body.find(key) == nullptr) return std::optional<int64_t>();
  return std::optional<int64_t>(TRY(codec::want_int(body, key)));
}

Result<http::Reply> curves(const RunsApp& app, const Ctx& ctx, http::Request& request) {
  const Json body = TRY(body_object(request));
  tracking::CurveQuery query;
  query.run_ids = TRY(texts(body, "run_ids"));
  query.keys = TRY(texts(body, "keys"));
  query.axis = TRY(axis_of(TRY(codec::string_or(body, "x", "step"))));
  query.points = TRY(codec::int_or(body, "points", tracking::kCurvePointsDefault));
  const std::optional<int64_t> from = TRY(int_if(body, "from"));
  query.part = part_of(from, TRY(int_if(body, "to")));
  query.part_from_first = TRY(codec::bool_or(body, "relative", false));
  Json items = Json::array();
  for (const tracking::ThinCurve& c : TRY(app.tracking.curves.read(ctx, query)))
    items.push(curve_json(c));
  return json_reply(Json::object({{"items", std::move(items)}}));
}

Json experiment_json(const tracking::Experiment& e, const tracking::ExperimentUse& use) {
  return Json::object({{"experiment_id", std::to_string(e.id)},
                       {"name", e.name},
                       {"lifecycle", lifecycle_name(e.lifecycle)},
                       {"created_ms", e.created_ms},
                       {"updated_ms", e.updated_ms},
                       {"tags", pairs_json(e.tags)},
                       {"runs", use.runs},
                       {"running", use.running},
                       {"last_start_ms", use.runs > 0 ? Json(use.last_start_ms) : Json()}});
}

Result<std::vector<Json>> with_use(const RunsApp& app, const Ctx& ctx,
                                   const std::vector<tracking::Experiment>& experiments) {
  std::vector<int64_t> ids;
  for (const tracking::Experiment& e : experiments) ids.push_back(e.id);
  std::map<int64_t, tracking::ExperimentUse> use;
  for (const tracking::ExperimentUse& u : TRY(app.tracking.run_table.use_of(ctx, ids)))
    use[u.experiment_id] = u;
  std::vector<Json> out;
  for (const tracking::Experiment& e : experiments) out.push_back(experiment_json(e, use[e.id]));
  return out;
}

Result<http::Reply> experiments(const RunsApp& app, const Ctx& ctx, http::Request& request) {
  const Page page = TRY(page_of(request));
  TRY(app.tracking.experiments.ready(ctx));
  tracking::ExperimentQuery query;
  query.max_results = page.limit;
  query.page_token = page.after;
  query.filter = query_text(request, "filter");
  const auto found = TRY(app.tracking.experiments.search(ctx, query));
  return json_reply(page_json(TRY(with_use(app, ctx, found.items)), found.next_page_token));
}

Result<http::Reply> experiment(const RunsApp& app, const Ctx& ctx, http::Request& request) {
  const int64_t id = TRY(param_int(request, "experiment_id"));
  const std::vector<tracking::Experiment> found(1, TRY(app.tracking.experiments.get(ctx, id)));
  return json_reply(TRY(with_use(app, ctx, found)).front());
}

using Needs = std::vector<http::Need>;

Result<http::Need> run_need(const RunsApp& app, const Ctx& ctx, const std::string& run_id) {
  const int64_t id = TRY(app.tracking.runs.experiment_of(ctx, run_id));
  return http::Need{.right = http::Right::kRead, .kind = "run", .uid = std::to_string(id)};
}

Result<Needs> needs_of_run(const RunsApp& app, const Ctx& ctx, const http::Request& request) {
  Needs out;
  out.push_back(TRY(run_need(app, ctx, request.param("run_id"))));
  return out;
}

Result<Needs> needs_of_runs(const RunsApp& app, const Ctx& ctx, const http::Request& request) {
  const Json body = TRY(body_object(request));
  const std::vector<std::string> run_ids = TRY(texts(body, "run_ids"));
  if (run_ids.empty() || run_ids.size() > tracking::kCurvesMax)
    return invalid("curves.limit",
                   concat({"run_ids names 1 to ", std::to_string(tracking::kCurvesMax), " runs"}));
  Needs out;
  for (const std::string& id : run_ids) out.push_back(TRY(run_need(app, ctx, id)));
  return out;
}

Result<Needs> needs_of_experiment(const RunsApp& app, const Ctx& ctx,
                                  const http::Request& request) {
  const int64_t id = TRY(param_int(request, "experiment_id"));
  TRY(app.tracking.experiments.get(ctx, id));
  return http::one_need(http::Right::kRead, "run", std::to_string(id));
}

using Handler = Result<http::Reply> (*)(const RunsApp&, const Ctx&, http::Request&);
using FindNeeds = Result<Needs> (*)(const RunsApp&, const Ctx&, const http::Request&);

struct Row {
  http::Method method;
  std::string_view path;
  Handler handler;
  FindNeeds needs;  // Null: a list, whose query leaves out what the caller may not read.
  std::string_view summary;
};

constexpr Row kRows[] = {
    {http::Method::kGet, "/experiments", experiments, nullptr,
     "Experiments with how many runs they have, the latest first; ?filter= in MLflow's grammar."},
    {http::Method::kGet, "/experiments/{experiment_id}", experiment, needs_of_experiment,
     "One experiment."},
    {http::Method::kPost, "/runs/search", search, nullptr,
     "A page of runs with chosen columns: experiment_ids, filter and order_by in MLflow's grammar,"
     " metrics, params, tags, limit, page_token, count; group (by, id), parent_id, nested."},
    {http::Method::kPost, "/runs/groups", run_groups, nullptr,
     "Runs in groups by a param, tag, attribute or stretches of a metric (by, buckets), with count,"
     " least, mean and greatest of metrics: experiment_ids, filter, order, limit, page_token."},
    {http::Method::kPost, "/runs/columns", columns, nullptr,
     "The keys that the first thousand runs of a search have, and in which of them they differ."},
    {http::Method::kGet, "/runs/{run_id}", one, needs_of_run, "One run, all that it logged."},
    {http::Method::kGet, "/runs/{run_id}/metrics/{key}/curve", curve, needs_of_run,
     "A metric's curve as first, min, max and last of at most ?points= stretches of ?x=step|time,"
     " ?from=, ?to=; NaN and the infinities as marks."},
    {http::Method::kPost, "/curves", curves, needs_of_runs,
     "Curves of run_ids times keys: points, x, from, to as for one curve; with relative, from and "
     "to"
     " count from each curve's own first x."},
};

http::Route route_of(const RunsApp& app, const Row& row) {
  http::Route r;
  r.method = row.method;
  r.path = at(row.path);
  const http::On many = row.handler == curves ? http::On::kObjects : http::On::kObject;
  r.permission = {http::Right::kRead, "run", row.needs ? many : http::On::kList};
  r.audit = http::Audit::kNone;
  if (row.method == http::Method::kPost) r.body = http::memory();
  r.summary = row.summary;
  r.blocking = [app, handler = row.handler](const Ctx& ctx, http::Request& request) {
    return handler(app, ctx, request);
  };
  if (row.needs)
    r.needs = [app, needs = row.needs](const Ctx& ctx, const http::Request& request) {
      return needs(app, ctx, request);
    };
  return r;
}

}  // namespace

std::vector<http::Route> run_page_routes(RunsApp app) {
  std::vector<http::Route> out;
  for (const Row& row : kRows) out.push_back(route_of(app, row));
  return out;
}

}  // namespace slip::wire::native
