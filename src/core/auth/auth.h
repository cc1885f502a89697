#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/snapshot.h"
#include "core/auth/rights.h"
#include "core/ledger/ledger.h"
#include "store/caller.h"
#include "store/db.h"
#include "sys/ctx.h"
#include "sys/sync.h"

namespace slip {
class Clock;
class Rng;
}  // namespace slip

// Principals, their tokens and their grants. identify() and decide() answer from an immutable
// snapshot in memory; every change bumps an epoch in the database, is published here at once and
// reaches other nodes within refresh()'s period (< 1 s). Each change is an event of the ledger.
// Roles on single objects are not in memory: what one makes one manages, and that may be much.
//
// Invariants: no default password; a token's role is the lower of its own and its principal's; an
// actor can't act as somebody else by making a token for them unless it manages everything.
// Any thread. identify() may compute one scrypt (40 ms) for a password not seen before. A Ctx that
// it returns must not outlive this.
namespace slip::auth {

inline constexpr size_t kPrincipalNameMax = 64;
inline constexpr size_t kProjectNameMax = 63;
inline constexpr size_t kPasswordBytesMin = 12;
inline constexpr size_t kPasswordBytesMax = 256;
inline constexpr int64_t kPasswordTriesPerMinute = 10;  // Of one name, failed ones.

struct Options {
  bool required = false;  // --auth: nobody is let in without credentials.
  // What a member of a project may do with everything in it.
  Role member_role = Role::kRead;
};

struct Principal {
  std::string uid;
  std::string name;
  std::string kind;  // "user", "service"
  int64_t created_ms = 0;
  int64_t number = 0;
  std::vector<Grant> grants;
};

struct NewToken {
  std::string principal;  // Name; made when missing.
  std::string kind = "user";
  Role role = Role::kRead;
  std::string project = std::string(kAny);
  std::optional<int64_t> expires_ms;
};

struct IssuedToken {
  std::string text;  // Shown once.
  std::string id;
  std::string principal_uid;
};

struct TokenInfo {
  std::string id;
  std::string principal_uid;
  std::string project;
  Role role = Role::kNone;
  int64_t created_ms = 0;
  std::optional<int64_t> expires_ms;
  std::optional<int64_t> last_used_ms;
};

class Auth {
 public:
  struct Deps {
    store::Db& db;
    ledger::Ledger& ledger;
    Clock& clock;
    Rng& rng;
  };
  Auth(Deps deps, Options options);
  ~Auth();

  Status load();             // Reads everything and publishes it.
  Result<bool> refresh();    // load() if another node has changed something.
  Status flush_last_used();  // Batched: a token's time of use is a minute coarse.

  // `authorization` is the header's value (Bearer or Basic, password = token, or a user's
  // password). `project` "" takes the token's, else `default`. kUnauthorized, kExhausted
  // `auth.throttled`, kForbidden `auth.other_project`, kInvalid `project.name`.
  Result<Ctx> identify(std::string_view authorization, std::string_view project);

  // A user's password, as identify() takes it. kUnauthorized, kExhausted `auth.throttled`.
  Status check_password(std::string_view user, std::string_view password);

  // What memory alone can say of `want` on objects of a kind.
  enum class Verdict : uint8_t { kAllowed, kDenied, kDepends };
  Verdict decide(const Ctx& ctx, Role want, std::string_view kind) const;
  bool has_everything(const Ctx& ctx, Role want) const;  // On every kind of the project.
  bool could_have(const Ctx& ctx, Role want) const;      // On something: the token lets it through.

  // What a Ctx of identify() carries; asks anew each time what the actor may.
  std::shared_ptr<const store::Caller> caller_of(const Ctx& ctx) const;

  // May the actor do what takes `want` on this object (uid; of a part the container's; "" the
  // project as a whole)? kForbidden `auth.forbidden`; for an object that may not even be read
  // kNotFound `KIND.not_found`. With an object it may read the database.
  Status check(const Ctx& ctx, Role want, std::string_view kind, std::string_view object) const;
  // May the actor make one? Who edits all of the kind may, and every member of the project.
  Status check_new(const Ctx& ctx, std::string_view kind) const;
  Role role(const Ctx& ctx, std::string_view kind) const;  // On the project as a whole.
  // On an object; of a part its container.
  Result<Role> role_on(const Ctx& ctx, std::string_view kind, std::string_view object) const;
  // Projects that the actor manages as a whole; "*" when it manages all.
  std::vector<std::string> managed_projects(const Ctx& ctx) const;

  Result<IssuedToken> create_token(const Ctx& ctx, const NewToken& wanted);
  Status revoke_token(const Ctx& ctx, std::string_view id);  // kNotFound `token.not_found`.
  Result<std::vector<TokenInfo>> tokens(std::string_view principal_uid) const;
  // Grants by name of the principal; role kNone without deny takes the grant away. It takes a
  // manager of what is granted. kInvalid `grant.scope`.
  Status set_grant(const Ctx& ctx, std::string_view principal, Grant grant);
  Result<std::vector<Principal>> principals() const;  // By name.
  // Name for people: a principal's name, or the uid itself when there is none ("local").
  std::string label(std::string_view uid) const;

  // First start. With a name and a password: makes that administrator, once. Without: when nobody
  // exists, a token for `admin` that ends when it has made a lasting one like itself; else nothing.
  struct FirstAdmin {
    std::string user;
    std::string password;
  };
  Result<std::optional<IssuedToken>> bootstrap(const FirstAdmin& admin);

 private:
  struct State;
  struct TokenRec;
  struct PrincipalRec;
  struct Memory;
  struct Rights;
  class CallerRights;
  static Rights rights_of(const State& state, const Ctx& ctx);
  Result<Ctx> by_token(const State& state, std::string_view text, std::string_view project);
  Result<Ctx> by_password(const State& state, std::string_view user, std::string_view password,
                          std::string_view project);
  Status check_maker(const Ctx& ctx, const NewToken& wanted) const;
  Status check_granter(const Ctx& ctx, const Grant& grant) const;
  Result<std::string> ensure_principal(store::Tx& tx, const Ctx& ctx, const NewToken& wanted);
  Status record(store::Tx& tx, const Ctx& ctx, std::string_view verb, ledger::Subject subject,
                codec::Json body);

  const Deps deps_;
  const Options options_;
  Snapshot<State> state_;
  std::unique_ptr<Memory> memory_;
};

// [a-z0-9][a-z0-9_-]{0,62}. kInvalid `project.name`.
Status check_project_name(std::string_view name);

std::span<const store::Migration> migrations();

}  // namespace slip::auth
