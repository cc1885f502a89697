#pragma once

#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/auth/auth.h"

// People with passwords, roles that bundle grants, who has which, and the projects that were made
// by name. For protocols that number them: users, roles, permissions and memberships draw their
// numbers from one counter. Every call is judged by who makes it: an administrator (`manage` on
// all projects) may do everything, who manages a project its roles, everybody sees themselves.
// Each change is an event and is known to Auth when the call returns. Any thread.
//
// Errors: kForbidden `auth.forbidden`, kNotFound `principal.not_found|role.not_found|
// grant.not_found|member.not_found|project.not_found`, kExists `principal.exists|role.exists|
// grant.exists|member.exists|project.exists`, kInvalid `principal.name|principal.self|
// auth.password_length|auth.password_current|role.name|grant.scope|project.name|project.reserved`.
namespace slip::auth {

inline constexpr size_t kRoleNameMax = 255;
inline constexpr size_t kRoleDescriptionMax = 1024;
inline constexpr int64_t kOwnGrantsShown = 10'000;  // Of one user; whoever owns much has many.
// Of one's own grants, shown as a role of this name: "__user_7__".
inline constexpr std::string_view kOwnRolePrefix = "__user_";

struct User {
  int64_t number = 0;
  std::string uid;
  std::string name;
  bool is_admin = false;
};

struct Permission {  // A grant, as a role or a user has it.
  int64_t number = 0;
  std::string kind;
  std::string object = std::string(kAny);
  Role role = Role::kNone;
  bool deny = false;
};

struct NamedRole {
  int64_t number = 0;
  std::string uid;
  std::string project;
  std::string name;
  std::optional<std::string> description;
  std::vector<Permission> permissions;
};

struct Membership {
  int64_t number = 0;
  int64_t user_number = 0;
  int64_t role_number = 0;
};

struct ProjectInfo {
  std::string name;
  std::optional<std::string> description;
};

class Directory {
 public:
  struct Deps {
    store::Db& db;
    ledger::Ledger& ledger;
    Clock& clock;
    Rng& rng;
    Auth& auth;
  };
  explicit Directory(Deps deps) : deps_(deps) {}

  // ---- users. A new one is a member of the project `default`.
  Result<User> create_user(const Ctx& ctx, const std::string& name, const std::string& password);
  Result<User> user(const Ctx& ctx, const std::string& name);
  Result<User> current(const Ctx& ctx);
  // For who may see its roles, too: who manages a project that the user has a role in.
  Result<User> visible_user(const Ctx& ctx, const std::string& name);
  struct Listed {
    User user;
    std::vector<NamedRole> roles;  // Those that the caller may see.
  };
  Result<std::vector<Listed>> users(const Ctx& ctx);
  struct NewPassword {
    std::string name;
    std::string password;
    std::string current;  // Whoever changes their own shows it.
  };
  Status set_password(const Ctx& ctx, const NewPassword& wanted);
  Status set_admin(const Ctx& ctx, const std::string& name, bool is_admin);
  Status delete_user(const Ctx& ctx, const std::string& name);  // Not oneself.

  // ---- roles of projects
  Result<NamedRole> create_role(const Ctx& ctx, const NamedRole& wanted);
  Result<NamedRole> role(const Ctx& ctx, int64_t number);
  Result<NamedRole> managed_role(const Ctx& ctx, int64_t number);  // For who manages its project.
  Result<std::vector<NamedRole>> roles(const Ctx& ctx, const std::vector<std::string>& projects);
  struct RoleChange {
    std::optional<std::string> name;
    std::optional<std::string> description;
  };
  Result<NamedRole> change_role(const Ctx& ctx, int64_t number, const RoleChange& change);
  Status delete_role(const Ctx& ctx, int64_t number);
  Result<Permission> add_permission(const Ctx& ctx, int64_t role_number, Permission wanted);
  // Of a role, by the permission's own number.
  struct OfRole {
    Permission permission;
    NamedRole role;  // Without its permissions.
  };
  Result<OfRole> permission(const Ctx& ctx, int64_t number);
  Result<OfRole> change_permission(const Ctx& ctx, int64_t number, Role role, bool deny);
  Status remove_permission(const Ctx& ctx, int64_t number);

  // ---- who has them
  Result<Membership> assign(const Ctx& ctx, const std::string& user, int64_t role_number);
  Status unassign(const Ctx& ctx, const std::string& user, int64_t role_number);
  // One's own grants come as one role a project.
  Result<std::vector<NamedRole>> roles_of(const Ctx& ctx, const std::string& user);
  Result<std::vector<Membership>> members(const Ctx& ctx, int64_t role_number);

  // ---- grants of one user in the caller's project. They take a manager of what is granted.
  Status grant(const Ctx& ctx, const std::string& user, const Permission& wanted);
  Status revoke(const Ctx& ctx, const std::string& user, const Permission& of);
  // What the user may do with it, by whatever grant.
  Result<Role> effective(const Ctx& ctx, const std::string& user, const Permission& of);

  // ---- projects. Every project exists as soon as it is used; these have been given a description
  // and the roles `admin` and `user`.
  Result<ProjectInfo> create_project(const Ctx& ctx, const ProjectInfo& wanted);
  Result<ProjectInfo> project(const Ctx& ctx, const std::string& name);
  Result<std::vector<ProjectInfo>> projects(const Ctx& ctx);
  Result<ProjectInfo> describe_project(const Ctx& ctx, const ProjectInfo& wanted);
  // Its roles and grants go with it; what it holds must have gone before.
  Status delete_project(const Ctx& ctx, const std::string& name);

  Ctx in_project(const Ctx& ctx, std::string_view project) const;  // The same caller there.
  bool is_admin(const Ctx& ctx) const;
  bool manages(const Ctx& ctx, std::string_view project) const;

 private:
  bool is_self(const Ctx& ctx, std::string_view name) const;
  Result<User> must_see(store::Tx& tx, const Ctx& ctx, const std::string& name) const;
  bool manages_any(const Ctx& ctx, const std::set<std::string>& projects) const;
  Result<NamedRole> must_manage(store::Tx& tx, const Ctx& ctx, int64_t role_number) const;
  Result<OfRole> must_manage_permission(store::Tx& tx, const Ctx& ctx, int64_t number) const;
  Status check_granter(const Ctx& ctx, const Permission& wanted) const;
  Status drop_grants(std::string_view column, std::string_view value);
  Status record(store::Tx& tx, const Ctx& ctx, std::string_view verb,
                const ledger::Subject& subject, codec::Json body);
  // Runs the body in a transaction, then publishes what it changed.
  Status change(const store::Db::Body& body);

  Deps deps_;
};

}  // namespace slip::auth
