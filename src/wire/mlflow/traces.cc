// Traces: heads, traces with their spans, tags, links, search, deletion. Assessments:
// assessments.cc; numbers over many traces: trace_analysis.cc; the calls of clients before version
// 3: traces_v2.cc. Spans come in by OTLP (wire/otlp).

#include <algorithm>
#include <array>
#include <utility>

#include "base/text.h"
#include "sys/clock.h"
#include "sys/rng.h"
#include "tracking/tracking.h"
#include "tracking/validate.h"
#include "wire/mlflow/proto_out.h"
#include "wire/mlflow/proto_time.h"
#include "wire/mlflow/rows.h"
#include "wire/mlflow/span_messages.h"
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

Status read_assessments(App& app, const In& info, tracking::Trace* head) {
  const Json* given = TRY(info.find("assessments"));
  if (!given || !given->is_array()) return {};
  for (const Json& item : given->items())
    head->assessments.push_back(
        TRY(read_assessment(item, {.trace_id = head->id,
                                   .fresh_id = "a-" + new_uuid7(app.clock, app.rng).hex(),
                                   .now_us = app.clock.now_us()})));
  return {};
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
  TRY(read_assessments(app, info, &head));
  const tracking::Trace started = TRY(app.tracking.traces.start(ctx, head));
  return Json::object({{"trace", Json::object({{"trace_info", trace_info(started)}})}});
}

Result<Json> get_info(App& app, const Ctx& ctx, const In& in) {
  const auto trace = TRY(app.tracking.traces.get(ctx, TRY(in.text("trace_id"))));
  return Json::object({{"trace", Json::object({{"trace_info", trace_info(trace)}})}});
}

std::string_view value_of(const std::vector<tracking::Tag>& list, std::string_view key) {
  for (const tracking::Tag& tag : list)
    if (tag.key == key) return tag.value;
  return {};
}

bool has_spans_here(const tracking::Trace& trace) {
  return value_of(trace.tags, "mlflow.trace.spansLocation") == "TRACKING_STORE";
}

// Its sender says how many spans to expect; the rest may still be on its way.
bool is_whole(const tracking::Trace& trace, size_t spans) {
  const Result<Json> stats = codec::parse_json(value_of(trace.metadata, "mlflow.trace.sizeStats"));
  if (!stats.ok()) return spans > 0;
  const Json* wanted = stats->find("num_spans");
  return spans > 0 &&
         (!wanted || !wanted->is_int() || static_cast<int64_t>(spans) >= wanted->as_int());
}

Json with_spans(const tracking::Trace& trace, const std::vector<tracking::Span>& spans) {
  Json out = Json::object({{"trace_info", trace_info(trace)}});
  std::vector<Json> list;
  for (const tracking::Span& span : spans) list.push_back(span_message(span));
  set_list(&out, "spans", std::move(list));
  return out;
}

Result<Json> get(App& app, const Ctx& ctx, const In& in) {
  const std::string id = TRY(in.text("trace_id"));
  const bool partial = TRY(in.flag_or("allow_partial", false));
  const auto trace = TRY(app.tracking.traces.get(ctx, id));
  if (!has_spans_here(trace))
    return not_found("trace.spans_elsewhere", "Trace data not stored in tracking store");
  const auto spans = TRY(app.tracking.traces.spans(ctx, id));
  if (!partial && !is_whole(trace, spans.size()))
    return not_found("trace.incomplete", concat({"Trace with ID ", id,
                                                 " is not fully exported yet, please try again "
                                                 "later."}));
  return Json::object({{"trace", with_spans(trace, spans)}});
}

// The traces that a batch names and that exist, of the experiments named, if any.
Result<std::vector<tracking::Trace>> named_traces(App& app, const Ctx& ctx, const In& in) {
  const auto ids = TRY(in.texts("trace_ids"));
  if (ids.empty())
    return invalid("mlflow.missing",
                   "Missing value for required parameter 'trace_ids'. See the API docs for more "
                   "information about request parameters.");
  if (ids.size() > tracking::kTraceBatchMax)
    return invalid("tracking.batch_size",
                   "At most " + std::to_string(tracking::kTraceBatchMax) + " traces per request");
  auto out = TRY(app.tracking.traces.get_many(ctx, ids));
  if (!in.has("experiment_ids")) return out;
  std::vector<int64_t> wanted;
  for (const std::string& id : TRY(in.texts("experiment_ids")))
    wanted.push_back(TRY(tracking::parse_experiment_id(id)));
  std::erase_if(out, [&](const tracking::Trace& t) {
    return std::find(wanted.begin(), wanted.end(), t.experiment_id) == wanted.end();
  });
  return out;
}

Result<Json> batch_get(App& app, const Ctx& ctx, const In& in) {
  std::vector<Json> traces;
  for (const tracking::Trace& trace : TRY(named_traces(app, ctx, in))) {
    if (!has_spans_here(trace)) continue;
    const auto spans = app.tracking.traces.spans(ctx, trace.id);
    if (!spans.ok() && spans.error().code != Code::kNotFound) return spans.error();
    if (spans.ok() && is_whole(trace, spans->size())) traces.push_back(with_spans(trace, *spans));
  }
  Json out = Json::object();
  set_list(&out, "traces", std::move(traces));
  return out;
}

