#include "wire/native/access.h"

#include "base/text.h"
#include "wire/native/native.h"

namespace slip::wire::native {
namespace {

using codec::Json;

Result<auth::Role> want_role(const Json& body) {
  const std::string name = TRY(codec::want_string(body, "role"));
  const std::optional<auth::Role> role = auth::parse_role(name);
  if (!role) return invalid("token.role", "role is read, use, edit or manage");
  return *role;
}

Result<http::Reply> create_token(const AccessApp& app, const Ctx& ctx, http::Request& request) {
  const Json body = TRY(body_object(request));
  auth::NewToken wanted;
  wanted.principal = TRY(codec::want_string(body, "principal"));
  wanted.kind = TRY(codec::string_or(body, "kind", "user"));
  wanted.role = TRY(want_role(body));
  Ctx everywhere = ctx;
  everywhere.project.text = auth::kAny;
  const bool all = app.auth.role(everywhere, "token") == auth::Role::kManage;
  wanted.project =
      TRY(codec::string_or(body, "project", all ? std::string(auth::kAny) : ctx.project.text));
  if (const Json* expires = body.find("expires_ms"); expires && !expires->is_null())
    wanted.expires_ms = TRY(codec::want_int(body, "expires_ms"));
  const auth::IssuedToken issued = TRY(app.auth.create_token(ctx, wanted));
  http::Reply reply = json_reply(Json::object({{"token", issued.text},
                                               {"id", issued.id},
                                               {"principal", wanted.principal},
                                               {"principal_uid", issued.principal_uid},
                                               {"role", auth::role_name(wanted.role)},
                                               {"project", wanted.project}}),
                                 201);
  reply.headers.emplace_back("Cache-Control", "no-store");
  return reply;
}

Json token_json(const auth::TokenInfo& t) {
  Json out = Json::object({{"id", t.id},
                           {"principal_uid", t.principal_uid},
                           {"project", t.project},
                           {"role", auth::role_name(t.role)},
                           {"created_ms", t.created_ms}});
  if (t.expires_ms) out.set("expires_ms", *t.expires_ms);
  if (t.last_used_ms) out.set("last_used_ms", *t.last_used_ms);
  return out;
}

Json principal_json(const AccessApp& app, const auth::Principal& p) {
  Json grants = Json::array();
  for (const auth::Grant& g : p.grants)
    grants.push(
        Json::object({{"project", g.project},
                      {"kind", g.kind},
                      {"object", g.object},
                      {"role", g.deny ? std::string_view("deny") : auth::role_name(g.role)}}));
  Json tokens = Json::array();
  const Result<std::vector<auth::TokenInfo>> known = app.auth.tokens(p.uid);
  if (known.ok())
    for (const auth::TokenInfo& t : *known) tokens.push(token_json(t));
  return Json::object({{"uid", p.uid},
                       {"name", p.name},
                       {"kind", p.kind},
                       {"created_ms", p.created_ms},
                       {"grants", grants},
                       {"tokens", tokens}});
}

Result<http::Reply> list_principals(const AccessApp& app, http::Request& request) {
  const Page page = TRY(page_of(request));
  std::vector<Json> items;
  std::string last;
  for (const auth::Principal& p : TRY(app.auth.principals())) {
    if (p.name <= page.after) continue;
    if (static_cast<int64_t>(items.size()) == page.limit)
      return json_reply(page_json(std::move(items), last));
    items.push_back(principal_json(app, p));
    last = p.name;
  }
  return json_reply(page_json(std::move(items), ""));
}

Result<auth::Grant> read_scope(const Ctx& ctx, const Json& body) {
  auth::Grant grant;
  grant.project = TRY(codec::string_or(body, "project", ctx.project.text));
  grant.kind = TRY(codec::string_or(body, "kind", auth::kAny));
  grant.object = TRY(codec::string_or(body, "object", auth::kAny));
  return grant;
}

// Who manages one object may say who else gets at it.
Result<std::vector<http::Need>> grant_needs(const Ctx& ctx, const http::Request& request) {
  const auth::Grant grant = TRY(read_scope(ctx, TRY(body_object(request))));
  http::Need need{.right = http::Right::kManage, .kind = "grant", .uid = {}};
  const auth::Kind* kind = auth::find_kind(grant.kind);
  if (kind && kind->objects && grant.object != auth::kAny && grant.project == ctx.project.text)
    need = {.right = http::Right::kManage, .kind = kind->name, .uid = grant.object};
  return std::vector{std::move(need)};
}

Result<http::Reply> set_grant(const AccessApp& app, const Ctx& ctx, http::Request& request) {
  const Json body = TRY(body_object(request));
  auth::Grant grant = TRY(read_scope(ctx, body));
  const std::string role = TRY(codec::want_string(body, "role"));
  grant.deny = role == "deny";
  const std::optional<auth::Role> known = auth::parse_role(role);
  if (!known && !grant.deny && role != "none")
    return invalid("grant.role", "role is read, use, edit, manage, deny or none");
  grant.role = known.value_or(auth::Role::kNone);
  TRY(app.auth.set_grant(ctx, request.param("name"), grant));
  return json_reply(Json::object({{"principal", request.param("name")},
                                  {"project", grant.project},
                                  {"kind", grant.kind},
                                  {"object", grant.object},
                                  {"role", role}}));
}

http::Reply whoami(const AccessApp& app, const Ctx& ctx) {
  Json roles = Json::array();
  for (int r = static_cast<int>(app.auth.role(ctx, "project")); r > 0; --r)
    roles.push(auth::role_name(static_cast<auth::Role>(r)));
  return json_reply(Json::object({{"principal", app.auth.label(ctx.actor_uid)},
                                  {"uid", ctx.actor_uid},
                                  {"kind", ctx.actor_kind},
                                  {"project", ctx.project.text},
                                  {"roles", roles}}));
}

http::Route route(http::Method method, std::string_view path, http::Permission permission,
                  std::string_view summary) {
  http::Route row;
  row.method = method;
  row.path = at(path);
  row.permission = permission;
  row.audit = method == http::Method::kGet ? http::Audit::kNone : http::Audit::kGoverned;
  row.summary = summary;
  return row;
}

}  // namespace

std::vector<http::Route> access_routes(AccessApp app) {
  using enum http::Method;
  using enum http::Right;
  using http::On::kProject;
  std::vector<http::Route> out;
  http::Route& who = out.emplace_back(route(kGet, "/whoami", {kRead, "project", kProject},
                                            "Who the caller is, and its roles here."));
  who.blocking = [app](const Ctx& ctx, http::Request&) -> Result<http::Reply> {
    return whoami(app, ctx);
  };
  http::Route& make = out.emplace_back(route(kPost, "/tokens", {kManage, "token", kProject},
                                             "Make a token; its text is shown once."));
  make.body = http::memory(64 << 10);
  make.blocking = [app](const Ctx& ctx, http::Request& request) {
    return create_token(app, ctx, request);
  };
  http::Route& revoke = out.emplace_back(route(kDelete, "/tokens/{id}", {kRead, "token", kProject},
                                               "Revoke a token: one's own, or any."));
  revoke.blocking = [app](const Ctx& ctx, http::Request& request) -> Result<http::Reply> {
    TRY(app.auth.revoke_token(ctx, request.param("id")));
    return json_reply(Json::object({{"revoked", request.param("id")}}));
  };
  http::Route& list = out.emplace_back(route(kGet, "/principals", {kManage, "principal", kProject},
                                             "Principals, their grants and tokens."));
  list.blocking = [app](const Ctx&, http::Request& request) {
    return list_principals(app, request);
  };
  http::Route& grant = out.emplace_back(route(kPut, "/principals/{name}/grants",
                                              {kManage, "grant", http::On::kObjects},
                                              "Grant, deny or take a role."));
  grant.needs = grant_needs;
  grant.body = http::memory(64 << 10);
  grant.blocking = [app](const Ctx& ctx, http::Request& request) {
    return set_grant(app, ctx, request);
  };
  return out;
}

}  // namespace slip::wire::native
