// Roles: named bundles of grants in a project, and who has them.

#include <array>
#include <utility>

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

Result<Json> role_reply(App& app, const Ctx& ctx, const auth::NamedRole& role) {
  Json message = TRY(message_of(app, ctx, role));
  return Json::object({{"role", std::move(message)}});
}

Result<Json> permission_reply(App& app, const Ctx& ctx, const auth::Directory::OfRole& of) {
  Json message = TRY(message_of(app, ctx, of));
  return Json::object({{"role_permission", std::move(message)}});
}

Result<Json> roles_reply(App& app, const Ctx& ctx, const std::vector<auth::NamedRole>& roles) {
  Json out = Json::array();
  for (Json& role : TRY(messages_of(app, ctx, roles))) out.push(std::move(role));
  return Json::object({{"roles", std::move(out)}});
}

Json message_of(const auth::Membership& m) {
  return Json::object({{"id", m.number}, {"user_id", m.user_number}, {"role_id", m.role_number}});
}

Result<Json> create(App& app, const Ctx& ctx, const In& in) {
  auth::NamedRole wanted;
  wanted.name = TRY(in.text("name"));
  wanted.project = TRY(in.text("workspace"));
  wanted.description = TRY(in.maybe_text("description"));
  return role_reply(app, ctx, TRY(app.directory.create_role(ctx, wanted)));
}

Result<Json> get(App& app, const Ctx& ctx, const In& in) {
  return role_reply(app, ctx, TRY(app.directory.role(ctx, TRY(in.integer("role_id")))));
}

Result<Json> list(App& app, const Ctx& ctx, const In& in) {
  const std::vector<std::string> projects = TRY(in.texts("workspace"));
  for (const std::string& project : projects)
    if (trim(project).empty())
      return invalid("mlflow.type",
                     "Parameter 'workspace' must be a non-empty string when provided.");
  return roles_reply(app, ctx, TRY(app.directory.roles(ctx, projects)));
}

Result<Json> update(App& app, const Ctx& ctx, const In& in) {
  const int64_t number = TRY(in.integer("role_id"));
  auth::Directory::RoleChange wanted;
  wanted.name = TRY(in.maybe_text("name"));
  wanted.description = TRY(in.maybe_text("description"));
  return role_reply(app, ctx, TRY(app.directory.change_role(ctx, number, wanted)));
}

Result<Json> remove(App& app, const Ctx& ctx, const In& in) {
  TRY(app.directory.delete_role(ctx, TRY(in.integer("role_id"))));
  return Json::object();
}

Result<Json> assign(App& app, const Ctx& ctx, const In& in) {
  const std::string user = TRY(in.text("username"));
  const auto made = TRY(app.directory.assign(ctx, user, TRY(in.integer("role_id"))));
  return Json::object({{"assignment", message_of(made)}});
}

Result<Json> unassign(App& app, const Ctx& ctx, const In& in) {
  const std::string user = TRY(in.text("username"));
  TRY(app.directory.unassign(ctx, user, TRY(in.integer("role_id"))));
  return Json::object();
}

Result<Json> of_user(App& app, const Ctx& ctx, const In& in) {
  return roles_reply(app, ctx, TRY(app.directory.roles_of(ctx, TRY(in.text("username")))));
}

Result<Json> users(App& app, const Ctx& ctx, const In& in) {
  Json out = Json::array();
  for (const auth::Membership& m : TRY(app.directory.members(ctx, TRY(in.integer("role_id")))))
    out.push(message_of(m));
  return Json::object({{"assignments", std::move(out)}});
}

// ---- what a role permits

Result<Json> add_permission(App& app, const Ctx& ctx, const In& in) {
  const int64_t number = TRY(in.integer("role_id"));
  const std::string type = TRY(in.text("resource_type"));
  const std::string pattern = TRY(in.text("resource_pattern"));
  const std::string level = TRY(in.text("permission"));
  // Who may not manage the role learns nothing of its project's models.
  auth::Directory::OfRole made;
  made.role = TRY(app.directory.managed_role(ctx, number));
  const Ctx there = app.directory.in_project(ctx, made.role.project);
  made.permission = TRY(read_grant(app, there, type, pattern));
  TRY(read_level(level, made.permission.kind, &made.permission));
  made.permission = TRY(app.directory.add_permission(ctx, number, made.permission));
  return permission_reply(app, ctx, made);
}

Result<Json> remove_permission(App& app, const Ctx& ctx, const In& in) {
  TRY(app.directory.remove_permission(ctx, TRY(in.integer("role_permission_id"))));
  return Json::object();
}

Result<Json> list_permissions(App& app, const Ctx& ctx, const In& in) {
  const auth::NamedRole role = TRY(app.directory.role(ctx, TRY(in.integer("role_id"))));
  const Json message = TRY(message_of(app, ctx, role));
  return Json::object({{"role_permissions", *message.find("permissions")}});
}

Result<Json> update_permission(App& app, const Ctx& ctx, const In& in) {
  const int64_t number = TRY(in.integer("role_permission_id"));
  const std::string level = TRY(in.text("permission"));
  auth::Permission wanted;
  const auto before = TRY(app.directory.permission(ctx, number));
  TRY(read_level(level, before.permission.kind, &wanted));
  const auto after = TRY(app.directory.change_permission(ctx, number, wanted.role, wanted.deny));
  return permission_reply(app, ctx, after);
}

constexpr http::Permission kRead{Right::kRead, "grant", On::kCaller};
constexpr http::Permission kManage{Right::kManage, "grant", On::kCaller};

constexpr std::array<Row, 13> kRows = {{
    {Method::kPost, "3.0/mlflow/roles/create", kManage, Audit::kEvent, create,
     "Make a role in a workspace"},
    {Method::kGet, "3.0/mlflow/roles/get", kRead, Audit::kNone, get, "Read a role"},
    {Method::kGet, "3.0/mlflow/roles/list", kRead, Audit::kNone, list,
     "List the roles of workspaces, or all"},
    {Method::kPatch, "3.0/mlflow/roles/update", kManage, Audit::kEvent, update,
     "Rename or describe a role"},
    {Method::kDelete, "3.0/mlflow/roles/delete", kManage, Audit::kEvent, remove,
     "Delete a role with its permissions and assignments"},
    {Method::kPost, "3.0/mlflow/roles/permissions/add", kManage, Audit::kEvent, add_permission,
     "Let a role permit something"},
    {Method::kDelete, "3.0/mlflow/roles/permissions/remove", kManage, Audit::kEvent,
     remove_permission, "Take a permission from a role"},
    {Method::kGet, "3.0/mlflow/roles/permissions/list", kRead, Audit::kNone, list_permissions,
     "List what a role permits"},
    {Method::kPatch, "3.0/mlflow/roles/permissions/update", kManage, Audit::kEvent,
     update_permission, "Change the level of a role's permission"},
    {Method::kPost, "3.0/mlflow/roles/assign", kManage, Audit::kEvent, assign,
     "Give a role to a user"},
    {Method::kDelete, "3.0/mlflow/roles/unassign", kManage, Audit::kEvent, unassign,
     "Take a role from a user"},
    {Method::kGet, "3.0/mlflow/users/roles/list", kRead, Audit::kNone, of_user,
     "List the roles of a user"},
    {Method::kGet, "3.0/mlflow/roles/users/list", kRead, Audit::kNone, users,
     "List who has a role"},
}};

}  // namespace

void add_roles(std::vector<http::Route>* out, const App& app) { add_rows(out, app, kRows); }

}  // namespace slip::wire::mlflow
