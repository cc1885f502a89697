#pragma once

#include <functional>
#include <memory>

#include "sys/sync.h"

namespace slip {
class Clock;
class Executor;
class Task;
}  // namespace slip

// Who asks whether time is up while the engine is busy with a step, and interrupts it then: again
// and again, as the engine forgets it when a statement begins. Between queries it rests.
//
// Invariant: nothing is interrupted but while a Watch lives. `over` and `interrupt` are called on
// the watchdog's own thread; everything else is for any thread.
namespace slip::query {

class Watchdog {
 public:
  struct Deps {
    Executor& executor;
    Clock& clock;
  };
  Watchdog(Deps deps, std::function<bool()> over, std::function<void()> interrupt);
  ~Watchdog();
  Watchdog(const Watchdog&) = delete;
  Watchdog& operator=(const Watchdog&) = delete;

  class Watch {
   public:
    explicit Watch(Watchdog* by);  // Null: nobody watches.
    ~Watch();
    Watch(const Watch&) = delete;
    Watch& operator=(const Watch&) = delete;

   private:
    Watchdog* by_;
  };

 private:
  void run();
  void watch(int more);

  const Deps deps_;
  const std::function<bool()> over_;
  const std::function<void()> interrupt_;
  sys::Mutex mutex_;
  sys::CondVar woken_;
  int watched_ = 0;
  bool ending_ = false;
  std::unique_ptr<Task> task_;
};

}  // namespace slip::query
