#pragma once

#include <atomic>
#include <cstdint>

#include "sys/rng.h"

// Reproducible randomness: splitmix64 (Steele, Lea, Flood 2014). One per simulated world; the
// choices of the world itself (who runs, what fails) come from another stream than the product's.
namespace slip::sim {

class SimRng final : public Rng {
 public:
  explicit SimRng(uint64_t seed) : state_(seed) {}

  void fill(std::span<uint8_t> out) override {
    uint64_t word = 0;
    for (size_t i = 0; i < out.size(); ++i) {
      if (i % 8 == 0) word = next();
      out[i] = static_cast<uint8_t>(word >> (i % 8 * 8));
    }
  }
  uint64_t next() {
    uint64_t z = state_.fetch_add(kStep, std::memory_order_relaxed) + kStep;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
    return z ^ (z >> 31);
  }
  uint64_t below(uint64_t n) { return n == 0 ? 0 : next() % n; }
  bool one_in(uint64_t n) { return n != 0 && below(n) == 0; }

 private:
  static constexpr uint64_t kStep = 0x9e3779b97f4a7c15;
  std::atomic<uint64_t> state_;  // Some tests draw from real threads.
};

}  // namespace slip::sim
