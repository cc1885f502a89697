// Assessments: what people and judges say about a trace.

#include <algorithm>
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

Result<Json> body_of(const tracking::Assessment& a) {
  Json body = TRY(codec::parse_json(a.body, codec::NonFinite::kToken));
  body.set("valid", a.valid);
  return body;
}

Result<Json> given_assessment(const In& in) {
  const Json* given = TRY(in.find("assessment"));
  if (!given || !given->is_object()) TRY(in.text("assessment"));
  return *given;
}

Result<Json> create(App& app, const Ctx& ctx, const In& in) {
  const std::string trace_id = TRY(in.text("trace_id"));
  const tracking::Assessment a = TRY(read_assessment(
      TRY(given_assessment(in)), {.trace_id = trace_id,
                                  .fresh_id = "a-" + new_uuid7(app.clock, app.rng).hex(),
                                  .now_us = app.clock.now_us()}));
  TRY(app.tracking.traces.put_assessment(ctx, trace_id, a));
  return reply(TRY(body_of(a)));
}

Result<Json> get(App& app, const Ctx& ctx, const In& in) {
  return reply(TRY(body_of(TRY(app.tracking.traces.get_assessment(
      ctx, TRY(in.text("trace_id")), TRY(in.text("assessment_id")))))));
}

std::string snake(std::string_view name) {
  std::string out;
  for (const char c : trim(name)) {
    if (c >= 'A' && c <= 'Z') out += '_';
    out += c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
  }
  return out;
}

// A field mask as protobuf writes it, "assessmentName,feedback", or spelled out in "paths".
Result<std::vector<std::string>> mask_of(const In& in) {
  std::vector<std::string> out;
  const Json* mask = TRY(in.find("update_mask"));
  if (!mask)
    return invalid("mlflow.missing",
                   "Missing value for required parameter 'update_mask'. See the API docs for more "
                   "information about request parameters.");
  if (mask->is_object()) {
    const In paths(*mask, "update_mask.");
    for (const std::string& path : TRY(paths.texts("paths"))) out.push_back(snake(path));
    return out;
  }
  if (!mask->is_string()) return invalid("mlflow.type", "Parameter 'update_mask' must be a text");
  for (const std::string_view path : split(mask->as_string(), ','))
    if (!trim(path).empty()) out.push_back(snake(path));
  return out;
}

Status change(std::string_view name, const Json& given, Json* body) {
  const Json* value = given.find(name);
  if (!value && name == "assessment_name") value = given.find("assessmentName");
  const bool is_value = name == "feedback" || name == "expectation";
  if (is_value && !body->find(name))
    return invalid("trace.assessment",
                   name == "feedback"
                       ? "Cannot update feedback value on an Expectation assessment."
                       : "Cannot update expectation value on a Feedback assessment.");
  if (name == "metadata") {  // Added to what is there.
    const Json* there = body->find("metadata");
    Json merged = there && there->is_object() ? *there : Json::object();
    if (value && value->is_object())
      for (const auto& [key, item] : value->members()) merged.set(key, item);
    body->set("metadata", std::move(merged));
    return {};
  }
  if (value)
    body->set(name, *value);
  else if (name != "assessment_name" && !is_value)
    body->erase(name);
  return {};
}

// Replaces the fields that the mask names; where an assessment comes from never changes.
Result<Json> update(App& app, const Ctx& ctx, const In& in) {
  constexpr std::array<std::string_view, 6> kMutable = {
      "assessment_name", "feedback", "expectation", "rationale", "metadata", "valid"};
  const Json given = TRY(given_assessment(in));
  const std::vector<std::string> mask = TRY(mask_of(in));
  for (const std::string& name : mask)
    if (std::find(kMutable.begin(), kMutable.end(), name) == kMutable.end())
      return invalid("trace.assessment",
                     concat({"Field '", name, "' of an assessment cannot be updated"}));
  if (std::find(mask.begin(), mask.end(), "feedback") != mask.end() &&
      std::find(mask.begin(), mask.end(), "expectation") != mask.end())
    return invalid("trace.assessment",
                   "Cannot specify both `expectation` and `feedback` parameters.");
  const int64_t now_us = app.clock.now_us();
  const auto edit = [&](tracking::Assessment* a) -> Status {
    Json body = TRY(body_of(*a));
    for (const std::string& name : mask) TRY(change(name, given, &body));
    body.set("last_update_time", format_timestamp_us(now_us));
    index_assessment(&body, a);
    a->body = codec::to_json(body, 0, codec::NonFinite::kToken);
    return {};
  };
  return reply(TRY(body_of(TRY(app.tracking.traces.change_assessment(
      ctx, TRY(in.text("trace_id")), TRY(in.text("assessment_id")), edit)))));
}

Result<Json> remove(App& app, const Ctx& ctx, const In& in) {
  TRY(app.tracking.traces.delete_assessment(ctx, TRY(in.text("trace_id")),
                                            TRY(in.text("assessment_id"))));
  return Json::object();
}

constexpr http::Permission kRead{Right::kRead, "assessment"};
constexpr http::Permission kEdit{Right::kEdit, "assessment"};
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
