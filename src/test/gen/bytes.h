#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

// Contents for blobs; the same seed and size give the same bytes, a longer one begins like a
// shorter one of the same seed.
namespace slip::gen {

inline std::string noise(uint64_t seed, size_t size) {  // Does not compress.
  std::string out(size, '\0');
  uint64_t s = seed * 0x9e3779b97f4a7c15 + 1;
  for (char& c : out) {
    s ^= s << 13;
    s ^= s >> 7;
    s ^= s << 17;
    c = static_cast<char>(s >> 32);
  }
  return out;
}

inline std::string repetitive(uint64_t seed, size_t size) {  // Compresses well.
  std::string out;
  for (uint64_t i = seed * 1'000'003; out.size() < size; i += seed + 1)
    out += "row " + std::to_string(i) + ", value " + std::to_string(i % 97) + "\n";
  out.resize(size);
  return out;
}

}  // namespace slip::gen
