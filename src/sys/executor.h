#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <string>

#include "base/result.h"

// Where tasks come from. The real executor gives each task a thread; the simulated one (sys/sim)
// gives each task a thread too, but only the holder of one baton runs and the seed passes it on.
// Long-lived loops (the database's writer, the job runner) are tasks; request work runs on a Pool.
namespace slip {

class Task {
 public:
  virtual ~Task() = default;  // Joins.
  virtual void join() = 0;
};

class Executor {
 public:
  virtual ~Executor() = default;
  // `name` (≤ 15 characters) is the thread's name. The body ends when its owner tells it to.
  [[nodiscard]] virtual std::unique_ptr<Task> spawn(const std::string& name,
                                                    std::function<void()> body) = 0;
  // Blocks this task until the steady clock shows `deadline_ns`.
  virtual void sleep_until(int64_t deadline_ns) = 0;
};

Executor& real_executor();

// A bounded pool for blocking request work: threads on demand up to `threads_max`, each given back
// after `idle_ms`; `queue_max` waiting items, then kExhausted `pool.full`.
class Pool {
 public:
  struct Options {
    std::string name = "pool";
    size_t threads_max = 64;
    size_t queue_max = 1024;
    int64_t idle_ms = 10'000;
  };
  virtual ~Pool() = default;  // Runs what is queued, then joins.
  virtual Status submit(std::function<void()> work) = 0;
  virtual size_t queued() const = 0;
};

class Clock;
std::unique_ptr<Pool> make_pool(Executor& executor, Clock& clock, Pool::Options options);

}  // namespace slip
