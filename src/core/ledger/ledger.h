#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "codec/json.h"
#include "store/db.h"
#include "sys/ctx.h"

namespace slip {
class Clock;
class Rng;
}  // namespace slip

// The ledger: append-only events, each written in the transaction that made it true, in design.md's
// leaf format (canonical JSON; bodies apart, by salted digest, erasable without touching a leaf).
// Audit log, lineage, triggers, webhooks, jobs and live updates all read it by sequence.
//
// Invariants: a sequence number is given in commit order and never reused; ts never runs back; a
// reader that has seen `seq` never later sees a smaller one appear. Any thread.
namespace slip::ledger {

// What a route or job declares for each write: see design.md, Ledger.
enum class Audit : uint8_t { kNone, kCounted, kEvent, kGoverned };

struct Subject {
  std::string kind;  // "model_version"
  std::string uid;
  std::string name;  // Label for people, kept in the body ("fraud").
  std::string version;
  std::string digest;  // Of the object, "" when it has none.
};

struct Draft {
  std::string verb;  // "model_version.promoted": listed in the module's table of verbs.
  Subject subject;
  std::string before_digest;
  std::string after_digest;
  std::string reason;    // Free text of a person; only its salted digest enters the leaf.
  std::string decision;  // "allow", "deny", "pass", "fail", "rollback", "" …
  codec::Json body;      // Object; may be null. Kept in event_body.
};

struct Event {
  int64_t seq = 0;
  int64_t ts_us = 0;
  std::string id;
  std::string project;
  std::string actor_uid;
  std::string actor_kind;
  std::string verb;
  Subject subject;
  std::string before_digest;
  std::string after_digest;
  std::string decision;
  std::string request_id;
  std::string leaf;  // The canonical JSON, as hashed.
  std::optional<codec::Json> body;  // Absent when erased.
};

struct Filter {
  int64_t after_seq = 0;
  int64_t before_seq = INT64_MAX;
  std::string project;  // Empty: all.
  std::string verb;     // Exact, or a prefix ending in '.'.
  std::string uid;
  bool newest_first = false;
  int64_t limit = 100;
};

class Ledger {
 public:
  struct Deps {
    store::Db& db;
    Clock& clock;
    Rng& rng;
  };
  explicit Ledger(Deps deps);

  // Inside the caller's write body.
  Status append(store::Tx& tx, const Ctx& ctx, const Draft& draft);
  // `counted` class: adds to the event of (subject, verb, minute); flushed by flush_counted().
  Result<std::vector<Event>> list(const Filter& filter);
  Result<int64_t> last_seq();

  // A named cursor: calls `on_event` for each event after the cursor and moves it in the same
  // transaction as whatever `on_event` writes. True when there was something to do.
  using OnEvent = std::function<Status(store::Tx&, const Event&)>;
  Result<bool> consume(std::string_view cursor, int64_t events_max, const OnEvent& on_event);

  // Replaces the body by nothing; the leaf and its digest stay. For erasure requests.
  Status erase_body(store::Tx& tx, const Ctx& ctx, int64_t seq);

 private:
  Deps deps_;
};

std::span<const store::Migration> migrations();

}  // namespace slip::ledger
