#pragma once

#include <cstdint>
#include <string_view>

namespace slip {

uint32_t crc32(std::string_view bytes);  // IEEE 802.3, as zlib's.

}  // namespace slip
