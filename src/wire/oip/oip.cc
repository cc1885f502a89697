#include "wire/oip/oip.h"

#include "base/error_map.h"
#include "base/text.h"
#include "codec/json.h"
#include "serving/serving.h"
#include "wire/oip/rest.h"

namespace slip::wire::oip {
namespace {

using codec::Json;
using http::Reply;
using http::Request;

Reply server_metadata(const App& app) {
  Json names = Json::array();
  for (const std::string_view name : extensions(app)) names.push(name);
  return json_reply(Json::object({{"name", app.server_name},
                                  {"version", app.server_version},
                                  {"extensions", std::move(names)}}));
}

Reply health(const App& app) {
  const bool ready = all_ready(app);
  return json_reply(Json::object({{"live", true}, {"ready", ready}}), ready ? 200 : 503);
}

Result<Reply> model_list(const App& app, const Ctx& ctx) {
  Json names = Json::array();
  TRY(for_each_served(app, ctx, [&](const serving::Route& route) { names.push(route.name); }));
  return json_reply(Json::object({{"models", names}}));
}

Json specs(const std::vector<serving::TensorSpec>& tensors) {
  Json out = Json::array();
  for (const serving::TensorSpec& t : tensors) {
    Json shape = Json::array();
    for (const int64_t d : t.shape) shape.push(d);
    out.push(Json::object(
        {{"name", t.name}, {"datatype", serving::data_type_name(t.type)}, {"shape", shape}}));
  }
  return out;
}

Result<Reply> model_metadata(const Target& target) {
  if (!target.arm->model)
    return unavailable("deployment.not_ready", "not ready: " + target.route->error);
  Json versions = Json::array();
  for (const serving::Arm& arm : target.route->arms) versions.push(std::to_string(arm.version));
  const serving::Signature& signature = target.arm->model->signature();
  return json_reply(Json::object({{"name", target.route->name},
                                  {"versions", versions},
                                  {"platform", signature.platform},
                                  {"inputs", specs(signature.inputs)},
                                  {"outputs", specs(signature.outputs)}}));
}

Reply model_ready(const Target& target) {
  const bool ready = target.arm->model != nullptr;
  return json_reply(Json::object({{"name", target.route->name}, {"ready", ready}}),
                    ready ? 200 : 503);
}

void add_model_routes(App& app, const std::string& base, std::vector<http::Route>* out) {
  out->push_back(rest_get(base, http::Right::kRead, "Inputs and outputs of a served model.",
                          [&app](const Ctx& ctx, Request& request) -> Result<Reply> {
                            return model_metadata(TRY(target_of(app, ctx, request)));
                          }));
  guard(app, &out->back());
  out->push_back(rest_get(base + "/ready", http::Right::kRead, "Whether a model answers.",
                          [&app](const Ctx& ctx, Request& request) -> Result<Reply> {
                            return model_ready(TRY(target_of(app, ctx, request)));
                          }));
  guard(app, &out->back());
}

void append(std::vector<http::Route> rows, std::vector<http::Route>* out) {
  for (http::Route& r : rows) out->push_back(std::move(r));
}

}  // namespace

Reply json_reply(const Json& body, int status) {
  Reply reply;
  reply.status = status;
  reply.body = codec::to_json(body);
  return reply;
}

http::Route rest_row(http::Method method, std::string path, http::Right right,
                     std::string summary) {
  http::Route r;
  r.method = method;
  r.path = std::move(path);
  r.permission = {right, "deployment", http::On::kList};
  r.audit = http::Audit::kNone;
  r.summary = std::move(summary);
  r.render_error = render_error;
  r.compresses = false;  // Triton's asyncio client unpacks answers of infer alone.
  return r;
}

http::Route rest_get(std::string path, http::Right right, std::string summary,
                     http::Blocking handle) {
  http::Route r = rest_row(http::Method::kGet, std::move(path), right, std::move(summary));
  r.blocking = std::move(handle);
  return r;
}

http::Route rest_post(std::string path, http::Right right, std::string summary,
                      http::Blocking handle) {
  http::Route r = rest_row(http::Method::kPost, std::move(path), right, std::move(summary));
  r.body = http::memory();
  r.blocking = std::move(handle);
  return r;
}

void guard(const App& app, http::Route* r) {
  r->permission.on = http::On::kObject;
  r->needs = [&app, right = r->permission.right](
                 const Ctx& ctx, const Request& request) -> Result<std::vector<http::Need>> {
    const auto route = TRY(find_route(app, ctx, request.param("model")));
    return http::one_need(right, "deployment", route->uid);
  };
}

Result<Target> target_of(const App& app, const Ctx& ctx, const Request& request) {
  std::optional<std::string_view> version;
  for (const auto& [name, value] : request.params)
    if (name == "version") version = value;
  return find_target(app, ctx, request.param("model"), version);
}

Result<Json> body_object(const Request& request) {
  if (trim(request.body).empty()) return Json::object();
  Json body = TRY(codec::parse_json(request.body));
  if (!body.is_object()) return invalid("oip.body", "the body must be a JSON object");
  return body;
}

Reply render_error(const Error& error, const Ctx&) {
  const CodeRow& code = code_row(error.code);
  Reply reply = json_reply(Json::object({{"error", error.text}}), code.http_status);
  if (code.retryable) reply.headers.emplace_back("retry-after", "1");
  return reply;
}

std::vector<http::Route> routes(App& app) {
  std::vector<http::Route> out;
  for (const char* path : {"/v2", "/v2/"})
    out.push_back(
        rest_get(path, http::Right::kRead, "What this server is, and which extensions it has.",
                 [&app](const Ctx&, Request&) -> Result<Reply> { return server_metadata(app); }));
  out.push_back(rest_get("/v2/health/live", http::Right::kPublic, "Alive.",
                         [](const Ctx&, Request&) -> Result<Reply> {
                           return json_reply(Json::object({{"live", true}}));
                         }));
  out.push_back(rest_get("/v2/health/ready", http::Right::kPublic, "Every stable model is loaded.",
                         [&app](const Ctx&, Request&) -> Result<Reply> { return health(app); }));
  out.push_back(
      rest_get("/v2/models", http::Right::kRead, "Names of what is served.",
               [&app](const Ctx& ctx, Request&) -> Result<Reply> { return model_list(app, ctx); }));
  for (const std::string_view base : kModelPaths) add_model_routes(app, std::string(base), &out);
  append(infer_routes(app), &out);
  append(generate_routes(app), &out);
  append(model_control_routes(app), &out);
  append(setting_routes(app), &out);
  append(region_routes(app), &out);
  return out;
}

}  // namespace slip::wire::oip
