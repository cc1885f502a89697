#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

// Content-defined cuts: where a file is cut depends on its bytes near the cut, so an edit moves
// only the cuts near it and equal stretches of two files become equal chunks.
//
// A gear hash (Xia et al., "FastCDC", USENIX ATC 2016) rolls over a window of 64 bytes; a chunk
// ends where the hash's top bits are zero. Normalised: the test is stricter before the average
// length and laxer after it, which narrows the spread of lengths. Pure; one thread an object.
namespace slip::chunk {

// limits
inline constexpr size_t kMinBytes = 8 << 10;
inline constexpr size_t kAvgBytes = 64 << 10;
inline constexpr size_t kMaxBytes = 128 << 10;
inline constexpr size_t kWindowBytes = 64;

// Fixed for ever: another table would cut, and so store, everything anew.
constexpr std::array<uint64_t, 256> make_gear() {
  std::array<uint64_t, 256> out{};
  uint64_t state = 0x736c697077617931;
  for (uint64_t& v : out) {  // splitmix64
    state += 0x9e3779b97f4a7c15;
    uint64_t z = state;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
    v = z ^ (z >> 31);
  }
  return out;
}
inline constexpr std::array<uint64_t, 256> kGear = make_gear();

class Cutter {
 public:
  // Continues the current chunk with `bytes`. Returns how many of them end the chunk (≥ 1), after
  // which the next chunk begins; nothing when the chunk goes on after all of them.
  std::optional<size_t> next(std::string_view bytes);

 private:
  uint64_t hash_ = 0;
  size_t length_ = 0;  // Of the current chunk so far.
};

}  // namespace slip::chunk
