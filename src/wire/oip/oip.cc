#include "wire/oip/oip.h"

#include <memory>

#include "base/error_map.h"
#include "base/text.h"
#include "codec/json.h"
#include "serving/serving.h"
#include "sys/executor.h"
#include "wire/oip/calls.h"
#include "wire/oip/infer_json.h"
#include "wire/oip/turn.h"

namespace slip::wire::oip {
namespace {

using codec::Json;
using http::Reply;
using http::Request;

Reply json_reply(const Json& body, int status = 200) {
  Reply reply;
  reply.status = status;
  reply.body = codec::to_json(body);
  return reply;
}

std::optional<std::string_view> version_in(const Request& request, bool versioned) {
  if (!versioned) return std::nullopt;
  return request.param("version");
}

Result<Target> target_of(const App& app, const Ctx& ctx, const Request& request, bool versioned) {
  return find_target(app, ctx, request.param("model"), version_in(request, versioned));
}

Reply server_metadata(const App& app) {
  return json_reply(Json::object(
      {{"name", app.server_name}, {"version", app.server_version}, {"extensions", Json::array()}}));
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

// An answer that may leave once the log has taken its record.
struct Made {
  Reply reply;
  std::string record;
};

Result<Made> infer(const App& app, const Ctx& ctx, const Target& target, InferRequest request,
                   std::string client_ref) {
  const std::string asked_id = request.id;
  serving::Serving::Unlogged p =
      TRY(run_infer(app, ctx, target, std::move(request), std::move(client_ref)));
  std::string id = p.prediction.id.text();
  std::string version = std::to_string(p.prediction.model_version);
  Made made;
  made.record = std::move(p.record);
  Reply& reply = made.reply;
  reply.body = TRY(format_infer({.model_name = target.route->name,
                                 .model_version = version,
                                 .id = asked_id.empty() ? std::string_view(id) : asked_id,
                                 .prediction_id = id},
                                p.prediction.outputs));
  reply.headers.reserve(2);
  reply.headers.emplace_back(kPredictionIdHeader, std::move(id));
  reply.headers.emplace_back(kModelVersionHeader, std::move(version));
  return made;
}

void answer(const Ctx& ctx, Result<Reply> result, http::Responder respond) {
  std::move(respond)(result.ok() ? std::move(result).value() : render_error(result.error(), ctx));
}

// What a pool thread needs once the request itself is gone. Shared: std::function must copy.
struct Pending {
  Ctx ctx;
  Target target;
  std::string body;
  std::string client_ref;
  http::Responder respond;
};

Result<Made> parse_and_infer(const App& app, const Ctx& ctx, const Target& target,
                             std::string_view body, std::string client_ref) {
  return infer(app, ctx, target, TRY(parse_infer(body)), std::move(client_ref));
}

Result<Reply> infer_and_log(const App& app, Pending& pending) {
  Made made = TRY(parse_and_infer(app, pending.ctx, pending.target, pending.body,
                                  std::move(pending.client_ref)));
  const std::string_view record = made.record;
  TRY(app.serving.log(std::span(&record, 1), pending.target.route->log_ack));
  return std::move(made.reply);
}

void handle_infer(const App& app, const Ctx& ctx, Request& request, http::Responder respond,
                  bool versioned) {
  Result<Target> target = target_of(app, ctx, request, versioned);
  if (!target.ok()) return answer(ctx, target.error(), std::move(respond));
  std::string client_ref(request.header(kClientRefHeader));
  if (const Status fits = check_client_ref(client_ref); !fits.ok())
    return answer(ctx, fits.error(), std::move(respond));
  if (!belongs_on_pool(*target)) {
    Result<Made> made = parse_and_infer(app, ctx, *target, request.body, std::move(client_ref));
    if (!made.ok()) return answer(ctx, made.error(), std::move(respond));
    return answer_when_logged(
        app.serving, target->route->log_ack,
        {std::move(made->record), RestAnswer{&ctx, std::move(respond), std::move(made->reply)}});
  }
  auto pending =
      std::make_shared<Pending>(Pending{ctx, std::move(target).value(), std::move(request.body),
                                        std::move(client_ref), std::move(respond)});
  const Status queued = app.pool.submit([&app, pending] {
    if (pending->respond.cancelled()) return;  // The client has gone; nobody wants the answer.
    answer(pending->ctx, infer_and_log(app, *pending), std::move(pending->respond));
  });
  if (!queued.ok()) answer(ctx, queued.error(), std::move(pending->respond));
}

http::Route row(http::Method method, std::string path, http::Right right, std::string summary) {
  http::Route r;
  r.method = method;
  r.path = std::move(path);
  r.permission = {right, "deployment", http::On::kList};
  r.audit = http::Audit::kNone;
  r.summary = std::move(summary);
  r.render_error = render_error;
  return r;
}

http::Route get(std::string path, http::Right right, std::string summary, http::Blocking handle) {
  http::Route r = row(http::Method::kGet, std::move(path), right, std::move(summary));
  r.blocking = std::move(handle);
  return r;
}

// From memory: also on an I/O thread.
void guard(const App& app, http::Route* r) {
  r->permission.on = http::On::kObject;
  r->needs = [&app, right = r->permission.right](
                 const Ctx& ctx, const Request& request) -> Result<std::vector<http::Need>> {
    const auto route = TRY(find_route(app, ctx, request.param("model")));
    return http::one_need(right, "deployment", route->uid);
  };
}

void add_model_routes(App& app, bool versioned, std::vector<http::Route>* out) {
  const std::string base =
      versioned ? "/v2/models/{model}/versions/{version}" : "/v2/models/{model}";
  out->push_back(get(base, http::Right::kRead, "Inputs and outputs of a served model.",
                     [&app, versioned](const Ctx& ctx, Request& request) -> Result<Reply> {
                       return model_metadata(TRY(target_of(app, ctx, request, versioned)));
                     }));
  guard(app, &out->back());
  out->push_back(get(base + "/ready", http::Right::kRead, "Whether a model answers.",
                     [&app, versioned](const Ctx& ctx, Request& request) -> Result<Reply> {
                       return model_ready(TRY(target_of(app, ctx, request, versioned)));
                     }));
  guard(app, &out->back());
  http::Route infer_row = row(http::Method::kPost, base + "/infer", http::Right::kUse,
                              "Predict: tensors in, tensors out.");
  infer_row.audit = http::Audit::kCounted;
  infer_row.body = http::memory(kInferBodyBytesMax);
  infer_row.inline_ = [&app, versioned](const Ctx& ctx, Request& request, http::Responder respond) {
    handle_infer(app, ctx, request, std::move(respond), versioned);
  };
  guard(app, &infer_row);
  out->push_back(std::move(infer_row));
}

}  // namespace

Reply render_error(const Error& error, const Ctx&) {
  const CodeRow& code = code_row(error.code);
  Reply reply = json_reply(Json::object({{"error", error.text}}), code.http_status);
  if (code.retryable) reply.headers.emplace_back("retry-after", "1");
  return reply;
}

std::vector<http::Route> routes(App& app) {
  std::vector<http::Route> out;
  out.push_back(
      get("/v2", http::Right::kRead, "What this server is.",
          [&app](const Ctx&, Request&) -> Result<Reply> { return server_metadata(app); }));
  out.push_back(get("/v2/health/live", http::Right::kPublic, "Alive.",
                    [](const Ctx&, Request&) -> Result<Reply> {
                      return json_reply(Json::object({{"live", true}}));
                    }));
  out.push_back(get("/v2/health/ready", http::Right::kPublic, "Every stable model is loaded.",
                    [&app](const Ctx&, Request&) -> Result<Reply> { return health(app); }));
  out.push_back(
      get("/v2/models", http::Right::kRead, "Names of what is served.",
          [&app](const Ctx& ctx, Request&) -> Result<Reply> { return model_list(app, ctx); }));
  add_model_routes(app, false, &out);
  add_model_routes(app, true, &out);
  return out;
}

}  // namespace slip::wire::oip