Result<Json> batch_get_infos(App& app, const Ctx& ctx, const In& in) {
  std::vector<Json> infos;
  for (const tracking::Trace& trace : TRY(named_traces(app, ctx, in)))
    infos.push_back(trace_info(trace));
  Json out = Json::object();
  set_list(&out, "trace_infos", std::move(infos));
  return out;
}

Result<Json> search(App& app, const Ctx& ctx, const In& in) {
  tracking::TraceQuery query;
  for (const In& location : TRY(in.list("locations")))
    if (location.has("mlflow_experiment"))
      query.experiment_ids.push_back(TRY(experiment_of(location)));
  query.filter = TRY(in.text_or("filter", ""));
  query.order_by = TRY(in.texts("order_by"));
  query.max_results = TRY(in.integer_or("max_results", 100));
  query.page_token = TRY(in.text_or("page_token", ""));
  const auto page = TRY(app.tracking.traces.search(ctx, query));
  return page_of("traces", page, [](const tracking::Trace& t) { return trace_info(t); });
}

Result<Json> set_tag(App& app, const Ctx& ctx, const In& in) {
  const std::string id = TRY(in.text("trace_id"));
  const std::string key = TRY(in.text("key"));
  const std::string value = TRY(in.text_or("value", ""));
  TRY(app.tracking.traces.set_tag(ctx, id, {key, value}));
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
  wanted.max_traces = TRY(in.maybe_integer("max_traces"));
  const int64_t deleted = TRY(app.tracking.traces.remove(ctx, wanted));
  return Json::object({{"traces_deleted", deleted}});
}

Result<Json> link_to_run(App& app, const Ctx& ctx, const In& in) {
  TRY(app.tracking.traces.link_to_run(ctx, TRY(in.texts("trace_ids")), TRY(in.text("run_id"))));
  return Json::object();
}

Result<Json> link_prompts(App& app, const Ctx& ctx, const In& in) {
  std::vector<std::string> prompts;
  for (const In& item : TRY(in.list("prompt_versions"))) {
    const std::string name = TRY(item.text("name"));
    const std::string version = TRY(item.text("version"));
    if (!parse_int(version))
      return invalid("mlflow.type", concat({"Invalid prompt version '", version, "'"}));
    prompts.push_back(concat({name, "/", version}));
  }
  if (prompts.empty()) TRY(in.text("prompt_versions"));
  TRY(app.tracking.traces.link_prompts(ctx, TRY(in.text("trace_id")), prompts));
  return Json::object();
}

constexpr http::Permission kRead{Right::kRead, "trace"};
constexpr http::Permission kEdit{Right::kEdit, "trace"};
constexpr http::Permission kManage{Right::kManage, "trace"};
constexpr http::Permission kNew{Right::kEdit, "trace", http::On::kObjects};

constexpr http::Permission kLink{Right::kEdit, "trace", http::On::kObjects};

constexpr std::array<Row, 14> kRows = {{
    {Method::kPost, "3.0/mlflow/traces", kNew, Audit::kCounted, start, "Record the head of a trace",
     new_trace},
    {Method::kGet, "3.0/mlflow/traces/{trace_id}", kRead, Audit::kNone, get_info,
     "Read the head of a trace"},
    {Method::kGet, "3.0/mlflow/traces/get", kRead, Audit::kNone, get,
     "Read a trace with its spans"},
    {Method::kGet, "3.0/mlflow/traces/batchGet", kRead, Audit::kNone, batch_get,
     "Read traces with their spans", traces_of},
    {Method::kPost, "3.0/mlflow/traces/batchGetInfos", kRead, Audit::kNone, batch_get_infos,
     "Read the heads of traces", traces_of},
    {Method::kPost, "3.0/mlflow/traces/search", kRead, Audit::kNone, search, "Search traces",
     traces_at_locations},
    {Method::kPatch, "3.0/mlflow/traces/{trace_id}/tags", kEdit, Audit::kCounted, set_tag,
     "Set a tag of a trace"},
    {Method::kDelete, "3.0/mlflow/traces/{trace_id}/tags", kEdit, Audit::kCounted, delete_tag,
     "Delete a tag of a trace"},
    {Method::kPatch, "2.0/mlflow/traces/{trace_id}/tags", kEdit, Audit::kCounted, set_tag,
     "Set a tag of a trace, older path"},
    {Method::kDelete, "2.0/mlflow/traces/{trace_id}/tags", kEdit, Audit::kCounted, delete_tag,
     "Delete a tag of a trace, older path"},
    {Method::kPost, "3.0/mlflow/traces/delete-traces", kManage, Audit::kEvent, remove,
     "Delete traces", traces_in_experiment},
    {Method::kPost, "2.0/mlflow/traces/delete-traces", kManage, Audit::kEvent, remove,
     "Delete traces, older path", traces_in_experiment},
    {Method::kPost, "2.0/mlflow/traces/link-to-run", kLink, Audit::kCounted, link_to_run,
     "Link traces to a run", traces_and_run},
    {Method::kPost, "2.0/mlflow/traces/link-prompts", kEdit, Audit::kCounted, link_prompts,
     "Link versions of prompts to a trace"},
}};

}  // namespace

void add_traces(std::vector<http::Route>* out, const App& app) { add_rows(out, app, kRows); }

}  // namespace slip::wire::mlflow
