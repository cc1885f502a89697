#pragma once

#include <compare>
#include <cstddef>
#include <cstdint>
#include <string_view>

// XXH3-128, for looking things up by what they are. It keeps no secret and stops no forger: whoever
// finds by it compares what was found. Any thread.
namespace slip::codec {

struct Hash128 {
  uint64_t high = 0;
  uint64_t low = 0;

  auto operator<=>(const Hash128&) const = default;
};

Hash128 xxh3_128(std::string_view bytes, uint64_t seed = 0);

struct Hash128Bucket {
  size_t operator()(const Hash128& h) const { return static_cast<size_t>(h.low); }
};

}  // namespace slip::codec
