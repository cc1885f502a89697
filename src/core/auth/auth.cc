#include "core/auth/auth.h"

#include <algorithm>
#include <atomic>
#include <map>
#include <unordered_map>

#include "base/text.h"
#include "codec/hash.h"
#include "codec/password.h"
#include "core/auth/auth_state.h"
#include "core/auth/auth_store.h"
#include "core/auth/token.h"
#include "sys/clock.h"
#include "sys/rng.h"

namespace slip::auth {
namespace {

constexpr int64_t kMinuteMs = 60'000;
constexpr size_t kFlushedAtOnce = 500;

Error bad_credentials() {
  return unauthorized("auth.bad_credentials", "the token or password is wrong, ended or revoked");
}

std::string_view text_of(const codec::Sha256& digest) {
  return {reinterpret_cast<const char*>(digest.bytes.data()), digest.bytes.size()};
}

Result<std::string> pick_project(std::string_view wanted, std::string_view bound) {
  if (wanted.empty())
    return std::string(bound.empty() || bound == kAny ? std::string_view(kDefaultProject) : bound);
  TRY(check_project_name(wanted));
  if (!bound.empty() && bound != kAny && bound != wanted)
    return forbidden("auth.other_project",
                     concat({"this token belongs to project ", bound, ", not ", wanted}));
  return std::string(wanted);
}

}  // namespace

Status check_project_name(std::string_view name) {
  const auto good = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_';
  };
  if (name.empty() || name.size() > kProjectNameMax || name[0] == '-' || name[0] == '_' ||
      !std::all_of(name.begin(), name.end(), good))
    return invalid("project.name",
                   "a project's name is a-z, 0-9, - and _, at most 63, first a letter or digit");
  return {};
}

Auth::Auth(Deps deps, Options options)
    : deps_(deps),
      options_(options),
      state_(std::make_shared<const State>()),
      memory_(std::make_unique<Memory>()) {
  memory_->salt = concat({std::to_string(deps_.rng.u64()), std::to_string(deps_.rng.u64())});
}

Auth::~Auth() = default;

Status Auth::load() {
  auto next = std::make_shared<State>();
  TRY(deps_.db.read([&](store::Tx& tx) -> Status {
    *next = State();
    next->epoch = TRY(sql::epoch(tx));
    for (sql::PrincipalRow& row : TRY(sql::principals(tx))) {
      next->uid_by_name[row.name] = row.uid;
      const std::string uid = row.uid;
      next->principals[uid].row = std::move(row);
    }
    for (auto& [uid, who] : next->principals) who.grantees = {uid};
    std::unordered_map<std::string, std::vector<std::string>> having;  // A role: principals.
    for (const sql::MemberRow& member : TRY(sql::members(tx))) {
      const auto at = next->principals.find(member.principal_uid);
      if (at == next->principals.end()) continue;
      at->second.grantees.push_back(member.role_uid);
      having[member.role_uid].push_back(member.principal_uid);
    }
    for (const Grant& grant : TRY(sql::standing_grants(tx))) {
      const auto own = next->principals.find(grant.principal_uid);
      if (own != next->principals.end()) own->second.take(grant, options_.member_role);
      for (const std::string& uid : having[grant.principal_uid])
        next->principals.at(uid).take(grant, options_.member_role);
    }
    for (sql::TokenRow& row : TRY(sql::tokens(tx))) {
      auto used = std::make_shared<std::atomic<int64_t>>(row.last_used_ms.value_or(0));
      const std::string id = row.id;
      const codec::Sha256 secret = TRY(codec::parse_sha256(row.secret_sha256));
      next->tokens[id] = {std::move(row), secret, std::move(used)};
    }
    return {};
  }));
  const sys::Lock publishing(memory_->publishing);
  const std::shared_ptr<const State> before = state_.load();
  if (before->epoch > next->epoch) return {};  // Somebody read later and was here first.
  for (auto& [id, token] : next->tokens) {     // Times of use that aren't flushed yet.
    const auto at = before->tokens.find(id);
    if (at != before->tokens.end()) token.used_ms = at->second.used_ms;
  }
  state_.publish(std::move(next));
  return {};
}

