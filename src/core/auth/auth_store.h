#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/auth/rights.h"
#include "store/db.h"

// The SQL of core/auth and nothing else. Principals and tokens belong to the server as a whole, so
// their keys don't start with a project; grants do. Private to core/auth.
namespace slip::auth::sql {

struct PrincipalRow {
  std::string uid;
  std::string name;
  std::string kind;
  std::string password;  // codec/password.h's form, "" when it has none.
  int64_t created_ms = 0;
  int64_t number = 0;  // For protocols that number their users.
};
struct TokenRow {
  std::string id;
  std::string principal_uid;
  std::string project;
  Role role = Role::kNone;
  std::string secret_sha256;  // 64 hex digits.
  bool once = false;          // Ends when it has made a lasting administrator's.
  int64_t created_ms = 0;
  std::optional<int64_t> expires_ms;
  std::optional<int64_t> last_used_ms;
};

Result<std::vector<PrincipalRow>> principals(store::Tx& tx);
Result<std::optional<PrincipalRow>> find_principal(store::Tx& tx, std::string_view name);
Status insert(store::Tx& tx, const PrincipalRow& row);  // Gives it its number.
Status set_password(store::Tx& tx, std::string_view uid, std::string_view password);
// With its tokens and memberships. Its grants say nothing any more.
Status remove_principal(store::Tx& tx, std::string_view uid, int64_t now_ms);

// One counter for users, roles, grants and memberships: no two things share a number.
Result<int64_t> next_number(store::Tx& tx);

Result<std::vector<TokenRow>> tokens(store::Tx& tx);  // Those not revoked.
Status insert(store::Tx& tx, const TokenRow& row);
Result<int64_t> revoke(store::Tx& tx, std::string_view id, int64_t now_ms);
Status set_last_used(store::Tx& tx, std::string_view id, int64_t ms);

// Those that concern more than one object, and the denials of single ones: few, kept in memory. A
// role on one object, of which an owner of much has many, is looked up when it matters.
Result<std::vector<Grant>> standing_grants(store::Tx& tx);
Result<std::vector<Grant>> grants_of(store::Tx& tx, std::string_view principal_uid);
struct ObjectOf {
  std::string_view project;
  std::string_view kind;
  std::string_view object;
};
Result<std::vector<Grant>> object_grants(store::Tx& tx, std::span<const std::string> principal_uids,
                                         const ObjectOf& of);
Status put_grant(store::Tx& tx, const Grant& grant, int64_t now_ms);
Status drop_grant(store::Tx& tx, const Grant& grant);

struct MemberRow {
  std::string principal_uid;
  std::string role_uid;
  int64_t number = 0;
};
Result<std::vector<MemberRow>> members(store::Tx& tx);  // Who has which role.

Result<int64_t> epoch(store::Tx& tx);
Status bump_epoch(store::Tx& tx);

}  // namespace slip::auth::sql
