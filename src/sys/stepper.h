#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "sys/sync.h"

namespace slip {

class Clock;
class Executor;
class Task;

// A task that does one step after another, and rests between them for as many milliseconds as a
// step says, or until it is told to stop. A step that has begun ends. Telling and stopping: any
// thread; whoever destroys it waits for its step.
class Stepper {
 public:
  // Begins at once.
  Stepper(Executor& executor, Clock& clock, const std::string& name, std::function<int64_t()> step);
  ~Stepper();
  Stepper(const Stepper&) = delete;
  Stepper& operator=(const Stepper&) = delete;

  void tell_to_stop();
  void stop();

 private:
  void run();

  Clock& clock_;
  const std::function<int64_t()> step_;
  sys::Mutex mutex_;
  sys::CondVar woken_;
  bool stopping_ = false;  // Guarded by mutex_.
  std::unique_ptr<Task> task_;
};

}  // namespace slip
