#include "wire/native/runs.h"

#include <utility>

#include "base/text.h"
#include "tracking/tracking.h"
#include "wire/native/native.h"

namespace slip::wire::native {
namespace {

using codec::Json;
using tracking::Reproduction;

Json maybe_number(const std::optional<double>& value) { return value ? Json(*value) : Json(); }

Json reproduction_json(const RunsApp& app, const Reproduction& r) {
  Json outputs = Json::array();
  for (const tracking::OutputPair& o : r.outputs)
    outputs.push(
        Json::object({{"path", o.path}, {"was", o.was}, {"now", o.now}, {"same", o.same()}}));
  Json metrics = Json::array();
  for (const tracking::MetricPair& m : r.metrics)
    metrics.push(Json::object({{"key", m.key},
                               {"was", maybe_number(m.was)},
                               {"now", maybe_number(m.now)},
                               {"same", m.same}}));
  return Json::object({{"uid", r.uid},
                       {"run_id", r.run_id},
                       {"again_run_id", r.again_run_id},
                       {"verdict", tracking::verdict_name(r.verdict)},
                       {"same_status", r.same_status},
                       {"environment", r.environment},
                       {"outputs", std::move(outputs)},
                       {"metrics", std::move(metrics)},
                       {"actor", app.auth.label(r.actor)},
                       {"created_ms", r.created_ms}});
}

Result<std::vector<tracking::OutputPair>> read_outputs(const Json& body) {
  std::vector<tracking::OutputPair> out;
  const Json* items = body.find("outputs");
  if (items == nullptr) return out;
  if (!items->is_array()) return invalid("request.wrong_type", "outputs must be a list");
  for (const Json& item : items->items()) {
    tracking::OutputPair& pair = out.emplace_back();
    pair.path = TRY(codec::want_string(item, "path"));
    pair.was = TRY(codec::string_or(item, "was", ""));
    pair.now = TRY(codec::string_or(item, "now", ""));
  }
  return out;
}

Result<std::vector<std::string>> read_texts(const Json& body, std::string_view key) {
  std::vector<std::string> out;
  const Json* items = body.find(key);
  if (items == nullptr) return out;
  if (!items->is_array()) return invalid("request.wrong_type", concat({key, " must be a list"}));
  for (const Json& item : items->items()) {
    if (!item.is_string())
      return invalid("request.wrong_type", concat({key, " must be a list of strings"}));
    out.push_back(item.as_string());
  }
  return out;
}

Result<http::Reply> add(const RunsApp& app, const Ctx& ctx, http::Request& request) {
  const Json body = TRY(body_object(request));
  tracking::Evidence evidence;
  evidence.again_run_id = TRY(codec::want_string(body, "again_run_id"));
  evidence.environment = TRY(codec::string_or(body, "environment", ""));
  evidence.outputs = TRY(read_outputs(body));
  evidence.ignored_metrics = TRY(read_texts(body, "ignored_metrics"));
  return json_reply(reproduction_json(
      app, TRY(app.tracking.reproductions.add(ctx, request.param("run_id"), evidence))));
}

Result<http::Reply> list(const RunsApp& app, const Ctx& ctx, http::Request& request) {
  const Page page = TRY(page_of(request));
  std::vector<Json> items;
  std::string last;
  for (const Reproduction& r :
       TRY(app.tracking.reproductions.list(ctx, request.param("run_id"), page.after, page.limit))) {
    items.push_back(reproduction_json(app, r));
    last = r.uid;
  }
  const bool full = static_cast<int64_t>(items.size()) == page.limit;
  return json_reply(page_json(std::move(items), full ? last : ""));
}

using Handler = Result<http::Reply> (*)(const RunsApp&, const Ctx&, http::Request&);

// The run of the path; adding also reads the run that the body names.
Result<std::vector<http::Need>> needs(const RunsApp& app, const Ctx& ctx, http::Right right,
                                      const http::Request& request) {
  const auto of = [&](http::Right r, const std::string& run_id) -> Result<http::Need> {
    const int64_t experiment = TRY(app.tracking.runs.experiment_of(ctx, run_id));
    return http::Need{.right = r, .kind = "run", .uid = std::to_string(experiment)};
  };
  std::vector<http::Need> out;
  out.push_back(TRY(of(right, request.param("run_id"))));
  if (right == http::Right::kRead) return out;
  const Json body = TRY(body_object(request));
  out.push_back(TRY(of(http::Right::kRead, TRY(codec::want_string(body, "again_run_id")))));
  return out;
}

http::Route row(const RunsApp& app, http::Method method, Handler handler) {
  http::Route r;
  const bool reads = method == http::Method::kGet;
  const http::Right right = reads ? http::Right::kRead : http::Right::kEdit;
  r.method = method;
  r.path = at("/runs/{run_id}/reproductions");
  r.permission = {right, "run", http::On::kObjects};
  r.audit = reads ? http::Audit::kNone : http::Audit::kEvent;
  if (!reads) r.body = http::memory();
  r.blocking = [app, handler](const Ctx& ctx, http::Request& request) {
    return handler(app, ctx, request);
  };
  r.needs = [app, right](const Ctx& ctx, const http::Request& request) {
    return needs(app, ctx, right, request);
  };
  return r;
}

}  // namespace

std::vector<http::Route> runs_routes(RunsApp app) {
  std::vector<http::Route> out;
  out.push_back(row(app, http::Method::kGet, list));
  out.back().summary = "Reproductions of a run, oldest first.";
  out.push_back(row(app, http::Method::kPost, add));
  out.back().summary =
      "Judge a run that was done again: again_run_id, environment, outputs of {path, was, now}"
      " (SHA-256), ignored_metrics. The same pair again answers what was found.";
  return out;
}

}  // namespace slip::wire::native
