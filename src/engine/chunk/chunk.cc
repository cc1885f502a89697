#include "engine/chunk/chunk.h"

#include <algorithm>

namespace slip::chunk {
namespace {

// 2^16 on average: two bits more before it, two bits fewer after it.
constexpr int kStrictShift = 64 - 18;
constexpr int kLaxShift = 64 - 14;

struct Found {
  uint64_t hash = 0;
  size_t at = 0;  // Bytes consumed; the last one ends the chunk when `cut`.
  bool cut = false;
};

// Rolls until a cut or the end. Two bytes a step: the second hash needs only the first one's input,
// which shortens the chain of dependent operations.
template <int kShift>
Found roll(uint64_t hash, const unsigned char* p, size_t n) {
  size_t i = 0;
  for (; i + 2 <= n; i += 2) {
    const uint64_t a = kGear[p[i]];
    const uint64_t b = kGear[p[i + 1]];
    const uint64_t first = (hash << 1) + a;
    hash = (hash << 2) + ((a << 1) + b);
    if (first >> kShift == 0) [[unlikely]]
      return {first, i + 1, true};
    if (hash >> kShift == 0) [[unlikely]]
      return {hash, i + 2, true};
  }
  for (; i < n; ++i) {
    hash = (hash << 1) + kGear[p[i]];
    if (hash >> kShift == 0) return {hash, i + 1, true};
  }
  return {hash, n, false};
}

}  // namespace

std::optional<size_t> Cutter::next(std::string_view bytes) {
  const auto* p = reinterpret_cast<const unsigned char*>(bytes.data());
  size_t done = 0;
  const auto reach = [&](size_t length) {  // Bytes from here to `length` of the chunk, or the end.
    return length_ >= length ? 0 : std::min(length - length_, bytes.size() - done);
  };
  const auto pass = [&](size_t n) { done += n, length_ += n; };

  pass(reach(kMinBytes - kWindowBytes));  // No cut can come here: unseen.
  for (size_t n = reach(kMinBytes); n > 0; --n) {
    hash_ = (hash_ << 1) + kGear[p[done]];
    pass(1);
  }
  Found found = roll<kStrictShift>(hash_, p + done, reach(kAvgBytes));
  pass(found.at);
  if (!found.cut) {
    found = roll<kLaxShift>(found.hash, p + done, reach(kMaxBytes));
    pass(found.at);
  }
  hash_ = found.hash;
  if (!found.cut && length_ < kMaxBytes) return std::nullopt;
  hash_ = 0;
  length_ = 0;
  return done;
}

}  // namespace slip::chunk
