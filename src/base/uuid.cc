#include "base/uuid.h"

#include "base/text.h"

namespace slip {
namespace {

void put_big_endian(uint8_t* out, uint64_t value, int bytes) {
  for (int i = bytes - 1; i >= 0; --i, value >>= 8) out[i] = static_cast<uint8_t>(value & 0xff);
}

}  // namespace

std::string Uuid::hex() const { return to_hex(bytes); }

std::string Uuid::text() const {
  constexpr std::string_view kDigits = "0123456789abcdef";
  std::string s(36, '-');
  size_t at = 0;
  for (const uint8_t b : bytes) {
    if (at == 8 || at == 13 || at == 18 || at == 23) ++at;
    s[at++] = kDigits[b >> 4];
    s[at++] = kDigits[b & 15];
  }
  return s;
}

int64_t Uuid::unix_ms() const {
  int64_t ms = 0;
  for (size_t i = 0; i < 6; ++i) ms = ms << 8 | bytes[i];
  return ms;
}

Uuid make_uuid7(int64_t unix_ms, uint64_t random_a, uint64_t random_b) {
  Uuid u;
  put_big_endian(&u.bytes[0], static_cast<uint64_t>(unix_ms), 6);
  put_big_endian(&u.bytes[6], 0x7000 | (random_a & 0x0fff), 2);
  put_big_endian(&u.bytes[8], (random_b & 0x3fffffffffffffff) | 0x8000000000000000, 8);
  return u;
}

Uuid make_uuid4(uint64_t random_a, uint64_t random_b) {
  Uuid u;
  put_big_endian(&u.bytes[0], (random_a & 0xffffffffffff0fff) | 0x4000, 8);
  put_big_endian(&u.bytes[8], (random_b & 0x3fffffffffffffff) | 0x8000000000000000, 8);
  return u;
}

Result<Uuid> parse_uuid(std::string_view text) {
  std::string digits(text);
  if (text.size() == 36) {
    for (const size_t at : {size_t{23}, size_t{18}, size_t{13}, size_t{8}}) {
      if (digits[at] != '-') return invalid("uuid.syntax", "not a UUID");
      digits.erase(at, 1);
    }
  }
  const std::optional<std::string> raw = from_hex(digits);
  if (!raw || raw->size() != 16) return invalid("uuid.syntax", "not a UUID");
  Uuid u;
  for (size_t i = 0; i < 16; ++i) u.bytes[i] = static_cast<uint8_t>((*raw)[i]);
  return u;
}

}  // namespace slip
