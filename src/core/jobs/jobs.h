#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "codec/json.h"
#include "store/db.h"
#include "sys/ctx.h"
#include "sys/sync.h"

namespace slip {
class Clock;
class Executor;
class Log;
class Rng;
class Task;
}  // namespace slip

// Background work. A job is a row; it is done in steps, each of which a runner claims with a lease,
// runs, and records. A crash between or within steps is normal: the lease ends and the step runs
// again, so steps are idempotent and ≤ lease_ms long. Besides, `every` runs short recurring duties
// of this process (not durable, a task each).
//
// Invariants: at most one runner holds a lease at a time; a runner whose lease ended can't record
// anything. Any thread; kinds and duties are added before start().
namespace slip::jobs {

inline constexpr size_t kPayloadBytesMax = 64 << 10;
inline constexpr int64_t kBackoffFirstMs = 1'000;
inline constexpr int64_t kBackoffMaxMs = 300'000;
inline constexpr int64_t kIdlePollMs = 1'000;
inline constexpr int64_t kDoneKeptMs = int64_t{7} * 24 * 3'600'000;

struct Work {
  std::string project;
  std::string uid;
  std::string kind;
  codec::Json payload;
  std::string cursor;   // What the step before returned; "" at first.
  int64_t attempt = 1;  // Of this step.
};

struct Next {
  enum class What : uint8_t { kDone, kAgain, kLater };
  What what = What::kDone;
  std::string cursor;
  int64_t delay_ms = 0;  // kLater.
};
inline Next done() { return {}; }
inline Next again(std::string cursor) { return {Next::What::kAgain, std::move(cursor), 0}; }
inline Next later(std::string cursor, int64_t delay_ms) {
  return {Next::What::kLater, std::move(cursor), delay_ms};
}

struct Kind {
  std::string name;  // "blobs.sweep"
  std::function<Result<Next>(const Ctx&, const Work&)> step;
  int64_t attempts_max = 10;  // Of one step, then the job is `failed`.
  int64_t lease_ms = 60'000;
};

struct Info {
  std::string project;
  std::string uid;
  std::string kind;
  std::string state;  // "ready", "done", "failed"
  int64_t attempts = 0;
  int64_t next_run_ms = 0;
  std::string error;  // Of the last attempt.
};

class Jobs {
 public:
  struct Deps {
    store::Db& db;
    Clock& clock;
    Rng& rng;
    Executor& executor;
    Log& log;
  };
  explicit Jobs(Deps deps);
  ~Jobs();  // stop()

  void add_kind(Kind kind);
  // `duty` runs at start, then each period_ms after it ended, and when poked.
  void every(std::string name, int64_t period_ms, std::function<Status(const Ctx&)> duty);

  // Inside the caller's write body. `key` not empty: one unfinished job per (project, kind, key);
  // a finished one starts again. The job's uid. kInvalid `job.payload_too_large`.
  Result<std::string> enqueue(store::Tx& tx, const Ctx& ctx, std::string_view kind,
                              const codec::Json& payload, std::string_view key = "");

  void start(int runners);
  void stop();  // Waits for the steps that run.
  // Wakes the runners, or one duty; after a commit that made work.
  void poke();
  void poke(std::string_view duty);

  // Claims and runs one due step; false when none is due. What the runners do; tests call it.
  Result<bool> run_one();
  // By project and uid, after `after_uid`.
  Result<std::vector<Info>> list(const Ctx& ctx, std::string_view after_uid, int64_t limit);

 private:
  struct Duty;
  struct Claim;
  Result<bool> claim(Claim* claim);
  Status finish(const Claim& claim, const Result<Next>& outcome);
  void run_loop();
  void duty_loop(Duty& duty);
  int64_t backoff_ms(int64_t attempts);
  Status purge();

  const Deps deps_;
  std::map<std::string, Kind, std::less<>> kinds_;
  std::vector<std::unique_ptr<Duty>> duties_;
  std::vector<std::unique_ptr<Task>> tasks_;
  sys::Mutex mutex_;
  sys::CondVar wake_;
  uint64_t pokes_ = 0;
  bool stopping_ = false;
};

std::span<const store::Migration> migrations();

}  // namespace slip::jobs
