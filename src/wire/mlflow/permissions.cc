// What single users may do: granted to them alone, and by all their roles.

#include <array>

#include "base/text.h"
#include "core/auth/directory.h"
#include "wire/mlflow/grants.h"
#include "wire/mlflow/rows.h"

namespace slip::wire::mlflow {
namespace {

using codec::Json;
using http::Audit;
using http::Method;
using http::On;
using http::Right;

Result<Json> rows_of(App& app, const Ctx& ctx, const std::string& name, bool is_admin) {
  const std::vector<auth::NamedRole> roles = TRY(app.directory.roles_of(ctx, name));
  Json out = Json::array();
  for (const Json& role : TRY(messages_of(app, ctx, roles)))
    for (const Json& permission : role.find("permissions")->items()) {
      Json row = Json::object({{"role_id", *role.find("id")},
                               {"role_name", *role.find("name")},
                               {"workspace", *role.find("workspace")}});
      for (const char* field : {"resource_type", "resource_pattern", "permission"})
        row.set(field, *permission.find(field));
      out.push(std::move(row));
    }
  return Json::object({{"is_admin", is_admin}, {"permissions", std::move(out)}});
}

Result<Json> of_current(App& app, const Ctx& ctx, const In&) {
  const auth::User user = TRY(app.directory.current(ctx));
  return rows_of(app, ctx, user.name, user.is_admin);
}

Result<Json> list(App& app, const Ctx& ctx, const In& in) {
  const std::string name = TRY(in.text("username"));
  return rows_of(app, ctx, name, TRY(app.directory.visible_user(ctx, name)).is_admin);
}

struct About {
  std::string user;
  auth::Permission permission;
};

// In MLflow's words, before anybody's rights are looked at.
Status check_type(const std::string& type, const std::string& id) {
  const std::string_view kind = TRY(kind_of_type(type));
  if (kind == auth::kMember)
    return invalid("mlflow.resource_type",
                   "resource_type 'workspace' is not supported by the per-user permission "
                   "convenience APIs. Give the user a role of the workspace.");
  if (id != auth::kAny && !auth::find_kind(kind)->objects)
    return invalid("mlflow.resource_type", concat({"resource_type '", type,
                                                   "' is not supported by the per-user permission "
                                                   "convenience APIs."}));
  if (kind == "scorer" && id != auth::kAny && id.find('/') == id.npos)
    return invalid("mlflow.resource_pattern",
                   "Invalid scorer resource_id. Expected '<experiment_id>/<scorer_name>'.");
  return {};
}

Result<About> read_about(App& app, const Ctx& ctx, const In& in) {
  About out;
  out.user = TRY(in.text("username"));
  const std::string type = TRY(in.text("resource_type"));
  const std::string id = TRY(in.text("resource_id"));
  TRY(check_type(type, id));
  Result<auth::Permission> permission = read_grant(app, ctx, type, id);
  // Whoever manages nothing here learns no names by asking.
  if (!permission.ok() && permission.error().code == Code::kNotFound &&
      !app.directory.manages(ctx, ctx.project.text))
    return forbidden("auth.forbidden", concat({"no right to this ", type}));
  out.permission = TRY(std::move(permission));
  return out;
}

Result<Json> grant(App& app, const Ctx& ctx, const In& in) {
  About about = TRY(read_about(app, ctx, in));
  TRY(read_level(TRY(in.text("permission")), about.permission.kind, &about.permission));
  TRY(app.directory.grant(ctx, about.user, about.permission));
  return Json::object();
}

Result<Json> revoke(App& app, const Ctx& ctx, const In& in) {
  const About about = TRY(read_about(app, ctx, in));
  TRY(app.directory.revoke(ctx, about.user, about.permission));
  return Json::object();
}

// Nobody may do anything with what there is not.
Result<Json> get(App& app, const Ctx& ctx, const In& in) {
  auth::Permission of;
  of.object = TRY(in.text("resource_id"));
  const std::string user = TRY(in.text("username"));
  const std::string type = TRY(in.text("resource_type"));
  TRY(check_type(type, of.object));
  const Result<auth::Permission> found = read_grant(app, ctx, type, of.object);
  if (!found.ok() && found.error().code != Code::kNotFound) return found.error();
  of.kind = TRY(kind_of_type(type));
  if (found.ok()) of = *found;
  auth::Role role = TRY(app.directory.effective(ctx, user, of));
  if (!found.ok()) role = auth::Role::kNone;
  return Json::object(
      {{"allowed", role >= auth::Role::kUse}, {"permission", level_name(role, false)}});
}

constexpr http::Permission kRead{Right::kRead, "grant", On::kCaller};
constexpr http::Permission kManage{Right::kManage, "grant", On::kCaller};

constexpr std::array<Row, 5> kRows = {{
    {Method::kGet, "3.0/mlflow/users/current/permissions", kRead, Audit::kNone, of_current,
     "List the caller's permissions, of all roles"},
    {Method::kGet, "3.0/mlflow/users/permissions/list", kRead, Audit::kNone, list,
     "List a user's permissions, of all roles"},
    {Method::kPost, "3.0/mlflow/users/permissions/grant", kManage, Audit::kEvent, grant,
     "Permit something to one user"},
    {Method::kPost, "3.0/mlflow/users/permissions/revoke", kManage, Audit::kEvent, revoke,
     "Take from one user what was permitted to them alone"},
    {Method::kGet, "3.0/mlflow/users/permissions/get", kRead, Audit::kNone, get,
     "Read what a user may do with a resource"},
}};

}  // namespace

void add_permissions(std::vector<http::Route>* out, const App& app) { add_rows(out, app, kRows); }

}  // namespace slip::wire::mlflow
