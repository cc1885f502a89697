#include <algorithm>

#include "base/text.h"
#include "codec/hash.h"
#include "core/auth/auth.h"
#include "core/auth/auth_internal.h"
#include "core/auth/auth_state.h"
#include "core/auth/auth_store.h"
#include "core/auth/token.h"
#include "sys/clock.h"
#include "sys/rng.h"

namespace slip::auth {
namespace {

constexpr std::string_view kFirstAdmin = "admin";

}  // namespace

Status Auth::record(store::Tx& tx, const Ctx& ctx, std::string_view verb, ledger::Subject subject,
                    codec::Json body) {
  ledger::Draft draft;
  draft.verb = verb;
  draft.subject = std::move(subject);
  draft.body = std::move(body);
  return record_change(tx, deps_.ledger, ctx, draft);
}

// Who may make this token: a manager of its project, for a new principal or for itself; a token for
// somebody else takes a manager of everything, or approvals by a second person would mean nothing.
Status Auth::check_maker(const Ctx& ctx, const NewToken& wanted) const {
  const std::shared_ptr<const State> state = state_.load();
  Ctx there = ctx;
  there.project.text = wanted.project;
  const bool all_projects = wanted.project == kAny;
  // On "*" only grants and tokens of "*" count: a project of that name can't exist.
  const Role have = rights_of(*state, there).role("token", "");
  const auto known = state->uid_by_name.find(wanted.principal);
  if (have < Role::kManage || have < wanted.role)
    return forbidden(
        "auth.forbidden",
        concat({"only a manager of ", all_projects ? std::string("all projects") : wanted.project,
                " may make this token"}));
  if (known == state->uid_by_name.end() || known->second == ctx.actor_uid) return {};
  there.project.text = kAny;
  if (rights_of(*state, there).role("token", "") < Role::kManage)
    return forbidden("auth.not_yourself",
                     "a token for somebody else takes a manager of all projects");
  return {};
}

Result<std::string> Auth::ensure_principal(store::Tx& tx, const Ctx& ctx, const NewToken& wanted) {
  const std::optional<sql::PrincipalRow> known = TRY(sql::find_principal(tx, wanted.principal));
  if (known) return known->uid;
  const sql::PrincipalRow row{.uid = new_uuid7(deps_.clock, deps_.rng).text(),
                              .name = wanted.principal,
                              .kind = wanted.kind,
                              .password = "",
                              .created_ms = deps_.clock.now_ms()};
  TRY(sql::insert(tx, row));
  ledger::Subject subject;
  subject.kind = "principal";
  subject.uid = row.uid;
  subject.name = row.name;
  TRY(record(tx, ctx, "principal.created", subject, codec::Json::object({{"kind", row.kind}})));
  return row.uid;
}

Result<IssuedToken> Auth::create_token(const Ctx& ctx, const NewToken& wanted) {
  TRY(check_principal_name(wanted.principal));
  if (wanted.project != kAny) TRY(check_project_name(wanted.project));
  if (wanted.kind != "user" && wanted.kind != "service")
    return invalid("principal.kind", "a principal is a user or a service");
  if (wanted.role == Role::kNone) return invalid("token.role", "a token needs a role");
  const int64_t now_ms = deps_.clock.now_ms();
  if (wanted.expires_ms && *wanted.expires_ms <= now_ms)
    return invalid("token.expires", "expires_ms has passed");
  TRY(check_maker(ctx, wanted));

  const TokenText text = make_token(deps_.rng);
  sql::TokenRow row{.id = text.id,
                    .principal_uid = "",
                    .project = wanted.project,
                    .role = wanted.role,
                    .secret_sha256 = codec::sha256(text.secret).hex(),
                    .once = false,
                    .created_ms = now_ms,
                    .expires_ms = wanted.expires_ms,
                    .last_used_ms = std::nullopt};
  const std::shared_ptr<const State> state = state_.load();
  const auto maker = state->tokens.find(ctx.credential);
  const bool lasting_admin = wanted.role == Role::kManage && wanted.project == kAny;
  const bool ends_maker = lasting_admin && maker != state->tokens.end() && maker->second.row.once;
  TRY(deps_.db.write([&](store::Tx& tx) -> Status {
    row.principal_uid = TRY(ensure_principal(tx, ctx, wanted));
    const std::vector<Grant> own = TRY(sql::grants_of(tx, row.principal_uid));
    if (auth::role_on(own, wanted.project, kAny, "") < wanted.role) {
      const Grant grant{.project = wanted.project,
                        .principal_uid = row.principal_uid,
                        .kind = std::string(kAny),
                        .object = std::string(kAny),
                        .role = wanted.role,
                        .deny = false};
      TRY(sql::put_grant(tx, grant, now_ms));
    }
    TRY(sql::insert(tx, row));
    if (ends_maker) TRY(sql::revoke(tx, ctx.credential, now_ms));
    ledger::Subject subject;
    subject.kind = "token";
    subject.uid = row.id;
    subject.name = wanted.principal;
    return record(tx, ctx, "token.created", subject,
                  codec::Json::object({{"principal_uid", row.principal_uid},
                                       {"project", row.project},
                                       {"role", role_name(row.role)}}));
  }));
  TRY(load());
  return IssuedToken{text.text(), row.id, row.principal_uid};
}

Status Auth::revoke_token(const Ctx& ctx, std::string_view id) {
  const std::shared_ptr<const State> state = state_.load();
  const auto at = state->tokens.find(std::string(id));
  const Error missing = not_found("token.not_found", concat({"no token ", id}));
  if (at == state->tokens.end()) return missing;
  Ctx there = ctx;
  there.project.text = at->second.row.project;
  if (at->second.row.principal_uid != ctx.actor_uid &&
      rights_of(*state, there).role("token", "") < Role::kManage)
    return missing;
  TRY(deps_.db.write([&](store::Tx& tx) -> Status {
    if (TRY(sql::revoke(tx, id, deps_.clock.now_ms())) == 0) return missing;
    ledger::Subject subject;
    subject.kind = "token";
    subject.uid = id;
    return record(tx, ctx, "token.revoked", subject, nullptr);
  }));
  return load();
}

Status Auth::check_granter(const Ctx& ctx, const Grant& grant) const {
  Ctx there = ctx;
  there.project.text = grant.project;
  if (role(there, "grant") >= Role::kManage) return {};
  if (grant.object != kAny && grant.project == ctx.project.text &&
      TRY(role_on(there, grant.kind, grant.object)) >= Role::kManage)
    return {};
  return forbidden("auth.forbidden",
                   concat({"only a manager of ", grant.object == kAny ? grant.project : grant.kind,
                           " may grant"}));
}

Status Auth::set_grant(const Ctx& ctx, std::string_view principal, Grant grant) {
  const std::shared_ptr<const State> state = state_.load();
  const auto who = state->uid_by_name.find(std::string(principal));
  if (who == state->uid_by_name.end())
    return not_found("principal.not_found", concat({"no principal ", principal}));
  TRY(check_scope(grant));
  TRY(check_granter(ctx, grant));
  grant.principal_uid = who->second;
  TRY(deps_.db.write([&](store::Tx& tx) -> Status {
    if (grant.role == Role::kNone && !grant.deny)
      TRY(sql::drop_grant(tx, grant));
    else
      TRY(sql::put_grant(tx, grant, deps_.clock.now_ms()));
    ledger::Subject subject;
    subject.kind = "principal";
    subject.uid = grant.principal_uid;
    subject.name = principal;
    return record(tx, ctx, "grant.set", subject, grant_json(grant));
  }));
  return load();
}

Result<std::optional<IssuedToken>> Auth::bootstrap(const FirstAdmin& admin) {
  if (!state_.load()->principals.empty()) return std::optional<IssuedToken>();
  const bool by_password = !admin.user.empty() || !admin.password.empty();
  std::string hash;
  if (by_password) {
    TRY(check_principal_name(admin.user));
    hash = TRY(hash_new_password(deps_.rng, admin.password));
  }
  Ctx ctx;
  ctx.actor_uid = "system";
  ctx.actor_kind = "system";
  const TokenText text = make_token(deps_.rng);
  const int64_t now_ms = deps_.clock.now_ms();
  IssuedToken issued;
  TRY(deps_.db.write([&](store::Tx& tx) -> Status {
    const sql::PrincipalRow who{.uid = new_uuid7(deps_.clock, deps_.rng).text(),
                                .name = by_password ? admin.user : std::string(kFirstAdmin),
                                .kind = "user",
                                .password = hash,
                                .created_ms = now_ms};
    TRY(sql::insert(tx, who));
    const Grant all{.project = std::string(kAny),
                    .principal_uid = who.uid,
                    .kind = std::string(kAny),
                    .object = std::string(kAny),
                    .role = Role::kManage,
                    .deny = false};
    TRY(sql::put_grant(tx, all, now_ms));
    issued = {text.text(), text.id, who.uid};
    if (!by_password)
      TRY(sql::insert(tx, sql::TokenRow{.id = text.id,
                                        .principal_uid = who.uid,
                                        .project = std::string(kAny),
                                        .role = Role::kManage,
                                        .secret_sha256 = codec::sha256(text.secret).hex(),
                                        .once = true,
                                        .created_ms = now_ms,
                                        .expires_ms = std::nullopt,
                                        .last_used_ms = std::nullopt}));
    ledger::Subject subject;
    subject.kind = "principal";
    subject.uid = who.uid;
    subject.name = who.name;
    return record(tx, ctx, "principal.created", subject,
                  codec::Json::object({{"kind", "user"}, {"first", true}}));
  }));
  TRY(load());
  if (by_password) return std::optional<IssuedToken>();
  return std::optional<IssuedToken>(std::move(issued));
}

}  // namespace slip::auth
