#pragma once

#include <array>
#include <compare>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "base/result.h"

// SHA-256 (OpenSSL) for identities, XXH3-64 for the checksums of frames. Any thread; a
// stream by one thread at a time.
namespace slip::codec {

struct Sha256 {
  std::array<uint8_t, 32> bytes{};

  auto operator<=>(const Sha256&) const = default;
  std::string hex() const;   // 64 digits.
  std::string text() const;  // "sha256:" + hex()
};

Sha256 sha256(std::string_view bytes);
// 64 hex digits, with or without "sha256:"; kInvalid `digest.syntax`.
Result<Sha256> parse_sha256(std::string_view text);

class Sha256Stream {
 public:
  Sha256Stream();
  ~Sha256Stream();
  Sha256Stream(Sha256Stream&&) noexcept;
  Sha256Stream& operator=(Sha256Stream&&) noexcept;
  void update(std::string_view bytes);
  Sha256 finish();  // Once.

 private:
  struct State;
  std::unique_ptr<State> state_;
};

uint64_t xxh3(std::string_view bytes, uint64_t seed = 0);  // XXH3-64; no secret keeper.
std::string hmac_sha256(std::string_view key, std::string_view bytes);  // 32 raw bytes.

}  // namespace slip::codec
