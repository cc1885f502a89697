#include <algorithm>
#include <array>
#include <utility>

#include "base/text.h"
#include "core/auth/auth_internal.h"
#include "core/auth/auth_store.h"
#include "core/auth/directory.h"
#include "core/auth/directory_store.h"
#include "sys/clock.h"
#include "sys/rng.h"

// Roles of projects, who has them, and the projects themselves.
namespace slip::auth {
namespace {

constexpr std::array<std::pair<std::string_view, Role>, 2> kFirstRoles = {{
    {"admin", Role::kManage},
    {"user", Role::kUse},
}};

Error no_role(int64_t number) {
  return not_found("role.not_found",
                   concat({"Role with id=", std::to_string(number), " not found"}));
}

Error only_managers() {
  return forbidden("auth.forbidden", "only who manages the role's project may");
}

ledger::Subject subject_of(const NamedRole& role) {
  ledger::Subject subject;
  subject.kind = "role";
  subject.uid = role.uid;
  subject.name = role.name;
  return subject;
}

ledger::Subject subject_of(const ProjectInfo& project) {
  ledger::Subject subject;
  subject.kind = "project";
  subject.uid = project.name;
  subject.name = project.name;
  return subject;
}

Grant grant_of(const NamedRole& role, const Permission& p) {
  return {role.project, role.uid, p.kind, p.object, p.role, p.deny};
}

Status check_role_name(std::string_view name) {
  if (trim(name).empty()) return invalid("role.name", "Role name cannot be empty.");
  if (name.size() > kRoleNameMax)
    return invalid("role.name", "a role's name has at most 255 bytes");
  if (name.starts_with(kOwnRolePrefix))
    return invalid("role.name",
                   concat({"Role name '", name, "' uses the reserved '", kOwnRolePrefix,
                           "' prefix, which stands for one user's own permissions."}));
  return {};
}

Status check_description(const std::optional<std::string>& text) {
  if (text && text->size() > kRoleDescriptionMax)
    return invalid("role.description", "a description has at most 1024 bytes");
  return {};
}

Status check_name_is_free(store::Tx& tx, const NamedRole& role) {
  const std::optional<NamedRole> other = TRY(sql::find_role(tx, role.project, role.name));
  if (!other || other->number == role.number) return {};
  return exists("role.exists", concat({"Role (name=", role.name, ", workspace=", role.project,
                                       ") already exists"}));
}

}  // namespace

Result<NamedRole> Directory::must_manage(store::Tx& tx, const Ctx& ctx, int64_t number) const {
  std::optional<NamedRole> role = TRY(sql::find_role(tx, number));
  if (!role && is_admin(ctx)) return no_role(number);
  if (!role || !manages(ctx, role->project)) return only_managers();
  return *std::move(role);
}

Result<NamedRole> Directory::create_role(const Ctx& ctx, const NamedRole& wanted) {
  if (!manages(ctx, wanted.project)) return only_managers();
  TRY(check_project_name(wanted.project));
  TRY(check_role_name(wanted.name));
  TRY(check_description(wanted.description));
  NamedRole role;
  role.uid = new_uuid7(deps_.clock, deps_.rng).text();
  role.project = wanted.project;
  role.name = wanted.name;
  role.description = wanted.description;
  TRY(change([&](store::Tx& tx) -> Status {
    role.number = 0;
    TRY(check_name_is_free(tx, role));
    role.number = TRY(sql::next_number(tx));
    TRY(sql::insert_role(tx, role, deps_.clock.now_ms()));
    return record(tx, ctx, "role.created", subject_of(role),
                  codec::Json::object({{"project", role.project}}));
  }));
  return role;
}

Result<NamedRole> Directory::role(const Ctx& ctx, int64_t number) {
  std::optional<NamedRole> role;
  TRY(deps_.db.read([&](store::Tx& tx) -> Status {
    role = TRY(sql::find_role(tx, number));
    if (!role && is_admin(ctx)) return no_role(number);
    if (role && manages(ctx, role->project)) return {};
    if (role && TRY(sql::projects_of(tx, ctx.actor_uid, false)).contains(role->project)) return {};
    return forbidden("auth.forbidden", "only who has a role in its project may see a role");
  }));
  return *std::move(role);
}

Result<NamedRole> Directory::managed_role(const Ctx& ctx, int64_t number) {
  NamedRole role;
  TRY(deps_.db.read([&](store::Tx& tx) -> Status {
    role = TRY(must_manage(tx, ctx, number));
    return {};
  }));
  return role;
}

Result<std::vector<NamedRole>> Directory::roles(const Ctx& ctx,
                                                const std::vector<std::string>& projects) {
  const bool all = is_admin(ctx);
  const Error refused =
      forbidden("auth.forbidden", "only who has a role in a project may see its roles");
  if (projects.empty() && !all) return refused;
  std::vector<NamedRole> out;
  TRY(deps_.db.read([&](store::Tx& tx) -> Status {
    const std::set<std::string> mine = TRY(sql::projects_of(tx, ctx.actor_uid, false));
    for (const std::string& project : projects)
      if (!all && !mine.contains(project) && !manages(ctx, project)) return refused;
    out = TRY(sql::all_roles(tx));
    return {};
  }));
  if (!projects.empty())
    std::erase_if(out, [&](const NamedRole& role) {
      return std::find(projects.begin(), projects.end(), role.project) == projects.end();
    });
  return out;
}

Result<NamedRole> Directory::change_role(const Ctx& ctx, int64_t number, const RoleChange& wanted) {
  NamedRole role;
  TRY(change([&](store::Tx& tx) -> Status {
    role = TRY(must_manage(tx, ctx, number));
    if (!wanted.name && !wanted.description)
      return invalid("role.unchanged",
                     "At least one of 'name' or 'description' must be provided to update a role.");
    if (wanted.name) {
      TRY(check_role_name(*wanted.name));
      role.name = *wanted.name;
      TRY(check_name_is_free(tx, role));
    }
    TRY(check_description(wanted.description));
    if (wanted.description) role.description = wanted.description;
    TRY(sql::update_role(tx, role));
    return record(tx, ctx, "role.changed", subject_of(role),
                  codec::Json::object({{"project", role.project}}));
  }));
  return role;
}

Status Directory::delete_role(const Ctx& ctx, int64_t number) {
  return change([&](store::Tx& tx) -> Status {
    const NamedRole role = TRY(must_manage(tx, ctx, number));
    TRY(sql::delete_role(tx, role.uid));
    return record(tx, ctx, "role.deleted", subject_of(role),
                  codec::Json::object({{"project", role.project}}));
  });
}

// ---- what a role permits

Result<Permission> Directory::add_permission(const Ctx& ctx, int64_t role_number,
                                             Permission wanted) {
  TRY(change([&](store::Tx& tx) -> Status {
    const NamedRole role = TRY(must_manage(tx, ctx, role_number));
    const Grant grant = grant_of(role, wanted);
    TRY(check_scope(grant));
    if (TRY(sql::find_number(tx, grant)))
      return exists("grant.exists",
                    concat({"Role permission (role_id=", std::to_string(role_number),
                            ", resource_type=", wanted.kind, ", resource_pattern=", wanted.object,
                            ") already exists."}));
    TRY(sql::put_grant(tx, grant, deps_.clock.now_ms()));
    wanted.number = TRY(sql::find_number(tx, grant)).value_or(0);
    return record(tx, ctx, "grant.set", subject_of(role), grant_json(grant));
  }));
  return wanted;
}

Result<Directory::OfRole> Directory::must_manage_permission(store::Tx& tx, const Ctx& ctx,
                                                            int64_t number) const {
  const std::optional<sql::Found> found = TRY(sql::find_grant(tx, number));
  std::optional<NamedRole> role;
  if (found) role = TRY(sql::find_role_by_uid(tx, found->grantee));
  if (!role && is_admin(ctx))
    return not_found("grant.not_found",
                     concat({"Role permission with id=", std::to_string(number), " not found"}));
  if (!role || !manages(ctx, role->project)) return only_managers();
  return OfRole{found->permission, *std::move(role)};
}

Result<Directory::OfRole> Directory::permission(const Ctx& ctx, int64_t number) {
  OfRole out;
  TRY(deps_.db.read([&](store::Tx& tx) -> Status {
    out = TRY(must_manage_permission(tx, ctx, number));
    return {};
  }));
  return out;
}

Result<Directory::OfRole> Directory::change_permission(const Ctx& ctx, int64_t number, Role role,
                                                       bool deny) {
  OfRole out;
  TRY(change([&](store::Tx& tx) -> Status {
    out = TRY(must_manage_permission(tx, ctx, number));
    out.permission.role = role;
    out.permission.deny = deny;
    const Grant grant = grant_of(out.role, out.permission);
    TRY(sql::put_grant(tx, grant, deps_.clock.now_ms()));
    return record(tx, ctx, "grant.set", subject_of(out.role), grant_json(grant));
  }));
  return out;
}

Status Directory::remove_permission(const Ctx& ctx, int64_t number) {
  return change([&](store::Tx& tx) -> Status {
    const OfRole of = TRY(must_manage_permission(tx, ctx, number));
    Grant grant = grant_of(of.role, of.permission);
    TRY(sql::drop_grant(tx, grant));
    grant.role = Role::kNone;
    grant.deny = false;
    return record(tx, ctx, "grant.set", subject_of(of.role), grant_json(grant));
  });
}

// ---- who has it

Result<Membership> Directory::assign(const Ctx& ctx, const std::string& user_name,
                                     int64_t role_number) {
  Membership out;
  TRY(change([&](store::Tx& tx) -> Status {
    const NamedRole role = TRY(must_manage(tx, ctx, role_number));
    const std::optional<User> user = TRY(sql::find_user(tx, user_name));
    if (!user)
      return not_found("principal.not_found",
                       concat({"User with username=", user_name, " not found"}));
    if (TRY(sql::find_member(tx, user->uid, role.uid)))
      return exists("member.exists",
                    concat({"User role assignment (user_id=", std::to_string(user->number),
                            ", role_id=", std::to_string(role_number), ") already exists"}));
    out = {TRY(sql::next_number(tx)), user->number, role_number};
    TRY(sql::insert_member(tx, user->uid, role.uid, out.number));
    return record(tx, ctx, "role.assigned", subject_of(role),
                  codec::Json::object({{"project", role.project}, {"principal_uid", user->uid}}));
  }));
  return out;
}

Status Directory::unassign(const Ctx& ctx, const std::string& user_name, int64_t role_number) {
  return change([&](store::Tx& tx) -> Status {
    const NamedRole role = TRY(must_manage(tx, ctx, role_number));
    const std::optional<User> user = TRY(sql::find_user(tx, user_name));
    if (!user)
      return not_found("principal.not_found",
                       concat({"User with username=", user_name, " not found"}));
    if (!TRY(sql::find_member(tx, user->uid, role.uid)))
      return not_found("member.not_found",
                       concat({"User role assignment (user_id=", std::to_string(user->number),
                               ", role_id=", std::to_string(role_number), ") not found"}));
    TRY(sql::delete_member(tx, user->uid, role.uid));
    return record(tx, ctx, "role.unassigned", subject_of(role),
                  codec::Json::object({{"project", role.project}, {"principal_uid", user->uid}}));
  });
}

Result<std::vector<Membership>> Directory::members(const Ctx& ctx, int64_t role_number) {
  std::vector<Membership> out;
  TRY(deps_.db.read([&](store::Tx& tx) -> Status {
    out = TRY(sql::members_of(tx, TRY(must_manage(tx, ctx, role_number))));
    return {};
  }));
  return out;
}

// ---- projects

Result<ProjectInfo> Directory::create_project(const Ctx& ctx, const ProjectInfo& wanted) {
  if (!is_admin(ctx)) return forbidden("auth.forbidden", "only an administrator may make projects");
  TRY(check_project_name(wanted.name));
  if (wanted.name == kDefaultProject)
    return invalid("project.reserved", "the project default is always there");
  TRY(check_description(wanted.description));
  std::vector<NamedRole> roles(kFirstRoles.size());
  for (size_t i = 0; i < roles.size(); ++i) {
    roles[i].uid = new_uuid7(deps_.clock, deps_.rng).text();
    roles[i].project = wanted.name;
    roles[i].name = kFirstRoles[i].first;
  }
  const int64_t now_ms = deps_.clock.now_ms();
  TRY(change([&](store::Tx& tx) -> Status {
    if (TRY(sql::find_project(tx, wanted.name)))
      return exists("project.exists", concat({"Workspace '", wanted.name, "' already exists."}));
    TRY(sql::insert_project(tx, wanted, ctx.actor_uid, now_ms));
    for (size_t i = 0; i < roles.size(); ++i) {
      if (TRY(sql::find_role(tx, wanted.name, roles[i].name))) continue;
      roles[i].number = TRY(sql::next_number(tx));
      TRY(sql::insert_role(tx, roles[i], now_ms));
      const Permission member{.kind = std::string(kMember), .role = kFirstRoles[i].second};
      TRY(sql::put_grant(tx, grant_of(roles[i], member), now_ms));
    }
    return record(tx, ctx, "project.created", subject_of(wanted), nullptr);
  }));
  return wanted;
}

Result<std::vector<ProjectInfo>> Directory::projects(const Ctx& ctx) {
  const bool all = is_admin(ctx);
  std::vector<ProjectInfo> out;
  TRY(deps_.db.read([&](store::Tx& tx) -> Status {
    out = TRY(sql::projects(tx));
    if (all) return {};
    const std::set<std::string> mine = TRY(sql::projects_of(tx, ctx.actor_uid, true));
    if (mine.contains(std::string(kAny))) return {};
    std::erase_if(out, [&](const ProjectInfo& project) { return !mine.contains(project.name); });
    return {};
  }));
  return out;
}

Result<ProjectInfo> Directory::project(const Ctx& ctx, const std::string& name) {
  for (ProjectInfo& project : TRY(projects(ctx)))
    if (project.name == name) return std::move(project);
  if (!is_admin(ctx)) return forbidden("auth.forbidden", "only its members may see a project");
  return not_found("project.not_found", concat({"Workspace '", name, "' not found"}));
}

Result<ProjectInfo> Directory::describe_project(const Ctx& ctx, const ProjectInfo& wanted) {
  if (!is_admin(ctx))
    return forbidden("auth.forbidden", "only an administrator may change projects");
  TRY(check_description(wanted.description));
  TRY(change([&](store::Tx& tx) -> Status {
    if (!TRY(sql::find_project(tx, wanted.name)))
      return not_found("project.not_found", concat({"Workspace '", wanted.name, "' not found"}));
    TRY(sql::put_project(tx, wanted, ctx.actor_uid, deps_.clock.now_ms()));
    return record(tx, ctx, "project.changed", subject_of(wanted), nullptr);
  }));
  return wanted;
}

Status Directory::delete_project(const Ctx& ctx, const std::string& name) {
  if (!is_admin(ctx))
    return forbidden("auth.forbidden", "only an administrator may delete projects");
  if (name == kDefaultProject)
    return invalid("project.reserved", "the project default is always there");
  TRY(change([&](store::Tx& tx) -> Status {
    if (!TRY(sql::find_project(tx, name)))
      return not_found("project.not_found", concat({"Workspace '", name, "' not found"}));
    TRY(sql::delete_project(tx, name));
    return record(tx, ctx, "project.deleted", subject_of(ProjectInfo{name, std::nullopt}), nullptr);
  }));
  TRY(drop_grants("project", name));
  return deps_.auth.load();
}

}  // namespace slip::auth
