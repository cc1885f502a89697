#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

// The proleptic Gregorian calendar (Hinnant, "chrono-compatible low-level date algorithms", 2013).
// Timestamps of expressions lie in years 0000 to 9999, UTC. Pure.
namespace slip::engine::expr {

inline constexpr int64_t kSecondUs = 1000000;
inline constexpr int64_t kDayUs = 86400 * kSecondUs;
inline constexpr int64_t kStampMinUs = -62167219200 * kSecondUs;      // 0000-01-01T00:00:00Z
inline constexpr int64_t kStampMaxUs = 253402300800 * kSecondUs - 1;  // 9999-12-31T23:59:59.999999Z

struct Civil {
  int64_t year = 1970;
  int month = 1;
  int day = 1;
};

constexpr int64_t floor_div(int64_t a, int64_t b) { return a / b - (a % b < 0 ? 1 : 0); }

int64_t days_from_civil(const Civil& c);
Civil civil_from_days(int64_t days);
int days_in_month(int64_t year, int month);
bool in_range(int64_t us);

// "2026-11-23", "2026-11-23T05:53", "… 05:53:00.123456+01:00"; without offset UTC.
std::optional<int64_t> parse_stamp(std::string_view text);
std::string format_stamp(int64_t us);  // "2026-11-23T05:53:00Z", with the places that are needed.
std::string format_interval(int64_t us);  // "90s", in the largest unit that is whole.

}  // namespace slip::engine::expr
