#include "wire/native/requests.h"

#include <array>
#include <utility>

#include "base/text.h"
#include "registry/check.h"
#include "registry/policy_json.h"
#include "wire/native/native.h"
#include "wire/native/verdicts.h"

namespace slip::wire::native {
namespace {

using codec::Json;
using http::Audit;
using http::Method;
using http::Right;
using registry::Governance;

using Call = Result<http::Reply> (*)(const RequestsApp&, const Ctx&, http::Request&);

Json labels(const auth::Auth& auth, const std::vector<std::string>& uids) {
  Json out = Json::array();
  for (const std::string& uid : uids) out.push(auth.label(uid));
  return out;
}

Json plan_json(const auth::Auth& auth, const registry::RollbackPlan& plan) {
  return Json::object({{"version", plan.version},
                       {"digest", plan.digest},
                       {"owner", auth.label(plan.owner)},
                       {"valid", plan.valid},
                       {"detail", plan.detail},
                       {"checked_ms", plan.checked_ms}});
}

// ---- stages

Result<http::Reply> stages(const RequestsApp& app, const Ctx& ctx, http::Request& request) {
  std::vector<Json> items;
  for (const registry::Stage& s : TRY(app.governance.stages(ctx, request.param("name"))))
    items.push_back(Json::object(
        {{"stage", s.name}, {"builtin", registry::builtin_stage(s.name).has_value()}}));
  return json_reply(page_json(std::move(items), ""));
}

Result<http::Reply> declare_stage(const RequestsApp& app, const Ctx& ctx, http::Request& request) {
  const std::string stage = TRY(codec::want_string(TRY(body_object(request)), "stage"));
  TRY(app.governance.declare_stage(ctx, request.param("name"), stage));
  return json_reply(Json::object({{"stage", stage}}));
}

Result<http::Reply> drop_stage(const RequestsApp& app, const Ctx& ctx, http::Request& request) {
  TRY(app.governance.drop_stage(ctx, request.param("name"), request.param("stage")));
  return json_reply(Json::object());
}

// ---- policies

Result<http::Reply> policies(const RequestsApp& app, const Ctx& ctx, http::Request& request) {
  std::vector<Json> items;
  for (const registry::Policy& p : TRY(app.governance.policies(ctx, request.param("name"))))
    items.push_back(policy_json(app.auth, p));
  return json_reply(page_json(std::move(items), ""));
}

Result<http::Reply> set_policy(const RequestsApp& app, const Ctx& ctx, http::Request& request) {
  registry::Policy policy =
      TRY(registry::read_policy(TRY(body_object(request)), request.param("target")));
  for (std::vector<std::string>* names : {&policy.approvers, &policy.waivers})
    for (std::string& name : *names) name = TRY(principal_uid(app.auth, name));
  return json_reply(
      policy_json(app.auth, TRY(app.governance.set_policy(ctx, request.param("name"), policy))));
}

Result<http::Reply> drop_policy(const RequestsApp& app, const Ctx& ctx, http::Request& request) {
  TRY(app.governance.drop_policy(ctx, request.param("name"), request.param("target")));
  return json_reply(Json::object());
}

// ---- requests

Result<int64_t> version_of(const http::Request& request) { return param_int(request, "version"); }

Result<http::Reply> list(const RequestsApp& app, const Ctx& ctx, http::Request& request) {
  const int64_t version = TRY(query_int(request, "version")).value_or(0);
  const std::string open = query_text(request, "open");
  if (!open.empty() && open != "true" && open != "false")
    return invalid("request.query", "open is true or false");
  std::vector<Json> items;
  for (const registry::Request& r :
       TRY(app.governance.requests(ctx, request.param("name"), version, open == "true")))
    items.push_back(request_json(app.auth, r));
  return json_reply(page_json(std::move(items), ""));
}

// "waiting" for the caller, "mine", or "all".
Result<Governance::InboxQuery> inbox_query(const http::Request& request) {
  const Page page = TRY(page_of(request));
  Governance::InboxQuery out;
  out.limit = page.limit;
  if (!page.after.empty()) out.page_token = to_base64(page.after);
  const std::string whose = query_text(request, "whose");
  if (whose == "waiting")
    out.whose = Governance::Whose::kWaiting;
  else if (whose == "mine")
    out.whose = Governance::Whose::kMine;
  else if (!whose.empty() && whose != "all")
    return invalid("request.query", "whose is waiting, mine or all");
  const std::string state = query_text(request, "state");
  if (state.empty()) return out;
  using State = registry::RequestState;
  for (const State one :
       {State::kOpen, State::kApplied, State::kRejected, State::kCancelled, State::kExpired})
    if (registry::request_state_name(one) == state) out.state = one;
  if (!out.state)
    return invalid("request.query", "state is open, applied, rejected, cancelled or expired");
  return out;
}

Result<http::Reply> inbox(const RequestsApp& app, const Ctx& ctx, http::Request& request) {
  const auto found = TRY(app.governance.inbox(ctx, TRY(inbox_query(request))));
  std::vector<Json> items;
  for (const Governance::Listed& listed : found.items) {
    Json item = request_json(app.auth, listed.request);
    item.set("approvals_count", listed.approvals);
    if (listed.needed) item.set("approvals_needed", *listed.needed);
    items.push_back(std::move(item));
  }
  return json_reply(
      page_json(std::move(items), from_base64(found.next_page_token).value_or(std::string())));
}

Result<http::Reply> ask(const RequestsApp& app, const Ctx& ctx, http::Request& request) {
  const Json body = TRY(body_object(request));
  Governance::Ask wanted;
  wanted.target = TRY(codec::string_or(body, "to", "Production"));
  wanted.comment = TRY(codec::string_or(body, "comment", ""));
  if (const Json* back = body.find("rollback_to"); back && !back->is_null())
    wanted.plan_version = TRY(codec::want_int(body, "rollback_to"));
  const std::string owner = TRY(codec::string_or(body, "rollback_owner", ""));
  if (!owner.empty()) wanted.plan_owner = TRY(principal_uid(app.auth, owner));
  wanted.archive_existing = TRY(codec::bool_or(body, "archive_existing", false));
  wanted.ttl_ms = TRY(codec::int_or(body, "ttl_ms", 0));
  return json_reply(request_json(
      app.auth,
      TRY(app.governance.ask(ctx, request.param("name"), TRY(version_of(request)), wanted))));
}

Result<http::Reply> cancel(const RequestsApp& app, const Ctx& ctx, http::Request& request) {
  const Json body = TRY(body_object(request));
  Governance::Word word;
  word.target = TRY(codec::string_or(body, "to", "Production"));
  word.comment = TRY(codec::string_or(body, "comment", ""));
  return json_reply(request_json(
      app.auth,
      TRY(app.governance.cancel(ctx, request.param("name"), TRY(version_of(request)), word))));
}

Json conditions_json(const Governance::Explanation& e) {
  Json out = Json::array();
  for (const registry::Condition& c : e.conditions) {
    Json item = Json::object({{"condition", c.name}, {"ok", c.ok}, {"detail", c.detail}});
    if (!c.ok) item.set("reason", c.reason);
    out.push(std::move(item));
  }
  return out;
}

Result<http::Reply> explain(const RequestsApp& app, const Ctx& ctx, http::Request& request) {
  const std::string to = query_text(request, "to");
  const Governance::Explanation e = TRY(app.governance.explain(
      ctx, request.param("name"), TRY(version_of(request)), to.empty() ? "Production" : to));
  bool ready = true;
  for (const registry::Condition& c : e.conditions) ready = ready && c.ok;
  Json out = Json::object({{"model", e.version.model},
                           {"version", e.version.number},
                           {"to", e.policy.target},
                           {"ready", ready},
                           {"approvals", e.approvals}});
  out.set("conditions", conditions_json(e));
  out.set("checks", TRY(checks_json(app, ctx, e)));
  out.set("actions", TRY(actions_json(app, ctx, e)));
  out.set("policy", policy_json(app.auth, e.policy));
  out.set("request", e.request ? request_json(app.auth, *e.request) : Json());
  return json_reply(out);
}

struct Row {
  Method method;
  std::string_view path;
  Right right;
  Audit audit;
  Call call;
  std::string_view summary;
};
constexpr std::array<Row, 10> kRows = {{
    {Method::kGet, "/stages", Right::kRead, Audit::kNone, stages,
     "Stages that versions of the model may hold."},
    {Method::kPost, "/stages", Right::kManage, Audit::kGoverned, declare_stage,
     "Declare a stage of the model's own."},
    {Method::kDelete, "/stages/{stage}", Right::kManage, Audit::kGoverned, drop_stage,
     "Drop a stage that nothing holds."},
    {Method::kGet, "/policies", Right::kRead, Audit::kNone, policies,
     "What it takes to enter each protected stage or to get each protected alias."},
    {Method::kPut, "/policies/{target}", Right::kManage, Audit::kGoverned, set_policy,
     "Protect a stage, or an alias as @NAME; approvals given before are void."},
    {Method::kDelete, "/policies/{target}", Right::kManage, Audit::kGoverned, drop_policy,
     "Take a policy away."},
    {Method::kGet, "/requests", Right::kRead, Audit::kNone, list,
     "Requests, newest first: ?version, open."},
    {Method::kPost, "/versions/{version}/requests", Right::kEdit, Audit::kGoverned, ask,
     "Ask that a version enter a stage or get an alias, with a rollback plan."},
    {Method::kPost, "/versions/{version}/requests/cancel", Right::kEdit, Audit::kGoverned, cancel,
     "Take a request of one's own back."},
    {Method::kGet, "/versions/{version}/explain", Right::kRead, Audit::kNone, explain,
     "What holds, what is missing and what the caller may do before the version may enter ?to."},
}};

}  // namespace

Json policy_json(const auth::Auth& auth, const registry::Policy& p) {
  Json out = registry::policy_json(p);
  out.set("target", p.target);
  out.set("approvers", labels(auth, p.approvers));
  out.set("waivers", labels(auth, p.waivers));
  out.set("is_default", p.is_default);
  return out;
}

Json request_json(const auth::Auth& auth, const registry::Request& r) {
  Json approvals = Json::array();
  for (const registry::RequestApproval& a : r.approvals) {
    Json item = Json::object({{"actor", auth.label(a.actor)},
                              {"decision", a.approved ? "approved" : "rejected"},
                              {"comment", a.comment},
                              {"created_ms", a.created_ms},
                              {"binding", a.binding},
                              {"digest", a.digest},
                              {"void", a.voided_ms != 0}});
    if (a.voided_ms != 0) item.set("voided_ms", a.voided_ms);
    approvals.push(std::move(item));
  }
  Json out = Json::object({{"uid", r.uid},
                           {"model", r.model},
                           {"version", r.version},
                           {"to", r.target},
                           {"from_stage", r.from_stage},
                           {"state", registry::request_state_name(r.state)},
                           {"requester", auth.label(r.requester)},
                           {"comment", r.comment},
                           {"created_ms", r.created_ms},
                           {"updated_ms", r.updated_ms},
                           {"expires_ms", r.expires_ms}});
  out.set("archive_existing", r.archive_existing);
  if (!r.closed_by.empty()) out.set("closed_by", auth.label(r.closed_by));
  if (!r.closed_reason.empty()) out.set("closed_reason", r.closed_reason);
  if (r.plan) out.set("rollback_plan", plan_json(auth, *r.plan));
  out.set("approvals", std::move(approvals));
  return out;
}

Result<std::string> principal_uid(const auth::Auth& auth, const std::string& name) {
  for (const auth::Principal& p : TRY(auth.principals()))
    if (p.name == name || p.uid == name) return p.uid;
  if (name == "local") return name;  // Whoever calls without credentials on loopback.
  return invalid("principal.unknown", concat({"there is no principal '", name, "'"}));
}

http::FindNeeds model_needs(registry::Registry& registry, http::Right right, bool of_version) {
  return [&registry, right, of_version](
             const Ctx& ctx, const http::Request& request) -> Result<std::vector<http::Need>> {
    const registry::Model m = TRY(registry.get_model(ctx, request.param("name")));
    const bool prompt = registry::is_prompt(m.tags);
    if (of_version)
      return http::one_need(right, prompt ? "prompt_version" : "model_version", m.uid);
    return http::one_need(right, prompt ? "prompt" : "model", m.uid);
  };
}

std::vector<http::Route> requests_routes(RequestsApp app) {
  std::vector<http::Route> out;
  http::Route& all = out.emplace_back();
  all.method = Method::kGet;
  all.path = at("/requests");
  all.permission = {Right::kRead, "model", http::On::kList};
  all.audit = Audit::kNone;
  all.summary =
      "Requests of the project, newest first: ?whose=waiting|mine|all, state, limit, page_token.";
  all.blocking = [app](const Ctx& ctx, http::Request& request) { return inbox(app, ctx, request); };
  for (const Row& row : kRows) {
    http::Route& route = out.emplace_back();
    route.method = row.method;
    route.path = at(concat({"/models/{name}", row.path}));
    const bool version = row.path.starts_with("/versions/");
    route.permission = {row.right, version ? "model_version" : "model", http::On::kObjects};
    route.needs = model_needs(app.registry, row.right, version);
    route.audit = row.audit;
    route.summary = row.summary;
    if (row.method == Method::kPost || row.method == Method::kPut) route.body = http::memory();
    route.blocking = [app, call = row.call](const Ctx& ctx, http::Request& request) {
      return call(app, ctx, request);
    };
  }
  return out;
}

}  // namespace slip::wire::native
