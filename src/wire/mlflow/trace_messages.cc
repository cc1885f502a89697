#include "wire/mlflow/trace_messages.h"

#include <array>
#include <cmath>
#include <utility>

#include "base/text.h"
#include "wire/mlflow/proto_out.h"
#include "wire/mlflow/proto_time.h"

namespace slip::wire::mlflow {
namespace {

using codec::Json;

constexpr std::string_view kFinalizedKey = "mlflow.trace.infoFinalized";

Json map_of(const std::vector<tracking::Tag>& tags) {
  Json out = Json::object();
  for (const tracking::Tag& tag : tags) out.set(tag.key, tag.value);
  return out;
}

Json metadata_of(const tracking::Trace& t) {
  Json out = map_of(t.metadata);
  if (t.finalized) out.set(kFinalizedKey, "true");
  return out;
}

// 5.0 of a protobuf Value is 5.
Json value_of(const Json& body, std::string_view kind) {
  const Json* part = body.find(kind);
  if (!part || !part->is_object()) return {};
  const Json* value = part->find("value");
  if (const Json* packed = part->find("serialized_value"); packed && packed->is_object())
    if (const Json* text = packed->find("value"); text && text->is_string()) {
      Result<Json> inner = codec::parse_json(text->as_string(), codec::NonFinite::kToken);
      if (inner.ok()) return std::move(inner).value();
    }
  if (!value) return {};
  if (value->kind() == Json::Kind::kDouble) {
    const double d = value->as_double();
    if (d == std::floor(d) && std::abs(d) < 9e15) return static_cast<int64_t>(d);
  }
  return *value;
}

// Readers expect lists and objects that are expected as JSON text.
void pack_expectation(Json* body) {
  const Json* part = body->find("expectation");
  const Json* value = part ? part->find("value") : nullptr;
  if (!value || (!value->is_array() && !value->is_object())) return;
  Json packed = Json::object({{"serialization_format", "JSON_FORMAT"},
                              {"value", codec::to_json(*value, 0, codec::NonFinite::kToken)}});
  body->set("expectation", Json::object({{"serialized_value", std::move(packed)}}));
}

}  // namespace

const In::EnumNames& trace_states() {
  static const In::EnumNames names = {0, {"STATE_UNSPECIFIED", "OK", "ERROR", "IN_PROGRESS"}};
  return names;
}

Json trace_info(const tracking::Trace& t) {
  Json out = Json::object({{"trace_id", t.id}});
  if (t.client_request_id) out.set("client_request_id", *t.client_request_id);
  out.set("trace_location",
          Json::object({{"type", "MLFLOW_EXPERIMENT"},
                        {"mlflow_experiment",
                         Json::object({{"experiment_id", std::to_string(t.experiment_id)}})}}));
  if (t.request_preview) out.set("request_preview", *t.request_preview);
  if (t.response_preview) out.set("response_preview", *t.response_preview);
  out.set("request_time", format_timestamp_us(t.request_us));
  if (t.duration_us) out.set("execution_duration", format_duration_us(*t.duration_us));
  out.set("state", trace_states().names[static_cast<size_t>(t.state)]);
  Json metadata = metadata_of(t);
  if (!metadata.members().empty()) out.set("trace_metadata", std::move(metadata));
  std::vector<Json> assessments;
  for (const tracking::Assessment& a : t.assessments)
    if (Result<Json> body = codec::parse_json(a.body, codec::NonFinite::kToken); body.ok()) {
      body->set("valid", a.valid);
      assessments.push_back(std::move(body).value());
    }
  set_list(&out, "assessments", std::move(assessments));
  if (!t.tags.empty()) out.set("tags", map_of(t.tags));
  return out;
}

Json trace_info_v2(const tracking::Trace& t) {
  Json out = Json::object({{"request_id", t.id},
                           {"experiment_id", std::to_string(t.experiment_id)},
                           {"timestamp_ms", t.request_us / 1000}});
  if (t.duration_us) out.set("execution_time_ms", *t.duration_us / 1000);
  out.set("status", t.state == tracking::TraceState::kUnspecified
                        ? "TRACE_STATUS_UNSPECIFIED"
                        : trace_states().names[static_cast<size_t>(t.state)]);
  std::vector<tracking::Tag> metadata = t.metadata;
  if (t.finalized) metadata.push_back({std::string(kFinalizedKey), "true"});
  if (!metadata.empty()) out.set("request_metadata", tag_list(metadata));
  if (!t.tags.empty()) out.set("tags", tag_list(t.tags));
  return out;
}

Result<std::vector<tracking::Tag>> read_map(const In& in, std::string_view name) {
  std::vector<tracking::Tag> out;
  const Json* value = TRY(in.find(name));
  if (!value) return out;
  if (!value->is_object())
    return invalid("mlflow.type", concat({"Parameter '", name, "' must be an object"}));
  for (const auto& [key, item] : value->members())
    out.push_back({key, item.is_string() ? item.as_string() : codec::to_json(item)});
  return out;
}

Result<int64_t> read_timestamp(const In& in, std::string_view name) {
  const auto text = TRY(in.maybe_text(name));
  if (!text) return int64_t{0};
  if (const auto us = parse_timestamp_us(*text)) return *us;
  return invalid("mlflow.type", concat({"Invalid value \"", *text, "\" for parameter '", name,
                                        "' supplied: no RFC 3339 time"}));
}

void index_assessment(Json* given, tracking::Assessment* out) {
  pack_expectation(given);
  const Json& body = *given;
  const auto text = [&](std::string_view name) {
    const Json* value = body.find(name);
    return value && value->is_string() ? value->as_string() : std::string();
  };
  out->name = text("assessment_name");
  out->overrides = text("overrides");
  for (const char* kind : {"feedback", "expectation", "issue"})
    if (const Json* part = body.find(kind); part && part->is_object()) out->kind = kind;
  const Json value = value_of(body, out->kind);
  out->value = codec::to_json(value, 0, codec::NonFinite::kToken);
  out->number.reset();
  out->is_number = false;
  if (value.is_bool()) out->number = value.as_bool() ? 1 : 0;
  if (value.is_number() && std::isfinite(value.as_double())) {
    out->number = value.as_double();
    out->is_number = true;
  }
  if (value.is_string()) {
    const std::string word = lower(trim(value.as_string()));
    if (word == "yes" || word == "no") out->number = word == "yes" ? 1 : 0;
  }
  if (const Json* metadata = body.find("metadata"); metadata && metadata->is_object())
    out->of_session = metadata->find("mlflow.trace.session") != nullptr;
  if (const Json* valid = body.find("valid"); valid && valid->is_bool())
    out->valid = valid->as_bool();
}

Result<tracking::Assessment> read_assessment(const Json& given, const NewAssessment& fresh) {
  Json body = given;
  // In the names that we answer with, whichever the sender used.
  constexpr std::array<std::pair<std::string_view, std::string_view>, 6> kCamel = {
      {{"assessmentName", "assessment_name"},
       {"assessmentId", "assessment_id"},
       {"spanId", "span_id"},
       {"createTime", "create_time"},
       {"lastUpdateTime", "last_update_time"},
       {"traceId", "trace_id"}}};
  for (const auto& [camel, snake] : kCamel)
    if (const Json* value = body.find(camel)) {
      Json moved = *value;
      body.erase(camel);
      body.set(snake, std::move(moved));
    }
  const In fields(body, "assessment.");
  TRY(fields.text("assessment_name"));
  tracking::Assessment out;
  out.id = TRY(fields.text_or("assessment_id", ""));
  if (out.id.empty()) out.id = fresh.fresh_id;
  out.created_us = TRY(read_timestamp(fields, "create_time"));
  if (out.created_us == 0) out.created_us = fresh.now_us;
  body.set("assessment_id", out.id);
  body.set("trace_id", fresh.trace_id);
  if (!fields.has("create_time")) body.set("create_time", format_timestamp_us(out.created_us));
  if (!fields.has("last_update_time"))
    body.set("last_update_time", format_timestamp_us(fresh.now_us));
  if (!fields.has("valid")) body.set("valid", true);
  index_assessment(&body, &out);
  if (out.kind.empty())
    return invalid("trace.assessment",
                   "Unknown assessment type: one of feedback, expectation or issue is needed");
  out.body = codec::to_json(body, 0, codec::NonFinite::kToken);
  return out;
}

}  // namespace slip::wire::mlflow
