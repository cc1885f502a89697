#include "core/auth/auth_store.h"

#include <array>
#include <utility>

#include "base/text.h"
#include "core/auth/auth.h"

namespace slip::auth {

std::span<const store::Migration> migrations() {
  static constexpr std::array<store::Migration, 3> kSteps = {{
      {"auth", 1,
       "CREATE TABLE principal ("
       " uid TEXT NOT NULL PRIMARY KEY, name TEXT NOT NULL, kind TEXT NOT NULL,"
       " password TEXT NOT NULL, created_ms BIGINT NOT NULL);"
       "CREATE UNIQUE INDEX principal_name ON principal (name);"
       "CREATE TABLE auth_token ("
       " id TEXT NOT NULL PRIMARY KEY, principal_uid TEXT NOT NULL, project TEXT NOT NULL,"
       " role TEXT NOT NULL, secret_sha256 TEXT NOT NULL, once BIGINT NOT NULL,"
       " created_ms BIGINT NOT NULL, expires_ms BIGINT, last_used_ms BIGINT, revoked_ms BIGINT);"
       "CREATE INDEX auth_token_principal ON auth_token (principal_uid);"
       "CREATE TABLE auth_grant ("
       " project TEXT NOT NULL, principal_uid TEXT NOT NULL, kind TEXT NOT NULL,"
       " object TEXT NOT NULL, role TEXT NOT NULL, created_ms BIGINT NOT NULL,"
       " PRIMARY KEY (project, principal_uid, kind, object));"
       "CREATE TABLE auth_epoch (name TEXT NOT NULL PRIMARY KEY, value BIGINT NOT NULL);"
       "INSERT INTO auth_epoch (name, value) VALUES ('epoch', 1)"},
      {"auth", 2, "CREATE INDEX auth_grant_principal ON auth_grant (principal_uid)"},
      {"auth", 3,
       "ALTER TABLE principal ADD COLUMN number BIGINT NOT NULL DEFAULT 0;"
       "UPDATE principal SET number ="
       " (SELECT COUNT(*) FROM principal p WHERE p.uid <= principal.uid);"
       "ALTER TABLE auth_grant ADD COLUMN number BIGINT NOT NULL DEFAULT 0;"
       "CREATE INDEX auth_grant_number ON auth_grant (number);"
       "INSERT INTO auth_epoch (name, value)"
       " VALUES ('number', (SELECT COUNT(*) FROM principal));"
       "CREATE TABLE auth_role ("
       " uid TEXT NOT NULL PRIMARY KEY, number BIGINT NOT NULL, project TEXT NOT NULL,"
       " name TEXT NOT NULL, description TEXT, created_ms BIGINT NOT NULL);"
       "CREATE UNIQUE INDEX auth_role_name ON auth_role (project, name);"
       "CREATE UNIQUE INDEX auth_role_number ON auth_role (number);"
       "CREATE TABLE auth_member ("
       " principal_uid TEXT NOT NULL, role_uid TEXT NOT NULL, number BIGINT NOT NULL,"
       " PRIMARY KEY (principal_uid, role_uid));"
       "CREATE INDEX auth_member_role ON auth_member (role_uid);"
       "CREATE TABLE auth_project ("
       " name TEXT NOT NULL PRIMARY KEY, description TEXT, author TEXT NOT NULL,"
       " created_ms BIGINT NOT NULL)"},
  }};
  return kSteps;
}

namespace sql {
namespace {

constexpr std::string_view kDeny = "deny";

std::optional<int64_t> optional_i64(const store::Row& row, int column) {
  if (row.is_null(column)) return std::nullopt;
  return row.i64(column);
}

PrincipalRow decode_principal(const store::Row& row) {
  return {row.str(0), row.str(1), row.str(2), row.str(3), row.i64(4), row.i64(5)};
}

}  // namespace

Result<std::vector<PrincipalRow>> principals(store::Tx& tx) {
  std::vector<PrincipalRow> out;
  TRY(tx.each("SELECT uid, name, kind, password, created_ms, number FROM principal ORDER BY name",
              {}, [&](const store::Row& row) { out.push_back(decode_principal(row)); }));
  return out;
}

Result<std::optional<PrincipalRow>> find_principal(store::Tx& tx, std::string_view name) {
  std::optional<PrincipalRow> out;
  TRY(tx.first("SELECT uid, name, kind, password, created_ms, number FROM principal WHERE name = ?",
               {name}, [&](const store::Row& row) { out = decode_principal(row); }));
  return out;
}

Status insert(store::Tx& tx, const PrincipalRow& row) {
  const int64_t number = TRY(next_number(tx));
  TRY(
      tx.exec("INSERT INTO principal (uid, name, kind, password, created_ms, number)"
              " VALUES (?, ?, ?, ?, ?, ?)",
              {row.uid, row.name, row.kind, row.password, row.created_ms, number}));
  return {};
}

Status set_password(store::Tx& tx, std::string_view uid, std::string_view password) {
  TRY(tx.exec("UPDATE principal SET password = ? WHERE uid = ?", {password, uid}));
  return {};
}

Status remove_principal(store::Tx& tx, std::string_view uid, int64_t now_ms) {
  TRY(tx.exec("UPDATE auth_token SET revoked_ms = ? WHERE principal_uid = ? AND revoked_ms IS NULL",
              {now_ms, uid}));
  TRY(tx.exec("DELETE FROM auth_member WHERE principal_uid = ?", {uid}));
  TRY(tx.exec("DELETE FROM principal WHERE uid = ?", {uid}));
  return {};
}

Result<int64_t> next_number(store::Tx& tx) {
  int64_t number = 0;
  TRY(tx.first("UPDATE auth_epoch SET value = value + 1 WHERE name = 'number' RETURNING value", {},
               [&](const store::Row& row) { number = row.i64(0); }));
  return number;
}

Result<std::vector<TokenRow>> tokens(store::Tx& tx) {
  std::vector<TokenRow> out;
  TRY(
      tx.each("SELECT id, principal_uid, project, role, secret_sha256, once, created_ms,"
              " expires_ms, last_used_ms FROM auth_token WHERE revoked_ms IS NULL ORDER BY id",
              {}, [&](const store::Row& row) {
                out.push_back({.id = row.str(0),
                               .principal_uid = row.str(1),
                               .project = row.str(2),
                               .role = parse_role(row.text(3)).value_or(Role::kNone),
                               .secret_sha256 = row.str(4),
                               .once = row.i64(5) != 0,
                               .created_ms = row.i64(6),
                               .expires_ms = optional_i64(row, 7),
                               .last_used_ms = optional_i64(row, 8)});
              }));
  return out;
}

Status insert(store::Tx& tx, const TokenRow& row) {
  TRY(
      tx.exec("INSERT INTO auth_token (id, principal_uid, project, role, secret_sha256, once,"
              " created_ms, expires_ms) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
              {row.id, row.principal_uid, row.project, role_name(row.role), row.secret_sha256,
               int64_t{row.once}, row.created_ms, store::maybe(row.expires_ms)}));
  return {};
}

Result<int64_t> revoke(store::Tx& tx, std::string_view id, int64_t now_ms) {
  return tx.exec("UPDATE auth_token SET revoked_ms = ? WHERE id = ? AND revoked_ms IS NULL",
                 {now_ms, id});
}

Status set_last_used(store::Tx& tx, std::string_view id, int64_t ms) {
  TRY(tx.exec("UPDATE auth_token SET last_used_ms = ? WHERE id = ?", {ms, id}));
  return {};
}

namespace {

constexpr std::string_view kGrantColumns =
    "SELECT project, principal_uid, kind, object, role FROM auth_grant WHERE ";

Result<std::vector<Grant>> grants_where(store::Tx& tx, std::string_view condition,
                                        std::span<const store::Value> args) {
  std::vector<Grant> out;
  TRY(tx.each(concat({kGrantColumns, condition, " ORDER BY principal_uid, project, kind, object"}),
              args, [&](const store::Row& row) {
                out.push_back({.project = row.str(0),
                               .principal_uid = row.str(1),
                               .kind = row.str(2),
                               .object = row.str(3),
                               .role = parse_role(row.text(4)).value_or(Role::kNone),
                               .deny = row.text(4) == kDeny});
              }));
  return out;
}

}  // namespace

Result<std::vector<Grant>> standing_grants(store::Tx& tx) {
  return grants_where(tx, "object = '*' OR role = 'deny'", {});
}

Result<std::vector<Grant>> grants_of(store::Tx& tx, std::string_view principal_uid) {
  const store::Value uid = principal_uid;
  return grants_where(tx, "principal_uid = ?", std::span(&uid, 1));
}

Result<std::vector<Grant>> object_grants(store::Tx& tx, std::span<const std::string> principal_uids,
                                         const ObjectOf& of) {
  std::string condition = "project IN (?, '*') AND kind IN (?, '*') AND object = ?";
  std::vector<store::Value> args = {of.project, of.kind, of.object};
  std::string_view separator = " AND principal_uid IN (?";
  for (const std::string& uid : principal_uids) {
    condition += std::exchange(separator, ", ?");
    args.emplace_back(std::string_view(uid));
  }
  return grants_where(tx, condition + ")", args);
}

Status put_grant(store::Tx& tx, const Grant& grant, int64_t now_ms) {
  const int64_t number = TRY(next_number(tx));
  TRY(tx.exec(
      "INSERT INTO auth_grant (project, principal_uid, kind, object, role, created_ms, number)"
      " VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT (project, principal_uid, kind, object)"
      " DO UPDATE SET role = excluded.role, created_ms = excluded.created_ms",
      {grant.project, grant.principal_uid, grant.kind, grant.object,
       grant.deny ? kDeny : role_name(grant.role), now_ms, number}));
  return {};
}

Status drop_grant(store::Tx& tx, const Grant& grant) {
  TRY(
      tx.exec("DELETE FROM auth_grant WHERE project = ? AND principal_uid = ? AND kind = ?"
              " AND object = ?",
              {grant.project, grant.principal_uid, grant.kind, grant.object}));
  return {};
}

Result<std::vector<MemberRow>> members(store::Tx& tx) {
  std::vector<MemberRow> out;
  TRY(tx.each("SELECT principal_uid, role_uid, number FROM auth_member ORDER BY number", {},
              [&](const store::Row& row) { out.push_back({row.str(0), row.str(1), row.i64(2)}); }));
  return out;
}

Result<int64_t> epoch(store::Tx& tx) {
  int64_t value = 0;
  TRY(tx.first("SELECT value FROM auth_epoch WHERE name = 'epoch'", {},
               [&](const store::Row& row) { value = row.i64(0); }));
  return value;
}

Status bump_epoch(store::Tx& tx) {
  TRY(tx.exec("UPDATE auth_epoch SET value = value + 1 WHERE name = 'epoch'", {}));
  return {};
}

}  // namespace sql
}  // namespace slip::auth
