#include "notify/webhooks.h"

#include <algorithm>
#include <array>

#include "base/text.h"
#include "codec/hash.h"
#include "core/ledger/ledger.h"
#include "notify/events.h"
#include "notify/registry_events.h"
#include "notify/webhook_store.h"
#include "sys/clock.h"
#include "sys/net.h"
#include "sys/rng.h"

namespace slip::notify {
namespace {

constexpr size_t kNameMax = 63;
constexpr int64_t kRowsOfCollect = 900;

Error no_webhook(std::string_view uid) {
  return not_found("webhook.not_found", concat({"Webhook with ID ", uid, " not found."}));
}

bool is_name_end(char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'); }

Status check_name(std::string_view name) {
  bool good = !name.empty() && name.size() <= kNameMax && is_name_end(name.front()) &&
              is_name_end(name.back());
  for (const char c : name) good = good && (is_name_end(c) || c == '.' || c == '_' || c == '-');
  if (good) return {};
  return invalid("webhook.name",
                 concat({"Webhook name '", name,
                         "' is invalid. It must start and end with a letter or digit, be less than"
                         " 63 characters long, and contain only letters, digits, dots (.),"
                         " underscores (_), and hyphens (-)."}));
}

Status check_length(std::string_view field, std::string_view text, size_t max) {
  if (text.size() <= max && is_utf8(text) && text.find('\0') == text.npos) return {};
  return invalid("webhook.field_too_long", concat({"Webhook ", field, " must be text of at most ",
                                                   std::to_string(max), " bytes"}));
}

Error unknown_event(std::string_view event) {
  return invalid("webhook.events", concat({"no webhook can ask for '", event, "'"}));
}

// Each once, in the order of the table.
Result<std::vector<std::string>> known_registry_events(const std::vector<std::string>& wanted) {
  for (const std::string& event : wanted)
    if (!is_registry_event(event)) return unknown_event(event);
  std::vector<std::string> out;
  for (const std::string_view name : registry_event_names())
    if (std::find(wanted.begin(), wanted.end(), name) != wanted.end()) out.emplace_back(name);
  if (out.empty()) return invalid("webhook.events", "a webhook asks for at least one event");
  return out;
}

// "approval.*" and the like become what they stand for; each once, in the order asked for.
Result<std::vector<std::string>> known_events(Form form, const std::vector<std::string>& wanted) {
  if (form == Form::kDatabricks) return known_registry_events(wanted);
  std::vector<std::string> out;
  for (const std::string& event : wanted) {
    bool any = false;
    for (const EventKind& kind : event_kinds()) {
      std::string name = concat({kind.entity, ".", kind.action});
      if (event != name && event != concat({kind.entity, ".*"})) continue;
      any = true;
      if (std::find(out.begin(), out.end(), name) == out.end()) out.push_back(std::move(name));
    }
    if (!any)
      return unknown_event(event).with_hint(
          "for example model_version.created, stage.transitioned, approval.*");
  }
  if (out.empty())
    return invalid("webhook.events",
                   "Webhook events must be a non-empty list of WebhookEvent objects: [].");
  return out;
}

std::vector<std::string> own_events(const Webhook& webhook) {
  std::vector<std::string> out;
  for (const std::string& event : webhook.events)
    if (const EventKind* kind = find_kind(event); kind && !kind->mlflow) out.push_back(event);
  return out;
}

// What a webhook of a model can't be told.
Status check_scope(const Webhook& webhook) {
  constexpr std::string_view kOfAll = "REGISTERED_MODEL_CREATED";
  const bool asks =
      std::find(webhook.events.begin(), webhook.events.end(), kOfAll) != webhook.events.end();
  if (webhook.model_uid.empty() || !asks) return {};
  return invalid("webhook.events",
                 concat({kOfAll, " is for webhooks of the whole registry: leave out the model"}));
}

// It becomes a header as it is.
Status check_credentials(std::string_view text) {
  bool good = text.size() <= kCredentialsMax && trim(text).size() == text.size();
  for (const char c : text) good = good && c >= ' ' && c <= '~';
  if (good) return {};
  return invalid("webhook.credentials",
                 "the authorization must be one line of printable ASCII, of at most " +
                     std::to_string(kCredentialsMax) + " bytes, without blanks around it");
}

// A receiver may say again what it was sent; its credentials are not for those who read that.
std::string without_credentials(std::string text, std::string_view credentials) {
  const size_t blank = credentials.find(' ');
  const std::string_view token = blank == credentials.npos ? "" : credentials.substr(blank + 1);
  for (const std::string_view hidden : {credentials, token}) {
    if (hidden.empty()) continue;
    for (size_t at = text.find(hidden); at != text.npos; at = text.find(hidden, at + 3))
      text.replace(at, hidden.size(), "***");
  }
  return text;
}

// The event tells that it happened; where a webhook leads may hold a token.
ledger::Draft draft_of(std::string_view verb, const Webhook& webhook) {
  ledger::Draft draft;
  draft.verb = verb;
  draft.subject.kind = "webhook";
  draft.subject.uid = webhook.uid;
  draft.subject.name = webhook.name;
  codec::Json events = codec::Json::array();
  for (const std::string& event : webhook.events) events.push(event);
  draft.body = codec::Json::object({{"form", form_name(webhook.form)},
                                    {"active", webhook.active},
                                    {"events", std::move(events)}});
  if (webhook.test_mode) draft.body.set("test_mode", true);
  if (!webhook.model_uid.empty()) draft.body.set("model_uid", webhook.model_uid);
  return draft;
}

// What is kept of an answer: text, without what a database can't hold.
std::string excerpt(std::string_view body) {
  std::string out(body.substr(0, kExcerptBytesMax));
  for (int i = 0; i < 3 && !out.empty() && !is_utf8(out) && body.size() > out.size(); ++i)
    out.pop_back();  // The cut may have gone through a character.
  if (!is_utf8(out)) return concat({"(", std::to_string(body.size()), " bytes that are no text)"});
  std::replace(out.begin(), out.end(), '\0', ' ');
  return out;
}

Due due_of(const std::string& project, const Webhook& webhook) {
  Due out;
  out.project = project;
  out.form = webhook.form;
  out.url = webhook.url;
  out.secret = webhook.secret;
  out.credentials = webhook.credentials;
  return out;
}

Outgoing registry_request(const Due& due) {
  Outgoing out;
  out.url = due.url;
  out.body = due.delivery.payload;
  out.headers = {{"Content-Type", "application/json"},
                 {"User-Agent", "slipway-webhook"},
                 {"X-Slipway-Delivery-Id", due.delivery.uid}};
  if (!due.credentials.empty()) out.headers.emplace_back("Authorization", due.credentials);
  if (!due.secret.empty())
    out.headers.emplace_back("X-Databricks-Signature",
                             to_hex(codec::hmac_sha256(due.secret, out.body)));
  return out;
}

bool fits(const Webhook& webhook, Webhooks::Only form) { return !form || webhook.form == *form; }

// What one event is to webhooks of either form.
struct Told {
  explicit Told(const ledger::Event& event)
      : plain(occurrence_of(event)), registry(registry_occurrence_of(event)) {}

  // By which name this webhook is told of it; "": it didn't ask.
  std::string name_for(const Webhook& w) const {
    const auto asked = [&](const std::string& name) {
      return std::find(w.events.begin(), w.events.end(), name) != w.events.end();
    };
    if (w.form == Form::kMlflow) return plain && asked(plain->event) ? plain->event : "";
    if (!registry) return "";
    for (const std::string& name : registry->names)
      if (asked(name)) return name;
    return "";
  }
  std::string payload_for(const Webhook& w, const std::string& name,
                          const ledger::Event& event) const {
    if (w.form == Form::kMlflow) return payload_of(*plain, event.ts_us, event.project);
    return registry_payload_of(*registry,
                               {.name = name, .webhook_uid = w.uid, .ts_us = event.ts_us});
  }

  std::optional<Occurrence> plain;
  std::optional<RegistryOccurrence> registry;
};

}  // namespace

std::string_view form_name(Form form) {
  return form == Form::kDatabricks ? "databricks" : "mlflow";
}

Status Webhooks::check_url(const std::string& url) const {
  TRY(check_length("URL", url, kUrlMax));
  const auto bad = [&](std::string_view why) {
    return invalid("webhook.url", concat({"Invalid webhook URL '", url, "': ", why}));
  };
  if (trim(url).empty())
    return invalid("webhook.url",
                   concat({"Webhook URL cannot be empty or just whitespace: '", url, "'"}));
  const size_t colon = std::min(url.find(':'), url.size());
  const std::string scheme = colon < url.size() ? lower(url.substr(0, colon)) : "";
  if (scheme != "https" && !(scheme == "http" && options_.allow_http))
    return invalid("webhook.url",
                   concat({"Invalid webhook URL scheme: '", scheme, "'. Allowed schemes are: ",
                           options_.allow_http ? "https, http." : "https."}))
        .with_hint("the operator may set webhooks_allow_http");
  for (const char c : url)
    if (static_cast<unsigned char>(c) <= ' ' || c == '\x7f')
      return bad("blanks and control characters must be percent-encoded");
  const std::string_view rest = std::string_view(url).substr(colon + 1);
  if (url.find('#') != url.npos) return bad("it has a fragment");
  if (!rest.starts_with("//"))
    return invalid("webhook.url", concat({"Webhook URL must include a hostname: '", url, "'"}));
  const std::string_view authority = rest.substr(2, rest.find_first_of("/?\\", 2) - 2);
  if (authority.find('@') != authority.npos) return bad("it has user information");
  const bool v6 = authority.starts_with('[');
  const size_t end = v6 ? authority.find(']') : std::min(authority.find(':'), authority.size());
  if (end == authority.npos) return bad("it has a '[' without ']'");
  const std::string_view host = v6 ? authority.substr(1, end - 1) : authority.substr(0, end);
  if (host.empty())
    return invalid("webhook.url", concat({"Webhook URL must include a hostname: '", url, "'"}));
  // Of names only what they lead to when it is sent counts.
  const bool numeric = v6 || host.find_first_not_of("0123456789.") == host.npos;
  if (!options_.allow_private && (iequals(host, "localhost") || (numeric && !is_public_ip(host))))
    return invalid("webhook.url",
                   concat({"Webhook URL must not resolve to a non-public IP address: ", host}))
        .with_hint("the operator may set webhooks_allow_private");
  return {};
}

Status Webhooks::check(const Webhook& webhook) const {
  if (webhook.form == Form::kMlflow || !webhook.name.empty()) TRY(check_name(webhook.name));
  TRY(check_credentials(webhook.credentials));
  TRY(check_length("description", webhook.description, kDescriptionMax));
  return check_length("secret", webhook.secret, kSecretMax);
}

Result<Webhook> Webhooks::create(const Ctx& ctx, const Webhook& wanted) {
  Webhook made = wanted;
  TRY(check(made));
  TRY(check_url(made.url));
  made.events = TRY(known_events(made.form, wanted.events));
  TRY(check_scope(made));
  made.uid = new_uuid7(deps_.clock, deps_.rng).text();
  made.created_ms = made.updated_ms = deps_.clock.now_ms();
  TRY(deps_.db.write([&](store::Tx& tx) -> Status {
    if (TRY(sql::count(tx, ctx.project.text)) >= kWebhooksMax)
      return exhausted("webhook.limit", concat({"a project has at most ",
                                                std::to_string(kWebhooksMax), " webhooks"}));
    TRY(sql::insert(tx, ctx.project.text, made));
    return deps_.ledger.append(tx, ctx, draft_of("webhook.created", made));
  }));
  return made;
}

Result<Webhook> Webhooks::get(const Ctx& ctx, const std::string& uid, Only form) {
  std::optional<Webhook> out;
  TRY(deps_.db.read([&](store::Tx& tx) -> Status {
    out = TRY(sql::find(tx, ctx.project.text, uid));
    return {};
  }));
  if (!out || !fits(*out, form)) return no_webhook(uid);
  return *std::move(out);
}

Result<Webhook> Webhooks::update(const Ctx& ctx, const std::string& uid, const Change& change,
                                 Only form) {
  Webhook out;
  TRY(deps_.db.write([&](store::Tx& tx) -> Status {
    auto found = TRY(sql::find(tx, ctx.project.text, uid));
    if (!found || !fits(*found, form)) return no_webhook(uid);
    out = *std::move(found);
    // Who may change a webhook must not learn what was entrusted to it for another receiver.
    if (change.url && *change.url != out.url && !change.credentials && !out.credentials.empty())
      return invalid("webhook.credentials",
                     "the URL leads elsewhere: give its authorization anew, or an empty one");
    if (change.name) out.name = *change.name;
    if (change.url) out.url = *change.url;
    if (change.description) out.description = *change.description;
    if (change.secret) out.secret = *change.secret;
    if (change.credentials) out.credentials = *change.credentials;
    if (change.active) {
      out.active = *change.active;
      out.test_mode = !out.active && change.test_mode;
    }
    TRY(check(out));
    if (change.url) TRY(check_url(out.url));
    if (change.events) {
      std::vector<std::string> events = *change.events;
      if (change.keep_own_events)
        for (std::string& own : own_events(out)) events.push_back(std::move(own));
      out.events = TRY(known_events(out.form, events));
      TRY(check_scope(out));
    }
    out.updated_ms = deps_.clock.now_ms();
    TRY(sql::update(tx, ctx.project.text, out));
    return deps_.ledger.append(tx, ctx, draft_of("webhook.updated", out));
  }));
  return out;
}

Status Webhooks::remove(const Ctx& ctx, const std::string& uid, Only form) {
  return deps_.db.write([&](store::Tx& tx) -> Status {
    const auto found = TRY(sql::find(tx, ctx.project.text, uid));
    if (!found || !fits(*found, form)) return no_webhook(uid);
    TRY(sql::remove(tx, ctx.project.text, uid));
    return deps_.ledger.append(tx, ctx, draft_of("webhook.deleted", *found));
  });
}

Result<search::Page<Webhook>> Webhooks::list(const Ctx& ctx, const Query& query) {
  if (query.max_results < 1 || query.max_results > kListMax)
    return invalid("webhook.max_results", "max_results must be between 1 and 1000.");
  for (const std::string& event : query.events)
    if (!find_kind(event) && !is_registry_event(event)) return unknown_event(event);
  search::PageQuery page;
  page.identity = concat({query.mlflow_only ? "webhooks of mlflow" : "webhooks",
                          query.form ? form_name(*query.form) : "", " ", query.model_uid, " ",
                          join(query.events, " ")});
  if (query.mlflow_only) page.where.add(" AND w.for_mlflow = 1");
  if (query.form) page.where.add(" AND w.form = ?").bind(std::string(form_name(*query.form)));
  if (!query.model_uid.empty()) page.where.add(" AND w.model_uid = ?").bind(query.model_uid);
  if (!query.events.empty()) {
    page.where.add(" AND (1 = 0");
    for (const std::string& event : query.events)
      page.where.add(" OR (' ' || w.events || ' ') LIKE ?").bind(concat({"% ", event, " %"}));
    page.where.add(")");
  }
  page.keys.push_back({.expr = "w.created_ms", .ascending = false, .args = {}});
  page.keys.push_back(
      {.expr = "w.uid", .type = search::Type::kText, .ascending = false, .args = {}});
  page.limit = query.max_results;
  TRY(page.start_at(query.page_token));
  search::Page<Webhook> out;
  TRY(deps_.db.read([&](store::Tx& tx) -> Status {
    out = TRY(sql::list(tx, ctx.project.text, page));
    return {};
  }));
  return out;
}

Result<search::Page<Delivery>> Webhooks::deliveries(const Ctx& ctx, const std::string& uid,
                                                    const Query& query) {
  if (query.max_results < 1 || query.max_results > kListMax)
    return invalid("webhook.max_results", "max_results must be between 1 and 1000.");
  TRY(get(ctx, uid));
  search::PageQuery page;
  page.identity = concat({"deliveries of ", uid});
  page.where.add(" AND d.webhook_uid = ?").bind(uid);
  page.keys.push_back(
      {.expr = "d.uid", .type = search::Type::kText, .ascending = false, .args = {}});
  page.limit = query.max_results;
  TRY(page.start_at(query.page_token));
  search::Page<Delivery> out;
  TRY(deps_.db.read([&](store::Tx& tx) -> Status {
    out = TRY(sql::list_deliveries(tx, ctx.project.text, page));
    return {};
  }));
  return out;
}

Result<Delivery> Webhooks::replay(const Ctx& ctx, const std::string& uid,
                                  const std::string& delivery) {
  const std::string made = new_uuid7(deps_.clock, deps_.rng).text();
  Delivery out;
  TRY(deps_.db.write([&](store::Tx& tx) -> Status {
    const auto webhook = TRY(sql::find(tx, ctx.project.text, uid));
    if (!webhook) return no_webhook(uid);
    auto found = TRY(sql::find_delivery(tx, ctx.project.text, uid, delivery));
    if (!found)
      return not_found("delivery.not_found",
                       concat({"webhook ", uid, " has no delivery ", delivery}));
    if (found->state == "pending")
      return conflict("delivery.pending", concat({"delivery ", delivery, " is still being sent"}));
    const int64_t now = deps_.clock.now_ms();
    out = Delivery();
    out.uid = made;
    out.webhook_uid = uid;
    out.event = found->event;
    out.seq = found->seq;
    out.payload = found->payload;
    out.state = "pending";
    out.next_ms = out.created_ms = out.updated_ms = now;
    out.replay_of = delivery;
    TRY(sql::insert_delivery(tx, ctx.project.text, out));
    return deps_.ledger.append(tx, ctx, draft_of("webhook.replayed", *webhook));
  }));
  return out;
}

Result<Answer> Webhooks::test(const Ctx& ctx, const std::string& uid, std::string_view event,
                              Only form) {
  const Webhook webhook = TRY(get(ctx, uid, form));
  const std::string what(event.empty() ? webhook.events.front() : event);
  const bool registry = webhook.form == Form::kDatabricks;
  if (registry ? !is_registry_event(what) : !find_kind(what)) return unknown_event(what);
  const int64_t now_us = deps_.clock.now_us();
  Due due = due_of(ctx.project.text, webhook);
  due.delivery.uid = new_uuid7(deps_.clock, deps_.rng).text();
  due.delivery.payload =
      registry ? registry_payload_of(registry_example_of(what),
                                     {.name = what, .webhook_uid = webhook.uid, .ts_us = now_us})
               : payload_of({what, example_of(what)}, now_us, ctx.project.text);
  // The operator may have changed what is allowed since it was made.
  const Status allowed = check_url(webhook.url);
  if (!allowed) return Answer{.status = 0, .body = {}, .error = allowed.error().text};
  Answer answer = deps_.sender.send(signed_request(due));
  answer.body = without_credentials(std::move(answer.body), due.credentials);
  answer.error = without_credentials(std::move(answer.error), due.credentials);
  return answer;
}

Status Webhooks::tell(store::Tx& tx, const ledger::Event& event) {
  if (event.verb == "registered_model.renamed")
    return sql::rename_model(tx, event.project, event.subject.uid, event.subject.name);
  const Told told(event);
  if (!told.plain && !told.registry) return {};
  std::optional<std::string> model;  // Whose event it is.
  for (const Webhook& w : TRY(sql::active(tx, event.project))) {
    const std::string name = told.name_for(w);
    if (name.empty() || event.ts_us / 1000 < w.created_ms) continue;
    if (!w.model_uid.empty()) {
      if (!model) model = TRY(deps_.ledger.object_of(tx, event));
      if (*model != w.model_uid) continue;
    }
    Delivery d;
    d.uid = new_uuid7(deps_.clock, deps_.rng).text();
    d.webhook_uid = w.uid;
    d.event = name;
    d.seq = event.seq;
    d.payload = told.payload_for(w, name, event);
    d.state = "pending";
    d.next_ms = d.created_ms = d.updated_ms = deps_.clock.now_ms();
    TRY(sql::insert_delivery(tx, event.project, d));
  }
  return {};
}

Result<bool> Webhooks::collect() {
  int64_t active = 0;
  TRY(deps_.db.read([&](store::Tx& tx) -> Status {
    active = TRY(sql::count_active(tx));
    return {};
  }));
  const int64_t events_max = std::max<int64_t>(kRowsOfCollect / std::max<int64_t>(active, 1), 1);
  return deps_.ledger.consume(
      "webhooks", events_max,
      [&](store::Tx& tx, const ledger::Event& event) { return tell(tx, event); });
}

Result<std::vector<Due>> Webhooks::claim() {
  std::vector<Due> out;
  const int64_t now = deps_.clock.now_ms();
  bool any = false;
  TRY(deps_.db.read([&](store::Tx& tx) -> Status {
    any = !TRY(sql::ready(tx, now)).empty();
    return {};
  }));
  if (!any) return out;
  TRY(deps_.db.write([&](store::Tx& tx) -> Status {
    out.clear();
    for (const sql::Ready& ready : TRY(sql::ready(tx, now))) {
      auto delivery = TRY(sql::first_due(tx, ready, now));
      if (!delivery) continue;
      Due due = due_of(ready.project, ready.webhook);
      due.lease_until_ms = now + kLeaseMs;
      due.delivery = *std::move(delivery);
      ++due.delivery.attempts;
      TRY(sql::lease(tx, due));
      out.push_back(std::move(due));
    }
    return {};
  }));
  return out;
}

Outgoing Webhooks::signed_request(const Due& due) {
  if (due.form == Form::kDatabricks) return registry_request(due);
  const std::string now_s = std::to_string(deps_.clock.now_ms() / 1000);
  Outgoing out;
  out.url = due.url;
  out.body = due.delivery.payload;
  out.headers = {{"Content-Type", "application/json"},
                 {"User-Agent", "slipway-webhook"},
                 {"X-MLflow-Delivery-Id", due.delivery.uid},
                 {"X-MLflow-Timestamp", now_s}};
  if (due.secret.empty()) return out;
  const std::string text = concat({due.delivery.uid, ".", now_s, ".", out.body});
  out.headers.emplace_back("X-MLflow-Signature",
                           concat({"v1,", to_base64(codec::hmac_sha256(due.secret, text))}));
  return out;
}

int64_t Webhooks::backoff_ms(int64_t attempts, int64_t retry_after_ms) {
  int64_t wait = kBackoffFirstMs;
  for (int64_t i = 1; i < attempts && wait < kBackoffMaxMs; ++i) wait *= kBackoffFactor;
  // A fifth less or more, so that what failed together doesn't come back together.
  wait = static_cast<int64_t>(static_cast<double>(wait) * (0.8 + 0.4 * deps_.rng.uniform()));
  return std::min(std::max(wait, retry_after_ms), kBackoffMaxMs);
}

Result<bool> Webhooks::attempt(const Due& due) {
  Answer answer;
  if (const Status allowed = check_url(due.url); allowed) {
    answer = deps_.sender.send(signed_request(due));
  } else {
    answer.error = allowed.error().text;
  }
  Delivery after = due.delivery;
  after.updated_ms = deps_.clock.now_ms();
  after.status = answer.status;
  after.response = excerpt(without_credentials(answer.body, due.credentials));
  after.error = excerpt(without_credentials(answer.error, due.credentials));
  if (answer.accepted()) {
    after.state = "delivered";
  } else if (after.attempts >= kAttemptsMax) {
    after.state = "failed";
  } else {
    after.next_ms = after.updated_ms + backoff_ms(after.attempts, answer.retry_after_ms);
  }
  TRY(deps_.db.write([&](store::Tx& tx) { return sql::settle(tx, due, after); }));
  return answer.accepted();
}

Result<int64_t> Webhooks::tidy() {
  const int64_t before = deps_.clock.now_ms() - kKeptMs;
  int64_t n = 0;
  TRY(deps_.db.write([&](store::Tx& tx) -> Status {
    n = TRY(sql::tidy(tx, before, store::kWriteRowsMax));
    return {};
  }));
  return n;
}

}  // namespace slip::notify
