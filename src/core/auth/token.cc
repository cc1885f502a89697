#include "core/auth/token.h"

#include <array>

#include "base/crc32.h"
#include "base/text.h"
#include "sys/rng.h"

namespace slip::auth {
namespace {

constexpr std::string_view kDigits =
    "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
constexpr std::string_view kPrefix = "slp_";

// Every digit equally likely: bytes from 248 on are thrown away (248 = 4 · 62).
std::string random_digits(Rng& rng, size_t n) {
  std::string out;
  while (out.size() < n) {
    std::array<uint8_t, 64> bytes{};
    rng.fill(bytes);
    for (size_t i = 0; i < bytes.size() && out.size() < n; ++i)
      if (bytes[i] < 248) out += kDigits[bytes[i] % 62];
  }
  return out;
}

std::string crc_digits(std::string_view bytes) {
  std::string out(kTokenCrcDigits, '0');
  uint32_t v = crc32(bytes);
  for (size_t i = kTokenCrcDigits; i-- > 0; v /= 62) out[i] = kDigits[v % 62];
  return out;
}

}  // namespace

std::string TokenText::text() const {
  const std::string head = concat({kPrefix, id, "_", secret});
  return head + crc_digits(head);
}

TokenText make_token(Rng& rng) {
  return {random_digits(rng, kTokenIdDigits), random_digits(rng, kTokenSecretDigits)};
}

std::optional<TokenText> parse_token(std::string_view text) {
  constexpr size_t kId = kPrefix.size();
  constexpr size_t kSecret = kId + kTokenIdDigits + 1;
  constexpr size_t kCrc = kSecret + kTokenSecretDigits;
  if (text.size() != kCrc + kTokenCrcDigits || !text.starts_with(kPrefix)) return std::nullopt;
  if (text[kSecret - 1] != '_') return std::nullopt;
  if (!equal_secret(crc_digits(text.substr(0, kCrc)), text.substr(kCrc))) return std::nullopt;
  return TokenText{std::string(text.substr(kId, kTokenIdDigits)),
                   std::string(text.substr(kSecret, kTokenSecretDigits))};
}

}  // namespace slip::auth
