#include "codec/compress.h"

#include <zlib.h>
#include <zstd.h>

namespace slip::codec {
namespace {

constexpr size_t kStepBytes = 64 << 10;  // Output grows by this much at a time.

Error corrupt_input() { return corrupt("compress.corrupt", "the compressed bytes are damaged"); }
Error too_large() {
  return exhausted("compress.too_large", "the compressed bytes expand beyond the limit");
}

int zlib_level(int level) { return std::clamp(level, 1, 9); }

}  // namespace

struct ZstdEncoder::State {
  explicit State(int level) : ctx(ZSTD_createCCtx()) {
    CHECK(ctx != nullptr);
    ZSTD_CCtx_setParameter(ctx, ZSTD_c_compressionLevel, level);
  }
  State(const State&) = delete;
  State& operator=(const State&) = delete;
  ~State() { ZSTD_freeCCtx(ctx); }

  ZSTD_CCtx* ctx;
};

ZstdEncoder::ZstdEncoder(int level) : state_(std::make_unique<State>(level)) {}
ZstdEncoder::~ZstdEncoder() = default;
ZstdEncoder::ZstdEncoder(ZstdEncoder&&) noexcept = default;
ZstdEncoder& ZstdEncoder::operator=(ZstdEncoder&&) noexcept = default;

void ZstdEncoder::compress(std::string_view bytes, std::string* out) {
  out->resize(ZSTD_compressBound(bytes.size()));
  const size_t n =
      ZSTD_compress2(state_->ctx, out->data(), out->size(), bytes.data(), bytes.size());
  CHECK(!ZSTD_isError(n));  // The output is as large as the bound asks.
  out->resize(n);
}

std::string zstd_compress(std::string_view bytes, int level) {
  std::string out;
  ZstdEncoder(level).compress(bytes, &out);
  return out;
}

Result<std::string> zstd_decompress(std::string_view bytes, size_t size_max) {
  const std::unique_ptr<ZSTD_DCtx, size_t (*)(ZSTD_DCtx*)> ctx(ZSTD_createDCtx(), ZSTD_freeDCtx);
  CHECK(ctx != nullptr);
  const unsigned long long told = ZSTD_getFrameContentSize(bytes.data(), bytes.size());
  if (told == ZSTD_CONTENTSIZE_ERROR) return corrupt_input();
  if (told != ZSTD_CONTENTSIZE_UNKNOWN && told > size_max) return too_large();
  // The told size is only a hint until the bytes have come: memory grows with what is read.
  std::string out;
  ZSTD_inBuffer in{bytes.data(), bytes.size(), 0};
  size_t rest = 1;
  size_t step =
      told == ZSTD_CONTENTSIZE_UNKNOWN ? kStepBytes : std::min<size_t>(told, bytes.size() * 16 + 1);
  while (rest != 0) {
    const size_t have = out.size();
    out.resize(std::min(size_max + 1, have + std::max<size_t>(step, 1)));
    step = std::max(kStepBytes, out.size());
    ZSTD_outBuffer to{out.data(), out.size(), have};
    rest = ZSTD_decompressStream(ctx.get(), &to, &in);
    if (ZSTD_isError(rest)) return corrupt_input();
    const bool filled = to.pos == to.size;
    out.resize(to.pos);
    if (out.size() > size_max) return too_large();
    if (rest != 0 && in.pos == in.size && !filled) return corrupt_input();
  }
  if (in.pos != in.size) return corrupt_input();  // Something follows the frame.
  return out;
}

namespace {

std::string deflated(std::string_view bytes, int level, int window) {
  z_stream z{};
  CHECK(deflateInit2(&z, zlib_level(level), Z_DEFLATED, window, 8, Z_DEFAULT_STRATEGY) == Z_OK);
  std::string out(deflateBound(&z, bytes.size()), '\0');
  z.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(bytes.data()));
  z.avail_in = static_cast<uInt>(bytes.size());
  z.next_out = reinterpret_cast<Bytef*>(out.data());
  z.avail_out = static_cast<uInt>(out.size());
  CHECK(bytes.size() <= UINT32_MAX && deflate(&z, Z_FINISH) == Z_STREAM_END);
  out.resize(z.total_out);
  deflateEnd(&z);
  return out;
}

}  // namespace

std::string gzip_compress(std::string_view bytes, int level) {
  return deflated(bytes, level, 15 + 16);
}

std::string zlib_compress(std::string_view bytes, int level) { return deflated(bytes, level, 15); }

namespace {

// gzip's mark, or a header that zlib would write; anything else may be deflate without framing.
bool is_framed(std::string_view bytes) {
  if (bytes.size() < 2) return true;
  const auto first = static_cast<unsigned char>(bytes[0]);
  const auto second = static_cast<unsigned char>(bytes[1]);
  return (first == 0x1f && second == 0x8b) || (first % 16 == 8 && (first * 256 + second) % 31 == 0);
}

Result<std::string> inflated(std::string_view bytes, size_t size_max, int window, bool joined) {
  z_stream z{};
  CHECK(inflateInit2(&z, window) == Z_OK);
  const std::unique_ptr<z_stream, int (*)(z_stream*)> owner(&z, inflateEnd);
  if (bytes.size() > UINT32_MAX) return too_large();
  z.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(bytes.data()));
  z.avail_in = static_cast<uInt>(bytes.size());
  std::string out;
  for (int state = Z_OK; state != Z_STREAM_END;) {
    const size_t have = out.size();
    out.resize(std::min(size_max + 1, have + std::max(kStepBytes, have)));
    z.next_out = reinterpret_cast<Bytef*>(out.data() + have);
    z.avail_out = static_cast<uInt>(out.size() - have);
    state = inflate(&z, Z_NO_FLUSH);
    out.resize(out.size() - z.avail_out);
    if (state != Z_OK && state != Z_STREAM_END) return corrupt_input();  // Also: too short.
    if (out.size() > size_max) return too_large();
    if (joined && state == Z_STREAM_END && z.avail_in > 0) {  // gzip files may be joined.
      if (inflateReset(&z) != Z_OK) return corrupt_input();
      state = Z_OK;
    }
  }
  return out;
}

}  // namespace

Result<std::string> gzip_decompress(std::string_view bytes, size_t size_max) {
  if (!is_framed(bytes)) return inflated(bytes, size_max, -MAX_WBITS, true);
  return inflated(bytes, size_max, MAX_WBITS + 32, true);  // Either framing.
}

Result<std::string> inflate_raw(std::string_view bytes, size_t size_max) {
  return inflated(bytes, size_max, -MAX_WBITS, false);
}

}  // namespace slip::codec
