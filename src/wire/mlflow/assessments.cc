// Assessments: what people and judges say about a trace.

#include <array>
#include <utility>

#include "base/text.h"
#include "sys/clock.h"
#include "sys/rng.h"
#include "tracking/tracking.h"
#include "wire/mlflow/proto_time.h"
#include "wire/mlflow/rows.h"
#include "wire/mlflow/trace_messages.h"

namespace slip::wire::mlflow {
namespace {

using codec::Json;
using http::Audit;
using http::Method;
using http::Right;

Json reply(Json body) { return Json::object({{"assessment", std::move(body)}}); }

Result<Json> create(App& app, const Ctx& ctx, const In& in) {
  const std::string trace_id = TRY(in.text("trace_id"));
  const Json* given = TRY(in.find("assessment"));
  if (!given || !given->is_object()) TRY(in.text("assessment"));
  Json body = *given;
  const In fields(body, "assessment.");
  TRY(fields.text("assessment_name"));
  tracking::Assessment a;
  a.id = TRY(fields.text_or("assessment_id", ""));
  if (a.id.empty()) a.id = "a-" + new_uuid7(app.clock, app.rng).hex();
  const int64_t now_us = app.clock.now_us();
  a.created_us = TRY(read_timestamp(fields, "create_time"));
  if (a.created_us == 0) a.created_us = now_us;
  body.set("assessment_id", a.id);
  body.set("trace_id", trace_id);
  if (!fields.has("create_time")) body.set("create_time", format_timestamp_us(a.created_us));
  if (!fields.has("last_update_time")) body.set("last_update_time", format_timestamp_us(now_us));
  if (!fields.has("valid")) body.set("valid", true);
  a.body = codec::to_json(body);
  TRY(app.tracking.traces.put_assessment(ctx, trace_id, a));
  return reply(std::move(body));
}

Result<Json> get(App& app, const Ctx& ctx, const In& in) {
  const auto found = TRY(app.tracking.traces.get_assessment(ctx, TRY(in.text("trace_id")),
                                                            TRY(in.text("assessment_id"))));
  return reply(TRY(codec::parse_json(found.body, codec::NonFinite::kToken)));
}

// Replaces the fields that the mask names, or all that are given when there is no mask.
Result<Json> update(App& app, const Ctx& ctx, const In& in) {
  const std::string trace_id = TRY(in.text("trace_id"));
  auto found =
      TRY(app.tracking.traces.get_assessment(ctx, trace_id, TRY(in.text("assessment_id"))));
  Json body = TRY(codec::parse_json(found.body, codec::NonFinite::kToken));
  const Json* given = TRY(in.find("assessment"));
  if (!given || !given->is_object()) TRY(in.text("assessment"));
  const std::string mask = TRY(in.text_or("update_mask", ""));
  for (const auto& [name, value] : given->members()) {
    if (name == "assessment_id" || name == "trace_id") continue;
    bool named = mask.empty();
    for (const std::string_view field : split(mask, ',')) named = named || trim(field) == name;
    if (named) body.set(name, value);
  }
  body.set("last_update_time", format_timestamp_us(app.clock.now_us()));
  found.body = codec::to_json(body);
  TRY(app.tracking.traces.put_assessment(ctx, trace_id, found));
  return reply(std::move(body));
}

Result<Json> remove(App& app, const Ctx& ctx, const In& in) {
  TRY(app.tracking.traces.delete_assessment(ctx, TRY(in.text("trace_id")),
                                            TRY(in.text("assessment_id"))));
  return Json::object();
}

constexpr http::Permission kRead{Right::kRead, "trace"};
constexpr http::Permission kEdit{Right::kEdit, "trace"};
constexpr std::string_view kOne = "3.0/mlflow/traces/{trace_id}/assessments/{assessment_id}";

constexpr std::array<Row, 4> kRows = {{
    {Method::kPost, "3.0/mlflow/traces/{trace_id}/assessments", kEdit, Audit::kEvent, create,
     "Assess a trace"},
    {Method::kGet, kOne, kRead, Audit::kNone, get, "Read an assessment"},
    {Method::kPatch, kOne, kEdit, Audit::kEvent, update, "Change an assessment"},
    {Method::kDelete, kOne, kEdit, Audit::kEvent, remove, "Delete an assessment"},
}};

}  // namespace

void add_assessments(std::vector<http::Route>* out, const App& app) { add_rows(out, app, kRows); }

}  // namespace slip::wire::mlflow
