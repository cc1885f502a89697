#include "core/auth/auth_internal.h"

#include <algorithm>
#include <array>

#include "base/text.h"
#include "codec/password.h"
#include "core/auth/auth_store.h"
#include "sys/rng.h"

namespace slip::auth {

Status check_principal_name(std::string_view name) {
  const auto good = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' ||
           c == '_' || c == '@' || c == '-';
  };
  if (name.empty() || name.size() > kPrincipalNameMax || name == "local" || name == "system" ||
      !std::all_of(name.begin(), name.end(), good))
    return invalid("principal.name",
                   "a principal's name is letters, digits and . _ @ -, at most 64; local and "
                   "system are taken");
  return {};
}

Status check_password_length(std::string_view password) {
  if (password.size() >= kPasswordBytesMin && password.size() <= kPasswordBytesMax) return {};
  return invalid("auth.password_length", "Password must be at least 12 characters, at most 256");
}

Result<std::string> hash_new_password(Rng& rng, std::string_view password) {
  TRY(check_password_length(password));
  std::array<uint8_t, 16> salt{};
  rng.fill(salt);
  return codec::hash_password(password, std::string(salt.begin(), salt.end()));
}

Status check_scope(const Grant& grant) {
  if (grant.project != kAny) TRY(check_project_name(grant.project));
  if (grant.object.empty()) return invalid("grant.scope", "a grant names an object, or *");
  const Kind* kind = find_kind(grant.kind);
  if (grant.kind != kAny && !kind)
    return invalid("grant.scope", concat({"there is no kind '", grant.kind, "' to grant on"}));
  if (grant.object == kAny || (kind && kind->objects && grant.project != kAny)) return {};
  if (kind && kind->objects)
    return invalid("grant.scope", "a grant on one object names its project");
  return invalid("grant.scope",
                 concat({"grants on single objects of '", grant.kind, "' don't exist"}))
      .with_hint(kind && !kind->parent.empty() ? concat({"grant on its ", container_of(grant.kind)})
                                               : std::string("use *"));
}

codec::Json grant_json(const Grant& g) {
  return codec::Json::object({{"project", g.project},
                              {"kind", g.kind},
                              {"object", g.object},
                              {"role", g.deny ? std::string_view("deny") : role_name(g.role)}});
}

Status record_change(store::Tx& tx, ledger::Ledger& ledger, const Ctx& ctx,
                     const ledger::Draft& draft) {
  TRY(sql::bump_epoch(tx));
  return ledger.append(tx, ctx, draft);
}

}  // namespace slip::auth
