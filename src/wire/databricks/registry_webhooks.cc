#include "wire/databricks/registry_webhooks.h"

#include <algorithm>
#include <array>
#include <optional>
#include <utility>

#include "base/text.h"
#include "core/auth/auth.h"
#include "notify/webhooks.h"
#include "registry/check.h"
#include "registry/registry.h"
#include "wire/databricks/request.h"

namespace slip::wire::databricks {
namespace {

using codec::Json;
using http::Audit;
using http::Method;
using http::On;
using http::Right;
using notify::Webhook;

constexpr notify::Form kOwn = notify::Form::kDatabricks;
constexpr int64_t kPage = 100;

// Prompts are none of this API's models.
Result<registry::Model> model_named(const App& app, const Ctx& ctx, const std::string& name) {
  registry::Model model = TRY(app.registry.get_model(ctx, name));
  if (registry::is_prompt(model.tags))
    return not_found("model.not_found",
                     concat({"Registered Model with name=", name, " not found"}));
  return model;
}

// ---- what is asked

const Json* given(const Json& in, std::string_view key) {
  const Json* value = in.find(key);
  return value && !value->is_null() ? value : nullptr;
}

// A list of texts, or, from a query, one text.
Result<std::vector<std::string>> read_events(const Json& in) {
  std::vector<std::string> out;
  const Json* events = given(in, "events");
  if (!events) return out;
  if (events->is_string()) return std::vector<std::string>{events->as_string()};
  const auto wrong = [] {
    return invalid("request.wrong_type", "events is a list of names such as MODEL_VERSION_CREATED");
  };
  if (!events->is_array()) return wrong();
  for (const Json& event : events->items()) {
    if (!event.is_string()) return wrong();
    out.push_back(event.as_string());
  }
  return out;
}

// How things stand, as `active` and `test_mode`.
struct Standing {
  bool active = true;
  bool test_mode = false;
};
Result<std::optional<Standing>> read_status(const Json& in) {
  const std::string status = TRY(codec::string_or(in, "status", ""));
  if (status.empty()) return std::optional<Standing>();
  if (status == "ACTIVE") return std::optional<Standing>(Standing{});
  if (status == "DISABLED") return std::optional<Standing>(Standing{.active = false});
  if (status == "TEST_MODE")
    return std::optional<Standing>(Standing{.active = false, .test_mode = true});
  return invalid("webhook.status", "status is ACTIVE, DISABLED or TEST_MODE");
}

// The object http_url_spec, or null. What isn't offered is refused here.
Result<const Json*> read_spec(const Json& in) {
  if (given(in, "job_spec"))
    return invalid("webhook.job_spec",
                   "webhooks that start jobs are not offered: give http_url_spec");
  const Json* spec = given(in, "http_url_spec");
  if (!spec) return static_cast<const Json*>(nullptr);
  if (!spec->is_object())
    return invalid("request.wrong_type", "http_url_spec is an object with a url");
  if (!TRY(codec::bool_or(*spec, "enable_ssl_verification", true)))
    return invalid("webhook.ssl_verification",
                   "certificates are always verified: enable_ssl_verification can't be false; the"
                   " operator may name further authorities in webhooks_ca_file");
  return spec;
}

Result<std::optional<std::string>> maybe_text(const Json& in, std::string_view key) {
  if (!given(in, key)) return std::optional<std::string>();
  return std::optional<std::string>(TRY(codec::want_string(in, key)));
}

// ---- what is answered

std::string_view status_of(const Webhook& w) {
  return w.active ? "ACTIVE" : w.test_mode ? "TEST_MODE" : "DISABLED";
}

Json webhook_json(const Webhook& w) {
  Json events = Json::array();
  for (const std::string& event : w.events) events.push(event);
  Json out = Json::object(
      {{"id", w.uid},
       {"events", std::move(events)},
       {"creation_timestamp", w.created_ms},
       {"last_updated_timestamp", w.updated_ms},
       {"status", status_of(w)},
       {"http_url_spec", Json::object({{"url", w.url}, {"enable_ssl_verification", true}})}});
  if (!w.description.empty()) out.set("description", w.description);
  if (!w.model_uid.empty()) out.set("model_name", w.model_name);
  return out;
}

// ---- the calls

using Call = Result<Json> (*)(const App&, const Ctx&, const Json&);

Result<Json> create(const App& app, const Ctx& ctx, const Json& in) {
  Webhook wanted;
  wanted.form = kOwn;
  const Json* spec = TRY(read_spec(in));
  if (!spec)
    return invalid("request.missing_field",
                   "Missing value for required parameter 'http_url_spec'.");
  wanted.url = TRY(required(*spec, "url"));
  wanted.secret = TRY(codec::string_or(*spec, "secret", ""));
  wanted.credentials = TRY(codec::string_or(*spec, "authorization", ""));
  wanted.description = TRY(codec::string_or(in, "description", ""));
  wanted.events = TRY(read_events(in));
  const Standing standing = TRY(read_status(in)).value_or(Standing{});
  wanted.active = standing.active;
  wanted.test_mode = standing.test_mode;
  const std::string name = TRY(codec::string_or(in, "model_name", ""));
  if (!name.empty()) {
    const registry::Model model = TRY(model_named(app, ctx, name));
    wanted.model_uid = model.uid;
    wanted.model_name = model.name;
  }
  const Webhook made = TRY(app.webhooks.create(ctx, wanted));
  return Json::object({{"webhook", webhook_json(made)}});
}

Result<Json> update(const App& app, const Ctx& ctx, const Json& in) {
  notify::Change change;
  const std::string id = TRY(required(in, "id"));
  if (const Json* spec = TRY(read_spec(in))) {
    change.url = TRY(maybe_text(*spec, "url"));
    change.secret = TRY(maybe_text(*spec, "secret"));
    change.credentials = TRY(maybe_text(*spec, "authorization"));
  }
  change.description = TRY(maybe_text(in, "description"));
  std::vector<std::string> events = TRY(read_events(in));
  if (!events.empty()) change.events = std::move(events);
  if (const auto standing = TRY(read_status(in))) {
    change.active = standing->active;
    change.test_mode = standing->test_mode;
  }
  const Webhook after = TRY(app.webhooks.update(ctx, id, change, kOwn));
  return Json::object({{"webhook", webhook_json(after)}});
}

Result<Json> remove(const App& app, const Ctx& ctx, const Json& in) {
  TRY(app.webhooks.remove(ctx, TRY(required(in, "id")), kOwn));
  return Json::object();
}

Result<Json> test(const App& app, const Ctx& ctx, const Json& in) {
  const std::string event = TRY(codec::string_or(in, "event", ""));
  const notify::Answer answer = TRY(app.webhooks.test(ctx, TRY(required(in, "id")), event, kOwn));
  if (answer.status == 0)
    return invalid("webhook.no_answer", concat({"the receiver gave no answer: ", answer.error}));
  return Json::object({{"status_code", int64_t{answer.status}},
                       {"body", is_utf8(answer.body) ? answer.body : std::string("(no text)")}});
}

// May this caller see that there is such a webhook?
bool manages(const App& app, const Ctx& ctx, const Webhook& w) {
  if (app.auth.has_everything(ctx, auth::Role::kManage)) return true;
  return !w.model_uid.empty() &&
         app.auth.check(ctx, auth::Role::kManage, "model", w.model_uid).ok();
}

// Leaves out what the caller doesn't manage: a page may have fewer items than were asked for.
Result<Json> list(const App& app, const Ctx& ctx, const Json& in) {
  notify::Webhooks::Query query;
  query.form = kOwn;
  query.events = TRY(read_events(in));
  query.page_token = TRY(codec::string_or(in, "page_token", ""));
  query.max_results = kPage;
  if (const Json* most = given(in, "max_results")) {
    const auto n = most->is_int()      ? std::optional<int64_t>(most->as_int())
                   : most->is_string() ? parse_int(most->as_string())
                                       : std::nullopt;
    if (!n) return invalid("webhook.max_results", "max_results must be a number");
    query.max_results = *n;
  }
  if (const std::string name = TRY(codec::string_or(in, "model_name", "")); !name.empty()) {
    // The same answer whether there is no such model or one that may not be read.
    const auto model = model_named(app, ctx, name);
    const Status allowed = model.ok()
                               ? app.auth.check(ctx, auth::Role::kManage, "model", model->uid)
                               : Status(model.error());
    if (!allowed.ok() && allowed.error().code == Code::kNotFound)
      return not_found("model.not_found", "no such model");
    TRY(allowed);
    query.model_uid = model->uid;
  }
  const auto page = TRY(app.webhooks.list(ctx, query));
  Json items = Json::array();
  for (const Webhook& w : page.items)
    if (manages(app, ctx, w)) items.push(webhook_json(w));
  Json out = Json::object({{"webhooks", std::move(items)}});
  if (!page.next_page_token.empty()) out.set("next_page_token", page.next_page_token);
  return out;
}

// ---- rights

// Asked of whoever doesn't manage everything.
Result<std::vector<http::Need>> need_of(const std::string& model_uid) {
  if (model_uid.empty())
    return forbidden("auth.forbidden",
                     "webhooks of the whole registry take the right to manage all of the project");
  return http::one_need(Right::kManage, "model", model_uid);
}

Result<std::vector<http::Need>> needs_of_new(const App& app, const Ctx& ctx, const Json& in) {
  const std::string name = TRY(codec::string_or(in, "model_name", ""));
  return need_of(name.empty() ? "" : TRY(model_named(app, ctx, name)).uid);
}

Result<std::vector<http::Need>> needs_of_known(const App& app, const Ctx& ctx, const Json& in) {
  return need_of(TRY(app.webhooks.get(ctx, TRY(required(in, "id")), kOwn)).model_uid);
}

// Like fields_of, but `events` of a query may be there several times.
Result<Json> read(const http::Request& request) {
  Json in = TRY(fields_of(request));
  if (!trim(request.body).empty()) return in;
  Json events = Json::array();
  for (const auto& [key, value] : request.query)
    if (key == "events") events.push(value);
  if (!events.items().empty()) in.set("events", std::move(events));
  return in;
}

struct Row {
  Method method;
  std::string_view path;
  Result<std::vector<http::Need>> (*needs)(const App&, const Ctx&, const Json&);
  Audit audit;
  Call call;
  std::string_view summary;
};
constexpr std::array<Row, 5> kRows = {{
    {Method::kPost, "create", needs_of_new, Audit::kEvent, create,
     "Make a webhook, of one model or of the registry."},
    {Method::kGet, "list", nullptr, Audit::kNone, list, "List webhooks that one manages."},
    {Method::kPatch, "update", needs_of_known, Audit::kEvent, update, "Change a webhook."},
    {Method::kDelete, "delete", needs_of_known, Audit::kEvent, remove,
     "Delete a webhook with its deliveries."},
    {Method::kPost, "test", needs_of_known, Audit::kNone, test,
     "Send an example and read what is answered."},
}};

}  // namespace

std::vector<http::Route> registry_webhook_routes(const App& app) {
  std::vector<http::Route> out;
  for (const Row& row : kRows) {
    http::Route& route = out.emplace_back();
    route.method = row.method;
    route.path = concat({"/api/2.0/mlflow/registry-webhooks/", row.path});
    route.permission = {Right::kManage, "model", row.needs ? On::kObjects : On::kCaller};
    if (row.needs)
      route.needs = [app, needs = row.needs](const Ctx& ctx, const http::Request& request)
          -> Result<std::vector<http::Need>> { return needs(app, ctx, TRY(read(request))); };
    route.audit = row.audit;
    route.summary = row.summary;
    route.body = http::memory();  // Databricks' manual gives arguments as a body to every method.
    route.waits_for_others = row.call == test;
    route.render_error = render_error;
    route.blocking = [app, call = row.call](const Ctx& ctx,
                                            http::Request& request) -> Result<http::Reply> {
      http::Reply reply;
      reply.body = codec::to_json(TRY(call(app, ctx, TRY(read(request)))));
      return reply;
    };
  }
  return out;
}

}  // namespace slip::wire::databricks
