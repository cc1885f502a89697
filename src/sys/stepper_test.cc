#include "sys/stepper.h"

#include <atomic>

#include <gtest/gtest.h>

#include "sys/clock.h"
#include "sys/executor.h"

namespace slip {
namespace {

constexpr int64_t kHour = 3'600'000;

TEST(Stepper, StepsUntilItIsToldAndRestsAsLongAsAStepSays) {
  sys::Mutex mutex;
  sys::CondVar came;
  int steps = 0;
  Stepper stepper(real_executor(), real_clock(), "steps", [&] {
    const sys::Lock lock(mutex);
    ++steps;
    came.notify_all();
    return steps < 5 ? int64_t{0} : kHour;
  });
  {
    sys::Lock lock(mutex);
    while (steps < 5) came.wait(lock);
  }
  stepper.stop();  // Out of its rest.
  EXPECT_EQ(steps, 5);
  stepper.stop();
}

TEST(Stepper, WhoeverDestroysItWaitsForTheStep) {
  std::atomic<bool> begun{false};
  std::atomic<bool> ended{false};
  {
    sys::Mutex mutex;
    sys::CondVar came;
    Stepper stepper(real_executor(), real_clock(), "steps", [&] {
      {
        const sys::Lock lock(mutex);
        begun = true;
        came.notify_all();
      }
      ended = true;
      return kHour;
    });
    sys::Lock lock(mutex);
    while (!begun) came.wait(lock);
    lock.unlock();
    stepper.stop();
  }
  EXPECT_TRUE(ended);
}

}  // namespace
}  // namespace slip
