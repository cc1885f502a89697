#include <set>

#include "base/text.h"
#include "codec/json.h"
#include "tracking/tracking.h"
#include "tracking/validate.h"
#include "wire/otlp/otlp.h"

namespace slip::wire::otlp {
namespace {

// {"detail": …}, and 422 for a missing header or a span without ids, as MLflow's own server has it.
http::Reply render_error(const Error& error, const Ctx&) {
  http::Reply reply;
  switch (error.code) {
    case Code::kInvalid:
      reply.status = error.reason == "otlp.experiment" || error.reason == "otlp.ids" ? 422 : 400;
      break;
    case Code::kNotFound:
      reply.status = 404;
      break;
    case Code::kUnauthorized:
      reply.status = 401;
      break;
    case Code::kForbidden:
      reply.status = 403;
      break;
    case Code::kExhausted:
      reply.status = 429;
      break;
    case Code::kInternal:
    case Code::kCorrupt:
      reply.status = 500;
      break;
    default:
      reply.status = 503;
      break;
  }
  reply.body = codec::to_json(
      codec::Json::object({{"detail", error.text}, {"code", std::string(error.reason)}}));
  return reply;
}

bool is_protobuf(const http::Request& request) {
  return iequals(trim(split(request.header("content-type"), ';').front()),
                 "application/x-protobuf");
}

Result<tracking::SpanBatch> read_batch(const http::Request& request) {
  const std::string_view type = trim(split(request.header("content-type"), ';').front());
  const bool binary = is_protobuf(request);
  if (!binary && !iequals(type, "application/json"))
    return invalid("otlp.content_type",
                   concat({"Invalid Content-Type: ", type,
                           ". Expected: application/x-protobuf or application/json"}));
  const std::string_view experiment = request.header("x-mlflow-experiment-id");
  if (experiment.empty())
    return invalid("otlp.experiment", "The header x-mlflow-experiment-id is missing");
  tracking::SpanBatch batch = TRY(binary ? read_protobuf(request.body) : read_json(request.body));
  if (batch.resources.empty())
    return invalid("otlp.empty", "Invalid OpenTelemetry format - no spans found");
  name_senders(&batch);
  batch.experiment_id = TRY(tracking::parse_experiment_id(experiment));
  batch.run_id = request.header("x-mlflow-run-id");
  return batch;
}

// The experiment that takes them, and those of traces that are there already.
Result<std::vector<http::Need>> needs(const App& app, const Ctx& ctx,
                                      const http::Request& request) {
  Result<tracking::SpanBatch> read = read_batch(request);
  if (!read.ok()) {  // The right comes first: whoever may not write learns no more than that.
    const auto id = tracking::parse_experiment_id(request.header("x-mlflow-experiment-id"));
    if (!id.ok()) return std::move(read).error();
    return std::vector<http::Need>{
        {.right = http::Right::kEdit, .kind = "experiment", .uid = std::to_string(*id)}};
  }
  const tracking::SpanBatch& batch = *read;
  std::set<int64_t> known;
  std::set<std::string_view> seen;
  for (const tracking::Span& span : batch.spans) {
    if (!seen.insert(span.trace_id).second) continue;
    const auto experiment = app.tracking.traces.experiment_of(ctx, span.trace_id);
    if (experiment.ok())
      known.insert(*experiment);
    else if (experiment.error().code != Code::kNotFound)
      return experiment.error();
  }
  std::vector<http::Need> out;
  const auto add = [&](http::Right right, std::string_view kind, int64_t id) {
    out.push_back({.right = right, .kind = kind, .uid = std::to_string(id)});
  };
  add(http::Right::kEdit, "experiment", batch.experiment_id);
  add(http::Right::kRead, "trace", batch.experiment_id);
  for (const int64_t id : known) add(http::Right::kEdit, "trace", id);
  if (batch.run_id.empty()) return out;
  const auto of_run = app.tracking.runs.experiment_of(ctx, batch.run_id);
  if (of_run.ok())  // Traces get linked to it.
    add(http::Right::kEdit, "run", *of_run);
  else if (of_run.error().code != Code::kNotFound)
    return of_run.error();
  return out;
}

Result<http::Reply> take_traces(const App& app, const Ctx& ctx, http::Request& request) {
  const tracking::SpanBatch batch = TRY(read_batch(request));
  if (!batch.spans.empty()) TRY(app.tracking.traces.log_spans(ctx, batch));
  const bool binary = is_protobuf(request);
  http::Reply reply;  // An empty ExportTraceServiceResponse.
  reply.content_type = binary ? "application/x-protobuf" : "application/json";
  if (!binary) reply.body = "{}";
  return reply;
}

}  // namespace

std::vector<http::Route> routes(App app) {
  std::vector<http::Route> out;
  http::Route& row = out.emplace_back();
  row.method = http::Method::kPost;
  row.path = "/v1/traces";
  row.permission = {http::Right::kEdit, "trace", http::On::kObjects};
  row.audit = http::Audit::kCounted;
  row.body = http::memory(kBodyBytesMax);
  row.summary = "Take spans by OTLP/HTTP, protobuf or JSON.";
  row.render_error = render_error;
  row.blocking = [app](const Ctx& ctx, http::Request& request) {
    return take_traces(app, ctx, request);
  };
  row.needs = [app](const Ctx& ctx, const http::Request& request) {
    return needs(app, ctx, request);
  };
  return out;
}

}  // namespace slip::wire::otlp
