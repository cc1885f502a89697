#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "core/later/types.h"
#include "store/blobs.h"
#include "store/db.h"
#include "sys/ctx.h"
#include "sys/sync.h"

namespace slip {
class Budget;
class Clock;
class Executor;
class Log;
class Rng;
class Task;
}  // namespace slip
namespace slip::ledger {
class Ledger;
}

// Requests that are answered later: a queue in the database, and the runners that work on it.
//
// Invariants: what accept() has taken is on the disk and gets an answer, or is cancelled or too
// old; a process that dies gives its requests back when its leases end (at once where nobody else
// has the database). An attempt may be made twice, an answer is recorded once: only the holder of
// the lease can, and what was recorded never changes. An attempt is made with the rights of who
// asked as they are then. Who asked may see the request; so may an administrator of the project.
// Tenants (an actor in a project) take turns.
//
// Any thread. Errors: kNotFound `async.not_found`, kExhausted `async.queue_full`, kConflict
// `idempotency.key_reused|async.not_failed|async.has_ended`, kInvalid `async.too_large`.
namespace slip::later {

namespace sql {
struct Due;
struct Outcome;
}  // namespace sql

class Later {
 public:
  struct Deps {
    store::Db& db;
    store::Blobs& blobs;
    ledger::Ledger& ledger;
    Budget& budget;
    Clock& clock;
    Rng& rng;
    Executor& executor;
    Log& log;
  };
  struct Options {
    int64_t queue_max = 10'000;  // Requests that wait or run; one tenant has at most 9 in 10.
    int64_t queue_bytes_max = int64_t{1} << 30;     // Of their bodies.
    int64_t kept_ms = int64_t{24} * 3'600'000;      // Of an answer; of waiting for one.
    std::function<bool(const Ctx&)> is_admin = {};  // Of the project. Null: nobody is.
    std::function<bool()> ready = {};  // Until it says so, runners wait. Null: they needn't.
    std::function<void(Ctx*)> give_rights = {};  // To a Ctx of an actor in a project.
  };
  Later(Deps deps, Options options);
  ~Later();  // stop()

  struct Accepted {
    Job job;
    bool known = false;  // The same key had brought it before.
  };
  struct Key {
    std::string text = {};         // The client's; "": none.
    std::string fingerprint = {};  // Of the request.
  };
  Result<Accepted> accept(const Ctx& ctx, const Asked& asked, const Key& key);

  Result<Job> find(const Ctx& ctx, const std::string& uid);
  // Of one that has ended with an answer, else nothing.
  struct Outcome {
    Job job;
    std::optional<Answer> answer;
  };
  Result<Outcome> outcome(const Ctx& ctx, const std::string& uid);
  // Returns when it has ended, at the latest at `deadline_ns` (steady).
  Result<Job> wait(const Ctx& ctx, const std::string& uid, int64_t deadline_ns);
  Result<Job> cancel(const Ctx& ctx, const std::string& uid);
  Result<Job> retry(const Ctx& ctx, const std::string& uid);
  struct Query {
    std::optional<State> state = {};
    bool everybodys = false;  // kForbidden `async.forbidden` but for administrators.
    std::string before = {};  // Uid; "": from the newest.
    int64_t limit = 100;
  };
  Result<std::vector<Job>> list(const Ctx& ctx, const Query& query);

  // Answers one. Called by the runners, several at a time.
  using Run = std::function<Answer(const Ctx&, const Asked&)>;
  // Once. `runners` at a time; with 0 nothing is answered here.
  void start(int runners, Run run);
  void stop();  // What runs is given back unless it ends by itself now.
  bool on() const { return on_; }

  // ---- what the runners and the duty do; tests call them.
  // Claims and runs what is due; false when nothing is.
  Result<bool> run_one(const Run& run);
  Status heartbeat();
  // What died with its process is queued again, or has failed; what is too old goes.
  Status tend();
  // Nobody else has the database: whatever runs died with the last process.
  Status adopt();

  struct Stats {
    int64_t queued = 0;
    int64_t running = 0;
    int64_t oldest_ms = 0;  // Age of the oldest that waits.
    int64_t done = 0;       // By this process, as are the next two.
    int64_t failed = 0;
    int64_t retried = 0;
  };
  Result<Stats> stats();
  Status each_blob(const std::function<void(const store::Digest&)>& tell);

 private:
  struct Claim;
  bool sees(const Ctx& ctx, const Job& job) const;
  Result<Job> find_in(store::Tx& tx, const Ctx& ctx, const std::string& uid) const;
  std::optional<sql::Due> choose(std::vector<sql::Due> due);
  Result<bool> claim(Claim* claim);
  Result<Asked> load(const Claim& claim);
  Answer attempt(const Claim& claim, const Run& run, bool* begun);
  Status finish(const Claim& claim, Answer answer, bool begun);
  Result<bool> record(const sql::Outcome& outcome, const Claim& claim);
  Status announce(store::Tx& tx, const Job& job);
  int64_t backoff_ms(int64_t attempts);
  Status requeue_lapsed(int64_t now_ms);
  void tell_waiting();
  void run_loop(const Run& run);
  void heartbeat_loop();

  const Deps deps_;
  const Options options_;
  struct Running {
    std::string project;
    std::string uid;
    std::shared_ptr<std::atomic<bool>> cancel;
  };
  sys::Guarded<std::map<std::string, Running>> running_;  // By token.
  sys::Guarded<std::map<std::string, int64_t>> turns_;    // Of a tenant: its last.
  std::atomic<int64_t> turn_{0};
  std::atomic<int64_t> done_{0}, failed_{0}, retried_{0};
  std::atomic<bool> on_{false};
  std::vector<std::unique_ptr<Task>> tasks_;
  sys::Mutex mutex_;
  sys::CondVar wake_;   // Runners.
  sys::CondVar ended_;  // wait().
  uint64_t pokes_ = 0;
  uint64_t ends_ = 0;
  bool stopping_ = false;
};

std::span<const store::Migration> migrations();

}  // namespace slip::later
