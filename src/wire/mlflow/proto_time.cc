#include "wire/mlflow/proto_time.h"

#include <array>
#include <chrono>
#include <cstdio>

#include "base/text.h"

namespace slip::wire::mlflow {
namespace {

constexpr int64_t kSecond = 1'000'000;
constexpr int64_t kYear = 366 * 24 * 3600 * kSecond;
constexpr int64_t kDurationMax = 1000 * kYear;

// `count` digits at the front of *text, which loses them.
std::optional<int> take_digits(std::string_view* text, size_t count) {
  if (text->size() < count) return std::nullopt;
  int value = 0;
  for (size_t i = 0; i < count; ++i) {
    const char c = (*text)[i];
    if (c < '0' || c > '9') return std::nullopt;
    value = value * 10 + (c - '0');
  }
  text->remove_prefix(count);
  return value;
}

bool take(std::string_view* text, char c) {
  if (text->empty() || text->front() != c) return false;
  text->remove_prefix(1);
  return true;
}

// ".414" → 414000; nothing when there is no fraction, empty when there are no digits behind a dot.
std::optional<int64_t> take_fraction_us(std::string_view* text) {
  if (!take(text, '.')) return 0;
  int64_t us = 0;
  int64_t unit = 100'000;
  size_t digits = 0;
  for (; !text->empty() && text->front() >= '0' && text->front() <= '9'; ++digits, unit /= 10) {
    us += (text->front() - '0') * unit;
    text->remove_prefix(1);
  }
  if (digits == 0 || digits > 9) return std::nullopt;
  return us;
}

// Seconds east of Greenwich.
std::optional<int64_t> take_zone(std::string_view* text) {
  if (take(text, 'Z') || take(text, 'z')) return 0;
  const bool east = take(text, '+');
  if (!east && !take(text, '-')) return std::nullopt;
  const auto hours = take_digits(text, 2);
  if (!hours || !take(text, ':')) return std::nullopt;
  const auto minutes = take_digits(text, 2);
  if (!minutes || *hours > 23 || *minutes > 59) return std::nullopt;
  const int64_t seconds = *hours * 3600 + *minutes * 60;
  return east ? seconds : -seconds;
}

}  // namespace

std::optional<int64_t> parse_timestamp_us(std::string_view text) {
  const auto year = take_digits(&text, 4);
  if (!year || !take(&text, '-')) return std::nullopt;
  const auto month = take_digits(&text, 2);
  if (!month || !take(&text, '-')) return std::nullopt;
  const auto day = take_digits(&text, 2);
  if (!day || (!take(&text, 'T') && !take(&text, 't') && !take(&text, ' '))) return std::nullopt;
  const auto hour = take_digits(&text, 2);
  if (!hour || !take(&text, ':')) return std::nullopt;
  const auto minute = take_digits(&text, 2);
  if (!minute || !take(&text, ':')) return std::nullopt;
  const auto second = take_digits(&text, 2);
  const auto fraction = take_fraction_us(&text);
  const auto zone = take_zone(&text);
  if (!second || !fraction || !zone || !text.empty()) return std::nullopt;
  const std::chrono::year_month_day date{std::chrono::year(*year),
                                         std::chrono::month(static_cast<unsigned>(*month)),
                                         std::chrono::day(static_cast<unsigned>(*day))};
  if (!date.ok() || *hour > 23 || *minute > 59 || *second > 60) return std::nullopt;
  const int64_t days = std::chrono::sys_days(date).time_since_epoch().count();
  const int64_t seconds = days * 86'400 + *hour * 3600 + *minute * 60 + *second - *zone;
  return seconds * kSecond + *fraction;
}

std::string format_timestamp_us(int64_t unix_us) {
  std::string out = format_time_ms(unix_us / 1000);
  if (unix_us % 1000 == 0) return out;
  std::array<char, 8> tail;
  const int n = std::snprintf(tail.data(), tail.size(), "%03dZ", static_cast<int>(unix_us % 1000));
  out.pop_back();  // Z
  return out.append(tail.data(), static_cast<size_t>(n));
}

std::optional<int64_t> parse_duration_us(std::string_view text) {
  const bool negative = take(&text, '-');
  const size_t digits = text.find_first_not_of("0123456789");
  if (digits == text.npos || digits == 0 || digits > 12) return std::nullopt;
  const auto seconds = parse_int(text.substr(0, digits));
  text.remove_prefix(digits);
  const auto fraction = take_fraction_us(&text);
  if (!seconds || !fraction || text != "s") return std::nullopt;
  const int64_t us = *seconds * kSecond + *fraction;
  if (us > kDurationMax) return std::nullopt;
  return negative ? -us : us;
}

std::string format_duration_us(int64_t us) {
  const std::string sign = us < 0 ? "-" : "";
  const uint64_t size = us < 0 ? 0 - static_cast<uint64_t>(us) : static_cast<uint64_t>(us);
  const auto fraction = static_cast<unsigned>(size % kSecond);
  std::array<char, 40> out;
  int n = 0;
  const unsigned long long seconds = size / kSecond;
  if (fraction == 0)
    n = std::snprintf(out.data(), out.size(), "%llus", seconds);
  else if (fraction % 1000 == 0)
    n = std::snprintf(out.data(), out.size(), "%llu.%03us", seconds, fraction / 1000);
  else
    n = std::snprintf(out.data(), out.size(), "%llu.%06us", seconds, fraction);
  return sign + std::string(out.data(), static_cast<size_t>(n));
}

}  // namespace slip::wire::mlflow
