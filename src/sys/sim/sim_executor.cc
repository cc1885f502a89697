#include "sys/sim/sim_executor.h"

#include <cstdio>

#include "base/check.h"

namespace slip::sim {

struct SimExecutor::Fiber {
  enum class State : uint8_t { kReady, kOnMutex, kOnCondition, kAsleep, kJoining, kDone };

  std::string name;
  State state = State::kReady;
  const void* object = nullptr;  // Mutex, condition or fiber that it waits for.
  int64_t deadline_ns = INT64_MAX;
  bool notified = false;
  std::condition_variable turn;
  std::thread thread;
};

namespace {

thread_local void* t_fiber = nullptr;

}  // namespace

class SimExecutor::SimTask final : public Task {
 public:
  SimTask(SimExecutor& world, Fiber* fiber) : world_(world), fiber_(fiber) {}
  ~SimTask() override { join(); }
  void join() override {
    if (!fiber_->thread.joinable()) return;
    world_.join(fiber_);
    fiber_->thread.join();
  }

 private:
  SimExecutor& world_;
  Fiber* fiber_;
};

int64_t SimExecutor::SimClock::steady_ns() {
  const std::lock_guard hold(world_.mutex_);
  // A look at the clock takes a little time, so that loops which wait for it to move end.
  return world_.now_ns_ += 100;
}

SimExecutor::SimExecutor(uint64_t seed, int64_t start_us, uint64_t switch_one_in)
    : seed_(seed), switch_one_in_(switch_one_in), choice_(seed), clock_(*this, start_us) {}

SimExecutor::~SimExecutor() {
  for (const std::unique_ptr<Fiber>& f : fibers_) CHECK(f->state == Fiber::State::kDone);
}

void SimExecutor::run(const std::function<void()>& body) {
  CHECK(sys::current_sim() == nullptr);
  auto first = std::make_unique<Fiber>();
  Fiber* self = first.get();
  self->name = "main";
  {
    const Hold hold(mutex_);
    CHECK(running_ == nullptr);
    fibers_.push_back(std::move(first));
    running_ = self;
  }
  t_fiber = self;
  sys::set_current_sim(this);
  body();
  sys::set_current_sim(nullptr);
  t_fiber = nullptr;
  const Hold hold(mutex_);
  self->state = Fiber::State::kDone;
  running_ = nullptr;
  for (const std::unique_ptr<Fiber>& f : fibers_) CHECK(f->state == Fiber::State::kDone);
}

std::unique_ptr<Task> SimExecutor::spawn(const std::string& name, std::function<void()> body) {
  auto fiber = std::make_unique<Fiber>();
  Fiber* f = fiber.get();
  f->name = name;
  {
    const Hold hold(mutex_);
    fibers_.push_back(std::move(fiber));
  }
  f->thread = std::thread([this, f, body = std::move(body)] {
    {
      Hold hold(mutex_);
      while (running_ != f) f->turn.wait(hold);
    }
    t_fiber = f;
    sys::set_current_sim(this);
    body();
    sys::set_current_sim(nullptr);
    Hold hold(mutex_);
    f->state = Fiber::State::kDone;
    for (const std::unique_ptr<Fiber>& other : fibers_)
      if (other->state == Fiber::State::kJoining && other->object == f)
        other->state = Fiber::State::kReady;
    pass_baton(hold, nullptr);
  });
  auto task = std::make_unique<SimTask>(*this, f);
  yield("spawn");
  return task;
}

// Gives the baton to `choose()` and, unless the caller has ended (self null), waits for it.
void SimExecutor::pass_baton(Hold& hold, Fiber* self) {
  Fiber* next = choose();
  while (next == nullptr) {
    if (!wake_sleepers()) deadlock();
    next = choose();
  }
  ++switches_;
  running_ = next;
  if (next == self) return;
  next->turn.notify_one();
  if (self != nullptr)
    while (running_ != self) self->turn.wait(hold);
}

void SimExecutor::block(Hold& hold, Fiber* self) {
  CHECK(running_ == self && self->state != Fiber::State::kReady);
  pass_baton(hold, self);
  CHECK(self->state == Fiber::State::kReady);
  self->object = nullptr;
  self->deadline_ns = INT64_MAX;
}

SimExecutor::Fiber* SimExecutor::choose() {
  std::vector<Fiber*> ready;
  for (const std::unique_ptr<Fiber>& f : fibers_)
    if (f->state == Fiber::State::kReady) ready.push_back(f.get());
  return ready.empty() ? nullptr : ready[choice_.below(ready.size())];
}

bool SimExecutor::wake_sleepers() {
  int64_t nearest = INT64_MAX;
  for (const std::unique_ptr<Fiber>& f : fibers_)
    if (f->state != Fiber::State::kDone) nearest = std::min(nearest, f->deadline_ns);
  if (nearest == INT64_MAX) return false;
  now_ns_ = std::max(now_ns_, nearest);
  for (const std::unique_ptr<Fiber>& f : fibers_) {
    const bool timed = f->state == Fiber::State::kAsleep || f->state == Fiber::State::kOnCondition;
    if (timed && f->deadline_ns <= now_ns_) f->state = Fiber::State::kReady;
  }
  return true;
}

void SimExecutor::deadlock() {
  std::fprintf(stderr, "simulation: deadlock, seed %llu\n", static_cast<unsigned long long>(seed_));
  for (const std::unique_ptr<Fiber>& f : fibers_)
    std::fprintf(stderr, "  task %s: state %d, waits for %p\n", f->name.c_str(),
                 static_cast<int>(f->state), f->object);
  CHECK(false);
}

void SimExecutor::sleep_until(int64_t deadline_ns) {
  auto* self = static_cast<Fiber*>(t_fiber);
  CHECK(self != nullptr);
  Hold hold(mutex_);
  if (deadline_ns <= now_ns_) return;
  self->state = Fiber::State::kAsleep;
  self->deadline_ns = deadline_ns;
  block(hold, self);
}

void SimExecutor::yield(const char*) {
  auto* self = static_cast<Fiber*>(t_fiber);
  CHECK(self != nullptr);
  Hold hold(mutex_);
  now_ns_ += 1000;
  if (!choice_.one_in(switch_one_in_)) return;
  pass_baton(hold, self);
}

void SimExecutor::lock(const void* mutex) {
  auto* self = static_cast<Fiber*>(t_fiber);
  yield("lock");
  Hold hold(mutex_);
  CHECK(owners_.find(mutex) == owners_.end() || owners_[mutex] != self);  // Not recursive.
  while (owners_.contains(mutex)) {
    self->state = Fiber::State::kOnMutex;
    self->object = mutex;
    block(hold, self);
  }
  owners_[mutex] = self;
}

void SimExecutor::unlock(const void* mutex) {
  const Hold hold(mutex_);
  const auto owner = owners_.find(mutex);
  CHECK(owner != owners_.end() && owner->second == t_fiber);
  owners_.erase(owner);
  for (const std::unique_ptr<Fiber>& f : fibers_)
    if (f->state == Fiber::State::kOnMutex && f->object == mutex) f->state = Fiber::State::kReady;
}

bool SimExecutor::wait(const void* condition, const void* mutex, int64_t deadline_ns) {
  auto* self = static_cast<Fiber*>(t_fiber);
  unlock(mutex);
  bool notified = false;
  {
    Hold hold(mutex_);
    self->state = Fiber::State::kOnCondition;
    self->object = condition;
    self->deadline_ns = deadline_ns;
    self->notified = false;
    if (deadline_ns <= now_ns_) self->state = Fiber::State::kReady;
    if (self->state != Fiber::State::kReady) block(hold, self);
    self->deadline_ns = INT64_MAX;
    notified = self->notified;
  }
  lock(mutex);
  return notified;
}

void SimExecutor::notify(const void* condition, bool all) {
  {
    const Hold hold(mutex_);
    std::vector<Fiber*> waiting;
    for (const std::unique_ptr<Fiber>& f : fibers_)
      if (f->state == Fiber::State::kOnCondition && f->object == condition)
        waiting.push_back(f.get());
    if (!all && waiting.size() > 1) waiting = {waiting[choice_.below(waiting.size())]};
    for (Fiber* f : waiting) {
      f->state = Fiber::State::kReady;
      f->notified = true;
    }
  }
  yield("notify");
}

void SimExecutor::join(Fiber* other) {
  auto* self = static_cast<Fiber*>(t_fiber);
  CHECK(self != nullptr);
  Hold hold(mutex_);
  if (other->state == Fiber::State::kDone) return;
  self->state = Fiber::State::kJoining;
  self->object = other;
  block(hold, self);
}

}  // namespace slip::sim
