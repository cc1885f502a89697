#pragma once

#include <atomic>
#include <cstdint>

#include "sys/clock.h"

namespace slip::test {

// Time that stands still until a test moves it. Any thread.
class FakeClock final : public Clock {
 public:
  static constexpr int64_t kStartUs = 1'700'000'000'000'000;

  int64_t now_us() override { return civil_us_.load(); }
  int64_t steady_ns() override { return steady_ns_.load(); }
  void advance_ms(int64_t ms) {
    civil_us_ += ms * 1000;
    steady_ns_ += ms * 1'000'000;
  }
  // The operator sets the date; the steady clock doesn't notice.
  void jump_us(int64_t us) { civil_us_ += us; }

 private:
  std::atomic<int64_t> civil_us_{kStartUs};
  std::atomic<int64_t> steady_ns_{int64_t{1} << 62};  // Real waits on it never end by time.
};

}  // namespace slip::test
