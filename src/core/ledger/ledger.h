#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "codec/json.h"
#include "store/caller.h"
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
// reader that has seen `seq` never later sees a smaller one appear. On SQLite the one writer
// numbers inside the transaction; on PostgreSQL events commit unnumbered and number_pending(),
// which one node at a time runs, numbers them: until then no reader sees them. Any thread.
namespace slip::ledger {

// What a route or job declares for each write: see design.md, Ledger.
enum class Audit : uint8_t { kNone, kCounted, kEvent, kGoverned };

// Limits. Longer drafts are kInvalid `ledger.body_too_large|ledger.field_too_long`.
inline constexpr size_t kBodyBytesMax = 64 << 10;  // Name, reason and body as JSON.
inline constexpr size_t kFieldBytesMax = 512;      // Verb, uid, digest, decision … of a leaf.
inline constexpr int64_t kListMax = 1000;
inline constexpr int64_t kNumberedAtOnce = 300;

struct Subject {
  std::string kind;  // "model_version"
  std::string uid;
  std::string name;  // Label for people, kept in the body ("fraud").
  std::string version;
  std::string digest;  // Of the object, "" when it has none.
};

struct Draft {
  std::string id;    // Of the event, from who keeps it to find its number later; "": made.
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
  std::string trace_id;
  std::string leaf;                 // The canonical JSON, as hashed.
  std::string reason;               // "" when none was given or when erased.
  std::optional<codec::Json> body;  // Absent when erased or never given.
};

// Of whose object's events a kind's are: who may read that object may read them. SQL over the
// event, alias e. A kind without a row is its own object's.
struct Scope {
  std::string_view kind;
  std::string_view object_kind;  // An expression: "'dataset'".
  std::string_view uid;          // A query of one text.
};

struct Filter {
  int64_t after_seq = 0;
  int64_t before_seq = INT64_MAX;
  std::string project{};  // Empty: all.
  std::string verb{};     // Exact, or a prefix ending in '.'.
  std::string uid{};
  bool newest_first = false;
  int64_t limit = 100;
  std::shared_ptr<const store::Caller> caller{};  // Only what it may read.
};

class Ledger {
 public:
  struct Deps {
    store::Db& db;
    Clock& clock;
    Rng& rng;
    std::vector<Scope> scopes{};
  };
  explicit Ledger(Deps deps);

  // Inside the caller's write body.
  Status append(store::Tx& tx, const Ctx& ctx, const Draft& draft);
  // Class `counted`, inside the caller's write body: adds `n` to the event of this actor, verb,
  // subject and minute, which flush_counted() will write, and each of `items` (what was done, in
  // order; texts of the owner's making) to its digest chain: d' = SHA-256(d, item), d = "" at
  // first.
  struct Counted {
    int64_t n = 0;
    std::vector<std::string> items;
    int64_t at_us = 0;  // When it was done; 0: now.
  };
  Status count(store::Tx& tx, const Ctx& ctx, const Draft& draft, const Counted& counted);
  // Turns counts of minutes that are over into events: {"count","minute_ms"} and after_digest.
  // How many were written.
  Result<int64_t> flush_counted();
  // Numbers what has been committed unnumbered, at most kNumberedAtOnce; how many. 0 on SQLite.
  Result<int64_t> number_pending();

  // At most kListMax, in the order of the filter.
  Result<std::vector<Event>> list(const Filter& filter);
  Result<int64_t> last_seq();
  // The sequence numbers of events of one project by id, in the order of `ids`; 0: no such event.
  // Numbers first what is pending, so that whoever was told of an event finds it.
  Result<std::vector<int64_t>> seqs_of(const std::string& project,
                                       std::span<const std::string> ids);

  // A named cursor: calls `on_event` for each event after the cursor and moves it in the same
  // transaction as whatever `on_event` writes. True when there was something to do.
  using OnEvent = std::function<Status(store::Tx&, const Event&)>;
  Result<bool> consume(std::string_view cursor, int64_t events_max, const OnEvent& on_event);
  // The uid of the object that a numbered event belongs to (Scope): of a version's the model's. ""
  // when there is no such object.
  Result<std::string> object_of(store::Tx& tx, const Event& event);

  // Replaces body, name and reason by nothing; the leaf and its digest stay. For erasure requests.
  // kNotFound `event.not_found`.
  Status erase_body(store::Tx& tx, const Ctx& ctx, int64_t seq);

 private:
  Deps deps_;
};

// The digest that a leaf holds of what lies beside it: SHA-256 of salt, then content.
std::string salted_digest(std::string_view salt, std::string_view content);

std::span<const store::Migration> migrations();

}  // namespace slip::ledger
