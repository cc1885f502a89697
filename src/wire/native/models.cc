#include "wire/native/models.h"

#include <array>
#include <utility>

#include "base/text.h"
#include "registry/check.h"
#include "registry/governance.h"
#include "registry/policy_json.h"
#include "wire/native/native.h"
#include "wire/native/requests.h"
#include "wire/native/verdicts.h"

namespace slip::wire::native {
namespace {

using codec::Json;
using http::Method;
using http::Right;
using registry::Governance;

Json tags_json(const std::vector<registry::Tag>& tags) {
  Json out = Json::object();
  for (const registry::Tag& tag : tags) out.set(tag.key, tag.value);
  return out;
}

Json gate_json(const std::optional<registry::Gate>& gate) {
  if (!gate) return {};
  Json checks = Json::array();
  for (const registry::CheckResult& r : gate->checks) checks.push(check_json(r));
  return Json::object({{"passed", gate->passed},
                       {"evaluated_ms", gate->evaluated_ms},
                       {"checks", std::move(checks)}});
}

Json version_json(const ModelsApp& app, const registry::Version& v) {
  Json out = Json::object({{"model", v.model},
                           {"version", v.number},
                           {"uid", v.uid},
                           {"stage", v.stage.name},
                           {"status", "READY"},
                           {"source", v.source},
                           {"created_ms", v.created_ms},
                           {"updated_ms", v.updated_ms},
                           {"created_by", app.auth.label(v.author)}});
  if (!v.run_id.empty()) out.set("run_id", v.run_id);
  if (!v.digest.empty()) out.set("digest", v.digest);
  if (v.description) out.set("description", *v.description);
  Json aliases = Json::array();
  for (const std::string& alias : v.aliases) aliases.push(alias);
  out.set("aliases", std::move(aliases));
  out.set("tags", tags_json(v.tags));
  out.set("gate", gate_json(v.gate));
  Json approvals = Json::array();
  for (const registry::Approval& a : v.approvals)
    approvals.push(Json::object({{"actor", app.auth.label(a.actor)},
                                 {"decision", a.approved ? "approved" : "rejected"},
                                 {"comment", a.comment},
                                 {"created_ms", a.created_ms},
                                 {"digest", a.digest}}));
  out.set("approvals", std::move(approvals));
  return out;
}

Json model_json(const ModelsApp& app, const Ctx& ctx, const registry::Model& m,
                const std::vector<registry::Version>& versions) {
  Json out = Json::object({{"name", m.name}, {"uid", m.uid}});
  if (m.description) out.set("description", *m.description);
  out.set("versions_count", static_cast<int64_t>(versions.size()));
  out.set("latest_version", versions.empty() ? int64_t{0} : versions.front().number);
  Json aliases = Json::object();
  for (const registry::Alias& a : m.aliases) aliases.set(a.alias, a.version);
  out.set("aliases", std::move(aliases));
  Json stages = Json::object();
  for (const registry::Version& v : versions) {  // Highest first: that one is named.
    const std::string& stage = v.stage.name;
    if (v.stage != registry::Stage::kNone && !stages.find(stage)) stages.set(stage, v.number);
  }
  out.set("stages", std::move(stages));
  out.set("protected", m.is_protected);
  out.set("tags", tags_json(m.tags));
  out.set("created_ms", m.created_ms);
  out.set("updated_ms", m.updated_ms);
  Json deployments = Json::array();
  if (app.deployments)
    for (const std::string& name : app.deployments(ctx, m.name)) deployments.push(name);
  out.set("deployments", std::move(deployments));
  return out;
}

// An empty body reads as {}.
Result<Json> optional_body(const http::Request& request) {
  if (trim(request.body).empty()) return Json::object();
  return body_object(request);
}

struct Named {
  std::string model;
  int64_t version = 0;
};
Result<Named> named(const http::Request& request) {
  Named out;
  out.model = request.param("name");
  out.version = TRY(param_int(request, "version"));
  return out;
}

using Call = Result<http::Reply> (*)(const ModelsApp&, const Ctx&, http::Request&);

Result<http::Reply> list(const ModelsApp& app, const Ctx& ctx, http::Request& request) {
  const Page page = TRY(page_of(request));
  registry::Query query;
  query.max_results = page.limit;
  if (!page.after.empty()) query.page_token = to_base64(page.after);
  const auto found = TRY(app.registry.search_models(ctx, query));
  std::vector<Json> items;
  for (const registry::Model& m : found.items)
    items.push_back(model_json(app, ctx, m, TRY(app.registry.list_versions(ctx, m.name))));
  return json_reply(
      page_json(std::move(items), from_base64(found.next_page_token).value_or(std::string())));
}

Result<http::Reply> get(const ModelsApp& app, const Ctx& ctx, http::Request& request) {
  const registry::Model m = TRY(app.registry.get_model(ctx, request.param("name")));
  const auto versions = TRY(app.registry.list_versions(ctx, m.name));
  Json out = model_json(app, ctx, m, versions);
  Json items = Json::array();
  for (const registry::Version& v : versions) items.push(version_json(app, v));
  out.set("versions", std::move(items));
  return json_reply(out);
}

Result<http::Reply> get_version(const ModelsApp& app, const Ctx& ctx, http::Request& request) {
  const Named n = TRY(named(request));
  std::string to = query_text(request, "to");
  if (to.empty()) to = registry::Stage::kProduction.name;
  Json out = version_json(app, TRY(app.registry.get_version(ctx, n.model, n.version)));
  const auto told = TRY(app.governance.explain(ctx, n.model, n.version, to));
  out.set("actions", TRY(actions_json({app.registry, app.governance, app.auth}, ctx, told)));
  return json_reply(out);
}

Result<http::Reply> gate(const ModelsApp& app, const Ctx& ctx, http::Request& request) {
  const Named n = TRY(named(request));
  TRY(app.registry.get_version(ctx, n.model, n.version));  // 404 comes before 400.
  const Json body = TRY(optional_body(request));
  const Json* given = body.find("checks");  // Absent: what the policy for Production asks for.
  std::vector<registry::Check> checks;
  if (given) checks = TRY(registry::read_checks(*given));
  return json_reply(gate_json(TRY(app.registry.evaluate_gate(ctx, n.model, n.version, checks))));
}

// Without a request one is opened in the name of whoever registered the version.
Result<Governance::Word> word_of(const http::Request& request) {
  const Json body = TRY(optional_body(request));
  Governance::Word word;
  word.target = TRY(codec::string_or(body, "to", "Production"));
  word.comment = TRY(codec::string_or(body, "comment", ""));
  word.apply = TRY(codec::bool_or(body, "apply", false));
  word.archive_existing = TRY(codec::bool_or(body, "archive_existing", false));
  word.ask_if_missing = true;
  return word;
}

Json outcome_json(const ModelsApp& app, const Governance::Outcome& done) {
  Json out = version_json(app, done.version);
  out.set("request", request_json(app.auth, done.request));
  if (!done.pending.empty()) out.set("pending", done.pending);
  return out;
}

Result<http::Reply> approve(const ModelsApp& app, const Ctx& ctx, http::Request& request) {
  const Named n = TRY(named(request));
  return json_reply(outcome_json(
      app, TRY(app.governance.approve(ctx, n.model, n.version, TRY(word_of(request))))));
}

Result<http::Reply> reject(const ModelsApp& app, const Ctx& ctx, http::Request& request) {
  const Named n = TRY(named(request));
  return json_reply(outcome_json(
      app, TRY(app.governance.reject(ctx, n.model, n.version, TRY(word_of(request))))));
}

Result<http::Reply> promote(const ModelsApp& app, const Ctx& ctx, http::Request& request) {
  const Named n = TRY(named(request));
  const Json body = TRY(optional_body(request));
  const std::string stage = TRY(codec::string_or(body, "stage", "Production"));
  const std::string reason = TRY(codec::string_or(body, "reason", ""));
  if (iequals(stage, registry::Stage::kProduction.name))
    return json_reply(
        version_json(app, TRY(app.registry.promote(ctx, n.model, n.version, reason))));
  Governance::Word word;
  word.target = stage;
  word.comment = reason;
  word.archive_existing = TRY(codec::bool_or(body, "archive_existing", false));
  return json_reply(
      version_json(app, TRY(app.governance.transition(ctx, n.model, n.version, word))));
}

Result<http::Reply> rollback(const ModelsApp& app, const Ctx& ctx, http::Request& request) {
  const Json body = TRY(optional_body(request));
  const std::string reason = TRY(codec::string_or(body, "reason", ""));
  const int64_t from = TRY(codec::int_or(body, "from_version", 0));
  const std::string stage = TRY(codec::string_or(body, "stage", "Production"));
  const std::string& name = request.param("name");
  const registry::Version back = TRY(app.registry.rollback(ctx, name, reason, from, stage));
  Json out = version_json(app, back);
  if (app.roll_back_deployments) {
    Json moved = Json::array();
    for (const std::string& deployment : app.roll_back_deployments(ctx, back, reason))
      moved.push(deployment);
    out.set("deployments", std::move(moved));
  }
  return json_reply(out);
}

Result<http::Reply> history(const ModelsApp& app, const Ctx& ctx, http::Request& request) {
  std::vector<Json> items;
  std::optional<int64_t> at;
  if (const std::string text = query_text(request, "at"); !text.empty()) {
    at = parse_time_ms(text);
    if (!at)
      return invalid("request.query", "at is a time as 2026-11-23T05:53:00Z or in milliseconds");
  }
  for (const registry::Tenure& t : TRY(app.registry.history(ctx, request.param("name"), at))) {
    Json item = Json::object(
        {{"n", t.n}, {"stage", t.stage.name}, {"version", t.version}, {"from_ms", t.from_ms}});
    if (t.to_ms) item.set("to_ms", *t.to_ms);
    item.set("actor", app.auth.label(t.actor));
    item.set("reason", t.reason);
    if (t.back_n > 0 || t.stage == registry::Stage::kProduction) item.set("back_n", t.back_n);
    items.push_back(std::move(item));
  }
  return json_reply(page_json(std::move(items), ""));
}

struct Row {
  Method method;
  std::string_view path;
  Right right;
  http::Audit audit;
  Call call;
  std::string_view summary;
};
constexpr std::string_view kVersion = "/models/{name}/versions/{version}";
constexpr std::array<Row, 9> kRows = {{
    {Method::kGet, "/models", Right::kRead, http::Audit::kNone, list,
     "Models with stages, aliases and deployments."},
    {Method::kGet, "/models/{name}", Right::kRead, http::Audit::kNone, get,
     "A model with its versions, newest first."},
    {Method::kGet, "", Right::kRead, http::Audit::kNone, get_version,
     "A model version with its gate, its approvals and what the caller may do towards ?to."},
    {Method::kPost, "/gate", Right::kEdit, http::Audit::kGoverned, gate,
     "Judge a version by the checks given, or by those of the policy."},
    {Method::kPost, "/approve", Right::kEdit, http::Audit::kGoverned, approve,
     "Approve that a version enter a stage; requester and authors cannot."},
    {Method::kPost, "/reject", Right::kEdit, http::Audit::kGoverned, reject,
     "Reject the request that a version enter a stage."},
    {Method::kPost, "/promote", Right::kManage, http::Audit::kGoverned, promote,
     "Move a version; into a protected stage when its policy is met."},
    {Method::kPost, "/models/{name}/rollback", Right::kManage, http::Audit::kGoverned, rollback,
     "Give a stage back to the version before; what serves the model follows."},
    {Method::kGet, "/models/{name}/history", Right::kRead, http::Audit::kNone, history,
     "Who held which stage when; ?at= at one moment."},
}};

}  // namespace

std::vector<http::Route> models_routes(ModelsApp app) {
  std::vector<http::Route> out;
  for (const Row& row : kRows) {
    http::Route route;
    route.method = row.method;
    const bool whole = row.path.starts_with("/models");
    route.path = at(whole ? row.path : concat({kVersion, row.path}));
    const bool version = !whole;
    route.permission = {row.right, version ? "model_version" : "model", http::On::kObjects};
    if (row.path == "/models") route.permission.on = http::On::kList;
    route.needs = model_needs(app.registry, row.right, version);
    route.audit = row.audit;
    route.summary = row.summary;
    if (row.method == Method::kPost) route.body = http::memory();
    route.blocking = [app, call = row.call](const Ctx& ctx, http::Request& request) {
      return call(app, ctx, request);
    };
    out.push_back(std::move(route));
  }
  return out;
}

}  // namespace slip::wire::native
