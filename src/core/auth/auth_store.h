#pragma once

#include <cstdint>
#include <optional>
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
Status insert(store::Tx& tx, const PrincipalRow& row);

Result<std::vector<TokenRow>> tokens(store::Tx& tx);  // Those not revoked.
Status insert(store::Tx& tx, const TokenRow& row);
Result<int64_t> revoke(store::Tx& tx, std::string_view id, int64_t now_ms);
Status set_last_used(store::Tx& tx, std::string_view id, int64_t ms);

Result<std::vector<Grant>> grants(store::Tx& tx);
Status put_grant(store::Tx& tx, const Grant& grant, int64_t now_ms);
Status drop_grant(store::Tx& tx, const Grant& grant);

Result<int64_t> epoch(store::Tx& tx);
Status bump_epoch(store::Tx& tx);

}  // namespace slip::auth::sql
