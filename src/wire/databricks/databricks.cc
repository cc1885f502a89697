#include "wire/databricks/databricks.h"

#include <array>
#include <utility>

#include "base/text.h"
#include "codec/json.h"
#include "core/auth/auth.h"
#include "registry/check.h"
#include "registry/governance.h"
#include "registry/registry.h"
#include "wire/databricks/registry_webhooks.h"
#include "wire/databricks/request.h"

namespace slip::wire::databricks {
namespace {

using codec::Json;
using http::Audit;
using http::Method;
using http::Right;
using registry::Governance;

struct Named {
  std::string name;
  int64_t version = 0;
};
// A version is text on this wire; a number is taken too.
Result<Named> named(const Json& in) {
  Named out;
  out.name = TRY(required(in, "name"));
  if (const Json* v = in.find("version"); v && v->is_int()) {
    out.version = v->as_int();
    return out;
  }
  const std::optional<int64_t> number = parse_int(TRY(required(in, "version")));
  if (!number) return invalid("model_version.number", "Parameter 'version' must be an integer.");
  out.version = *number;
  return out;
}

Result<Governance::Word> word_of(const Json& in) {
  Governance::Word word;
  word.target = TRY(required(in, "stage"));
  word.comment = TRY(codec::string_or(in, "comment", ""));
  word.archive_existing = TRY(codec::bool_or(in, "archive_existing_versions", false));
  return word;
}

// What this caller may do with an open request.
Json actions_on(const registry::Request& r, const Ctx& ctx) {
  Json out = Json::array();
  if (r.state != registry::RequestState::kOpen) return out;
  if (r.requester == ctx.actor_uid)
    out.push("CANCEL_TRANSITION_REQUEST");
  else
    out.push("APPROVE_TRANSITION_REQUEST");
  out.push("REJECT_TRANSITION_REQUEST");
  return out;
}

struct Act {
  std::string_view type;
  std::string comment;
  std::string actor;
  std::string system_comment;
};
Json activity_json(const App& app, const registry::Request& r, const Act& act) {
  Json out = Json::object({{"id", r.uid},
                           {"activity_type", act.type},
                           {"user_id", app.auth.label(act.actor)},
                           {"creation_timestamp", r.created_ms},
                           {"last_updated_timestamp", r.updated_ms},
                           {"from_stage", r.from_stage},
                           {"to_stage", r.target}});
  if (!act.comment.empty()) out.set("comment", act.comment);
  if (!act.system_comment.empty()) out.set("system_comment", act.system_comment);
  return out;
}

Json request_json(const App& app, const Ctx& ctx, const registry::Request& r) {
  Json out = activity_json(app, r,
                           {.type = "REQUESTED_TRANSITION",
                            .comment = r.comment,
                            .actor = r.requester,
                            .system_comment = ""});
  out.set("available_actions", actions_on(r, ctx));
  return out;
}

// The caller may read it, or would not be here.
std::string_view level_of(const App& app, const Ctx& ctx, const std::string& uid) {
  const auto may = [&](auth::Role role) {
    return app.auth.check(ctx, role, "model_version", uid).ok();
  };
  if (may(auth::Role::kManage)) return "CAN_MANAGE";
  return may(auth::Role::kEdit) ? "CAN_EDIT" : "CAN_READ";
}

Json tags_json(const std::vector<registry::Tag>& tags) {
  Json out = Json::array();
  for (const registry::Tag& tag : tags)
    out.push(Json::object({{"key", tag.key}, {"value", tag.value}}));
  return out;
}

Json version_json(const App& app, const registry::Version& v) {
  Json out = Json::object({{"name", v.model},
                           {"version", std::to_string(v.number)},
                           {"creation_timestamp", v.created_ms},
                           {"last_updated_timestamp", v.updated_ms},
                           {"user_id", app.auth.label(v.author)},
                           {"current_stage", v.stage.name},
                           {"source", v.source},
                           {"status", "READY"}});
  if (!v.run_id.empty()) out.set("run_id", v.run_id);
  if (v.run_link) out.set("run_link", *v.run_link);
  if (v.description) out.set("description", *v.description);
  out.set("tags", tags_json(v.tags));
  return out;
}

using Call = Result<Json> (*)(const App&, const Ctx&, const Json&);

Result<Json> create_request(const App& app, const Ctx& ctx, const Json& in) {
  const Named n = TRY(named(in));
  Governance::Ask ask;
  ask.target = TRY(required(in, "stage"));
  ask.comment = TRY(codec::string_or(in, "comment", ""));
  const registry::Request made = TRY(app.governance.ask(ctx, n.name, n.version, ask));
  return Json::object({{"request", request_json(app, ctx, made)}});
}

Result<Json> approve(const App& app, const Ctx& ctx, const Json& in) {
  const Named n = TRY(named(in));
  Governance::Word word = TRY(word_of(in));
  word.apply = true;
  const Governance::Outcome done = TRY(app.governance.approve(ctx, n.name, n.version, word));
  return Json::object({{"activity", activity_json(app, done.request,
                                                  {.type = "APPROVED_REQUEST",
                                                   .comment = word.comment,
                                                   .actor = ctx.actor_uid,
                                                   .system_comment = done.pending})}});
}

Result<Json> reject(const App& app, const Ctx& ctx, const Json& in) {
  const Named n = TRY(named(in));
  const Governance::Word word = TRY(word_of(in));
  const Governance::Outcome done = TRY(app.governance.reject(ctx, n.name, n.version, word));
  return Json::object({{"activity", activity_json(app, done.request,
                                                  {.type = "REJECTED_REQUEST",
                                                   .comment = word.comment,
                                                   .actor = ctx.actor_uid,
                                                   .system_comment = ""})}});
}

Result<Json> remove(const App& app, const Ctx& ctx, const Json& in) {
  const Named n = TRY(named(in));
  const Governance::Word word = TRY(word_of(in));
  const std::string creator = TRY(required(in, "creator"));
  std::string uid = creator;
  for (const auth::Principal& p : TRY(app.auth.principals()))
    if (p.name == creator) uid = p.uid;
  const registry::Request r = TRY(app.governance.cancel(ctx, n.name, n.version, word, uid));
  return Json::object({{"activity", activity_json(app, r,
                                                  {.type = "CANCELLED_REQUEST",
                                                   .comment = word.comment,
                                                   .actor = ctx.actor_uid,
                                                   .system_comment = ""})}});
}

Result<Json> list(const App& app, const Ctx& ctx, const Json& in) {
  const Named n = TRY(named(in));
  Json items = Json::array();
  for (const registry::Request& r : TRY(app.governance.requests(ctx, n.name, n.version, true)))
    items.push(request_json(app, ctx, r));
  return Json::object({{"requests", std::move(items)}});
}

Json comment_json(const App& app, const Ctx& ctx, const registry::Comment& c) {
  Json actions = Json::array();
  if (c.actor == ctx.actor_uid) {
    actions.push("EDIT_COMMENT");
    actions.push("DELETE_COMMENT");
  }
  return Json::object({{"id", c.uid},
                       {"comment", c.comment},
                       {"user_id", app.auth.label(c.actor)},
                       {"creation_timestamp", c.created_ms},
                       {"last_updated_timestamp", c.updated_ms},
                       {"available_actions", std::move(actions)}});
}

Result<Json> create_comment(const App& app, const Ctx& ctx, const Json& in) {
  const Named n = TRY(named(in));
  const registry::Comment c =
      TRY(app.governance.add_comment(ctx, n.name, n.version, TRY(required(in, "comment"))));
  return Json::object({{"comment", comment_json(app, ctx, c)}});
}

Result<Json> update_comment(const App& app, const Ctx& ctx, const Json& in) {
  const registry::Comment c = TRY(
      app.governance.update_comment(ctx, TRY(required(in, "id")), TRY(required(in, "comment"))));
  return Json::object({{"comment", comment_json(app, ctx, c)}});
}

Result<Json> delete_comment(const App& app, const Ctx& ctx, const Json& in) {
  TRY(app.governance.delete_comment(ctx, TRY(required(in, "id"))));
  return Json::object();
}

Result<Json> get_model(const App& app, const Ctx& ctx, const Json& in) {
  const registry::Model m = TRY(app.registry.get_model(ctx, TRY(required(in, "name"))));
  const std::string_view level = level_of(app, ctx, m.uid);
  Json out = Json::object({{"id", m.uid},
                           {"name", m.name},
                           {"user_id", app.auth.label(m.author)},
                           {"creation_timestamp", m.created_ms},
                           {"last_updated_timestamp", m.updated_ms},
                           {"permission_level", level}});
  if (m.description) out.set("description", *m.description);
  Json latest = Json::array();
  for (const registry::Version& v : TRY(app.registry.latest_versions(ctx, m.name, {})))
    latest.push(version_json(app, v));
  out.set("latest_versions", std::move(latest));
  out.set("tags", tags_json(m.tags));
  return Json::object({{"registered_model_databricks", std::move(out)}});
}

Result<Json> transition(const App& app, const Ctx& ctx, const Json& in) {
  const Named n = TRY(named(in));
  const Governance::Word word = TRY(word_of(in));
  Result<registry::Version> moved = app.governance.transition(ctx, n.name, n.version, word);
  // What is missing for a protected stage is no right, on this wire as on MLflow's.
  if (!moved.ok() && moved.error().code == Code::kConflict)
    return forbidden("model.protected", moved.error().text);
  if (!moved.ok()) return std::move(moved).error();
  Json out = version_json(app, *moved);
  const registry::Model m = TRY(app.registry.get_model(ctx, n.name));
  out.set("permission_level", level_of(app, ctx, m.uid));
  Json open = Json::array();
  for (const registry::Request& r : TRY(app.governance.requests(ctx, n.name, n.version, true)))
    open.push(request_json(app, ctx, r));
  out.set("open_requests", std::move(open));
  return Json::object({{"model_version_databricks", std::move(out)}});
}

// The model that the request names, or whose version a comment is on.
Result<std::vector<http::Need>> needs_of(const App& app, const Ctx& ctx, Right right,
                                         const http::Request& request) {
  const Json in = TRY(fields_of(request));
  if (in.find("name") == nullptr && in.find("id") != nullptr)
    return http::one_need(right, "model_version",
                          TRY(app.governance.model_of_comment(ctx, TRY(required(in, "id")))));
  const registry::Model m = TRY(app.registry.get_model(ctx, TRY(required(in, "name"))));
  return http::one_need(right, registry::is_prompt(m.tags) ? "prompt_version" : "model_version",
                        m.uid);
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
    {Method::kPost, "transition-requests/create", Right::kEdit, Audit::kGoverned, create_request,
     "Ask that a version enter a stage."},
    {Method::kPost, "transition-requests/approve", Right::kEdit, Audit::kGoverned, approve,
     "Approve a request; the version moves once everything the policy asks for holds."},
    {Method::kPost, "transition-requests/reject", Right::kEdit, Audit::kGoverned, reject,
     "Reject a request."},
    {Method::kDelete, "transition-requests/delete", Right::kEdit, Audit::kGoverned, remove,
     "Take a request of one's own back."},
    {Method::kGet, "transition-requests/list", Right::kRead, Audit::kNone, list,
     "Open requests of a version."},
    {Method::kPost, "comments/create", Right::kEdit, Audit::kEvent, create_comment,
     "Comment on a version."},
    {Method::kPatch, "comments/update", Right::kEdit, Audit::kEvent, update_comment,
     "Change a comment of one's own."},
    {Method::kDelete, "comments/delete", Right::kEdit, Audit::kEvent, delete_comment,
     "Delete a comment of one's own."},
    {Method::kGet, "databricks/registered-models/get", Right::kRead, Audit::kNone, get_model,
     "A model with the caller's rights on it."},
    {Method::kPost, "databricks/model-versions/transition-stage", Right::kEdit, Audit::kGoverned,
     transition, "Move a version to a stage; a protected one asks for what its policy says."},
}};

http::Route config_route() {
  http::Route row;
  row.method = Method::kGet;
  row.path = "/.well-known/databricks-config";
  row.permission = {Right::kPublic, "server"};
  row.audit = Audit::kNone;
  row.summary = "What databricks-sdk asks first: this server needs no further configuration.";
  row.inline_ = [](const Ctx&, http::Request&, http::Responder respond) {
    http::Reply reply;
    reply.body = "{}";
    std::move(respond)(std::move(reply));
  };
  return row;
}

}  // namespace

std::vector<http::Route> routes(App app) {
  std::vector<http::Route> out;
  for (const Row& row : kRows) {
    http::Route& route = out.emplace_back();
    route.method = row.method;
    route.path = concat({"/api/2.0/mlflow/", row.path});
    route.permission = {row.right, "model_version", http::On::kObjects};
    route.needs = [app, right = row.right](const Ctx& ctx, const http::Request& request) {
      return needs_of(app, ctx, right, request);
    };
    route.audit = row.audit;
    route.summary = row.summary;
    if (row.method == Method::kPost || row.method == Method::kPatch) route.body = http::memory();
    route.render_error = render_error;
    route.blocking = [app, call = row.call](const Ctx& ctx,
                                            http::Request& request) -> Result<http::Reply> {
      http::Reply reply;
      reply.body = codec::to_json(TRY(call(app, ctx, TRY(fields_of(request)))));
      return reply;
    };
  }
  for (http::Route& route : registry_webhook_routes(app)) out.push_back(std::move(route));
  out.push_back(config_route());
  return out;
}

}  // namespace slip::wire::databricks
