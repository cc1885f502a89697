#include <array>
#include <utility>

#include "base/text.h"
#include "registry/attest.h"
#include "registry/behaviour.h"
#include "wire/native/native.h"
#include "wire/native/requests.h"

// Comments, waivers, reviews, evidence, scans and behavioural tests of a version.
namespace slip::wire::native {
namespace {

using codec::Json;
using http::Audit;
using http::Method;
using http::Right;
using registry::Governance;

using Call = Result<http::Reply> (*)(const RequestsApp&, const Ctx&, http::Request&);

struct Named {
  std::string model;
  int64_t version = 0;
};
Result<Named> named(const http::Request& request) {
  const int64_t version = TRY(param_int(request, "version"));
  return Named{.model = request.param("name"), .version = version};
}

http::Reply items_reply(std::vector<Json> items) {
  return json_reply(page_json(std::move(items), ""));
}

// ---- comments

Json comment_json(const RequestsApp& app, const registry::Comment& c) {
  return Json::object({{"uid", c.uid},
                       {"version", c.version},
                       {"actor", app.auth.label(c.actor)},
                       {"comment", c.comment},
                       {"created_ms", c.created_ms},
                       {"updated_ms", c.updated_ms}});
}

Result<http::Reply> comments(const RequestsApp& app, const Ctx& ctx, http::Request& request) {
  const Named n = TRY(named(request));
  std::vector<Json> items;
  for (const registry::Comment& c : TRY(app.governance.comments(ctx, n.model, n.version)))
    items.push_back(comment_json(app, c));
  return items_reply(std::move(items));
}

Result<http::Reply> add_comment(const RequestsApp& app, const Ctx& ctx, http::Request& request) {
  const Named n = TRY(named(request));
  const std::string text = TRY(codec::want_string(TRY(body_object(request)), "comment"));
  return json_reply(
      comment_json(app, TRY(app.governance.add_comment(ctx, n.model, n.version, text))));
}

// ---- waivers

Json waiver_json(const RequestsApp& app, const registry::Waiver& w) {
  Json out = Json::object({{"uid", w.uid},
                           {"version", w.version},
                           {"check", w.check},
                           {"reason", w.reason},
                           {"actor", app.auth.label(w.actor)},
                           {"created_ms", w.created_ms},
                           {"expires_ms", w.expires_ms}});
  if (w.revoked_ms != 0) out.set("revoked_ms", w.revoked_ms);
  return out;
}

Result<http::Reply> waivers(const RequestsApp& app, const Ctx& ctx, http::Request& request) {
  const Named n = TRY(named(request));
  std::vector<Json> items;
  for (const registry::Waiver& w : TRY(app.governance.waivers(ctx, n.model, n.version)))
    items.push_back(waiver_json(app, w));
  return items_reply(std::move(items));
}

Result<http::Reply> waive(const RequestsApp& app, const Ctx& ctx, http::Request& request) {
  const Named n = TRY(named(request));
  const Json body = TRY(body_object(request));
  Governance::Waive wanted;
  wanted.check = TRY(codec::want_string(body, "check"));
  wanted.reason = TRY(codec::want_string(body, "reason"));
  wanted.expires_ms = TRY(codec::want_int(body, "expires_ms"));
  wanted.target = TRY(codec::string_or(body, "to", "Production"));
  return json_reply(waiver_json(app, TRY(app.governance.waive(ctx, n.model, n.version, wanted))));
}

Result<http::Reply> revoke(const RequestsApp& app, const Ctx& ctx, http::Request& request) {
  const Named n = TRY(named(request));
  return json_reply(waiver_json(
      app, TRY(app.governance.revoke_waiver(ctx, n.model, n.version, request.param("uid")))));
}

// ---- reviews

Json item_json(const RequestsApp& app, const registry::ReviewItem& i) {
  const bool finding = i.kind == registry::ReviewItem::Kind::kFinding;
  Json out = Json::object({{"n", i.n},
                           {"kind", finding ? "finding" : "check"},
                           {"wording", i.wording},
                           {"state", registry::review_item_state_name(i.state)},
                           {"owner", app.auth.label(i.owner)},
                           {"note", i.note},
                           {"actor", app.auth.label(i.actor)},
                           {"updated_ms", i.updated_ms}});
  if (finding) out.set("severity", i.severity);
  if (i.due_ms > 0) out.set("due_ms", i.due_ms);
  return out;
}

Json review_json(const RequestsApp& app, const registry::Review& r) {
  Json items = Json::array();
  for (const registry::ReviewItem& i : r.items) items.push(item_json(app, i));
  Json out = Json::object({{"uid", r.uid},
                           {"version", r.version},
                           {"digest", r.digest},
                           {"title", r.title},
                           {"state", registry::review_state_name(r.state)},
                           {"owner", app.auth.label(r.owner)},
                           {"conclusion", r.conclusion},
                           {"actor", app.auth.label(r.actor)},
                           {"created_ms", r.created_ms},
                           {"updated_ms", r.updated_ms}});
  if (r.due_ms > 0) out.set("due_ms", r.due_ms);
  out.set("items", std::move(items));
  return out;
}

Result<registry::ReviewItem> read_item(const RequestsApp& app, const Json& in) {
  registry::ReviewItem item;
  item.n = TRY(codec::int_or(in, "n", 0));
  const std::string kind = TRY(codec::string_or(in, "kind", "check"));
  if (kind != "check" && kind != "finding")
    return invalid("review.item", "an item is a check or a finding");
  if (kind == "finding") item.kind = registry::ReviewItem::Kind::kFinding;
  item.wording = TRY(codec::string_or(in, "wording", ""));
  item.severity = TRY(codec::string_or(in, "severity", ""));
  item.note = TRY(codec::string_or(in, "note", ""));
  item.due_ms = TRY(codec::int_or(in, "due_ms", 0));
  const std::string owner = TRY(codec::string_or(in, "owner", ""));
  if (!owner.empty()) item.owner = TRY(principal_uid(app.auth, owner));
  const std::string state = TRY(codec::string_or(in, "state", "open"));
  using State = registry::ReviewItem::State;
  for (const State one : {State::kOpen, State::kDone, State::kAccepted})
    if (registry::review_item_state_name(one) == state) {
      item.state = one;
      return item;
    }
  return invalid("review.item", "an item is open, done or accepted");
}

Result<http::Reply> reviews(const RequestsApp& app, const Ctx& ctx, http::Request& request) {
  const Named n = TRY(named(request));
  std::vector<Json> items;
  for (const registry::Review& r : TRY(app.governance.reviews(ctx, n.model, n.version)))
    items.push_back(review_json(app, r));
  return items_reply(std::move(items));
}

Result<http::Reply> open_review(const RequestsApp& app, const Ctx& ctx, http::Request& request) {
  const Named n = TRY(named(request));
  const Json body = TRY(body_object(request));
  registry::Review wanted;
  wanted.title = TRY(codec::want_string(body, "title"));
  wanted.owner = TRY(principal_uid(app.auth, TRY(codec::want_string(body, "owner"))));
  wanted.due_ms = TRY(codec::int_or(body, "due_ms", 0));
  if (const Json* items = body.find("items"); items && items->is_array())
    for (const Json& item : items->items()) wanted.items.push_back(TRY(read_item(app, item)));
  return json_reply(
      review_json(app, TRY(app.governance.open_review(ctx, n.model, n.version, wanted))));
}

Result<http::Reply> put_item(const RequestsApp& app, const Ctx& ctx, http::Request& request) {
  const Named n = TRY(named(request));
  const registry::ReviewItem item = TRY(read_item(app, TRY(body_object(request))));
  return json_reply(review_json(app, TRY(app.governance.put_review_item(
                                         ctx, n.model, n.version, request.param("uid"), item))));
}

Result<http::Reply> close_review(const RequestsApp& app, const Ctx& ctx, http::Request& request) {
  const Named n = TRY(named(request));
  const Json body = TRY(body_object(request));
  Governance::Closing closing;
  closing.review_uid = request.param("uid");
  closing.passed = TRY(codec::want_bool(body, "passed"));
  closing.conclusion = TRY(codec::want_string(body, "conclusion"));
  return json_reply(
      review_json(app, TRY(app.governance.close_review(ctx, n.model, n.version, closing))));
}

// ---- evidence, scans, behaviour

Result<http::Reply> evidence(const RequestsApp& app, const Ctx& ctx, http::Request& request) {
  const Named n = TRY(named(request));
  std::vector<Json> items;
  for (const Governance::Evidence& e : TRY(app.governance.evidence(ctx, n.model, n.version)))
    items.push_back(Json::object({{"dataset", e.dataset},
                                  {"dataset_version", e.dataset_version},
                                  {"predictions_dataset", e.predictions_dataset},
                                  {"predictions_version", e.predictions_version}}));
  return items_reply(std::move(items));
}

Result<http::Reply> set_evidence(const RequestsApp& app, const Ctx& ctx, http::Request& request) {
  const Named n = TRY(named(request));
  const Json body = TRY(body_object(request));
  Governance::Evidence e;
  e.dataset = TRY(codec::want_string(body, "dataset"));
  e.dataset_version = TRY(codec::want_int(body, "dataset_version"));
  e.predictions_dataset = TRY(codec::want_string(body, "predictions_dataset"));
  e.predictions_version = TRY(codec::want_int(body, "predictions_version"));
  TRY(app.governance.set_evidence(ctx, n.model, n.version, e));
  return json_reply(body);
}

Result<http::Reply> scan_reply(const registry::Registry::Scan& scan) {
  Json out = Json::object({{"verdict", scan.verdict.empty() ? Json() : Json(scan.verdict)},
                           {"scanned_ms", scan.scanned_ms}});
  if (const Result<Json> report = codec::parse_json(scan.report); report.ok())
    for (const auto& [key, value] : report->members()) out.set(key, value);
  return json_reply(out);
}

Result<http::Reply> scan(const RequestsApp& app, const Ctx& ctx, http::Request& request) {
  const Named n = TRY(named(request));
  return scan_reply(TRY(app.registry.find_scan(ctx, n.model, n.version)));
}

Result<http::Reply> scan_now(const RequestsApp& app, const Ctx& ctx, http::Request& request) {
  const Named n = TRY(named(request));
  return scan_reply(TRY(app.registry.scan(ctx, n.model, n.version)));
}

Result<http::Reply> test(const RequestsApp& app, const Ctx& ctx, http::Request& request) {
  const Named n = TRY(named(request));
  const Json body = TRY(body_object(request));
  const Json* rows = body.find("tests");
  const auto tests = TRY(registry::read_behaviour(rows ? *rows : Json()));
  bool passed = true;
  Json items = Json::array();
  for (const registry::BehaviourResult& r :
       TRY(app.registry.run_behaviour(ctx, n.model, n.version, tests))) {
    passed = passed && r.passed;
    items.push(Json::object(
        {{"name", r.name}, {"kind", r.kind}, {"passed", r.passed}, {"detail", r.detail}}));
  }
  return json_reply(Json::object({{"passed", passed}, {"tests", std::move(items)}}));
}

Result<http::Reply> attestations(const RequestsApp& app, const Ctx& ctx, http::Request& request) {
  const Named n = TRY(named(request));
  const registry::Version v = TRY(app.registry.get_version(ctx, n.model, n.version));
  std::vector<Json> items;
  if (v.gate)
    for (const registry::CheckResult& r : v.gate->checks)
      if (const Result<Json> envelope = codec::parse_json(r.envelope); envelope.ok())
        items.push_back(Json::object({{"check", r.check.name()}, {"envelope", *envelope}}));
  return items_reply(std::move(items));
}

// The very bytes that were signed over, to be checked elsewhere.
Result<http::Reply> envelope(const RequestsApp& app, const Ctx& ctx, http::Request& request) {
  const Named n = TRY(named(request));
  const registry::Version v = TRY(app.registry.get_version(ctx, n.model, n.version));
  const std::string check = query_text(request, "check");
  if (v.gate)
    for (const registry::CheckResult& r : v.gate->checks) {
      if (r.check.name() != check || r.envelope.empty()) continue;
      http::Reply reply;
      reply.content_type = registry::kEnvelopeType;
      reply.headers.emplace_back(
          "Content-Disposition",
          concat({"attachment; filename=\"v", std::to_string(n.version), "-gate.dsse.json\""}));
      reply.body = r.envelope;
      return reply;
    }
  return not_found("gate.unsigned", concat({"the gate of version ", std::to_string(n.version),
                                            " has no signed result of a check '", check, "'"}));
}

struct Row {
  Method method;
  std::string_view path;
  Right right;
  Audit audit;
  Call call;
  std::string_view summary;
};
constexpr std::array<Row, 16> kRows = {{
    {Method::kGet, "/comments", Right::kRead, Audit::kNone, comments, "Comments on a version."},
    {Method::kPost, "/comments", Right::kEdit, Audit::kEvent, add_comment, "Comment on a version."},
    {Method::kGet, "/waivers", Right::kRead, Audit::kNone, waivers, "Waivers of failed checks."},
    {Method::kPost, "/waivers", Right::kEdit, Audit::kGoverned, waive,
     "Waive a failed check until a time, with a reason; the policy says who may."},
    {Method::kDelete, "/waivers/{uid}", Right::kEdit, Audit::kGoverned, revoke,
     "Take a waiver back."},
    {Method::kGet, "/reviews", Right::kRead, Audit::kNone, reviews,
     "Governance reviews of a version, newest first."},
    {Method::kPost, "/reviews", Right::kEdit, Audit::kGoverned, open_review,
     "Open a review: title, owner, due date, checklist and findings."},
    {Method::kPost, "/reviews/{uid}/items", Right::kEdit, Audit::kGoverned, put_item,
     "Add an item to a review, or change owner, due date, state and note of item n."},
    {Method::kPost, "/reviews/{uid}/close", Right::kEdit, Audit::kGoverned, close_review,
     "Close a review as passed or failed."},
    {Method::kGet, "/evidence", Right::kRead, Audit::kNone, evidence,
     "Where the version's predictions on holdouts are."},
    {Method::kPost, "/evidence", Right::kEdit, Audit::kGoverned, set_evidence,
     "Say which dataset version holds the version's predictions on a holdout."},
    {Method::kGet, "/scan", Right::kRead, Audit::kNone, scan,
     "What the scanner said of the version's files."},
    {Method::kPost, "/scan", Right::kEdit, Audit::kGoverned, scan_now,
     "Scan the version's files unless that was done."},
    {Method::kPost, "/tests", Right::kUse, Audit::kNone, test,
     "Run behavioural tests against the version as it would be served."},
    {Method::kGet, "/gate/attestations", Right::kRead, Audit::kNone, attestations,
     "The gate's results as signed statements (DSSE, in-toto)."},
    {Method::kGet, "/gate/envelope", Right::kRead, Audit::kNone, envelope,
     "The signed statement of ?check as it was signed, to download."},
}};

}  // namespace

std::vector<http::Route> reviews_routes(RequestsApp app) {
  std::vector<http::Route> out;
  for (const Row& row : kRows) {
    http::Route& route = out.emplace_back();
    route.method = row.method;
    route.path = at(concat({"/models/{name}/versions/{version}", row.path}));
    route.permission = {row.right, "model_version", http::On::kObjects};
    route.needs = model_needs(app.registry, row.right, true);
    route.audit = row.audit;
    route.summary = row.summary;
    if (row.method == Method::kPost) route.body = http::memory();
    route.blocking = [app, call = row.call](const Ctx& ctx, http::Request& request) {
      return call(app, ctx, request);
    };
  }
  return out;
}

}  // namespace slip::wire::native
