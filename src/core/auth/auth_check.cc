#include <algorithm>
#include <set>
#include <utility>

#include "base/text.h"
#include "core/auth/auth.h"
#include "core/auth/auth_state.h"
#include "core/auth/auth_store.h"
#include "sys/clock.h"

// What a caller may do, and the same as conditions of SQL.
namespace slip::auth {
namespace {

constexpr std::string_view kNothing = " AND 1 = 0";

bool has_all_rights(const Ctx& ctx) {
  return ctx.actor_kind == "local" || ctx.actor_kind == "system";
}

Status may(const Ctx& ctx, Role have, Role want, std::string_view kind) {
  if (have >= want) return {};
  return forbidden("auth.forbidden",
                   concat({"this takes role ", role_name(want), " on ", kind, " in project ",
                           ctx.project.text, "; the caller has ", role_name(have)}));
}

bool names_objects(std::string_view kind) {
  const Kind* container = find_kind(container_of(kind));
  return container && container->objects;
}

}  // namespace

Auth::Rights Auth::rights_of(const State& state, const Ctx& ctx) {
  Rights out;
  out.project = ctx.project.text;
  out.all = has_all_rights(ctx);
  if (out.all) return out;
  const auto who = state.principals.find(ctx.actor_uid);
  if (who == state.principals.end()) return out;
  if (!ctx.credential.empty()) {
    const auto token = state.tokens.find(ctx.credential);
    if (token == state.tokens.end()) return out;  // Revoked while the request ran.
    const sql::TokenRow& row = token->second.row;
    if (row.project != kAny && row.project != ctx.project.text) return out;
    out.most = row.role;
  }
  out.who = &who->second;
  return out;
}

Role Auth::role(const Ctx& ctx, std::string_view kind) const {
  const std::shared_ptr<const State> state = state_.load();
  return rights_of(*state, ctx).role(kind, "");
}

std::vector<std::string> Auth::managed_projects(const Ctx& ctx) const {
  const std::shared_ptr<const State> state = state_.load();
  std::set<std::string> named = {std::string(kAny)};
  const auto who = state->principals.find(ctx.actor_uid);
  if (who != state->principals.end())
    for (const Grant& g : who->second.grants) named.insert(g.project);
  std::vector<std::string> out;
  Ctx there = ctx;
  for (const std::string& project : named) {
    there.project.text = project;
    if (rights_of(*state, there).role("grant", "") >= Role::kManage) out.push_back(project);
  }
  return out;
}

bool Auth::has_everything(const Ctx& ctx, Role want) const {
  const std::shared_ptr<const State> state = state_.load();
  const Rights rights = rights_of(*state, ctx);
  if (rights.all) return true;
  return rights.who && rights.most >= want &&
         auth::has_everything(rights.who->grants, rights.project, want);
}

bool Auth::could_have(const Ctx& ctx, Role want) const {
  const std::shared_ptr<const State> state = state_.load();
  const Rights rights = rights_of(*state, ctx);
  return rights.all || (rights.who && rights.most >= want);
}

Auth::Verdict Auth::decide(const Ctx& ctx, Role want, std::string_view kind) const {
  if (has_everything(ctx, want)) return Verdict::kAllowed;
  const std::shared_ptr<const State> state = state_.load();
  const Rights rights = rights_of(*state, ctx);
  if (!rights.who || rights.most < want) return Verdict::kDenied;
  const bool granted = rights.role(kind, "") >= want;
  // Artifacts belong to parts whose kind only their path tells.
  if (kind == "artifact" ||
      (granted ? denies_objects(rights.who->grants, rights.project, kind) : names_objects(kind)))
    return Verdict::kDepends;
  return granted ? Verdict::kAllowed : Verdict::kDenied;
}

Result<Role> Auth::role_on(const Ctx& ctx, std::string_view kind, std::string_view object) const {
  const std::shared_ptr<const State> state = state_.load();
  const Rights rights = rights_of(*state, ctx);
  const Role standing = rights.role(kind, object);
  if (!rights.who || object.empty() || standing == rights.most || !names_objects(kind))
    return standing;
  std::vector<Grant> own;
  TRY(deps_.db.read([&](store::Tx& tx) -> Status {
    own = TRY(
        sql::object_grants(tx, rights.who->grantees, {rights.project, container_of(kind), object}));
    return {};
  }));
  return rights.role_with(std::move(own), kind, object);
}

Status Auth::check(const Ctx& ctx, Role want, std::string_view kind,
                   std::string_view object) const {
  const Role have = TRY(role_on(ctx, kind, object));
  if (have == Role::kNone && !object.empty())
    return not_found(concat({kind, ".not_found"}), concat({"no such ", kind}));
  return may(ctx, have, want, kind);
}

Status Auth::check_new(const Ctx& ctx, std::string_view kind) const {
  const std::shared_ptr<const State> state = state_.load();
  const Rights rights = rights_of(*state, ctx);
  const Role have = rights.role(kind, "");
  if (have >= Role::kEdit) return {};
  const bool member = rights.who && rights.most >= Role::kUse &&
                      is_member(rights.who->grants, rights.project) &&
                      !denies_kind(rights.who->grants, rights.project, kind);
  return member ? Status() : may(ctx, have, Role::kEdit, kind);
}

// Asks the state of the moment, not that of the request's start: a stream outlives a right.
class Auth::CallerRights final : public store::Caller {
 public:
  CallerRights(const Auth& auth, const Ctx& ctx) : auth_(auth) {
    who_.actor_uid = ctx.actor_uid;
    who_.actor_kind = ctx.actor_kind;
    who_.credential = ctx.credential;
    who_.project = ctx.project;
  }

