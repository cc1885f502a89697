#include "notify/events.h"

#include <array>
#include <initializer_list>

#include "base/id.h"
#include "base/text.h"

namespace slip::notify {
namespace {

using codec::Json;

constexpr std::array<EventKind, 25> kKinds = {{
    {"registered_model", "created", true},
    {"model_version", "created", true},
    {"model_version_tag", "set", true},
    {"model_version_tag", "deleted", true},
    {"model_version_alias", "created", true},
    {"model_version_alias", "deleted", true},
    {"prompt", "created", true},
    {"prompt_version", "created", true},
    {"prompt_tag", "set", true},
    {"prompt_tag", "deleted", true},
    {"prompt_version_tag", "set", true},
    {"prompt_version_tag", "deleted", true},
    {"prompt_alias", "created", true},
    {"prompt_alias", "deleted", true},
    {"budget_policy", "exceeded", true},  // May be asked for; nothing here has a budget.
    {"stage", "transitioned"},
    {"approval", "requested"},
    {"approval", "granted"},
    {"approval", "rejected"},
    {"approval", "cancelled"},
    {"approval", "expired"},
    {"approval", "voided"},
    {"approval", "applied"},
    {"async", "done"},
    {"async", "failed"},
}};

// Verb of the ledger, and what it is called when it is about a model or about a prompt; "": not
// told.
struct Told {
  std::string_view verb;
  std::string_view of_model;
  std::string_view of_prompt;
};
constexpr std::array<Told, 8> kTold = {{
    {"registered_model.created", "registered_model.created", "prompt.created"},
    {"model_version.created", "model_version.created", "prompt_version.created"},
    {"model_version_tag.set", "model_version_tag.set", "prompt_version_tag.set"},
    {"model_version_tag.deleted", "model_version_tag.deleted", "prompt_version_tag.deleted"},
    {"model_alias.set", "model_version_alias.created", "prompt_alias.created"},
    {"model_alias.deleted", "model_version_alias.deleted", "prompt_alias.deleted"},
    {"registered_model_tag.set", "", "prompt_tag.set"},
    {"registered_model_tag.deleted", "", "prompt_tag.deleted"},
}};

// Tags by which MLflow knows a prompt; its events leave them out.
constexpr std::array<std::string_view, 2> kPromptMarks = {"mlflow.prompt.is_prompt",
                                                          "_mlflow_prompt_type"};
constexpr std::string_view kPromptText = "mlflow.prompt.text";

Json or_null(const Json* value) {
  if (!value || (value->is_string() && value->as_string().empty())) return {};
  return *value;
}

Json created_data(const ledger::Event& event, bool of_version, bool of_prompt) {
  static const Json kNothing = Json::object();
  const Json& body = event.body ? *event.body : kNothing;
  Json tags = body.find("tags") ? *body.find("tags") : Json::object();
  Json data = Json::object({{"name", event.subject.name}});
  if (of_version) data.set("version", event.subject.version);
  if (of_prompt) {
    if (of_version) data.set("template", or_null(tags.find(kPromptText)));
    if (of_version) tags.erase(kPromptText);
    for (const std::string_view mark : kPromptMarks) tags.erase(mark);
  } else if (of_version) {
    data.set("source", body.find("source") ? *body.find("source") : Json(""));
    data.set("run_id", or_null(body.find("run_id")));
  }
  data.set("tags", std::move(tags));
  const Json* description = body.find("description");
  data.set("description", of_version ? or_null(description) : description ? *description : Json());
  if (const Json* cut = body.find("truncated")) data.set("truncated", *cut);
  return data;
}

Json changed_data(const ledger::Event& event, std::string_view verb) {
  Json data = Json::object({{"name", event.subject.name}});
  const bool of_alias = verb.starts_with("model_alias.");
  if (!of_alias && !event.subject.version.empty()) data.set("version", event.subject.version);
  if (!event.body) return data;
  for (const std::string_view key : {"alias", "key", "value", "truncated"})
    if (const Json* value = event.body->find(key)) data.set(key, *value);
  if (verb == "model_alias.set") data.set("version", event.subject.version);
  return data;
}

// Ours: whom it is about, who did it, and what the ledger tells besides.
Json governed_data(const ledger::Event& event) {
  Json data = Json::object({{"name", event.subject.name},
                            {"version", event.subject.version},
                            {"digest", event.subject.digest},
                            {"actor", event.actor_uid},
                            {"reason", event.reason}});
  if (event.body && event.body->is_object())
    for (const auto& [key, value] : event.body->members())
      if (!data.find(key)) data.set(key, value);
  return data;
}

}  // namespace

std::span<const EventKind> event_kinds() { return kKinds; }

const EventKind* find_kind(std::string_view event) {
  for (const EventKind& k : kKinds)
    if (event.size() == k.entity.size() + 1 + k.action.size() && event.starts_with(k.entity) &&
        event.ends_with(k.action) && event[k.entity.size()] == '.')
      return &k;
  return nullptr;
}

std::optional<Occurrence> occurrence_of(const ledger::Event& event) {
  for (const Told& t : kTold) {
    if (t.verb != event.verb) continue;
    const Json* prompt = event.body ? event.body->find("prompt") : nullptr;
    const bool of_prompt = prompt && prompt->is_bool() && prompt->as_bool();
    const std::string_view name = of_prompt ? t.of_prompt : t.of_model;
    if (name.empty()) return std::nullopt;
    const bool created = t.verb.ends_with(".created");
    const bool of_version = t.verb.starts_with("model_version.");
    return Occurrence{std::string(name), created ? created_data(event, of_version, of_prompt)
                                                 : changed_data(event, t.verb)};
  }
  const EventKind* kind = find_kind(event.verb);
  if (!kind || kind->mlflow) return std::nullopt;
  return Occurrence{event.verb, governed_data(event)};
}

Json example_of(std::string_view event) {
  if (event == "budget_policy.exceeded")
    return Json::object({{"budget_policy_id", "bp-abc123"},
                         {"budget_unit", "USD"},
                         {"budget_amount", 100.0},
                         {"current_spend", 105.5},
                         {"duration_unit", "MONTHS"},
                         {"duration_value", 1},
                         {"target_scope", "ENDPOINT"},
                         {"workspace", "default"},
                         {"target_value", "ep-abc123"},
                         {"window_start", int64_t{1'704'067'200'000}}});
  const bool prompt = event.starts_with("prompt");
  const std::string noun = prompt ? "prompt" : "model";
  const bool of_version = event.find("_version.") != event.npos;
  Json data = Json::object({{"name", concat({"example_", noun})}});
  if (event.starts_with("async."))
    return Json::object({{"name", "/v2/models/example_model/infer"},
                         {"id", "0192f3a0-0000-7000-8000-000000000000"},
                         {"state", event.substr(6)},
                         {"status", event == "async.done" ? 200 : 400},
                         {"attempts", 1},
                         {"result", "/v2/async/0192f3a0-0000-7000-8000-000000000000/result"}});
  if (event == "stage.transitioned" || event.starts_with("approval.")) {
    data.set("version", "1").set("digest", "").set("actor", "example_user").set("reason", "");
    if (event.starts_with("stage.")) return data.set("from", "Staging").set("to", "Production");
    return data.set("request", "example_request").set("target", "Production");
  }
  if (event.find("_alias.") != event.npos) {
    data.set("alias", "example_alias");
    return event.ends_with(".created") ? data.set("version", "1") : data;
  }
  if (event.find("_tag.") != event.npos) {
    if (event.find("_version_") != event.npos) data.set("version", "1");
    data.set("key", "example_key");
    return event.ends_with(".set") ? data.set("value", "example_value") : data;
  }
  if (of_version) data.set("version", "1");
  if (of_version && prompt) data.set("template", "Hello {{name}}!");
  if (of_version && !prompt) data.set("source", "models:/123").set("run_id", "abcd1234abcd5678");
  data.set("tags", Json::object({{"example_key", "example_value"}}));
  const std::string what = of_version ? noun + " version" : prompt ? noun : "registered model";
  return data.set("description", concat({"An example ", what}));
}

std::string payload_of(const Occurrence& what, int64_t ts_us, const std::string& project) {
  const size_t dot = what.event.find('.');
  std::string time = format_time_ms(ts_us / 1000);  // "….123Z"
  time.pop_back();
  const std::string micros = std::to_string(1000 + ts_us % 1000).substr(1);
  Json payload = Json::object({{"entity", what.event.substr(0, dot)},
                               {"action", what.event.substr(dot + 1)},
                               {"timestamp", concat({time, micros, "+00:00"})},
                               {"data", what.data}});
  if (project != kDefaultProject) payload.set("workspace", project);
  return codec::to_json(payload, codec::kSpaced);
}

}  // namespace slip::notify
