#include "notify/registry_events.h"

#include <algorithm>
#include <array>

#include "base/text.h"

namespace slip::notify {
namespace {

using codec::Json;

constexpr std::array<std::string_view, 12> kNames = {
    "MODEL_VERSION_CREATED",
    "MODEL_VERSION_TRANSITIONED_STAGE",
    "TRANSITION_REQUEST_CREATED",
    "COMMENT_CREATED",
    "REGISTERED_MODEL_CREATED",
    "MODEL_VERSION_TAG_SET",
    "MODEL_VERSION_TRANSITIONED_TO_STAGING",
    "MODEL_VERSION_TRANSITIONED_TO_PRODUCTION",
    "MODEL_VERSION_TRANSITIONED_TO_ARCHIVED",
    "TRANSITION_REQUEST_TO_STAGING_CREATED",
    "TRANSITION_REQUEST_TO_PRODUCTION_CREATED",
    "TRANSITION_REQUEST_TO_ARCHIVED_CREATED",
};

// Stages that have events of their own; custom ones are told by the general event.
struct StageEvents {
  std::string_view stage;
  std::string_view moved;
  std::string_view asked;
};
constexpr std::array<StageEvents, 3> kStages = {{
    {"Staging", "MODEL_VERSION_TRANSITIONED_TO_STAGING", "TRANSITION_REQUEST_TO_STAGING_CREATED"},
    {"Production", "MODEL_VERSION_TRANSITIONED_TO_PRODUCTION",
     "TRANSITION_REQUEST_TO_PRODUCTION_CREATED"},
    {"Archived", "MODEL_VERSION_TRANSITIONED_TO_ARCHIVED",
     "TRANSITION_REQUEST_TO_ARCHIVED_CREATED"},
}};

enum class Kind : uint8_t { kModel, kVersion, kTag, kMove, kRequest, kComment };
struct Told {
  std::string_view verb;
  Kind kind;
  std::string_view name;
};
constexpr std::array<Told, 6> kTold = {{
    {"registered_model.created", Kind::kModel, "REGISTERED_MODEL_CREATED"},
    {"model_version.created", Kind::kVersion, "MODEL_VERSION_CREATED"},
    {"model_version_tag.set", Kind::kTag, "MODEL_VERSION_TAG_SET"},
    {"stage.transitioned", Kind::kMove, "MODEL_VERSION_TRANSITIONED_STAGE"},
    {"approval.requested", Kind::kRequest, "TRANSITION_REQUEST_CREATED"},
    {"comment.created", Kind::kComment, "COMMENT_CREATED"},
}};

std::string text_at(const ledger::Event& event, std::string_view key) {
  const Json* value = event.body ? event.body->find(key) : nullptr;
  return value && value->is_string() ? value->as_string() : std::string();
}

bool of_prompt(const ledger::Event& event) {
  const Json* prompt = event.body ? event.body->find("prompt") : nullptr;
  return prompt && prompt->is_bool() && prompt->as_bool();
}

void add_stages(const ledger::Event& event, std::string_view to, Json* data) {
  data->set("to_stage", to);
  if (const std::string from = text_at(event, "from"); !from.empty()) data->set("from_stage", from);
}

// The sentence for people; chat services show it.
std::string sentence(const Told& told, const ledger::Event& event) {
  const std::string model = concat({"registered model '", event.subject.name, "'"});
  const std::string version = concat({"Version ", event.subject.version, " of ", model});
  switch (told.kind) {
    case Kind::kModel:
      return concat({"A new ", model, " was made."});
    case Kind::kVersion:
      return concat({version, " was made."});
    case Kind::kTag:
      return concat({version, " got the tag '", text_at(event, "key"), "' => '",
                     text_at(event, "value"), "'."});
    case Kind::kMove:
      return concat(
          {version, " went from ", text_at(event, "from"), " to ", text_at(event, "to"), "."});
    case Kind::kRequest:
      return concat({version, " was asked to enter ", text_at(event, "target"), "."});
    case Kind::kComment:
      return concat({version, " got a comment."});
  }
  return {};
}

RegistryOccurrence occurrence(const Told& told, const ledger::Event& event) {
  RegistryOccurrence out;
  out.data = Json::object({{"model_name", event.subject.name}});
  if (told.kind != Kind::kModel) out.data.set("version", event.subject.version);
  std::string to;
  if (told.kind == Kind::kMove) to = text_at(event, "to");
  if (told.kind == Kind::kRequest) to = text_at(event, "target");
  for (const StageEvents& s : kStages)
    if (s.stage == to) out.names.emplace_back(told.kind == Kind::kMove ? s.moved : s.asked);
  out.names.emplace_back(told.name);
  if (!to.empty()) add_stages(event, to, &out.data);
  if (told.kind == Kind::kTag) {
    Json tags = Json::array();
    tags.push(Json::object({{"key", text_at(event, "key")}, {"value", text_at(event, "value")}}));
    out.data.set("tags", std::move(tags));
  }
  if (told.kind == Kind::kComment) out.data.set("comment", event.reason);
  out.data.set("text", sentence(told, event));
  return out;
}

}  // namespace

std::span<const std::string_view> registry_event_names() { return kNames; }

bool is_registry_event(std::string_view name) {
  return std::find(kNames.begin(), kNames.end(), name) != kNames.end();
}

std::optional<RegistryOccurrence> registry_occurrence_of(const ledger::Event& event) {
  for (const Told& told : kTold)
    if (told.verb == event.verb && !of_prompt(event)) return occurrence(told, event);
  return std::nullopt;
}

RegistryOccurrence registry_example_of(std::string_view name) {
  ledger::Event event;
  event.subject.name = "example_model";
  event.subject.version = "1";
  event.reason = "An example comment";
  std::string to = "Production";
  std::string_view general = name;
  for (const StageEvents& s : kStages) {
    if (name != s.moved && name != s.asked) continue;
    to = s.stage;
    general = name == s.moved ? "MODEL_VERSION_TRANSITIONED_STAGE" : "TRANSITION_REQUEST_CREATED";
  }
  event.body = Json::object({{"key", "example_key"},
                             {"value", "example_value"},
                             {"from", "None"},
                             {"to", to},
                             {"target", to}});
  for (const Told& told : kTold)
    if (told.name == general) return occurrence(told, event);
  return {};
}

std::string registry_payload_of(const RegistryOccurrence& what, const RegistryTelling& telling) {
  Json payload = Json::object({{"event", telling.name},
                               {"webhook_id", telling.webhook_uid},
                               {"event_timestamp", telling.ts_us / 1000}});
  for (const auto& [key, value] : what.data.members()) payload.set(key, value);
  return codec::to_json(payload, codec::kSpaced);
}

}  // namespace slip::notify
