#include "base/text.h"
#include "features/definition.h"

namespace slip::features {
namespace {

struct Unit {
  char letter;
  int64_t us;
};
constexpr Unit kUnits[] = {{'w', 7 * window::kDayUs},
                           {'d', window::kDayUs},
                           {'h', window::kHourUs},
                           {'m', window::kMinuteUs},
                           {'s', window::kSecondUs}};

std::optional<int64_t> take_number(std::string_view& text) {
  int64_t n = 0;
  size_t digits = 0;
  while (digits < text.size() && text[digits] >= '0' && text[digits] <= '9') {
    n = n * 10 + (text[digits++] - '0');
    if (n > 1'000'000'000) return std::nullopt;
  }
  text.remove_prefix(digits);
  return digits == 0 ? std::nullopt : std::optional(n);
}

}  // namespace

Result<int64_t> parse_duration_us(std::string_view text) {
  const auto bad = [&] {
    return invalid("feature.duration", concat({"'", text, "' is no duration"}))
        .with_hint("such as 90s, 10m, 1h30m, 7d");
  };
  std::string_view rest = trim(text);
  if (rest.empty()) return bad();
  int64_t sum = 0;
  while (!rest.empty()) {
    const std::optional<int64_t> n = take_number(rest);
    if (!n || rest.empty()) return bad();
    const auto* unit = std::find_if(std::begin(kUnits), std::end(kUnits),
                                    [&](const Unit& u) { return u.letter == rest.front(); });
    if (unit == std::end(kUnits) || *n > window::kMaxTimeUs / unit->us) return bad();
    sum += *n * unit->us;
    if (sum > window::kMaxTimeUs) return bad();
    rest.remove_prefix(1);
  }
  return sum;
}

std::string duration_text(int64_t us) {
  std::string out;
  for (const Unit& u : kUnits) {
    if (u.letter == 'w') continue;
    if (us >= u.us) out += std::to_string(us / u.us) + u.letter;
    us %= u.us;
  }
  return out.empty() ? "0s" : out;
}

}  // namespace slip::features
