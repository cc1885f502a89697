#include "engine/window/counts.h"

#include "base/check.h"
#include "engine/window/kernel.h"

namespace slip::window {
namespace {

constexpr size_t kHead = 16;

uint64_t big_endian(std::string_view bytes) {
  uint64_t out = 0;
  for (size_t i = 0; i < 8; ++i)
    out = out << 8 | (i < bytes.size() ? static_cast<uint8_t>(bytes[i]) : 0);
  return out;
}

}  // namespace

DatumKey::DatumKey(std::string_view bytes)
    : head_(big_endian(bytes)), next_(big_endian(bytes.substr(std::min<size_t>(8, bytes.size())))) {
  if (bytes.size() > kHead) rest_ = std::make_unique<const std::string>(bytes.substr(kHead));
}

std::string DatumKey::bytes() const {
  std::string out;
  for (size_t i = 0; i < kHead; ++i) {
    const uint64_t word = i < 8 ? head_ : next_;
    out.push_back(static_cast<char>(word >> (56 - 8 * (i % 8))));
  }
  if (rest_) return out += *rest_;
  std::string_view left = out;  // The datum itself says where it ends.
  Datum unused;
  CHECK(read_datum(left, unused));
  out.resize(out.size() - left.size());
  return out;
}

}  // namespace slip::window
