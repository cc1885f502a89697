#include "wire/invocations/invocations.h"

#include "base/error_map.h"
#include "base/text.h"
#include "codec/json.h"
#include "serving/serving.h"
#include "wire/invocations/frame.h"

namespace slip::wire::invocations {
namespace {

using codec::Json;
using http::Reply;
using http::Request;

// MLflow's names for what can go wrong here.
std::string_view mlflow_code(Code code) {
  switch (code) {
    case Code::kInvalid:
      return "BAD_REQUEST";
    case Code::kNotFound:
      return "RESOURCE_DOES_NOT_EXIST";
    case Code::kUnavailable:
      return "TEMPORARILY_UNAVAILABLE";
    case Code::kExhausted:
      return "RESOURCE_EXHAUSTED";
    case Code::kForbidden:
      return "PERMISSION_DENIED";
    case Code::kUnauthorized:
      return "UNAUTHENTICATED";
    case Code::kUnsupported:
      return "NOT_IMPLEMENTED";
    case Code::kTimeout:
      return "DEADLINE_EXCEEDED";
    default:
      return "INTERNAL_ERROR";
  }
}

Reply render_error(const Error& error, const Ctx&) {
  Reply reply;
  reply.status = code_row(error.code).http_status;
  reply.body = codec::to_json(
      Json::object({{"error_code", mlflow_code(error.code)}, {"message", error.text}}));
  return reply;
}

Result<std::shared_ptr<const serving::Route>> find_route(const App& app, const Ctx& ctx,
                                                         const Request& request) {
  const std::shared_ptr<const serving::RoutingTable> table = app.serving.table().load();
  std::string name(request.header("x-slipway-deployment"));
  if (name.empty())
    if (const std::string* q = request.query_value("deployment")) name = *q;
  std::shared_ptr<const serving::Route> found;
  for (const auto& [key, route] : table->routes) {
    if (route->project != ctx.project.text || (!name.empty() && route->name != name)) continue;
    if (found)
      return invalid("invocations.which", "several models are served here")
          .with_hint("name one: X-Slipway-Deployment, or ?deployment=");
    found = route;
  }
  if (!found) return not_found("deployment.not_found", concat({"no deployment `", name, "`"}));
  return found;
}

Result<Input> parse_input(const Request& request) {
  const std::string_view type = request.header("content-type");
  const std::string kind = lower(trim(type.substr(0, type.find(';'))));
  if (kind == "application/json") return parse_json_input(request.body);
  if (kind == "text/csv") return parse_csv_input(request.body);
  if (kind == "application/vnd.apache.parquet") return parse_parquet_input(request.body);
  return unsupported("invocations.content_type",
                     "This predictor only supports the following content types: text/csv, "
                     "application/json, application/vnd.apache.parquet. Got '" +
                         kind + "'.");
}

Result<Reply> invoke(const App& app, const Ctx& ctx, Request& request) {
  const std::shared_ptr<const serving::Route> route = TRY(find_route(app, ctx, request));
  Result<Input> input = parse_input(request);
  if (!input.ok()) {
    if (input.error().code != Code::kUnsupported) return std::move(input).error();
    Reply refused = render_error(input.error(), ctx);
    refused.status = 415;
    return refused;
  }
  const serving::Arm& stable = route->arms.front();
  if (!stable.model)
    return unavailable("deployment.not_ready", "`" + route->name + "` is not ready");
  serving::Serving::Ask ask;
  ask.inputs = TRY(to_tensors(*input, stable.model->signature()));
  ask.client_ref = request.header("x-slipway-client-ref").substr(0, serving::kClientRefBytesMax);
  const serving::Prediction p = TRY(app.serving.predict(ctx, route, std::move(ask)));
  Json predictions = answers_an_array(p.platform)
                         ? TRY(to_array(p.outputs.front()))
                         : TRY(to_predictions(p.outputs, input->is_table, input->frame.rows));
  Reply reply;
  reply.body = codec::to_json(Json::object({{"predictions", std::move(predictions)}}));
  reply.headers = {{"x-slipway-prediction-id", p.id.text()},
                   {"x-slipway-model-version", std::to_string(p.model_version)}};
  return reply;
}

}  // namespace

std::vector<http::Route> routes(App& app) {
  http::Route post;
  post.method = http::Method::kPost;
  post.path = "/invocations";
  post.permission = {http::Right::kUse, "deployment"};
  post.audit = http::Audit::kCounted;
  post.body = http::memory(kBodyBytesMax);
  post.summary = "Predict: a table or tensors in, predictions out (MLflow scoring protocol).";
  post.render_error = render_error;
  post.blocking = [&app](const Ctx& ctx, Request& request) { return invoke(app, ctx, request); };
  post.needs = [&app](const Ctx& ctx, const Request& request) -> Result<std::vector<http::Need>> {
    const std::shared_ptr<const serving::Route> route = TRY(find_route(app, ctx, request));
    return http::one_need(http::Right::kUse, "deployment", route->uid);
  };
  http::Route ping;
  ping.method = http::Method::kGet;
  ping.path = "/ping";
  ping.permission = {http::Right::kPublic, ""};
  ping.audit = http::Audit::kNone;
  ping.summary = "Alive (SageMaker, MLflow).";
  ping.render_error = render_error;
  ping.blocking = [](const Ctx&, Request&) -> Result<Reply> {
    Reply reply;
    reply.content_type = "text/plain";
    reply.body = "\n";
    return reply;
  };
  std::vector<http::Route> out;
  out.push_back(std::move(post));
  out.push_back(std::move(ping));
  return out;
}

}  // namespace slip::wire::invocations
