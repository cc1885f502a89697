#include "codec/hash128.h"

#include <xxhash.h>

namespace slip::codec {

Hash128 xxh3_128(std::string_view bytes, uint64_t seed) {
  const XXH128_hash_t h = XXH3_128bits_withSeed(bytes.data(), bytes.size(), seed);
  return {h.high64, h.low64};
}

}  // namespace slip::codec
