// Traces as clients before version 3 record and read them.

#include <array>
#include <utility>

#include "base/text.h"
#include "base/uuid.h"
#include "sys/rng.h"
#include "tracking/tracking.h"
#include "tracking/validate.h"
#include "wire/mlflow/proto_out.h"
#include "wire/mlflow/rows.h"
#include "wire/mlflow/trace_messages.h"

namespace slip::wire::mlflow {
namespace {

using codec::Json;
using http::Audit;
using http::Method;
using http::Right;

Json reply(const tracking::Trace& trace) {
  return Json::object({{"trace_info", trace_info_v2(trace)}});
}

const In::EnumNames& statuses() {
  static const In::EnumNames names = {0,
                                      {"TRACE_STATUS_UNSPECIFIED", "OK", "ERROR", "IN_PROGRESS"}};
  return names;
}

Result<Json> start(App& app, const Ctx& ctx, const In& in) {
  tracking::Trace head;
  head.id = make_uuid4(app.rng.u64(), app.rng.u64()).hex();
  head.experiment_id = TRY(tracking::parse_experiment_id(TRY(in.text("experiment_id"))));
  head.request_us = TRY(in.integer("timestamp_ms")) * 1000;
  head.state = tracking::TraceState::kInProgress;
  head.metadata = TRY(read_tags(in, "request_metadata"));
  head.tags = TRY(read_tags(in, "tags"));
  return reply(TRY(app.tracking.traces.start(ctx, std::move(head), false)));
}

Result<Json> end(App& app, const Ctx& ctx, const In& in) {
  tracking::Traces::End end;
  end.time_us = TRY(in.integer("timestamp_ms")) * 1000;
  end.state =
      static_cast<tracking::TraceState>(TRY(in.maybe_enum("status", statuses())).value_or(0));
  end.metadata = TRY(read_tags(in, "request_metadata"));
  end.tags = TRY(read_tags(in, "tags"));
  return reply(TRY(app.tracking.traces.end(ctx, TRY(in.text("trace_id")), end)));
}

Result<Json> get(App& app, const Ctx& ctx, const In& in) {
  return reply(TRY(app.tracking.traces.get(ctx, TRY(in.text("trace_id")))));
}

Result<Json> search(App& app, const Ctx& ctx, const In& in) {
  tracking::TraceQuery query;
  for (const std::string& id : TRY(in.texts("experiment_ids")))
    query.experiment_ids.push_back(TRY(tracking::parse_experiment_id(id)));
  if (query.experiment_ids.empty()) TRY(in.text("experiment_ids"));
  query.filter = TRY(in.text_or("filter", ""));
  query.order_by = TRY(in.texts("order_by"));
  query.max_results = TRY(in.integer_or("max_results", 100));
  query.page_token = TRY(in.text_or("page_token", ""));
  const auto page = TRY(app.tracking.traces.search(ctx, query));
  return page_of("traces", page, [](const tracking::Trace& t) { return trace_info_v2(t); });
}

constexpr http::Permission kRead{Right::kRead, "trace"};
constexpr http::Permission kEdit{Right::kEdit, "trace"};
constexpr http::Permission kNew{Right::kEdit, "trace", http::On::kObjects};

constexpr std::array<Row, 4> kRows = {{
    {Method::kPost, "2.0/mlflow/traces", kNew, Audit::kCounted, start,
     "Begin a trace, as clients before version 3 do", new_trace_in_experiment},
    {Method::kGet, "2.0/mlflow/traces", kRead, Audit::kNone, search,
     "Search traces, as clients before version 3 do", traces_in_experiments},
    {Method::kPatch, "2.0/mlflow/traces/{trace_id}", kEdit, Audit::kCounted, end,
     "End a trace, as clients before version 3 do"},
    {Method::kGet, "2.0/mlflow/traces/{trace_id}/info", kRead, Audit::kNone, get,
     "Read a trace's head, as clients before version 3 do"},
}};

}  // namespace

void add_traces_v2(std::vector<http::Route>* out, const App& app) { add_rows(out, app, kRows); }

}  // namespace slip::wire::mlflow
