#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "store/db.h"
#include "sys/ctx.h"

namespace slip {
class Clock;
class Rng;
}  // namespace slip
namespace slip::ledger {
class Ledger;
}

// Legal holds: a person's word that an object, and what it needs, is kept whatever rules and other
// people say, until the hold is released. An object may be under several, each with a reason.
//
// Invariant: whoever destroys anything asks here in the same transaction, so a hold that was
// acknowledged is never too late. Holds are never deleted, only released. Any thread.
//
// Errors: kInvalid `hold.kind|hold.reason|hold.object`, kNotFound `hold.not_found`, kExhausted
// `hold.too_many`, kConflict `hold.held|hold.released`.
namespace slip::hold {

inline constexpr size_t kReasonBytesMax = 4096;
inline constexpr size_t kObjectBytesMax = 512;
inline constexpr int64_t kOpenMax = 10'000;  // A project's: each candidate is held against them.
inline constexpr int64_t kListMax = 1000;

struct Object {
  std::string kind;  // "project", "experiment", "run", "logged_model", "trace", "model", …
  std::string uid;
  std::string name;  // For people: "fraud@3".
};

struct Hold {
  std::string uid;
  Object object;
  std::string reason;
  std::string actor_uid;
  int64_t created_ms = 0;
  int64_t released_ms = 0;  // 0: it stands.
  std::string released_by;
  std::string release_reason;
};

// "KIND:NAME[@VERSION]", as people write it.
struct Reference {
  std::string kind;
  std::string name;
  int64_t version = 0;  // 0: none.
};
Result<Reference> parse_reference(std::string_view text);

// Finds what is to be held; app/ fills it. kNotFound when there is no such object, kInvalid
// `hold.kind` for kinds that nothing ever destroys.
class Objects {
 public:
  virtual ~Objects() = default;
  virtual Result<Object> find(store::Tx& tx, const std::string& project, const Reference& ref) = 0;
};

class Holds {
 public:
  struct Deps {
    store::Db& db;
    ledger::Ledger& ledger;
    Clock& clock;
    Rng& rng;
  };
  explicit Holds(Deps deps) : deps_(deps) {}

  Result<Hold> place(const Ctx& ctx, Objects& objects, const Reference& ref,
                     const std::string& reason);
  Result<Hold> release(const Ctx& ctx, const std::string& uid, const std::string& reason);
  // By uid, those after `after`; `released`: also those that are over.
  Result<std::vector<Hold>> list(const Ctx& ctx, std::string_view after, int64_t limit,
                                 bool released);

 private:
  Deps deps_;
};

// SQL of one text: the uid of an open hold of the project that meets `condition` (alias h), or ''.
// `project` is an expression.
std::string holder_sql(std::string_view project, std::string_view condition);

// kConflict `hold.held` when one of `objects` (by kind and uid), or the project, is held.
Status refuse_held(store::Tx& tx, std::string_view project, std::span<const Object> objects);
Error held(std::string_view what, std::string_view hold_uid);

std::span<const store::Migration> migrations();

}  // namespace slip::hold
