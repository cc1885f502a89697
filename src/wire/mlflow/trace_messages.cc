#include "wire/mlflow/trace_messages.h"

#include <utility>

#include "base/text.h"
#include "wire/mlflow/proto_out.h"
#include "wire/mlflow/proto_time.h"

namespace slip::wire::mlflow {
namespace {

using codec::Json;

Json map_of(const std::vector<tracking::Tag>& tags) {
  Json out = Json::object();
  for (const tracking::Tag& tag : tags) out.set(tag.key, tag.value);
  return out;
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
  if (!t.metadata.empty()) out.set("trace_metadata", map_of(t.metadata));
  std::vector<Json> assessments;
  for (const tracking::Assessment& a : t.assessments)
    if (Result<Json> body = codec::parse_json(a.body, codec::NonFinite::kToken); body.ok())
      assessments.push_back(std::move(body).value());
  set_list(&out, "assessments", std::move(assessments));
  if (!t.tags.empty()) out.set("tags", map_of(t.tags));
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

}  // namespace slip::wire::mlflow
