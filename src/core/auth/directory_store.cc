#include "core/auth/directory_store.h"

#include <unordered_map>

#include "base/text.h"

namespace slip::auth::sql {
namespace {

constexpr std::string_view kUserColumns =
    "SELECT p.number, p.uid, p.name, (SELECT COUNT(*) FROM auth_grant g WHERE g.principal_uid ="
    " p.uid AND g.project = '*' AND g.kind = '*' AND g.object = '*' AND g.role = 'manage')"
    " FROM principal p ";

User decode_user(const store::Row& row) {
  return {row.i64(0), row.str(1), row.str(2), row.i64(3) != 0};
}

constexpr std::string_view kRoleColumns =
    "SELECT r.number, r.uid, r.project, r.name, r.description FROM auth_role r ";

NamedRole decode_role(const store::Row& row) {
  NamedRole out;
  out.number = row.i64(0);
  out.uid = row.str(1);
  out.project = row.str(2);
  out.name = row.str(3);
  if (!row.is_null(4)) out.description = row.str(4);
  return out;
}

constexpr std::string_view kGrantColumns =
    "SELECT g.principal_uid, g.project, g.number, g.kind, g.object, g.role FROM auth_grant g ";

Found decode_grant(const store::Row& row) {
  Found out;
  out.grantee = row.str(0);
  out.project = row.str(1);
  out.permission = {.number = row.i64(2),
                    .kind = row.str(3),
                    .object = row.str(4),
                    .role = parse_role(row.text(5)).value_or(Role::kNone),
                    .deny = row.text(5) == "deny"};
  return out;
}

// `condition`: of a statement over auth_role r.
Result<std::vector<NamedRole>> roles_where(store::Tx& tx, std::string_view condition,
                                           std::initializer_list<store::Value> args) {
  std::vector<NamedRole> out;
  std::unordered_map<std::string, size_t> at;
  TRY(tx.each(concat({kRoleColumns, condition, " ORDER BY r.number"}), args,
              [&](const store::Row& row) {
                at[row.str(1)] = out.size();
                out.push_back(decode_role(row));
              }));
  TRY(tx.each(concat({kGrantColumns, "JOIN auth_role r ON r.uid = g.principal_uid ", condition,
                      " ORDER BY g.number"}),
              args, [&](const store::Row& row) {
                out[at.at(row.str(0))].permissions.push_back(decode_grant(row).permission);
              }));
  return out;
}

ProjectInfo decode_project(const store::Row& row) {
  ProjectInfo out;
  out.name = row.str(0);
  if (!row.is_null(1)) out.description = row.str(1);
  return out;
}

std::optional<NamedRole> only(std::vector<NamedRole> roles) {
  if (roles.empty()) return std::nullopt;
  return std::move(roles.front());
}

}  // namespace

Result<std::optional<User>> find_user(store::Tx& tx, std::string_view name) {
  std::optional<User> out;
  TRY(tx.first(concat({kUserColumns, "WHERE p.name = ?"}), {name},
               [&](const store::Row& row) { out = decode_user(row); }));
  return out;
}

Result<std::vector<User>> users(store::Tx& tx) {
  std::vector<User> out;
  TRY(tx.each(concat({kUserColumns, "ORDER BY p.number"}), {},
              [&](const store::Row& row) { out.push_back(decode_user(row)); }));
  return out;
}

Status insert_role(store::Tx& tx, const NamedRole& r, int64_t now_ms) {
  TRY(
      tx.exec("INSERT INTO auth_role (uid, number, project, name, description, created_ms)"
              " VALUES (?, ?, ?, ?, ?, ?)",
              {r.uid, r.number, r.project, r.name, store::maybe(r.description), now_ms}));
  return {};
}

Result<std::optional<NamedRole>> find_role(store::Tx& tx, int64_t number) {
  return only(TRY(roles_where(tx, "WHERE r.number = ?", {number})));
}

Result<std::optional<NamedRole>> find_role(store::Tx& tx, std::string_view project,
                                           std::string_view name) {
  return only(TRY(roles_where(tx, "WHERE r.project = ? AND r.name = ?", {project, name})));
}

Result<std::optional<NamedRole>> find_role_by_uid(store::Tx& tx, std::string_view uid) {
  return only(TRY(roles_where(tx, "WHERE r.uid = ?", {uid})));
}

Result<std::vector<NamedRole>> all_roles(store::Tx& tx) { return roles_where(tx, "", {}); }

Result<std::vector<NamedRole>> roles_of(store::Tx& tx, std::string_view principal_uid) {
  return roles_where(tx, "JOIN auth_member m ON m.role_uid = r.uid WHERE m.principal_uid = ?",
                     {principal_uid});
}

Status update_role(store::Tx& tx, const NamedRole& r) {
  TRY(tx.exec("UPDATE auth_role SET name = ?, description = ? WHERE uid = ?",
              {r.name, store::maybe(r.description), r.uid}));
  return {};
}

Status delete_role(store::Tx& tx, std::string_view uid) {
  TRY(tx.exec("DELETE FROM auth_grant WHERE principal_uid = ?", {uid}));
  TRY(tx.exec("DELETE FROM auth_member WHERE role_uid = ?", {uid}));
  TRY(tx.exec("DELETE FROM auth_role WHERE uid = ?", {uid}));
  return {};
}

Result<std::optional<Found>> find_grant(store::Tx& tx, int64_t number) {
  std::optional<Found> out;
  TRY(tx.first(concat({kGrantColumns, "WHERE g.number = ?"}), {number},
               [&](const store::Row& row) { out = decode_grant(row); }));
  return out;
}

Result<std::vector<Found>> grants_by(store::Tx& tx, std::string_view grantee) {
  std::vector<Found> out;
  TRY(tx.each(concat({kGrantColumns,
                      "WHERE g.principal_uid = ? ORDER BY g.project, g.number, g.kind, g.object"
                      " LIMIT ?"}),
              {grantee, kOwnGrantsShown},
              [&](const store::Row& row) { out.push_back(decode_grant(row)); }));
  return out;
}

Result<std::optional<int64_t>> find_number(store::Tx& tx, const Grant& of) {
  std::optional<int64_t> out;
  TRY(
      tx.first("SELECT number FROM auth_grant WHERE project = ? AND principal_uid = ? AND kind = ?"
               " AND object = ?",
               {of.project, of.principal_uid, of.kind, of.object},
               [&](const store::Row& row) { out = row.i64(0); }));
  return out;
}

Status insert_member(store::Tx& tx, std::string_view principal_uid, std::string_view role_uid,
                     int64_t number) {
  TRY(tx.exec("INSERT INTO auth_member (principal_uid, role_uid, number) VALUES (?, ?, ?)",
              {principal_uid, role_uid, number}));
  return {};
}

Result<std::optional<int64_t>> find_member(store::Tx& tx, std::string_view principal_uid,
                                           std::string_view role_uid) {
  std::optional<int64_t> out;
  TRY(tx.first("SELECT number FROM auth_member WHERE principal_uid = ? AND role_uid = ?",
               {principal_uid, role_uid}, [&](const store::Row& row) { out = row.i64(0); }));
  return out;
}

Status delete_member(store::Tx& tx, std::string_view principal_uid, std::string_view role_uid) {
  TRY(tx.exec("DELETE FROM auth_member WHERE principal_uid = ? AND role_uid = ?",
              {principal_uid, role_uid}));
  return {};
}

Result<std::vector<Membership>> members_of(store::Tx& tx, const NamedRole& role) {
  std::vector<Membership> out;
  TRY(tx.each(
      "SELECT m.number, p.number FROM auth_member m JOIN principal p ON p.uid = m.principal_uid"
      " WHERE m.role_uid = ? ORDER BY m.number",
      {role.uid},
      [&](const store::Row& row) { out.push_back({row.i64(0), row.i64(1), role.number}); }));
  return out;
}

Result<std::set<std::string>> projects_of(store::Tx& tx, std::string_view principal_uid,
                                          bool with_membership) {
  std::set<std::string> out;
  TRY(tx.each(
      concat({"SELECT project FROM auth_grant WHERE principal_uid = ?",
              with_membership ? "" : " AND NOT (project = 'default' AND kind = 'workspace')",
              " UNION SELECT r.project FROM auth_role r JOIN auth_member m ON m.role_uid = r.uid"
              " WHERE m.principal_uid = ?"}),
      {principal_uid, principal_uid}, [&](const store::Row& row) { out.insert(row.str(0)); }));
  return out;
}

Status insert_project(store::Tx& tx, const ProjectInfo& p, std::string_view author,
                      int64_t now_ms) {
  TRY(tx.exec(
      "INSERT INTO auth_project (name, description, author, created_ms) VALUES (?, ?, ?, ?)",
      {p.name, store::maybe(p.description), author, now_ms}));
  return {};
}

Result<std::optional<ProjectInfo>> find_project(store::Tx& tx, std::string_view name) {
  std::optional<ProjectInfo> out;
  if (name == kDefaultProject) out = ProjectInfo{std::string(name), std::nullopt};
  TRY(tx.first("SELECT name, description FROM auth_project WHERE name = ?", {name},
               [&](const store::Row& row) { out = decode_project(row); }));
  return out;
}

Result<std::vector<ProjectInfo>> projects(store::Tx& tx) {
  std::vector<ProjectInfo> out;
  TRY(
      tx.each("SELECT name, description FROM auth_project UNION"
              " SELECT 'default', CAST(NULL AS TEXT) WHERE NOT EXISTS"
              " (SELECT 1 FROM auth_project WHERE name = 'default') ORDER BY 1",
              {}, [&](const store::Row& row) { out.push_back(decode_project(row)); }));
  return out;
}

Status put_project(store::Tx& tx, const ProjectInfo& p, std::string_view author, int64_t now_ms) {
  TRY(
      tx.exec("INSERT INTO auth_project (name, description, author, created_ms) VALUES (?, ?, ?, ?)"
              " ON CONFLICT (name) DO UPDATE SET description = excluded.description",
              {p.name, store::maybe(p.description), author, now_ms}));
  return {};
}

Status delete_project(store::Tx& tx, std::string_view name) {
  TRY(
      tx.exec("DELETE FROM auth_grant WHERE principal_uid IN"
              " (SELECT uid FROM auth_role WHERE project = ?)",
              {name}));
  TRY(tx.exec(
      "DELETE FROM auth_member WHERE role_uid IN (SELECT uid FROM auth_role WHERE project = ?)",
      {name}));
  TRY(tx.exec("DELETE FROM auth_role WHERE project = ?", {name}));
  TRY(tx.exec("DELETE FROM auth_project WHERE name = ?", {name}));
  return {};
}

Result<int64_t> drop_some_grants(store::Tx& tx, std::string_view column, std::string_view value) {
  return tx.exec(concat({"DELETE FROM auth_grant WHERE (project, principal_uid, kind, object) IN"
                         " (SELECT project, principal_uid, kind, object FROM auth_grant WHERE ",
                         column, " = ? LIMIT ?)"}),
                 {value, store::kWriteRowsMax});
}

}  // namespace slip::auth::sql