  store::RowTest readable(std::string_view kind, std::string_view column) const override {
    const std::shared_ptr<const State> state = auth_.state_.load();
    return readable(rights_of(*state, who_), kind, column);
  }

  store::RowTest readable_of_any(std::string_view kind_column,
                                 std::string_view column) const override {
    const std::shared_ptr<const State> state = auth_.state_.load();
    const Rights rights = rights_of(*state, who_);
    if (auth_.has_everything(who_, Role::kRead)) return {};
    store::RowTest out{.sql = " AND (", .args = {}};
    std::string known;
    for (const Kind& kind : kinds()) {
      known.append(known.empty() ? "?" : ", ?");
      store::RowTest test = readable(rights, kind.name, column);
      if (test.sql == kNothing) continue;
      out.sql += concat({kind_column, " = ?", test.sql, " OR "});
      out.args.emplace_back(kind.name);
      std::move(test.args.begin(), test.args.end(), std::back_inserter(out.args));
    }
    const bool rest = rights.role("", "") >= Role::kRead;
    out.sql += rest ? concat({kind_column, " NOT IN (", known, "))"}) : "1 = 0)";
    if (rest)
      for (const Kind& kind : kinds()) out.args.emplace_back(kind.name);
    return out;
  }

  Status own(store::Tx& tx, std::string_view kind, std::string_view uid) const override {
    const Grant grant{.project = who_.project.text,
                      .principal_uid = who_.actor_uid,
                      .kind = std::string(kind),
                      .object = std::string(uid),
                      .role = Role::kManage,
                      .deny = false};
    return sql::put_grant(tx, grant, auth_.deps_.clock.now_ms());
  }

 private:
  static store::RowTest readable(const Rights& rights, std::string_view kind,
                                 std::string_view column) {
    if (rights.all) return {};
    if (!rights.who) return {std::string(kNothing), {}};
    const std::vector<Grant>& grants = rights.who->grants;
    const bool granted = rights.role(kind, "") >= Role::kRead;
    if (granted && !denies_objects(grants, rights.project, kind)) return {};
    if (!granted && !object_can_add(rights, kind)) return {std::string(kNothing), {}};
    store::RowTest out;
    if (!granted) add_objects(&out, rights, kind, column, false);
    if (denies_objects(grants, rights.project, kind)) add_objects(&out, rights, kind, column, true);
    return out;
  }

  // Would a role on a single object let it be read? Not against a denial of the kind, nor where
  // the kind of a part is granted less.
  static bool object_can_add(const Rights& rights, std::string_view kind) {
    if (!names_objects(kind)) return false;
    constexpr std::string_view kSome = "?";  // No object's uid.
    const Grant some{.project = std::string(rights.project),
                     .principal_uid = {},
                     .kind = std::string(container_of(kind)),
                     .object = std::string(kSome),
                     .role = Role::kRead,
                     .deny = false};
    return rights.role_with({some}, kind, kSome) >= Role::kRead;
  }

  // Among the objects with a role, or not among those denied.
  static void add_objects(store::RowTest* out, const Rights& rights, std::string_view kind,
                          std::string_view column, bool denied) {
    out->sql += concat({" AND ", column, denied ? " NOT IN" : " IN",
                        " (SELECT g.object FROM auth_grant g WHERE g.project IN (?, '*')"
                        " AND g.kind IN (?, '*') AND g.object <> '*' AND g.role ",
                        denied ? "=" : "<>", " 'deny' AND g.principal_uid IN ("});
    out->args.emplace_back(rights.project);
    out->args.emplace_back(container_of(kind));
    std::string_view separator = "?";
    for (const std::string& uid : rights.who->grantees) {
      out->sql += std::exchange(separator, ", ?");
      out->args.push_back(uid);
    }
    out->sql += "))";
  }

  const Auth& auth_;
  Ctx who_;
};

std::shared_ptr<const store::Caller> Auth::caller_of(const Ctx& ctx) const {
  return std::make_shared<const CallerRights>(*this, ctx);
}

}  // namespace slip::auth
