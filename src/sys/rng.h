#pragma once

#include <cstdint>
#include <span>

#include "base/uuid.h"
#include "sys/clock.h"

// Randomness as a parameter. The real one is the kernel's (fit for secrets; words come from a small
// supply that each thread fetches ahead); the simulated one is a seed. Any thread.
namespace slip {

class Rng {
 public:
  virtual ~Rng() = default;
  virtual void fill(std::span<uint8_t> out) = 0;

  uint64_t u64() {
    uint64_t v = 0;
    fill(std::span(reinterpret_cast<uint8_t*>(&v), sizeof v));
    return v;
  }
  double uniform() { return static_cast<double>(u64() >> 11) * 0x1.0p-53; }  // [0, 1)
};

Rng& real_rng();

inline Uuid new_uuid7(Clock& clock, Rng& rng) {
  return make_uuid7(clock.now_ms(), rng.u64(), rng.u64());
}

}  // namespace slip
