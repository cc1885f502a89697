#include "wire/native/webhooks.h"

#include <array>
#include <utility>

#include "base/text.h"
#include "wire/native/native.h"

namespace slip::wire::native {
namespace {

using codec::Json;
using http::Audit;
using http::Method;

using Call = Result<http::Reply> (*)(const WebhooksApp&, const Ctx&, http::Request&);

Json webhook_json(const notify::Webhook& w) {
  Json events = Json::array();
  for (const std::string& event : w.events) events.push(event);
  Json out = Json::object({{"uid", w.uid},
                           {"form", notify::form_name(w.form)},
                           {"name", w.name},
                           {"url", w.url},
                           {"description", w.description},
                           {"active", w.active},
                           {"is_signed", !w.secret.empty()},
                           {"events", std::move(events)},
                           {"created_ms", w.created_ms},
                           {"updated_ms", w.updated_ms}});
  if (w.form == notify::Form::kMlflow) return out;
  out.set("test_mode", w.test_mode).set("has_credentials", !w.credentials.empty());
  if (!w.model_uid.empty()) out.set("model_uid", w.model_uid).set("model_name", w.model_name);
  return out;
}

Json delivery_json(const notify::Delivery& d) {
  Json out = Json::object({{"uid", d.uid},
                           {"event", d.event},
                           {"seq", d.seq},
                           {"state", d.state},
                           {"attempts", d.attempts},
                           {"status", d.status},
                           {"error", d.error},
                           {"response", d.response},
                           {"payload", d.payload},
                           {"created_ms", d.created_ms},
                           {"updated_ms", d.updated_ms}});
  if (d.state == "pending") out.set("next_ms", d.next_ms);
  if (!d.replay_of.empty()) out.set("replay_of", d.replay_of);
  return out;
}

Result<std::vector<std::string>> read_events(const Json& body) {
  std::vector<std::string> out;
  const Json* events = body.find("events");
  if (!events) return out;
  const auto wrong = [] {
    return invalid("request.wrong_type", "events is a list of texts such as stage.transitioned");
  };
  if (!events->is_array()) return wrong();
  for (const Json& event : events->items()) {
    if (!event.is_string()) return wrong();
    out.push_back(event.as_string());
  }
  return out;
}

Result<http::Reply> create(const WebhooksApp& app, const Ctx& ctx, http::Request& request) {
  const Json body = TRY(body_object(request));
  notify::Webhook wanted;
  wanted.name = TRY(codec::want_string(body, "name"));
  wanted.url = TRY(codec::want_string(body, "url"));
  wanted.description = TRY(codec::string_or(body, "description", ""));
  wanted.secret = TRY(codec::string_or(body, "secret", ""));
  wanted.active = TRY(codec::bool_or(body, "active", true));
  wanted.events = TRY(read_events(body));
  return json_reply(webhook_json(TRY(app.webhooks.create(ctx, wanted))));
}

Result<notify::Webhooks::Query> query_of(const http::Request& request) {
  const Page page = TRY(page_of(request));
  return notify::Webhooks::Query{.max_results = page.limit, .page_token = page.after};
}

Result<http::Reply> list(const WebhooksApp& app, const Ctx& ctx, http::Request& request) {
  const auto page = TRY(app.webhooks.list(ctx, TRY(query_of(request))));
  std::vector<Json> items;
  for (const notify::Webhook& w : page.items) items.push_back(webhook_json(w));
  return json_reply(page_json(std::move(items), page.next_page_token));
}

Result<http::Reply> get(const WebhooksApp& app, const Ctx& ctx, http::Request& request) {
  return json_reply(webhook_json(TRY(app.webhooks.get(ctx, request.param("uid")))));
}

Result<http::Reply> change(const WebhooksApp& app, const Ctx& ctx, http::Request& request) {
  const Json body = TRY(body_object(request));
  notify::Change wanted;
  if (body.find("name")) wanted.name = TRY(codec::want_string(body, "name"));
  if (body.find("url")) wanted.url = TRY(codec::want_string(body, "url"));
  if (body.find("description")) wanted.description = TRY(codec::want_string(body, "description"));
  if (body.find("secret")) wanted.secret = TRY(codec::want_string(body, "secret"));
  if (body.find("active")) wanted.active = TRY(codec::want_bool(body, "active"));
  if (body.find("events")) wanted.events = TRY(read_events(body));
  return json_reply(webhook_json(TRY(app.webhooks.update(ctx, request.param("uid"), wanted))));
}

Result<http::Reply> remove(const WebhooksApp& app, const Ctx& ctx, http::Request& request) {
  TRY(app.webhooks.remove(ctx, request.param("uid")));
  return json_reply(Json::object({{"deleted", request.param("uid")}}));
}

Result<http::Reply> test(const WebhooksApp& app, const Ctx& ctx, http::Request& request) {
  const Json body = TRY(body_object(request));
  const std::string event = TRY(codec::string_or(body, "event", ""));
  const notify::Answer answer = TRY(app.webhooks.test(ctx, request.param("uid"), event));
  return json_reply(
      Json::object({{"accepted", answer.accepted()},
                    {"status", int64_t{answer.status}},
                    {"error", answer.error},
                    {"response", is_utf8(answer.body) ? answer.body : std::string("(no text)")}}));
}

Result<http::Reply> deliveries(const WebhooksApp& app, const Ctx& ctx, http::Request& request) {
  const auto page = TRY(app.webhooks.deliveries(ctx, request.param("uid"), TRY(query_of(request))));
  std::vector<Json> items;
  for (const notify::Delivery& d : page.items) items.push_back(delivery_json(d));
  return json_reply(page_json(std::move(items), page.next_page_token));
}

Result<http::Reply> replay(const WebhooksApp& app, const Ctx& ctx, http::Request& request) {
  return json_reply(delivery_json(
      TRY(app.webhooks.replay(ctx, request.param("uid"), request.param("delivery")))));
}

struct Row {
  Method method;
  std::string_view path;
  Audit audit;
  Call call;
  std::string_view summary;
};
constexpr std::array<Row, 8> kRows = {{
    {Method::kPost, "/webhooks", Audit::kEvent, create, "Make a webhook."},
    {Method::kGet, "/webhooks", Audit::kNone, list, "List webhooks, newest first."},
    {Method::kGet, "/webhooks/{uid}", Audit::kNone, get, "Read a webhook."},
    {Method::kPatch, "/webhooks/{uid}", Audit::kEvent, change, "Change a webhook."},
    {Method::kDelete, "/webhooks/{uid}", Audit::kEvent, remove,
     "Delete a webhook with its deliveries."},
    {Method::kPost, "/webhooks/{uid}/test", Audit::kNone, test,
     "Send an example and read what is answered."},
    {Method::kGet, "/webhooks/{uid}/deliveries", Audit::kNone, deliveries,
     "List what was or will be sent, newest first."},
    {Method::kPost, "/webhooks/{uid}/deliveries/{delivery}/replay", Audit::kEvent, replay,
     "Send a delivery that has ended once more."},
}};

}  // namespace

std::vector<http::Route> webhook_routes(WebhooksApp app) {
  std::vector<http::Route> out;
  for (const Row& row : kRows) {
    http::Route& route = out.emplace_back();
    route.method = row.method;
    route.path = at(row.path);
    route.permission = {http::Right::kManage, "webhook", http::On::kProject};
    route.audit = row.audit;
    route.summary = row.summary;
    route.waits_for_others = row.call == test;
    if (row.method == Method::kPost || row.method == Method::kPatch) route.body = http::memory();
    route.blocking = [app, call = row.call](const Ctx& ctx, http::Request& request) {
      return call(app, ctx, request);
    };
  }
  return out;
}

}  // namespace slip::wire::native
