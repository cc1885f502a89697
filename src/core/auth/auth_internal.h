#pragma once

#include <string>
#include <string_view>

#include "core/auth/auth.h"

// What the files that change principals, roles and grants share. Private to core/auth.
namespace slip::auth {

Status check_principal_name(std::string_view name);       // kInvalid `principal.name`.
Status check_password_length(std::string_view password);  // kInvalid `auth.password_length`.
// As it is stored. 40 ms.
Result<std::string> hash_new_password(Rng& rng, std::string_view password);
Status check_scope(const Grant& grant);  // kInvalid `grant.scope`.
codec::Json grant_json(const Grant& grant);

// An event of a change, which other nodes notice.
Status record_change(store::Tx& tx, ledger::Ledger& ledger, const Ctx& ctx,
                     const ledger::Draft& draft);

}  // namespace slip::auth
