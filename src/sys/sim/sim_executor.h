#pragma once

#include <condition_variable>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "sys/clock.h"
#include "sys/executor.h"
#include "sys/sim/sim_rng.h"
#include "sys/sync.h"

// Simulated time and scheduling. Each task is a real thread, but only the holder of one baton
// runs; at every call into sys/ (lock, wait, notify, spawn, any file or network call) the seed
// decides who holds it next. Time stands still while anybody can run and jumps to the nearest
// deadline when nobody can. The same seed gives the same interleaving, instruction for instruction.
//
// Nobody runnable and no deadline: deadlock; the process prints who waits for what, and aborts.
namespace slip::sim {

class SimExecutor final : public Executor, public sys::SimHooks {
 public:
  // `start_us`: civil time of the first moment. `switch_one_in`: how often a call gives way.
  explicit SimExecutor(uint64_t seed, int64_t start_us = 1'700'000'000'000'000,
                       uint64_t switch_one_in = 3);
  ~SimExecutor() override;

  // Runs `body` as the first task on the calling thread. Every task it spawned must have been
  // joined when it returns.
  void run(const std::function<void()>& body);

  Clock& clock() { return clock_; }
  uint64_t seed() const { return seed_; }
  uint64_t switches() const { return switches_; }  // For tests: did anything interleave?

  std::unique_ptr<Task> spawn(const std::string& name, std::function<void()> body) override;
  void sleep_until(int64_t deadline_ns) override;

  void yield(const char* where) override;
  void lock(const void* mutex) override;
  void unlock(const void* mutex) override;
  bool wait(const void* condition, const void* mutex, int64_t deadline_ns) override;
  void notify(const void* condition, bool all) override;

 private:
  struct Fiber;  // One task: its thread, and what it waits for.
  class SimTask;
  class SimClock final : public Clock {
   public:
    SimClock(SimExecutor& world, int64_t start_us) : world_(world), start_us_(start_us) {}
    int64_t now_us() override { return start_us_ + steady_ns() / 1000; }
    int64_t steady_ns() override;

   private:
    SimExecutor& world_;
    const int64_t start_us_;
  };
  using Hold = std::unique_lock<std::mutex>;

  void block(Hold& hold, Fiber* self);
  void pass_baton(Hold& hold, Fiber* self);
  Fiber* choose();
  bool wake_sleepers();
  void join(Fiber* other);
  [[noreturn]] void deadlock();

  const uint64_t seed_;
  const uint64_t switch_one_in_;
  SimRng choice_;
  SimClock clock_;
  std::mutex mutex_;  // Guards everything below; held only for moments.
  int64_t now_ns_ = 0;
  uint64_t switches_ = 0;
  std::vector<std::unique_ptr<Fiber>> fibers_;
  std::map<const void*, Fiber*> owners_;
  Fiber* running_ = nullptr;
};

}  // namespace slip::sim
