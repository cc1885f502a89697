#pragma once

#include <array>
#include <compare>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"

// 128-bit identities. Version 7 (RFC 9562, 5.7): 48 bits of Unix milliseconds, then random bits;
// ids made by one generator sort in the order they were made.
namespace slip {

struct Uuid {
  std::array<uint8_t, 16> bytes{};

  auto operator<=>(const Uuid&) const = default;
  std::string text() const;  // 36 characters, lower case.
  std::string hex() const;   // 32 characters, lower case, as MLflow run ids.
  int64_t unix_ms() const;   // Meaningful for version 7 only.
};

// `random` supplies 74 bits: 12 for rand_a, 62 for rand_b.
Uuid make_uuid7(int64_t unix_ms, uint64_t random_a, uint64_t random_b);
// Version 4 from 122 random bits.
Uuid make_uuid4(uint64_t random_a, uint64_t random_b);
// Accepts the 36- and the 32-character form. kInvalid `uuid.syntax`.
Result<Uuid> parse_uuid(std::string_view text);

}  // namespace slip
