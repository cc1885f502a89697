#include "wire/native/deployments.h"

#include "base/text.h"
#include "codec/json.h"
#include "serving/serving.h"
#include "wire/native/native.h"

namespace slip::wire::native {
namespace {

using codec::Json;
using http::Reply;
using http::Request;

Json arm_json(const serving::Arm& arm) {
  return Json::object(
      {{"role", role_name(arm.role)},
       {"version", arm.version},
       {"weight", arm.weight},
       {"ready", arm.model != nullptr},
       {"requests", arm.stats->requests.load(std::memory_order_relaxed)},
       {"errors", arm.stats->errors.load(std::memory_order_relaxed)},
       {"latency_us", Json::object({{"p50", arm.stats->latency.quantile_us(0.5)},
                                    {"p99", arm.stats->latency.quantile_us(0.99)}})}});
}

Json canary_json(const serving::Canary& c) {
  Json out = Json::object({{"version", c.version},
                           {"weight", c.weight},
                           {"state", c.state},
                           {"started_ms", c.started_ms}});
  if (c.ended_ms != 0) out.set("ended_ms", c.ended_ms);
  if (c.alpha > 0) out.set("guard", Json::object({{"kind", "label_errors"}, {"alpha", c.alpha}}));
  if (!c.verdict.is_null()) out.set("verdict", c.verdict);
  return out;
}

Result<Json> deployment_json(const DeploymentsApp& app, const Ctx& ctx,
                             const serving::Deployment& d) {
  const auto route = app.serving.table().load()->hold(d.project, d.name);
  Json out = Json::object({{"name", d.name},
                           {"uid", d.uid},
                           {"model", d.model},
                           {"target", d.target},
                           {"log_ack", ack_name(d.log_ack)},
                           {"stable_version", d.stable_version}});
  if (d.previous_version != 0) out.set("previous_version", d.previous_version);
  const bool current = route && route->uid == d.uid && route->revision == d.revision;
  const bool failed = current && !route->error.empty();
  const bool serves = current && !route->arms.empty() && route->arms.front().model;
  out.set("state", !current ? "LOADING" : failed && !serves ? "FAILED" : "READY");
  if (failed) out.set("error", route->error);  // Of what doesn't load; what serves goes on.
  Json arms = Json::array();
  if (route && route->uid == d.uid)
    for (const serving::Arm& arm : route->arms) arms.push(arm_json(arm));
  out.set("arms", std::move(arms));
  Json canary = d.canary ? canary_json(*d.canary) : Json();
  if (d.canary && d.canary->alpha > 0 && d.canary->verdict.is_null() && app.evidence)
    canary.set("verdict", TRY(app.evidence(ctx, d)));
  out.set("canary", std::move(canary));
  out.set("created_ms", d.created_ms);
  out.set("updated_ms", d.updated_ms);
  return out;
}

Result<Reply> answer(const DeploymentsApp& app, const Ctx& ctx, const serving::Deployment& d) {
  return json_reply(TRY(deployment_json(app, ctx, d)));
}

Result<serving::Ack> parse_ack(const std::string& text) {
  if (const std::optional<serving::Ack> ack = serving::parse_ack(text)) return *ack;
  return invalid("deployment.log_ack", "log_ack is one of kernel, disk, none");
}

// "version": 3, or "alias": "champion", or "stage": "Production"; exactly one.
Result<std::string> parse_target(const Json& body) {
  const Json* version = body.find("version");
  const bool has_version = version != nullptr && !version->is_null();
  const std::string alias = TRY(codec::string_or(body, "alias", ""));
  const std::string stage = TRY(codec::string_or(body, "stage", ""));
  if (int{has_version} + int{!alias.empty()} + int{!stage.empty()} != 1)
    return invalid("deployment.target", "name exactly one of `version`, `alias`, `stage`");
  if (!alias.empty()) return "@" + alias;
  if (!stage.empty()) return "stage:" + stage;
  return std::to_string(TRY(codec::want_int(body, "version")));
}

Result<Reply> put_deployment(const DeploymentsApp& app, const Ctx& ctx, const Request& request) {
  const Json body = TRY(body_object(request));
  serving::DeploySpec spec;
  spec.name = request.param("name");
  spec.model = TRY(codec::want_string(body, "model"));
  spec.target = TRY(parse_target(body));
  spec.log_ack = TRY(parse_ack(TRY(codec::string_or(body, "log_ack", "kernel"))));
  return answer(app, ctx, TRY(app.serving.deploy(ctx, spec)));
}

Result<Reply> start_canary(const DeploymentsApp& app, const Ctx& ctx, const Request& request) {
  const Json body = TRY(body_object(request));
  serving::Serving::CanarySpec spec;
  spec.version = TRY(codec::want_int(body, "version"));
  spec.weight = TRY(codec::double_or(body, "weight", spec.weight));
  if (const Json* guard = body.find("guard"); guard == nullptr || guard->is_null()) {
    spec.alpha = 0;
  } else {
    if (TRY(codec::want_string(*guard, "kind")) != "label_errors")
      return unsupported("canary.guard", "the guard that exists is `label_errors`");
    spec.alpha = TRY(codec::double_or(*guard, "alpha", spec.alpha));
  }
  return answer(app, ctx, TRY(app.serving.start_canary(ctx, request.param("name"), spec)));
}

Result<Reply> roll_back(const DeploymentsApp& app, const Ctx& ctx, const Request& request) {
  const Json body = TRY(body_object(request));
  const std::string reason = TRY(codec::string_or(body, "reason", ""));
  return answer(app, ctx, TRY(app.serving.roll_back(ctx, request.param("name"), reason)));
}

Result<Reply> list(const DeploymentsApp& app, const Ctx& ctx, const Request& request) {
  const Page page = TRY(page_of(request));
  const std::vector<serving::Deployment> found = TRY(app.serving.list(ctx, page.after, page.limit));
  std::vector<Json> items;
  for (const serving::Deployment& d : found) items.push_back(TRY(deployment_json(app, ctx, d)));
  const bool more = static_cast<int64_t>(found.size()) == page.limit;
  return json_reply(page_json(std::move(items), more ? found.back().name : std::string()));
}

using Needs = std::vector<http::Need>;

// A deployment that isn't there yet is the project's; with `model` in the body it shows that model.
Result<Needs> needs(const DeploymentsApp& app, const Ctx& ctx, http::Right right,
                    const Request& request) {
  const bool puts = request.method == http::Method::kPut;
  const Result<serving::Deployment> known = app.serving.find(ctx, request.param("name"));
  if (!known.ok() && (!puts || known.error().code != Code::kNotFound)) return known.error();
  Needs out = http::one_need(right, "deployment", known.ok() ? known->uid : "");
  if (!puts) return out;
  const std::string model = TRY(codec::want_string(TRY(body_object(request)), "model"));
  std::string uid = TRY(app.model_uid(ctx, model));
  out.push_back({.right = http::Right::kRead, .kind = "model_version", .uid = std::move(uid)});
  return out;
}

using Handle = Result<Reply> (*)(const DeploymentsApp&, const Ctx&, const Request&);

http::Route row(DeploymentsApp app, http::Method method, std::string_view path,
                std::string_view summary, Handle handle) {
  http::Route r;
  r.method = method;
  r.path = at(path);
  const bool reads = method == http::Method::kGet;
  r.permission = {reads ? http::Right::kRead : http::Right::kManage, "deployment"};
  if (method == http::Method::kPut) r.permission.on = http::On::kObjects;
  r.needs = [app, right = r.permission.right](const Ctx& ctx, const Request& request) {
    return needs(app, ctx, right, request);
  };
  r.audit = reads ? http::Audit::kNone : http::Audit::kEvent;
  r.summary = summary;
  if (method == http::Method::kPost || method == http::Method::kPut) r.body = http::memory();
  r.blocking = [app, handle](const Ctx& ctx, Request& request) {
    return handle(app, ctx, request);
  };
  return r;
}

}  // namespace

std::vector<http::Route> deployment_routes(DeploymentsApp app) {
  using enum http::Method;
  std::vector<http::Route> out;
  out.push_back(row(app, kGet, "/deployments", "Deployments of the project.", list));
  out.back().permission.on = http::On::kList;
  out.push_back(row(app, kGet, "/deployments/{name}", "One deployment and its live split.",
                    [](const DeploymentsApp& a, const Ctx& ctx, const Request& r) -> Result<Reply> {
                      return answer(a, ctx, TRY(a.serving.find(ctx, r.param("name"))));
                    }));
  out.push_back(row(app, kPut, "/deployments/{name}",
                    "Serve a version, or whatever an alias or a stage names.", put_deployment));
  out.push_back(row(app, kDelete, "/deployments/{name}", "Stop serving.",
                    [](const DeploymentsApp& a, const Ctx& ctx, const Request& r) -> Result<Reply> {
                      TRY(a.serving.remove(ctx, r.param("name")));
                      return json_reply(Json::object());
                    }));
  out.push_back(row(app, kPost, "/deployments/{name}/canary",
                    "Give a second version a part of the traffic.", start_canary));
  out.push_back(row(app, kPost, "/deployments/{name}/canary/promote",
                    "The canary takes all of the traffic.",
                    [](const DeploymentsApp& a, const Ctx& ctx, const Request& r) -> Result<Reply> {
                      return answer(a, ctx, TRY(a.serving.promote_canary(ctx, r.param("name"))));
                    }));
  out.push_back(row(app, kPost, "/deployments/{name}/rollback",
                    "Take the canary back, or return to the version before.", roll_back));
  return out;
}

}  // namespace slip::wire::native
