#include "wire/kserve1/kserve1.h"

#include <memory>

#include "base/error_map.h"
#include "base/text.h"
#include "codec/json.h"
#include "serving/serving.h"
#include "wire/kserve1/cloud_event.h"
#include "wire/kserve1/values.h"

namespace slip::wire::kserve1 {
namespace {

using codec::Json;
using http::Reply;
using http::Request;

Reply render_error(const Error& error, const Ctx&) {
  Reply reply;
  reply.status = code_row(error.code).http_status;
  reply.body = codec::to_json(Json::object({{"error", error.text}}));
  return reply;
}

Reply json_reply(const Json& body, int status = 200) {
  Reply reply;
  reply.status = status;
  reply.body = codec::to_json(body);
  return reply;
}

// ---- which model

struct Target {
  std::shared_ptr<const serving::Route> route;
  const serving::Arm* arm = nullptr;
  int64_t version = 0;  // 0: none was named.
};

const std::string* param(const Request& request, std::string_view name) {
  for (const auto& [key, value] : request.params)
    if (key == name) return &value;
  return nullptr;
}

Result<std::shared_ptr<const serving::Route>> find_route(const App& app, const Ctx& ctx,
                                                         const Request& request) {
  const std::string& model = request.param("model");
  auto route = app.serving.table().load()->hold(ctx.project.text, model);
  if (!route)
    return not_found(
        "deployment.not_found",
        concat({"Model with name ", model, " does not exist: could not find any versions of it"}));
  return route;
}

// An alias of the registry; else TensorFlow Serving's own words for what stands and what is tried.
Result<int64_t> version_of_label(const App& app, const Ctx& ctx, const serving::Route& route,
                                 const std::string& label) {
  if (!route.local) {
    const Result<int64_t> version = app.resolve(ctx, route.model, concat({"@", label}));
    if (version.ok()) return *version;
    if (version.error().code != Code::kNotFound) return version.error();
  }
  for (const serving::Arm& arm : route.arms)
    if (serving::role_name(arm.role) == label) return arm.version;
  return not_found("model_version.no_label",
                   concat({"`", route.name, "` has no version with the label `", label, "`"}));
}

Result<Target> find_target(const App& app, const Ctx& ctx, const Request& request) {
  Target out;
  out.route = TRY(find_route(app, ctx, request));
  out.arm = &out.route->arms.front();
  if (const std::string* version = param(request, "version"))
    out.version = parse_int(*version).value_or(-1);
  else if (const std::string* label = param(request, "label"))
    out.version = TRY(version_of_label(app, ctx, *out.route, *label));
  if (out.version == 0) return out;  // So OpenVINO's client says that it names none.
  out.arm = out.route->arm_of(out.version);
  if (out.arm == nullptr)
    return not_found("model_version.not_served",
                     concat({"`", out.route->name, "` does not serve this version"}));
  return out;
}

Result<Target> find_ready(const App& app, const Ctx& ctx, const Request& request) {
  Target target = TRY(find_target(app, ctx, request));
  if (target.arm->model) return target;
  return unavailable("deployment.not_ready", concat({"Model with name ", target.route->name,
                                                     " is not ready: ", target.route->error}));
}

// ---- what is here

Result<Reply> list(const App& app, const Ctx& ctx, const Request&) {
  Json names = Json::array();
  TRY(app.serving.each_name(ctx, [&](const std::string& name) { names.push(name); }));
  return json_reply(Json::object({{"models", std::move(names)}}));
}

Json version_status(const serving::Route& route, const serving::Arm& arm) {
  const bool ready = arm.model != nullptr;
  return Json::object(
      {{"version", std::to_string(arm.version)},
       {"state", ready ? "AVAILABLE" : "END"},
       {"status", Json::object({{"error_code", ready ? "OK" : "UNAVAILABLE"},
                                {"error_message", ready ? std::string() : route.error}})}});
}

// KServe reads name and ready, TensorFlow Serving's clients the versions.
Result<Reply> status(const App& app, const Ctx& ctx, const Request& request) {
  const Target target = TRY(find_target(app, ctx, request));
  Json versions = Json::array();
  for (const serving::Arm& arm : target.route->arms)
    if (target.version == 0 || arm.version == target.version)
      versions.push(version_status(*target.route, arm));
  const bool ready = target.arm->model != nullptr;
  return json_reply(Json::object({{"name", target.route->name},
                                  {"ready", ready},
                                  {"model_version_status", std::move(versions)}}),
                    ready ? 200 : 503);
}

std::string_view tensorflow_type(serving::DataType type) {
  using serving::DataType;
  switch (type) {
    case DataType::kBool:
      return "DT_BOOL";
    case DataType::kUint8:
      return "DT_UINT8";
    case DataType::kUint16:
      return "DT_UINT16";
    case DataType::kUint32:
      return "DT_UINT32";
    case DataType::kUint64:
      return "DT_UINT64";
    case DataType::kInt8:
      return "DT_INT8";
    case DataType::kInt16:
      return "DT_INT16";
    case DataType::kInt32:
      return "DT_INT32";
    case DataType::kInt64:
      return "DT_INT64";
    case DataType::kFp16:
      return "DT_HALF";
    case DataType::kFp32:
      return "DT_FLOAT";
    case DataType::kFp64:
      return "DT_DOUBLE";
    case DataType::kBytes:
      return "DT_STRING";
    case DataType::kBf16:
      return "DT_BFLOAT16";
  }
  CHECK(false);
}

// TensorFlow Serving writes the names of its messages' fields, OpenVINO's server protobuf's JSON of
// them, and its clients read nothing else: both are there.
void set_both(std::string_view name, std::string_view camel, const Json& value, Json* out) {
  out->set(name, value);
  out->set(camel, value);
}

Json tensor_infos(const std::vector<serving::TensorSpec>& tensors) {
  Json out = Json::object();
  for (const serving::TensorSpec& t : tensors) {
    Json dims = Json::array();
    for (const int64_t d : t.shape)
      dims.push(Json::object({{"size", std::to_string(d)}, {"name", ""}}));
    Json info = Json::object({{"dtype", tensorflow_type(t.type)}, {"name", t.name}});
    set_both("tensor_shape", "tensorShape",
             Json::object({{"dim", std::move(dims)}, {"unknown_rank", false}}), &info);
    out.set(t.name, std::move(info));
  }
  return out;
}

Result<Reply> metadata(const App& app, const Ctx& ctx, const Request& request) {
  const Target target = TRY(find_ready(app, ctx, request));
  const serving::Signature& signature = target.arm->model->signature();
  Json serve = Json::object({{"inputs", tensor_infos(signature.inputs)},
                             {"outputs", tensor_infos(signature.outputs)},
                             {"method_name", "tensorflow/serving/predict"}});
  Json named = Json::object({{"serving_default", std::move(serve)}});
  Json signatures = Json::object();
  set_both("signature_def", "signatureDef", named, &signatures);
  Json out = Json::object({{"metadata", Json::object({{"signature_def", std::move(signatures)}})}});
  set_both("model_spec", "modelSpec",
           Json::object({{"name", target.route->name},
                         {"signature_name", ""},
                         {"version", std::to_string(target.arm->version)}}),
           &out);
  return json_reply(out);
}

// ---- predict

Result<serving::Prediction> run(const App& app, const Ctx& ctx, const Request& request,
                                const Target& target, std::vector<serving::Tensor> inputs) {
  serving::Serving::Ask ask;
  ask.inputs = std::move(inputs);
  ask.version = target.version;
  ask.client_ref = request.header("x-slipway-client-ref");
  if (ask.client_ref.size() > serving::kClientRefBytesMax)
    return invalid("predict.client_ref", "the client's reference is too long");
  return app.serving.predict(ctx, target.route, std::move(ask));
}

void name_prediction(const serving::Prediction& p, Reply* reply) {
  reply->headers.emplace_back("x-slipway-prediction-id", p.id.text());
  reply->headers.emplace_back("x-slipway-model-version", std::to_string(p.model_version));
}

Result<Reply> predict(const App& app, const Ctx& ctx, const Request& request) {
  const Target target = TRY(find_ready(app, ctx, request));
  const Unwrapped in = TRY(unwrap(request));
  Ask ask = TRY(parse_predict(in.body, target.arm->model->signature()));
  const serving::Prediction p = TRY(run(app, ctx, request, target, std::move(ask.inputs)));
  Json body = TRY(format_predict(ask.form, p.outputs));
  Reply reply = wrap(in.wrapping, std::move(body), p.id.text(), target.route->name);
  name_prediction(p, &reply);
  return reply;
}

Result<Reply> by_examples(const App& app, const Ctx& ctx, const Request& request, bool classes) {
  const Target target = TRY(find_ready(app, ctx, request));
  const Json body = TRY(codec::parse_json(request.body, codec::NonFinite::kToken));
  if (!body.is_object()) return invalid("predict.body", "the body must be a JSON object");
  std::vector<serving::Tensor> inputs = TRY(parse_examples(body, target.arm->model->signature()));
  const serving::Prediction p = TRY(run(app, ctx, request, target, std::move(inputs)));
  const Json out =
      classes ? TRY(format_classes(p.outputs, *target.arm)) : TRY(format_values(p.outputs));
  Reply reply;
  reply.body = codec::to_json(out, 0, codec::NonFinite::kToken);
  name_prediction(p, &reply);
  return reply;
}

Result<Reply> classify(const App& app, const Ctx& ctx, const Request& request) {
  return by_examples(app, ctx, request, true);
}

Result<Reply> regress(const App& app, const Ctx& ctx, const Request& request) {
  return by_examples(app, ctx, request, false);
}

Result<Reply> explain(const App& app, const Ctx& ctx, const Request& request) {
  const Target target = TRY(find_target(app, ctx, request));
  return unsupported("explain.none", concat({"`", target.route->name, "` explains nothing"}));
}

// ---- rows

using Answer = Result<Reply> (*)(const App&, const Ctx&, const Request&);

http::Route row(const App& app, http::Method method, std::string path, http::Right right,
                Answer answer) {
  http::Route r;
  r.method = method;
  r.path = std::move(path);
  r.permission = {right, "deployment", http::On::kObject};
  r.audit = right == http::Right::kUse ? http::Audit::kCounted : http::Audit::kNone;
  r.render_error = render_error;
  r.blocking = [&app, answer](const Ctx& ctx, Request& request) {
    return answer(app, ctx, request);
  };
  r.needs = [&app, right](const Ctx& ctx,
                          const Request& request) -> Result<std::vector<http::Need>> {
    return http::one_need(right, "deployment", TRY(find_route(app, ctx, request))->uid);
  };
  return r;
}

void add_get(const App& app, std::string path, Answer answer, std::string summary,
             std::vector<http::Route>* out) {
  out->push_back(row(app, http::Method::kGet, std::move(path), http::Right::kRead, answer));
  out->back().summary = std::move(summary);
}

void add_post(const App& app, std::string path, Answer answer, std::string summary,
              std::vector<http::Route>* out) {
  out->push_back(row(app, http::Method::kPost, std::move(path), http::Right::kUse, answer));
  out->back().summary = std::move(summary);
  out->back().body = http::memory(kBodyBytesMax);
}

}  // namespace

std::vector<http::Route> routes(App& app) {
  std::vector<http::Route> out;
  add_get(app, "/v1/models", list, "Names of what is served.", &out);
  out.back().permission.on = http::On::kList;
  out.back().needs = nullptr;
  for (const std::string base : {"/v1/models/{model}", "/v1/models/{model}/versions/{version}",
                                 "/v1/models/{model}/labels/{label}"}) {
    add_get(app, base, status, "Whether a model answers, and in which versions.", &out);
    add_get(app, base + "/metadata", metadata, "Inputs and outputs, as a TensorFlow signature.",
            &out);
    add_post(app, base + ":predict", predict, "Predict: rows or columns in, the same out.", &out);
    add_post(app, base + ":classify", classify, "Scores of classes for examples.", &out);
    add_post(app, base + ":regress", regress, "A number for each example.", &out);
    add_post(app, base + ":explain", explain, "Not offered: says so.", &out);
  }
  return out;
}

}  // namespace slip::wire::kserve1
