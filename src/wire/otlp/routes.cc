#include "base/text.h"
#include "tracking/tracking.h"
#include "tracking/validate.h"
#include "wire/otlp/otlp.h"

namespace slip::wire::otlp {
namespace {

Result<http::Reply> take_traces(App app, const Ctx& ctx, http::Request& request) {
  const std::string_view type = trim(split(request.header("content-type"), ';').front());
  const bool binary = iequals(type, "application/x-protobuf");
  if (!binary && !iequals(type, "application/json"))
    return invalid("otlp.content_type",
                   concat({"Invalid Content-Type: ", type,
                           ". Expected: application/x-protobuf or application/json"}));
  const std::string_view experiment = request.header("x-mlflow-experiment-id");
  if (experiment.empty())
    return invalid("otlp.experiment", "The header x-mlflow-experiment-id is missing");
  tracking::SpanBatch batch;
  batch.experiment_id = TRY(tracking::parse_experiment_id(experiment));
  batch.run_id = request.header("x-mlflow-run-id");
  batch.spans = binary ? TRY(read_protobuf(request.body)) : TRY(read_json(request.body));
  if (batch.spans.empty())
    return invalid("otlp.empty", "Invalid OpenTelemetry format - no spans found");
  TRY(app.tracking.traces.log_spans(ctx, batch));
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
  row.permission = {http::Right::kEdit, "trace"};
  row.audit = http::Audit::kCounted;
  row.body = http::memory(kBodyBytesMax);
  row.summary = "Take spans by OTLP/HTTP, protobuf or JSON.";
  row.blocking = [app](const Ctx& ctx, http::Request& request) {
    return take_traces(app, ctx, request);
  };
  return out;
}

}  // namespace slip::wire::otlp
