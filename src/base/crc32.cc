#include "base/crc32.h"

#include <array>

namespace slip {

uint32_t crc32(std::string_view bytes) {
  static constexpr std::array<uint32_t, 256> kTable = [] {
    std::array<uint32_t, 256> table{};
    for (uint32_t i = 0; i < 256; ++i) {
      uint32_t v = i;
      for (int bit = 0; bit < 8; ++bit) v = (v & 1) ? 0xedb88320U ^ (v >> 1) : v >> 1;
      table[i] = v;
    }
    return table;
  }();
  uint32_t crc = 0xffffffffU;
  for (const char c : bytes) crc = kTable[(crc ^ static_cast<uint8_t>(c)) & 0xffU] ^ (crc >> 8);
  return ~crc;
}

}  // namespace slip
