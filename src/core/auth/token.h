#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace slip {
class Rng;
}

// The text of a token: slp_<id>_<43 base-62 digits><CRC-32 as 6 base-62 digits>. The checksum lets
// scanners and typing errors be told from stolen secrets without a look-up; the secret has 256
// bits, so its plain SHA-256 may be stored. Any thread.
namespace slip::auth {

inline constexpr size_t kTokenIdDigits = 12;
inline constexpr size_t kTokenSecretDigits = 43;
inline constexpr size_t kTokenCrcDigits = 6;

struct TokenText {
  std::string id;
  std::string secret;

  std::string text() const;
};

TokenText make_token(Rng& rng);
// Nothing when the form or the checksum is wrong.
std::optional<TokenText> parse_token(std::string_view text);

}  // namespace slip::auth
