#include "base/text.h"
#include "serving/serving.h"
#include "wire/oip/control.h"
#include "wire/oip/generate.h"
#include "wire/oip/infer_json.h"
#include "wire/oip/rest.h"

// generate, generate_stream and infer_stream. Models answer once here, so a stream holds one event;
// what goes wrong before it is answered as an error, not as a stream.
namespace slip::wire::oip {
namespace {

using http::Reply;
using http::Request;

constexpr const char* kEventStream = "text/event-stream; charset=utf-8";

struct Said {
  std::string json;
  Answered answered;
};

Result<Said> infer(const App& app, const Ctx& ctx, const Target& target, const Request& request) {
  Said out;
  InferRequest in = TRY(parse_infer(
      request.body,
      {.json_bytes = std::nullopt, .regions = regions_for(app, ctx), .readable_past = 0}));
  in.binary_outputs = false;
  for (WantedOutput& wanted : in.outputs) wanted.binary = false;
  out.answered = TRY(
      run_and_log(app, ctx, target, std::move(in), std::string(request.header(kClientRefHeader))));
  out.json = TRY(format_infer(out.answered.reply(target), out.answered.outputs)).body;
  return out;
}

Result<Said> generate(const App& app, const Ctx& ctx, const Target& target,
                      const Request& request) {
  if (is_infer_body(request.body)) return infer(app, ctx, target, request);  // MLServer's form.
  if (!target.arm->model)
    return unavailable("deployment.not_ready",
                       concat({"`", target.route->name, "` is not ready: ", target.route->error}));
  Said out;
  InferRequest in = TRY(parse_generate(request.body, target.arm->model->signature()));
  const bool with_id = !in.id.empty();
  in.binary_outputs = false;
  out.answered = TRY(
      run_and_log(app, ctx, target, std::move(in), std::string(request.header(kClientRefHeader))));
  out.json = TRY(format_generate(out.answered.reply(target), with_id, out.answered.outputs));
  return out;
}

using Say = Result<Said> (*)(const App&, const Ctx&, const Target&, const Request&);

Result<Reply> reply_with(const App& app, const Ctx& ctx, const Request& request, Say say,
                         bool streamed) {
  TRY(check_client_ref(request.header(kClientRefHeader)));
  const Target target = TRY(target_of(app, ctx, request));
  Said said = TRY(say(app, ctx, target, request));
  Reply reply;
  if (streamed) {
    reply.content_type = kEventStream;
    reply.body = concat({"data: ", said.json, "\n\n"});
  } else {
    reply.body = std::move(said.json);
  }
  reply.headers.emplace_back(kPredictionIdHeader, std::move(said.answered.prediction_id));
  reply.headers.emplace_back(kModelVersionHeader, std::move(said.answered.version));
  return reply;
}

void add(App& app, std::string path, Say say, bool streamed, std::vector<http::Route>* out) {
  http::Route r = rest_post(std::move(path), http::Right::kUse,
                            streamed ? "Predict, answered as events." : "Predict by named values.",
                            [&app, say, streamed](const Ctx& ctx, Request& request) {
                              return reply_with(app, ctx, request, say, streamed);
                            });
  r.body = http::memory(kInferBodyBytesMax);
  r.audit = http::Audit::kCounted;
  guard(app, &r);
  out->push_back(std::move(r));
}

}  // namespace

std::vector<http::Route> generate_routes(App& app) {
  control_of(app);
  std::vector<http::Route> out;
  for (const std::string_view base : kModelPaths) {
    add(app, concat({base, "/generate"}), generate, false, &out);
    add(app, concat({base, "/generate_stream"}), generate, true, &out);
    add(app, concat({base, "/infer_stream"}), infer, true, &out);
  }
  return out;
}

}  // namespace slip::wire::oip
