#include "wire/oip/oip_grpc.h"

#include <inference/open_inference.pb.h>

#include "serving/serving.h"
#include "sys/executor.h"
#include "wire/oip/control.h"
#include "wire/oip/grpc_rows.h"
#include "wire/oip/oip.h"
#include "wire/oip/turn.h"

namespace slip::wire::oip {
namespace {

using grpc::Reply;
using grpc::Request;

// ---- what is here

Result<Reply> server_metadata(const App& app) {
  inference::ServerMetadataResponse out;
  out.set_name(app.server_name);
  out.set_version(app.server_version);
  for (const std::string_view name : extensions(app)) out.add_extensions(std::string(name));
  return Reply{out.SerializeAsString()};
}

Result<Reply> model_ready(const App& app, const Ctx& ctx, const Request& request) {
  const NamedModel model = TRY(read_named_model(request.message));
  const Target target = TRY(target_named(app, ctx, model));
  inference::ModelReadyResponse out;
  out.set_ready(target.arm->model != nullptr);
  return Reply{out.SerializeAsString()};
}

void put_specs(
    const std::vector<serving::TensorSpec>& tensors,
    google::protobuf::RepeatedPtrField<inference::ModelMetadataResponse::TensorMetadata>* out) {
  for (const serving::TensorSpec& t : tensors) {
    auto& to = *out->Add();
    to.set_name(t.name);
    to.set_datatype(std::string(serving::data_type_name(t.type)));
    to.mutable_shape()->Add(t.shape.begin(), t.shape.end());
  }
}

Result<Reply> model_metadata(const App& app, const Ctx& ctx, const Request& request) {
  const NamedModel model = TRY(read_named_model(request.message));
  const Target target = TRY(target_named(app, ctx, model));
  if (!target.arm->model)
    return unavailable("deployment.not_ready", "not ready: " + target.route->error);
  const serving::Signature& signature = target.arm->model->signature();
  inference::ModelMetadataResponse out;
  out.set_name(target.route->name);
  for (const serving::Arm& arm : target.route->arms) out.add_versions(std::to_string(arm.version));
  out.set_platform(signature.platform);
  put_specs(signature.inputs, out.mutable_inputs());
  put_specs(signature.outputs, out.mutable_outputs());
  return Reply{out.SerializeAsString()};
}

// What doesn't answer isn't ready, whether it is there or not: Triton's clients ask about models
// that they have unloaded.
Result<Reply> render_not_ready(const Error& error, const Request&) {
  if (error.code != Code::kNotFound) return error;
  return Reply{inference::ModelReadyResponse().SerializeAsString()};
}

// ---- infer

enum class Shape : uint8_t {
  kUnary,
  kStream,  // Answers and errors wrapped.
  kBare,    // MLServer's stream: answers as they are, an error ends it.
};

Shape shape_of(const Request& request, bool streamed) {
  if (!streamed) return Shape::kUnary;
  return iequals(request.header("slipway-stream"), "mlserver") ? Shape::kBare : Shape::kStream;
}

// Answers are raw, as Triton's are whatever the request was: its clients read nothing else. Who
// asks by typed contents and says so is answered that way.
bool wants_typed(const Request& request) {
  return iequals(request.header("slipway-contents"), "typed");
}

// An answer that may leave once the log has taken its record.
struct Made {
  Reply reply;
  std::string record;
};

Result<Made> infer(const App& app, const Ctx& ctx, const Target& target, const Request& request,
                   bool streamed) {
  std::string client_ref(request.header(kClientRefHeader));
  TRY(check_client_ref(client_ref));
  ProtoInfer in = TRY(parse_infer_proto(request.message, regions_for(app, ctx)));
  Answered answered =
      TRY(run_infer(app, ctx, target, std::move(in.request), std::move(client_ref)));
  const Shape shape = shape_of(request, streamed);
  ProtoReply reply;
  reply.what = answered.reply(target);
  reply.form = wants_typed(request) ? in.form : Form::kRaw;
  reply.streamed = shape == Shape::kStream;
  reply.says_final = shape == Shape::kStream;
  Made made;
  made.record = std::move(answered.record);
  made.reply.message = format_infer_proto(reply, std::move(answered.outputs));
  made.reply.trailing.emplace_back(kPredictionIdHeader, std::move(answered.prediction_id));
  made.reply.trailing.emplace_back(kModelVersionHeader, std::move(answered.version));
  return made;
}

Result<Reply> infer_and_log(const App& app, const Ctx& ctx, const Target& target,
                            const Request& request, bool streamed) {
  Made made = TRY(infer(app, ctx, target, request, streamed));
  const std::string_view record = made.record;
  if (!record.empty()) TRY(app.serving.log(std::span(&record, 1), target.route->log_ack));
  return std::move(made.reply);
}

// What a pool thread needs. Shared: std::function must copy.
struct Pending {
  Target target;
  bool streamed;
  grpc::Responder respond;
};

void infer_on_pool(const App& app, const Ctx& ctx, const Request& request, Pending what) {
  auto pending = std::make_shared<Pending>(std::move(what));
  const Status queued = app.pool.submit([&app, &ctx, &request, pending] {
    if (pending->respond.cancelled())  // The client has gone; nobody wants the answer.
      return std::move(pending->respond)(timed_out("call.cancelled", "the client has gone"));
    auto made = infer_and_log(app, ctx, pending->target, request, pending->streamed);
    std::move(pending->respond)(std::move(made));
  });
  if (!queued.ok()) std::move(pending->respond)(queued.error());
}

void handle_infer(const App& app, const Ctx& ctx, const Request& request, bool streamed,
                  grpc::Responder respond) {
  const Result<NamedModel> model = read_named_model(request.message);
  if (!model.ok()) return std::move(respond)(model.error());
  Result<Target> target = target_named(app, ctx, *model);
  if (!target.ok()) return std::move(respond)(target.error());
  target->may_wait = belongs_on_pool(*target) || request.message.size() > kInlineBodyBytes;
  if (target->may_wait)
    return infer_on_pool(app, ctx, request, {std::move(*target), streamed, std::move(respond)});
  Result<Made> made = infer(app, ctx, *target, request, streamed);
  if (!made.ok()) return std::move(respond)(made.error());
  if (made->record.empty()) return std::move(respond)(std::move(made->reply));
  answer_when_logged(
      app.serving, target->route->log_ack,
      {std::move(made->record), GrpcAnswer{std::move(respond), std::move(made->reply)}});
}

// A stream outlives the error of one message, unless its client asked for gRPC's own way.
Result<Reply> render_stream_error(const Error& error, const Request& request) {
  const bool ends = iequals(request.header("triton_grpc_error"), "true") ||
                    shape_of(request, true) == Shape::kBare;
  if (ends) return error;
  return Reply{format_stream_error(error.text)};
}

// ---- rows

template <class Message>
void add_flag(std::string_view name, std::string summary, void (Message::*set)(bool),
              std::function<bool()> holds, std::vector<grpc::Method>* out) {
  grpc::Method r = grpc_row(name, http::Right::kPublic, std::move(summary));
  r.inline_ = [set, holds = std::move(holds)](const Ctx&, Request&, grpc::Responder respond) {
    Message message;
    (message.*set)(holds());
    std::move(respond)(Reply{message.SerializeAsString()});
  };
  out->push_back(std::move(r));
}

void add_model_row(App& app, std::string_view name, std::string summary,
                   Result<Reply> (*answer)(const App&, const Ctx&, const Request&),
                   std::vector<grpc::Method>* out) {
  grpc::Method r = grpc_row(name, http::Right::kRead, std::move(summary));
  guard_by(app, model_named, &r);
  r.inline_ = [&app, answer](const Ctx& ctx, Request& request, grpc::Responder respond) {
    std::move(respond)(answer(app, ctx, request));
  };
  out->push_back(std::move(r));
}

grpc::Method infer_row(App& app, std::string_view name, bool streamed, std::string summary) {
  grpc::Method r = grpc_row(name, http::Right::kUse, std::move(summary));
  r.audit = http::Audit::kCounted;
  r.message_bytes_max = kInferBodyBytesMax;
  guard_by(app, model_named, &r);
  r.inline_ = [&app, streamed](const Ctx& ctx, Request& request, grpc::Responder respond) {
    handle_infer(app, ctx, request, streamed, std::move(respond));
  };
  if (streamed) {
    r.kind = grpc::Kind::kBidi;
    r.render_error = render_stream_error;
  }
  return r;
}

}  // namespace

std::vector<grpc::Method> methods(App& app) {
  control_of(app);
  std::vector<grpc::Method> out;
  add_flag(
      "ServerLive", "Alive.", &inference::ServerLiveResponse::set_live, [] { return true; }, &out);
  add_flag(
      "ServerReady", "Every stable model is loaded.", &inference::ServerReadyResponse::set_ready,
      [&app] { return all_ready(app); }, &out);
  grpc::Method meta = grpc_row("ServerMetadata", http::Right::kRead, "What this server is.");
  meta.inline_ = [&app](const Ctx&, Request&, grpc::Responder respond) {
    std::move(respond)(server_metadata(app));
  };
  out.push_back(std::move(meta));
  add_model_row(app, "ModelReady", "Whether a model answers.", model_ready, &out);
  out.back().render_error = render_not_ready;
  add_model_row(app, "ModelMetadata", "Inputs and outputs of a served model.", model_metadata,
                &out);
  out.push_back(infer_row(app, "ModelInfer", false, "Predict: tensors in, tensors out."));
  out.push_back(infer_row(app, "ModelStreamInfer", true, "The same, message after message."));
  for (auto rows : {repository_methods, control_methods})
    for (grpc::Method& r : rows(app)) out.push_back(std::move(r));
  return out;
}

}  // namespace slip::wire::oip
