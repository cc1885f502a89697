// Webhooks: create, read, list, update, delete, test. MLflow's clients know MLflow's events alone:
// they see webhooks that ask for one of those, without what else these ask for.

#include "notify/webhooks.h"

#include <algorithm>
#include <array>

#include "base/text.h"
#include "notify/events.h"
#include "wire/mlflow/proto_out.h"
#include "wire/mlflow/rows.h"

namespace slip::wire::mlflow {
namespace {

using codec::Json;
using http::Audit;
using http::Method;
using http::On;
using http::Right;

// Webhooks of the other form are none to these clients.
constexpr notify::Form kOwn = notify::Form::kMlflow;

const In::EnumNames& entities() {
  static const In::EnumNames kNames{
      1,
      {"REGISTERED_MODEL", "MODEL_VERSION", "MODEL_VERSION_TAG", "MODEL_VERSION_ALIAS", "PROMPT",
       "PROMPT_VERSION", "PROMPT_TAG", "PROMPT_VERSION_TAG", "PROMPT_ALIAS", "BUDGET_POLICY"}};
  return kNames;
}
const In::EnumNames& actions() {
  static const In::EnumNames kNames{1, {"CREATED", "UPDATED", "DELETED", "SET", "EXCEEDED"}};
  return kNames;
}
const In::EnumNames& statuses() {
  static const In::EnumNames kNames{1, {"ACTIVE", "DISABLED"}};
  return kNames;
}

std::string upper(std::string_view text) {
  std::string out(text);
  for (char& c : out)
    if (c >= 'a' && c <= 'z') c = static_cast<char>(c - 'a' + 'A');
  return out;
}

Result<std::string> name_of(const In& in, std::string_view field, const In::EnumNames& names) {
  const auto number = TRY(in.maybe_enum(field, names));
  if (!number)
    return invalid("mlflow.missing",
                   concat({"Missing value for required parameter '", field, "'."}));
  return lower(names.names[static_cast<size_t>(*number - names.first)]);
}

Result<std::string> read_event(const In& in) {
  const std::string entity = TRY(name_of(in, "entity", entities()));
  const std::string action = TRY(name_of(in, "action", actions()));
  const std::string event = concat({entity, ".", action});
  if (notify::find_kind(event)) return event;
  std::vector<std::string> valid;
  for (const notify::EventKind& kind : notify::event_kinds())
    if (kind.entity == entity) valid.push_back(concat({"'", kind.action, "'"}));
  std::sort(valid.begin(), valid.end());
  return invalid("webhook.events", concat({"Invalid action '", action, "' for entity '", entity,
                                           "'. Valid actions are: [", join(valid, ", "), "]"}));
}

Result<std::vector<std::string>> read_events(const In& in) {
  std::vector<std::string> out;
  for (const In& event : TRY(in.list("events"))) out.push_back(TRY(read_event(event)));
  return out;
}

Json message_of(const notify::Webhook& w) {
  Json events = Json::array();
  for (const std::string& event : w.events) {
    const notify::EventKind* kind = notify::find_kind(event);
    if (kind && kind->mlflow)
      events.push(Json::object({{"entity", upper(kind->entity)}, {"action", upper(kind->action)}}));
  }
  Json out = Json::object({{"webhook_id", w.uid}, {"name", w.name}});
  if (!w.description.empty()) out.set("description", w.description);
  out.set("url", w.url).set("events", std::move(events));
  out.set("status", w.active ? "ACTIVE" : "DISABLED");
  out.set("creation_timestamp", w.created_ms).set("last_updated_timestamp", w.updated_ms);
  return out;
}

Json reply(const notify::Webhook& webhook) {
  return Json::object({{"webhook", message_of(webhook)}});
}

Result<Json> create(App& app, const Ctx& ctx, const In& in) {
  notify::Webhook wanted;
  wanted.name = TRY(in.text("name"));
  wanted.url = TRY(in.text("url"));
  if (!in.has("events"))
    return invalid("mlflow.missing", "Missing value for required parameter 'events'.");
  wanted.events = TRY(read_events(in));
  wanted.description = TRY(in.text_or("description", ""));
  wanted.secret = TRY(in.text_or("secret", ""));
  wanted.active = TRY(in.maybe_enum("status", statuses())).value_or(1) == 1;
  return reply(TRY(app.webhooks.create(ctx, wanted)));
}

Result<Json> get(App& app, const Ctx& ctx, const In& in) {
  return reply(TRY(app.webhooks.get(ctx, TRY(in.text("webhook_id")), kOwn)));
}

Result<Json> list(App& app, const Ctx& ctx, const In& in) {
  notify::Webhooks::Query query;
  query.mlflow_only = true;
  query.max_results = TRY(in.integer_or("max_results", 0));
  if (query.max_results == 0) query.max_results = 100;
  query.page_token = TRY(in.text_or("page_token", ""));
  const auto page = TRY(app.webhooks.list(ctx, query));
  return page_of("webhooks", page, [](const notify::Webhook& w) { return message_of(w); });
}

std::optional<std::string> if_any(std::string text) {
  if (text.empty()) return std::nullopt;
  return text;
}

Result<Json> update(App& app, const Ctx& ctx, const In& in) {
  notify::Change change;
  change.name = if_any(TRY(in.text_or("name", "")));
  change.description = TRY(in.maybe_text("description"));
  change.url = if_any(TRY(in.text_or("url", "")));
  std::vector<std::string> events = TRY(read_events(in));
  if (!events.empty()) change.events = std::move(events);
  change.keep_own_events = true;
  change.secret = TRY(in.maybe_text("secret"));
  if (const auto status = TRY(in.maybe_enum("status", statuses()))) change.active = *status == 1;
  return reply(TRY(app.webhooks.update(ctx, TRY(in.text("webhook_id")), change, kOwn)));
}

Result<Json> remove(App& app, const Ctx& ctx, const In& in) {
  TRY(app.webhooks.remove(ctx, TRY(in.text("webhook_id")), kOwn));
  return Json::object();
}

Result<Json> test(App& app, const Ctx& ctx, const In& in) {
  std::string event;
  if (in.has("event")) event = TRY(read_event(TRY(in.message("event"))));
  const notify::Answer answer =
      TRY(app.webhooks.test(ctx, TRY(in.text("webhook_id")), event, kOwn));
  Json result = Json::object({{"success", answer.accepted()}});
  if (answer.status != 0) {
    const std::string& body = answer.body;
    result.set("response_status", int64_t{answer.status});
    if (!body.empty()) result.set("response_body", is_utf8(body) ? body : "(no text)");
  } else {
    result.set("error_message", concat({"Failed to test webhook: ", answer.error}));
  }
  return Json::object({{"result", std::move(result)}});
}

// As with MLflow, whoever administers decides where events go.
constexpr http::Permission kManage{Right::kManage, "webhook", On::kProject};

constexpr std::array<Row, 6> kRows = {{
    {Method::kPost, "2.0/mlflow/webhooks", kManage, Audit::kEvent, create, "Create a webhook"},
    {Method::kGet, "2.0/mlflow/webhooks", kManage, Audit::kNone, list, "List webhooks"},
    {Method::kGet, "2.0/mlflow/webhooks/{webhook_id}", kManage, Audit::kNone, get,
     "Read a webhook"},
    {Method::kPatch, "2.0/mlflow/webhooks/{webhook_id}", kManage, Audit::kEvent, update,
     "Change a webhook"},
    {Method::kDelete, "2.0/mlflow/webhooks/{webhook_id}", kManage, Audit::kEvent, remove,
     "Delete a webhook"},
    {Method::kPost, "2.0/mlflow/webhooks/{webhook_id}/test", kManage, Audit::kNone, test,
     "Send an example to a webhook and read what it answers", nullptr, true},
}};

}  // namespace

void add_webhooks(std::vector<http::Route>* out, const App& app) { add_rows(out, app, kRows); }

}  // namespace slip::wire::mlflow