Result<bool> Auth::refresh() {
  int64_t epoch = 0;
  TRY(deps_.db.read([&](store::Tx& tx) -> Status {
    epoch = TRY(sql::epoch(tx));
    return {};
  }));
  if (epoch == state_.load()->epoch) return false;
  TRY(load());
  return true;
}

Status Auth::flush_last_used() {
  const std::shared_ptr<const State> state = state_.load();
  std::vector<std::pair<std::string, int64_t>> used;
  memory_->flushed.with([&](auto& flushed) {
    for (const auto& [id, token] : state->tokens) {
      const int64_t ms = token.used_ms->load(std::memory_order_relaxed);
      const auto at = flushed.find(id);
      const int64_t known = at != flushed.end() ? at->second : token.row.last_used_ms.value_or(0);
      if (ms > known && used.size() < kFlushedAtOnce) used.emplace_back(id, ms);
    }
  });
  if (used.empty()) return {};
  TRY(deps_.db.write([&](store::Tx& tx) -> Status {
    for (const auto& [id, ms] : used) TRY(sql::set_last_used(tx, id, ms));
    return {};
  }));
  memory_->flushed.with([&](auto& flushed) {
    for (const auto& [id, ms] : used) flushed[id] = ms;
  });
  return {};
}

Result<Ctx> Auth::identify(std::string_view authorization, std::string_view project) {
  const std::shared_ptr<const State> state = state_.load();
  const std::string_view header = trim(authorization);
  if (header.empty()) {
    if (options_.required)
      return unauthorized("auth.required", "this server wants a token")
          .with_hint("send Authorization: Bearer slp_…, or set SLIPWAY_TOKEN");
    Ctx ctx;
    ctx.project.text = TRY(pick_project(project, ""));
    return ctx;
  }
  const size_t space = header.find(' ');
  const std::string_view scheme = header.substr(0, space);
  const std::string_view rest =
      space == header.npos ? std::string_view() : trim(header.substr(space));
  if (iequals(scheme, "Bearer")) return by_token(*state, rest, project);
  if (!iequals(scheme, "Basic"))
    return unauthorized("auth.scheme", "use Authorization: Bearer or Basic");
  const std::optional<std::string> pair = from_base64(rest);
  const size_t colon = pair ? pair->find(':') : std::string::npos;
  if (colon == std::string::npos)
    return unauthorized("auth.basic_syntax", "Basic wants base64 of user:password");
  const std::string_view user = std::string_view(*pair).substr(0, colon);
  const std::string_view password = std::string_view(*pair).substr(colon + 1);
  if (password.starts_with("slp_")) return by_token(*state, password, project);
  return by_password(*state, user, password, project);
}

Result<Ctx> Auth::by_token(const State& state, std::string_view text, std::string_view project) {
  const std::optional<TokenText> token = parse_token(text);
  if (!token) return bad_credentials();
  const auto at = state.tokens.find(token->id);
  // The same work for an unknown id as for a wrong secret.
  const codec::Sha256 digest = codec::sha256(token->secret);
  const codec::Sha256 kept = at == state.tokens.end() ? codec::Sha256() : at->second.secret;
  const bool match = equal_secret(text_of(digest), text_of(kept));
  if (at == state.tokens.end() || !match) return bad_credentials();
  const sql::TokenRow& row = at->second.row;
  const int64_t now_ms = deps_.clock.now_ms();
  if (row.expires_ms && *row.expires_ms <= now_ms) return bad_credentials();
  const auto who = state.principals.find(row.principal_uid);
  if (who == state.principals.end()) return bad_credentials();
  if (at->second.used_ms->load(std::memory_order_relaxed) + kMinuteMs <= now_ms)
    at->second.used_ms->store(now_ms, std::memory_order_relaxed);
  Ctx ctx;
  ctx.actor_uid = row.principal_uid;
  ctx.actor_kind = who->second.row.kind;
  ctx.credential = row.id;
  ctx.project.text = TRY(pick_project(project, row.project));
  ctx.caller = caller_of(ctx);
  return ctx;
}

