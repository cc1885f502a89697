#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "base/result.h"

// zstd and gzip, whole buffers and streams, always with a bound on what comes out.
// Errors: kCorrupt `compress.corrupt`, kExhausted `compress.too_large`. Functions: any thread; an
// object: one thread at a time.
namespace slip::codec {

std::string zstd_compress(std::string_view bytes, int level);
Result<std::string> zstd_decompress(std::string_view bytes, size_t size_max);
// Keeps its working memory between calls, for many small buffers.
class ZstdEncoder {
 public:
  explicit ZstdEncoder(int level);
  ~ZstdEncoder();
  ZstdEncoder(ZstdEncoder&&) noexcept;
  ZstdEncoder& operator=(ZstdEncoder&&) noexcept;
  // Replaces `out`.
  void compress(std::string_view bytes, std::string* out);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

std::string gzip_compress(std::string_view bytes, int level);
std::string zlib_compress(std::string_view bytes, int level);  // HTTP's "deflate".
// gzip or zlib framing, or bare deflate, detected: HTTP's "deflate" is either of the last two.
Result<std::string> gzip_decompress(std::string_view bytes, size_t size_max);
// A deflate stream without framing, as zip archives hold it; what follows its end is ignored.
Result<std::string> inflate_raw(std::string_view bytes, size_t size_max);

}  // namespace slip::codec
