// Traces: heads, spans in batches of whole traces, tags, search, deletion. Assessments:
// assessments.cc. Spans come in by OTLP (wire/otlp).

#include <array>
#include <utility>

#include "base/text.h"
#include "tracking/tracking.h"
#include "tracking/validate.h"
#include "wire/mlflow/proto_out.h"
#include "wire/mlflow/proto_time.h"
#include "wire/mlflow/rows.h"
#include "wire/mlflow/trace_messages.h"

namespace slip::wire::mlflow {
namespace {

using codec::Json;
using http::Audit;
using http::Method;
using http::Right;

Result<int64_t> experiment_of(const In& location) {
  const In experiment = TRY(location.message("mlflow_experiment"));
  return tracking::parse_experiment_id(TRY(experiment.text("experiment_id")));
}

Result<Json> start(App& app, const Ctx& ctx, const In& in) {
  const In trace = TRY(in.message("trace"));
  const In info = TRY(trace.message("trace_info"));
  tracking::Trace head;
  head.id = TRY(info.text("trace_id"));
  head.experiment_id = TRY(experiment_of(TRY(info.message("trace_location"))));
  head.client_request_id = TRY(info.maybe_text("client_request_id"));
  head.request_preview = TRY(info.maybe_text("request_preview"));
  head.response_preview = TRY(info.maybe_text("response_preview"));
  head.request_us = TRY(read_timestamp(info, "request_time"));
  if (const auto text = TRY(info.maybe_text("execution_duration"))) {
    head.duration_us = parse_duration_us(*text);
    if (!head.duration_us)
      return invalid("mlflow.type", concat({"Invalid value \"", *text,
                                            "\" for parameter 'execution_duration' supplied"}));
  }
  head.state =
      static_cast<tracking::TraceState>(TRY(info.maybe_enum("state", trace_states())).value_or(0));
  head.metadata = TRY(read_map(info, "trace_metadata"));
  head.tags = TRY(read_map(info, "tags"));
  return Json::object(
      {{"trace",
        Json::object({{"trace_info", trace_info(TRY(app.tracking.traces.start(ctx, head)))}})}});
}

Result<Json> get_info(App& app, const Ctx& ctx, const In& in) {
  const auto trace = TRY(app.tracking.traces.get(ctx, TRY(in.text("trace_id"))));
  return Json::object({{"trace", Json::object({{"trace_info", trace_info(trace)}})}});
}

Result<Json> whole(App& app, const Ctx& ctx, const std::string& id) {
  Json out = Json::object({{"trace_info", trace_info(TRY(app.tracking.traces.get(ctx, id)))}});
  std::vector<Json> spans;
  for (const std::string& body : TRY(app.tracking.traces.spans(ctx, id)))
    spans.push_back(TRY(codec::parse_json(body)));
  set_list(&out, "spans", std::move(spans));
  return out;
}

Result<Json> get(App& app, const Ctx& ctx, const In& in) {
  return Json::object({{"trace", TRY(whole(app, ctx, TRY(in.text("trace_id"))))}});
}

Result<std::vector<std::string>> trace_ids(const In& in) {
  auto ids = TRY(in.texts("trace_ids"));
  if (ids.size() <= tracking::kTraceBatchMax) return ids;
  return invalid("tracking.batch_size",
                 "At most " + std::to_string(tracking::kTraceBatchMax) + " traces per request");
}

Result<Json> batch_get(App& app, const Ctx& ctx, const In& in) {
  std::vector<Json> traces;
  for (const std::string& id : TRY(trace_ids(in))) {
    Result<Json> trace = whole(app, ctx, id);
    if (trace.ok())
      traces.push_back(std::move(trace).value());
    else if (trace.error().code != Code::kNotFound)
      return trace;  // Missing ones are left out.
  }
  Json out = Json::object();
  set_list(&out, "traces", std::move(traces));
  return out;
}

Result<Json> batch_get_infos(App& app, const Ctx& ctx, const In& in) {
  std::vector<Json> infos;
  for (const std::string& id : TRY(trace_ids(in))) {
    const auto trace = app.tracking.traces.get(ctx, id);
    if (trace.ok())
      infos.push_back(trace_info(*trace));
    else if (trace.error().code != Code::kNotFound)
      return trace.error();
  }
  Json out = Json::object();
  set_list(&out, "trace_infos", std::move(infos));
  return out;
}

Result<Json> search(App& app, const Ctx& ctx, const In& in) {
  tracking::TraceQuery query;
  for (const In& location : TRY(in.list("locations")))
    query.experiment_ids.push_back(TRY(experiment_of(location)));
  query.filter = TRY(in.text_or("filter", ""));
  query.order_by = TRY(in.texts("order_by"));
  query.max_results = TRY(in.integer_or("max_results", 100));
  query.page_token = TRY(in.text_or("page_token", ""));
  const auto page = TRY(app.tracking.traces.search(ctx, query));
  std::vector<Json> traces;
  for (const tracking::Trace& t : page.items) traces.push_back(trace_info(t));
  Json out = Json::object();
  set_list(&out, "traces", std::move(traces));
  set_token(&out, page.next_page_token);
  return out;
}

Result<Json> set_tag(App& app, const Ctx& ctx, const In& in) {
  const std::string id = TRY(in.text("trace_id"));
  TRY(app.tracking.traces.set_tag(ctx, id, {TRY(in.text("key")), TRY(in.text_or("value", ""))}));
  return Json::object();
}

Result<Json> delete_tag(App& app, const Ctx& ctx, const In& in) {
  const std::string id = TRY(in.text("trace_id"));
  TRY(app.tracking.traces.delete_tag(ctx, id, TRY(in.text("key"))));
  return Json::object();
}

Result<Json> remove(App& app, const Ctx& ctx, const In& in) {
  tracking::TraceDeletion wanted;
  wanted.experiment_id = TRY(tracking::parse_experiment_id(TRY(in.text("experiment_id"))));
  wanted.ids = TRY(in.texts("request_ids"));
  wanted.max_time_ms = TRY(in.maybe_integer("max_timestamp_millis"));
  wanted.max_traces = TRY(in.integer_or("max_traces", 0));
  return Json::object({{"traces_deleted", TRY(app.tracking.traces.remove(ctx, wanted))}});
}

constexpr http::Permission kRead{Right::kRead, "trace"};
constexpr http::Permission kEdit{Right::kEdit, "trace"};

constexpr std::array<Row, 12> kRows = {{
    {Method::kPost, "3.0/mlflow/traces", kEdit, Audit::kCounted, start,
     "Record the head of a trace"},
    {Method::kGet, "3.0/mlflow/traces/{trace_id}", kRead, Audit::kNone, get_info,
     "Read the head of a trace"},
    {Method::kGet, "3.0/mlflow/traces/get", kRead, Audit::kNone, get,
     "Read a trace with its spans"},
    {Method::kGet, "3.0/mlflow/traces/batchGet", kRead, Audit::kNone, batch_get,
     "Read traces with their spans"},
    {Method::kPost, "3.0/mlflow/traces/batchGetInfos", kRead, Audit::kNone, batch_get_infos,
     "Read the heads of traces"},
    {Method::kPost, "3.0/mlflow/traces/search", kRead, Audit::kNone, search, "Search traces"},
    {Method::kPatch, "3.0/mlflow/traces/{trace_id}/tags", kEdit, Audit::kCounted, set_tag,
     "Set a tag of a trace"},
    {Method::kDelete, "3.0/mlflow/traces/{trace_id}/tags", kEdit, Audit::kCounted, delete_tag,
     "Delete a tag of a trace"},
    {Method::kPatch, "2.0/mlflow/traces/{trace_id}/tags", kEdit, Audit::kCounted, set_tag,
     "Set a tag of a trace, older path"},
    {Method::kDelete, "2.0/mlflow/traces/{trace_id}/tags", kEdit, Audit::kCounted, delete_tag,
     "Delete a tag of a trace, older path"},
    {Method::kPost, "3.0/mlflow/traces/delete-traces", kEdit, Audit::kEvent, remove,
     "Delete traces"},
    {Method::kPost, "2.0/mlflow/traces/delete-traces", kEdit, Audit::kEvent, remove,
     "Delete traces, older path"},
}};

}  // namespace

void add_traces(std::vector<http::Route>* out, const App& app) { add_rows(out, app, kRows); }

}  // namespace slip::wire::mlflow
