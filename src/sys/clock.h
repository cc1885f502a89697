#pragma once

#include <cstdint>

// The only source of time. Civil time (`now_us`) names moments and may jump; the steady clock
// measures intervals and never runs back. Any thread.
namespace slip {

class Clock {
 public:
  virtual ~Clock() = default;
  virtual int64_t now_us() = 0;     // Microseconds since the Unix epoch.
  virtual int64_t steady_ns() = 0;  // Nanoseconds since some fixed moment.

  int64_t now_ms() { return now_us() / 1000; }
};

Clock& real_clock();

}  // namespace slip
