#include "core/query/watchdog.h"

#include <utility>

#include "sys/clock.h"
#include "sys/executor.h"

namespace slip::query {
namespace {

constexpr int64_t kTickNs = 20'000'000;

}  // namespace

Watchdog::Watchdog(Deps deps, std::function<bool()> over, std::function<void()> interrupt)
    : deps_(deps), over_(std::move(over)), interrupt_(std::move(interrupt)) {
  task_ = deps_.executor.spawn("sql-watchdog", [this] { run(); });
}

Watchdog::~Watchdog() {
  {
    const sys::Lock lock(mutex_);
    ending_ = true;
  }
  woken_.notify_all();
  task_->join();
}

// The interruption happens under the mutex: whoever has ended a Watch isn't interrupted any more.
void Watchdog::run() {
  sys::Lock lock(mutex_);
  while (!ending_) {
    if (watched_ == 0) {
      woken_.wait(lock);
      continue;
    }
    woken_.wait_until(lock, deps_.clock.steady_ns() + kTickNs);
    if (watched_ > 0 && over_()) interrupt_();
  }
}

void Watchdog::watch(int more) {
  {
    const sys::Lock lock(mutex_);
    watched_ += more;
  }
  woken_.notify_all();
}

Watchdog::Watch::Watch(Watchdog* by) : by_(by) {
  if (by_ != nullptr) by_->watch(1);
}

Watchdog::Watch::~Watch() {
  if (by_ != nullptr) by_->watch(-1);
}

}  // namespace slip::query