Result<Ctx> Auth::by_password(const State& state, std::string_view user, std::string_view password,
                              std::string_view project) {
  const auto uid = state.uid_by_name.find(std::string(user));
  if (uid == state.uid_by_name.end() || password.size() > kPasswordBytesMax)
    return bad_credentials();
  const PrincipalRec& who = state.principals.at(uid->second);
  if (who.row.password.empty()) return bad_credentials();
  const codec::Sha256 proof = codec::sha256(concat({memory_->salt, password}));
  const int64_t minute = deps_.clock.now_ms() / kMinuteMs;
  const auto known = memory_->proofs.with([&](auto& p) {
    const auto at = p.find(uid->second);
    return at != p.end() && at->second.stored == who.row.password &&
           equal_secret(text_of(at->second.salted), text_of(proof));
  });
  if (!known) {
    const bool throttled = memory_->tries.with([&](auto& tries) {
      PasswordTries& t = tries[uid->second];
      if (t.minute != minute) t = {.minute = minute, .n = 0};
      return ++t.n > kPasswordTriesPerMinute;
    });
    if (throttled) return exhausted("auth.throttled", "too many wrong passwords; wait a minute");
    if (!codec::check_password(password, who.row.password)) return bad_credentials();
    memory_->proofs.with([&](auto& p) { p[uid->second] = {who.row.password, proof}; });
    memory_->tries.with([&](auto& tries) { tries.erase(uid->second); });
  }
  Ctx ctx;
  ctx.actor_uid = uid->second;
  ctx.actor_kind = who.row.kind;
  ctx.project.text = TRY(pick_project(project, ""));
  ctx.caller = caller_of(ctx);
  return ctx;
}

Status Auth::check_password(std::string_view user, std::string_view password) {
  const std::shared_ptr<const State> state = state_.load();
  TRY(by_password(*state, user, password, ""));
  return {};
}

Result<std::vector<Principal>> Auth::principals() const {
  const std::shared_ptr<const State> state = state_.load();
  std::vector<Principal> out;
  TRY(deps_.db.read([&](store::Tx& tx) -> Status {
    out.clear();
    for (const auto& [name, uid] : state->uid_by_name) {
      const sql::PrincipalRow& row = state->principals.at(uid).row;
      out.push_back({uid, name, row.kind, row.created_ms, row.number, {}});
      out.back().grants = TRY(sql::grants_of(tx, uid));
    }
    return {};
  }));
  return out;
}

std::string Auth::label(std::string_view uid) const {
  const std::shared_ptr<const State> state = state_.load();
  const auto who = state->principals.find(std::string(uid));
  return who == state->principals.end() ? std::string(uid) : who->second.row.name;
}

Result<std::vector<TokenInfo>> Auth::tokens(std::string_view principal_uid) const {
  std::vector<TokenInfo> out;
  for (const auto& [id, token] : state_.load()->tokens) {
    if (token.row.principal_uid != principal_uid) continue;
    const int64_t used = token.used_ms->load(std::memory_order_relaxed);
    out.push_back({id, token.row.principal_uid, token.row.project, token.row.role,
                   token.row.created_ms, token.row.expires_ms,
                   used ? std::optional(used) : std::nullopt});
  }
  std::sort(out.begin(), out.end(),
            [](const TokenInfo& a, const TokenInfo& b) { return a.created_ms < b.created_ms; });
  return out;
}

}  // namespace slip::auth
