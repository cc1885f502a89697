#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "base/result.h"

// zstd and gzip, whole buffers and streams, always with a bound on what comes out.
// kCorrupt `compress.corrupt`, kExhausted `compress.too_large`.
namespace slip::codec {

std::string zstd_compress(std::string_view bytes, int level);
Result<std::string> zstd_decompress(std::string_view bytes, size_t size_max);
std::string gzip_compress(std::string_view bytes, int level);
// gzip or zlib (deflate) framing, detected.
Result<std::string> gzip_decompress(std::string_view bytes, size_t size_max);

}  // namespace slip::codec
