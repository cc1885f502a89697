#include "sys/stepper.h"

#include "sys/clock.h"
#include "sys/executor.h"

namespace slip {

Stepper::Stepper(Executor& executor, Clock& clock, const std::string& name,
                 std::function<int64_t()> step)
    : clock_(clock), step_(std::move(step)) {
  task_ = executor.spawn(name, [this] { run(); });
}

Stepper::~Stepper() { stop(); }

void Stepper::run() {
  for (;;) {
    {
      const sys::Lock lock(mutex_);
      if (stopping_) return;
    }
    const int64_t rest_ms = step_();
    const int64_t until_ns = clock_.steady_ns() + rest_ms * 1'000'000;
    sys::Lock lock(mutex_);
    while (rest_ms > 0 && !stopping_)
      if (!woken_.wait_until(lock, until_ns)) break;
  }
}

void Stepper::tell_to_stop() {
  {
    const sys::Lock lock(mutex_);
    stopping_ = true;
  }
  woken_.notify_all();
}

void Stepper::stop() {
  tell_to_stop();
  if (task_) task_->join();
}

}  // namespace slip
