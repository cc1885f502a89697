#pragma once

#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "core/auth/directory.h"
#include "store/db.h"

// The SQL of users, roles and projects and nothing else. Private to core/auth.
namespace slip::auth::sql {

Result<std::optional<User>> find_user(store::Tx& tx, std::string_view name);
Result<std::vector<User>> users(store::Tx& tx);  // By number.

Status insert_role(store::Tx& tx, const NamedRole& role, int64_t now_ms);
// With its permissions.
Result<std::optional<NamedRole>> find_role(store::Tx& tx, int64_t number);
Result<std::optional<NamedRole>> find_role_by_uid(store::Tx& tx, std::string_view uid);
Result<std::optional<NamedRole>> find_role(store::Tx& tx, std::string_view project,
                                           std::string_view name);
Result<std::vector<NamedRole>> all_roles(store::Tx& tx);
Result<std::vector<NamedRole>> roles_of(store::Tx& tx, std::string_view principal_uid);
Status update_role(store::Tx& tx, const NamedRole& role);
Status delete_role(store::Tx& tx, std::string_view uid);

struct Found {
  std::string grantee;  // Uid of a role or a principal.
  std::string project;
  Permission permission;
};
Result<std::optional<Found>> find_grant(store::Tx& tx, int64_t number);
Result<std::vector<Found>> grants_by(store::Tx& tx, std::string_view grantee);
Result<std::optional<int64_t>> find_number(store::Tx& tx, const Grant& of);  // The grant's.

Status insert_member(store::Tx& tx, std::string_view principal_uid, std::string_view role_uid,
                     int64_t number);
Result<std::optional<int64_t>> find_member(store::Tx& tx, std::string_view principal_uid,
                                           std::string_view role_uid);
Status delete_member(store::Tx& tx, std::string_view principal_uid, std::string_view role_uid);
Result<std::vector<Membership>> members_of(store::Tx& tx, const NamedRole& role);
// Where the principal has a role or a grant of its own; everybody's membership of `default` may be
// left out.
Result<std::set<std::string>> projects_of(store::Tx& tx, std::string_view principal_uid,
                                          bool with_membership);

Status insert_project(store::Tx& tx, const ProjectInfo& project, std::string_view author,
                      int64_t now_ms);
Result<std::optional<ProjectInfo>> find_project(store::Tx& tx, std::string_view name);
Result<std::vector<ProjectInfo>> projects(store::Tx& tx);  // By name.
// Inserts `default`, which always exists, when it is described first.
Status put_project(store::Tx& tx, const ProjectInfo& project, std::string_view author,
                   int64_t now_ms);
// With its roles.
Status delete_project(store::Tx& tx, std::string_view name);
// At most kWriteRowsMax of those whose `column` has the value: how many.
Result<int64_t> drop_some_grants(store::Tx& tx, std::string_view column, std::string_view value);

}  // namespace slip::auth::sql
