#include <algorithm>
#include <map>
#include <utility>

#include "base/text.h"
#include "core/auth/auth_internal.h"
#include "core/auth/auth_store.h"
#include "core/auth/directory.h"
#include "core/auth/directory_store.h"
#include "sys/clock.h"
#include "sys/rng.h"

// Users: made, shown, changed, deleted.
namespace slip::auth {
namespace {

Error no_user(std::string_view name) {
  return not_found("principal.not_found", concat({"User with username=", name, " not found"}));
}

Error only_administrators() { return forbidden("auth.forbidden", "only an administrator may"); }

Grant everything(const std::string& principal_uid) {
  return {.project = std::string(kAny),
          .principal_uid = principal_uid,
          .kind = std::string(kAny),
          .object = std::string(kAny),
          .role = Role::kManage,
          .deny = false};
}

ledger::Subject subject_of(const User& user) {
  ledger::Subject subject;
  subject.kind = "principal";
  subject.uid = user.uid;
  subject.name = user.name;
  return subject;
}

Result<User> must_find(store::Tx& tx, const std::string& name) {
  std::optional<User> user = TRY(sql::find_user(tx, name));
  if (!user) return no_user(name);
  return *std::move(user);
}

// Named roles, then what was granted to the user alone, as one role a project.
Result<std::vector<NamedRole>> all_roles_of(store::Tx& tx, const User& user) {
  std::vector<NamedRole> out = TRY(sql::roles_of(tx, user.uid));
  std::map<std::string, NamedRole> own;
  for (sql::Found& found : TRY(sql::grants_by(tx, user.uid))) {
    NamedRole& role = own[found.project];
    role.permissions.push_back(std::move(found.permission));
  }
  for (auto& [project, role] : own) {
    role.number = user.number;
    role.uid = user.uid;
    role.project = project;
    role.name = concat({kOwnRolePrefix, std::to_string(user.number), "__"});
    out.push_back(std::move(role));
  }
  return out;
}

}  // namespace

bool Directory::is_admin(const Ctx& ctx) const { return manages(ctx, kAny); }

Ctx Directory::in_project(const Ctx& ctx, std::string_view project) const {
  Ctx there = ctx;
  there.project.text = project;
  if (ctx.caller) there.caller = deps_.auth.caller_of(there);
  return there;
}

bool Directory::manages(const Ctx& ctx, std::string_view project) const {
  return deps_.auth.role(in_project(ctx, project), "grant") >= Role::kManage;
}

bool Directory::manages_any(const Ctx& ctx, const std::set<std::string>& projects) const {
  return std::any_of(projects.begin(), projects.end(),
                     [&](const std::string& project) { return manages(ctx, project); });
}

bool Directory::is_self(const Ctx& ctx, std::string_view name) const {
  return deps_.auth.label(ctx.actor_uid) == name;
}

Status Directory::record(store::Tx& tx, const Ctx& ctx, std::string_view verb,
                         const ledger::Subject& subject, codec::Json body) {
  ledger::Draft draft;
  draft.verb = verb;
  draft.subject = subject;
  draft.body = std::move(body);
  return record_change(tx, deps_.ledger, ctx, draft);
}

Status Directory::change(const store::Db::Body& body) {
  TRY(deps_.db.write(body));
  return deps_.auth.load();
}

Status Directory::drop_grants(std::string_view column, std::string_view value) {
  int64_t dropped = store::kWriteRowsMax;
  while (dropped == store::kWriteRowsMax)
    TRY(deps_.db.write([&](store::Tx& tx) -> Status {
      dropped = TRY(sql::drop_some_grants(tx, column, value));
      return {};
    }));
  return {};
}

Result<User> Directory::create_user(const Ctx& ctx, const std::string& name,
                                    const std::string& password) {
  if (deps_.auth.managed_projects(ctx).empty())
    return forbidden("auth.forbidden", "only who manages a project may make users");
  TRY(check_principal_name(name));
  const std::string hash = TRY(hash_new_password(deps_.rng, password));
  const int64_t now_ms = deps_.clock.now_ms();
  const sql::PrincipalRow row{.uid = new_uuid7(deps_.clock, deps_.rng).text(),
                              .name = name,
                              .kind = "user",
                              .password = hash,
                              .created_ms = now_ms};
  const Grant member{.project = std::string(kDefaultProject),
                     .principal_uid = row.uid,
                     .kind = std::string(kMember),
                     .object = std::string(kAny),
                     .role = Role::kUse,
                     .deny = false};
  User made;
  TRY(change([&](store::Tx& tx) -> Status {
    if (TRY(sql::find_user(tx, name)))
      return exists("principal.exists", concat({"User (username=", name, ") already exists."}));
    TRY(sql::insert(tx, row));
    TRY(sql::put_grant(tx, member, now_ms));
    made = TRY(must_find(tx, name));
    return record(tx, ctx, "principal.created", subject_of(made),
                  codec::Json::object({{"kind", row.kind}}));
  }));
  return made;
}

Result<User> Directory::user(const Ctx& ctx, const std::string& name) {
  if (!is_self(ctx, name) && !is_admin(ctx)) return only_administrators();
  User out;
  TRY(deps_.db.read([&](store::Tx& tx) -> Status {
    out = TRY(must_find(tx, name));
    return {};
  }));
  return out;
}

Result<User> Directory::current(const Ctx& ctx) {
  return user(ctx, deps_.auth.label(ctx.actor_uid));
}

Result<std::vector<Directory::Listed>> Directory::users(const Ctx& ctx) {
  if (!manages(ctx, ctx.project.text)) TRY(deps_.auth.check_new(ctx, kMember));
  const bool all = is_admin(ctx);
  std::vector<Listed> out;
  TRY(deps_.db.read([&](store::Tx& tx) -> Status {
    out.clear();
    for (User& user : TRY(sql::users(tx))) {
      Listed listed{std::move(user), {}};
      for (NamedRole& role : TRY(all_roles_of(tx, listed.user)))
        if (all || listed.user.uid == ctx.actor_uid || manages(ctx, role.project))
          listed.roles.push_back(std::move(role));
      out.push_back(std::move(listed));
    }
    return {};
  }));
  return out;
}

Status Directory::set_password(const Ctx& ctx, const NewPassword& wanted) {
  const bool self = is_self(ctx, wanted.name);
  if (!self && !is_admin(ctx)) return only_administrators();
  if (self) {
    if (wanted.current.empty())
      return invalid("auth.password_current",
                     "Current password is required when changing your own password.");
    const Status same = deps_.auth.check_password(wanted.name, wanted.current);
    if (!same && same.error().code != Code::kUnauthorized) return same;
    if (!same) return invalid("auth.password_current", "Current password does not match.");
    if (wanted.password == wanted.current)
      return invalid("auth.password_current",
                     "New password must differ from the current password.");
  }
  const std::string hash = TRY(hash_new_password(deps_.rng, wanted.password));
  return change([&](store::Tx& tx) -> Status {
    const User user = TRY(must_find(tx, wanted.name));
    TRY(sql::set_password(tx, user.uid, hash));
    return record(tx, ctx, "principal.password_set", subject_of(user), nullptr);
  });
}

Status Directory::set_admin(const Ctx& ctx, const std::string& name, bool is_admin) {
  if (!this->is_admin(ctx)) return only_administrators();
  return change([&](store::Tx& tx) -> Status {
    const User user = TRY(must_find(tx, name));
    const Grant grant = everything(user.uid);
    if (is_admin)
      TRY(sql::put_grant(tx, grant, deps_.clock.now_ms()));
    else
      TRY(sql::drop_grant(tx, grant));
    codec::Json body = grant_json(grant);
    if (!is_admin) body.set("role", role_name(Role::kNone));
    return record(tx, ctx, "grant.set", subject_of(user), std::move(body));
  });
}

Status Directory::delete_user(const Ctx& ctx, const std::string& name) {
  if (!is_admin(ctx)) return only_administrators();
  if (is_self(ctx, name))
    return invalid("principal.self",
                   "Users cannot delete their own account. Ask another admin to delete this user "
                   "instead.");
  std::string uid;
  TRY(change([&](store::Tx& tx) -> Status {
    const User user = TRY(must_find(tx, name));
    uid = user.uid;
    TRY(sql::remove_principal(tx, uid, deps_.clock.now_ms()));
    return record(tx, ctx, "principal.deleted", subject_of(user), nullptr);
  }));
  return drop_grants("principal_uid", uid);
}

Result<User> Directory::must_see(store::Tx& tx, const Ctx& ctx, const std::string& name) const {
  std::optional<User> user = TRY(sql::find_user(tx, name));
  const bool all = is_self(ctx, name) || is_admin(ctx);
  if (!user && all) return no_user(name);
  if (!user || (!all && !manages_any(ctx, TRY(sql::projects_of(tx, user->uid, false)))))
    return forbidden("auth.forbidden", "only who manages one of the user's projects may");
  return *std::move(user);
}

Result<User> Directory::visible_user(const Ctx& ctx, const std::string& name) {
  User out;
  TRY(deps_.db.read([&](store::Tx& tx) -> Status {
    out = TRY(must_see(tx, ctx, name));
    return {};
  }));
  return out;
}

Result<std::vector<NamedRole>> Directory::roles_of(const Ctx& ctx, const std::string& name) {
  const bool all = is_self(ctx, name) || is_admin(ctx);
  std::vector<NamedRole> out;
  TRY(deps_.db.read([&](store::Tx& tx) -> Status {
    out = TRY(all_roles_of(tx, TRY(must_see(tx, ctx, name))));
    return {};
  }));
  std::erase_if(out, [&](const NamedRole& r) { return !all && !manages(ctx, r.project); });
  return out;
}

// ---- grants of one user

Status Directory::check_granter(const Ctx& ctx, const Permission& wanted) const {
  TRY(check_scope({ctx.project.text, "", wanted.kind, wanted.object, wanted.role, wanted.deny}));
  if (manages(ctx, ctx.project.text)) return {};
  if (wanted.object != kAny &&
      TRY(deps_.auth.role_on(ctx, wanted.kind, wanted.object)) >= Role::kManage)
    return {};
  return forbidden("auth.forbidden",
                   concat({"only who manages this ", wanted.kind, " or its project may grant"}));
}

Status Directory::grant(const Ctx& ctx, const std::string& name, const Permission& wanted) {
  TRY(check_granter(ctx, wanted));
  return change([&](store::Tx& tx) -> Status {
    const User user = TRY(must_find(tx, name));
    const Grant grant{ctx.project.text, user.uid,    wanted.kind,
                      wanted.object,    wanted.role, wanted.deny};
    if (TRY(sql::find_number(tx, grant)))
      return exists("grant.exists",
                    concat({"Permission for user=", name, " on resource_type=", wanted.kind,
                            ", resource_id=", wanted.object, " already exists."}));
    TRY(sql::put_grant(tx, grant, deps_.clock.now_ms()));
    return record(tx, ctx, "grant.set", subject_of(user), grant_json(grant));
  });
}

Status Directory::revoke(const Ctx& ctx, const std::string& name, const Permission& of) {
  TRY(check_granter(ctx, of));
  return change([&](store::Tx& tx) -> Status {
    const User user = TRY(must_find(tx, name));
    const Grant grant{ctx.project.text, user.uid, of.kind, of.object, Role::kNone, false};
    if (!TRY(sql::find_number(tx, grant)))
      return not_found("grant.not_found",
                       concat({"Permission for user=", name, " on resource_type=", of.kind,
                               ", resource_id=", of.object, " not found."}));
    TRY(sql::drop_grant(tx, grant));
    return record(tx, ctx, "grant.set", subject_of(user), grant_json(grant));
  });
}

Result<Role> Directory::effective(const Ctx& ctx, const std::string& name, const Permission& of) {
  TRY(check_scope({ctx.project.text, "", of.kind, of.object, Role::kRead, false}));
  const bool all = is_self(ctx, name) || is_admin(ctx);
  if (!all && !manages(ctx, ctx.project.text))
    return forbidden("auth.forbidden", "only the user and who manages the project may ask");
  std::optional<User> user;
  TRY(deps_.db.read([&](store::Tx& tx) -> Status {
    user = TRY(sql::find_user(tx, name));
    return {};
  }));
  if (!user) return no_user(name);
  Ctx theirs;
  theirs.actor_uid = user->uid;
  theirs.actor_kind = "user";
  theirs.project = ctx.project;
  return deps_.auth.role_on(theirs, of.kind, of.object == kAny ? std::string() : of.object);
}

}  // namespace slip::auth
