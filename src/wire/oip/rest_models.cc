#include <atomic>

#include "base/text.h"
#include "codec/json.h"
#include "wire/oip/control.h"
#include "wire/oip/repository.h"
#include "wire/oip/rest.h"

// Configuration, statistics and the model repository over REST.
namespace slip::wire::oip {
namespace {

using codec::Json;
using http::Reply;
using http::Request;

// ---- statistics

Json duration(int64_t count, int64_t ns) { return Json::object({{"count", count}, {"ns", ns}}); }

int64_t get(const std::atomic<int64_t>& value) { return value.load(std::memory_order_relaxed); }

Json inference_stats(const serving::ArmStats& s) {
  const int64_t ok = get(s.successes);
  return Json::object({{"success", duration(ok, get(s.busy_ns))},
                       {"fail", duration(get(s.errors), get(s.failed_ns))},
                       {"queue", duration(ok, get(s.queue_ns))},
                       {"compute_input", duration(ok, get(s.input_ns))},
                       {"compute_infer", duration(ok, get(s.infer_ns))},
                       {"compute_output", duration(ok, get(s.output_ns))},
                       {"cache_hit", duration(get(s.cache_hits), get(s.cache_hit_ns))},
                       {"cache_miss", duration(get(s.cache_misses), get(s.cache_miss_ns))}});
}

Json batch_stats(const serving::ArmStats& s) {
  Json out = Json::array();
  s.by_rows.with([&](const auto& sizes) {
    for (const auto& [rows, cost] : sizes)
      out.push(Json::object({{"batch_size", rows},
                             {"compute_input", duration(cost.runs, cost.input_ns)},
                             {"compute_infer", duration(cost.runs, cost.infer_ns)},
                             {"compute_output", duration(cost.runs, cost.output_ns)}}));
  });
  return out;
}

Json arm_stats(const serving::Route& route, const serving::Arm& arm) {
  const serving::ArmStats& s = *arm.stats;
  return Json::object({{"name", route.name},
                       {"version", std::to_string(arm.version)},
                       {"last_inference", get(s.last_ms)},
                       {"inference_count", get(s.rows)},
                       {"execution_count", get(s.executions)},
                       {"inference_stats", inference_stats(s)},
                       {"response_stats", Json::object()},
                       {"batch_stats", batch_stats(s)},
                       {"memory_usage", Json::array()}});
}

std::string_view param_or_none(const Request& request, std::string_view name) {
  for (const auto& [key, value] : request.params)
    if (key == name) return value;
  return {};
}

Result<Reply> statistics(App& app, const Ctx& ctx, const Request& request) {
  Json all = Json::array();
  TRY(for_each_arm(app, ctx, param_or_none(request, "model"), param_or_none(request, "version"),
                   [&](const serving::Route& route, const serving::Arm& arm) {
                     all.push(arm_stats(route, arm));
                   }));
  return json_reply(Json::object({{"model_stats", std::move(all)}}));
}

Result<Reply> config(App& app, const Ctx& ctx, const Request& request) {
  const Target target = TRY(target_of(app, ctx, request));
  Json body = TRY(codec::parse_json(TRY(config_of(target))->json()));
  body.set("name", target.route->name);  // A deployment's, where the model has another.
  return json_reply(body);
}

// ---- repository

Result<Reply> index(App& app, const Ctx& ctx, const Request& request) {
  Result<Json> body = body_object(request);
  const Json* ready = body.ok() ? body->find("ready") : nullptr;
  const bool nested = !body.ok() && body.error().reason == "json.depth";
  if (nested || (ready != nullptr && !ready->is_bool()))
    return invalid("repository.ready", "Invalid value for 'ready': expected a boolean");
  if (!body.ok()) return std::move(body).error();
  Json out = Json::array();
  for (const IndexRow& row : TRY(index_of(app, ctx, ready != nullptr && ready->as_bool()))) {
    Json entry = Json::object({{"name", row.name}});
    if (!row.version.empty()) entry.set("version", row.version);
    if (!row.state.empty()) entry.set("state", row.state);
    if (!row.reason.empty()) entry.set("reason", row.reason);
    out.push(std::move(entry));
  }
  return json_reply(out);
}

// The "parameters" of a request, or none. kInvalid `repository.parameter`.
Result<Json> parameters_in(const Request& request) {
  const Json body = TRY(body_object(request));
  const Json* parameters = body.find("parameters");
  if (parameters == nullptr || parameters->is_null()) return Json::object();
  if (!parameters->is_object())
    return invalid("repository.parameter", "Expected JSON object for keyword: 'parameters'");
  return *parameters;
}

Status take_parameter(const std::string& name, const Json& value,
                      serving::LocalModels::Parts* parts) {
  if (!value.is_string())
    return invalid("repository.parameter",
                   concat({"parameter '", name, "' of a load must be a text"}));
  if (name == "config") return take_load_parameter(name, value.as_string(), parts);
  std::optional<std::string> bytes = from_base64(value.as_string());
  if (!bytes)
    return invalid("repository.parameter", concat({"parameter '", name, "' is no Base64"}));
  return take_load_parameter(name, std::move(*bytes), parts);
}

Result<Reply> load(App& app, const Ctx& ctx, const Request& request) {
  const std::string& name = request.param("model");
  serving::LocalModels::Parts parts;
  const Json parameters = TRY(parameters_in(request));
  for (const auto& [key, value] : parameters.members()) TRY(take_parameter(key, value, &parts));
  TRY(load_model(app, ctx, name, parts));
  return json_reply(Json::object({{"name", name}, {"load", true}}));
}

Result<Reply> unload(App& app, const Ctx& ctx, const Request& request) {
  const std::string& name = request.param("model");
  const Json parameters = TRY(parameters_in(request));
  const Json* dependents = parameters.find("unload_dependents");
  if (dependents != nullptr && !dependents->is_bool())
    return invalid("repository.parameter", "Unable to parse 'unload_dependents': want a boolean");
  TRY(unload_model(app, ctx, name, dependents != nullptr && dependents->as_bool()));
  return json_reply(Json::object({{"name", name}, {"unload", true}}));
}

// ---- rows

using Answer = Result<Reply> (*)(App&, const Ctx&, const Request&);

http::Blocking bound(App& app, Answer answer) {
  return [&app, answer](const Ctx& ctx, Request& request) { return answer(app, ctx, request); };
}

void add_control(App& app, std::string path, Answer answer, std::string summary,
                 std::vector<http::Route>* out) {
  http::Route r =
      rest_post(std::move(path), http::Right::kManage, std::move(summary), bound(app, answer));
  r.body = http::memory(kInferBodyBytesMax);
  r.audit = http::Audit::kEvent;
  r.permission.on = http::On::kObject;
  r.needs = [&app](const Ctx& ctx, const Request& request) -> Result<std::vector<http::Need>> {
    return http::one_need(http::Right::kManage, "deployment",
                          uid_to_control(app, ctx, request.param("model")));
  };
  out->push_back(std::move(r));
}

}  // namespace

std::vector<http::Route> model_control_routes(App& app) {
  std::vector<http::Route> out;
  out.push_back(rest_get("/v2/models/stats", http::Right::kRead,
                         "What each served version has done.", bound(app, statistics)));
  for (const std::string_view base : kModelPaths) {
    out.push_back(rest_get(concat({base, "/stats"}), http::Right::kRead,
                           "What a served version has done.", bound(app, statistics)));
    guard(app, &out.back());
    out.push_back(rest_get(concat({base, "/config"}), http::Right::kRead,
                           "How a model is served, in Triton's words.", bound(app, config)));
    guard(app, &out.back());
  }
  // What a repository is called means nothing here: there is one list of models.
  for (const std::string base : {"/v2/repository", "/v2/repository/{repository}"}) {
    out.push_back(rest_post(base + "/index", http::Right::kRead,
                            "What is served and could be, and how.", bound(app, index)));
    add_control(app, base + "/models/{model}/load", load, "Loads a model, or again.", &out);
    add_control(app, base + "/models/{model}/unload", unload, "Unloads a model.", &out);
  }
  return out;
}

}  // namespace slip::wire::oip
