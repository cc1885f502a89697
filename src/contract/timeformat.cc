#include "contract/timeformat.h"

#include <algorithm>

#include "base/text.h"
#include "engine/expr/civil.h"

namespace slip::contract {
namespace {

namespace expr = engine::expr;

constexpr std::string_view kLetters = "yuMdHhmsSnaXxZ";

// At least `least` digits and at most `most`.
std::optional<int64_t> take_digits(std::string_view* text, int least, int most) {
  int n = 0;
  int64_t value = 0;
  while (n < most && static_cast<size_t>(n) < text->size()) {
    const char c = (*text)[static_cast<size_t>(n)];
    if (c < '0' || c > '9') break;
    value = value * 10 + (c - '0');
    ++n;
  }
  if (n < least) return std::nullopt;
  text->remove_prefix(static_cast<size_t>(n));
  return value;
}

// "Z", "+01", "+0100", "+01:00".
std::optional<int64_t> take_offset_us(std::string_view* text) {
  if (text->starts_with('Z')) {
    text->remove_prefix(1);
    return 0;
  }
  if (!text->starts_with('+') && !text->starts_with('-')) return std::nullopt;
  const int64_t sign = text->front() == '-' ? -1 : 1;
  text->remove_prefix(1);
  const auto hours = take_digits(text, 2, 2);
  if (!hours || *hours > 18) return std::nullopt;
  if (text->starts_with(':')) text->remove_prefix(1);
  const auto minutes = take_digits(text, 2, 2);
  if (minutes && *minutes > 59) return std::nullopt;
  return sign * (*hours * 3600 + minutes.value_or(0) * 60) * expr::kSecondUs;
}

}  // namespace

struct TimeFormat::Fields {
  int64_t year = 1970;
  int64_t month = 1;
  int64_t day = 1;
  int64_t hour = 0;
  int64_t minute = 0;
  int64_t second = 0;
  int64_t us = 0;
  int64_t offset_us = 0;
  bool half_day = false;
  bool afternoon = false;
};

Result<TimeFormat> TimeFormat::compile(std::string_view pattern) {
  TimeFormat out;
  size_t i = 0;
  const auto literal = [&](char c) {
    if (out.steps_.empty() || out.steps_.back().letter != 0) out.steps_.emplace_back();
    out.steps_.back().literal += c;
  };
  while (i < pattern.size()) {
    const char c = pattern[i];
    if (c == '\'') {
      const size_t end = pattern.find('\'', i + 1);
      if (end == pattern.npos)
        return unsupported("contract.time_format", concat({"'", pattern, "': a quote has no end"}));
      if (end == i + 1) literal('\'');
      for (size_t k = i + 1; k < end; ++k) literal(pattern[k]);
      i = end + 1;
      continue;
    }
    const bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
    if (!letter) {
      literal(c);
      ++i;
      continue;
    }
    const size_t end = std::min(pattern.find_first_not_of(c, i), pattern.size());
    const int width = static_cast<int>(end - i);
    if (kLetters.find(c) == kLetters.npos || (c == 'M' && width > 2) || width > 9)
      return unsupported(
          "contract.time_format",
          concat({"'", pattern, "': '", pattern.substr(i, end - i), "' is not read here"}));
    out.steps_.push_back({c, width, {}});
    i = end;
  }
  if (out.steps_.empty()) return unsupported("contract.time_format", "an empty format");
  return out;
}

TimeFormat TimeFormat::iso(bool of_day) {
  TimeFormat out = of_day ? compile("HH:mm:ss").value() : TimeFormat();
  out.iso_ = true;
  out.of_day_ = of_day;
  return out;
}

bool TimeFormat::take(const Step& step, std::string_view* text, Fields* out) const {
  if (step.letter == 0) {
    if (!text->starts_with(step.literal)) return false;
    text->remove_prefix(step.literal.size());
    return true;
  }
  if (step.letter == 'a') {
    out->half_day = true;
    out->afternoon = iequals(text->substr(0, 2), "PM");
    if (!out->afternoon && !iequals(text->substr(0, 2), "AM")) return false;
    text->remove_prefix(2);
    return true;
  }
  if (step.letter == 'X' || step.letter == 'x' || step.letter == 'Z') {
    const auto offset = take_offset_us(text);
    out->offset_us = offset.value_or(0);
    return offset.has_value();
  }
  const bool year = step.letter == 'y' || step.letter == 'u';
  const int most = step.width > 1 ? step.width : year ? 9 : 2;
  std::optional<int64_t> v = take_digits(text, step.width, most);
  if (!v) return false;
  if (step.letter == 'S' || step.letter == 'n') {
    for (int i = step.letter == 'S' ? step.width : 9; i < 6; ++i) *v *= 10;
    for (int i = step.letter == 'S' ? step.width : 9; i > 6; --i) *v /= 10;
    out->us = *v;
    return true;
  }
  if (year) out->year = step.width == 2 ? 2000 + *v : *v;
  if (step.letter == 'M') out->month = *v;
  if (step.letter == 'd') out->day = *v;
  if (step.letter == 'H' || step.letter == 'h') out->hour = *v;
  if (step.letter == 'm') out->minute = *v;
  if (step.letter == 's') out->second = *v;
  return true;
}

std::optional<int64_t> TimeFormat::parse(std::string_view text) const {
  if (iso_ && !of_day_) return expr::parse_stamp(text);
  Fields f;
  for (const Step& step : steps_)
    if (!take(step, &text, &f)) return std::nullopt;
  if (iso_ && text.starts_with('.')) {  // Places of a second, as many as there are.
    text.remove_prefix(1);
    const size_t before = text.size();
    const auto digits = take_digits(&text, 1, 6);
    if (!digits) return std::nullopt;
    f.us = *digits;
    for (size_t i = before - text.size(); i < 6; ++i) f.us *= 10;
    while (!text.empty() && text.front() >= '0' && text.front() <= '9') text.remove_prefix(1);
  }
  if (!text.empty() || f.year > 9999 || f.month < 1 || f.month > 12 || f.day < 1)
    return std::nullopt;
  if (f.half_day && (f.hour < 1 || f.hour > 12)) return std::nullopt;
  if (f.half_day) f.hour = f.hour % 12 + (f.afternoon ? 12 : 0);
  const int month = static_cast<int>(f.month);
  if (f.day > expr::days_in_month(f.year, month) || f.hour > 23 || f.minute > 59 || f.second > 59)
    return std::nullopt;
  const int64_t days = expr::days_from_civil({f.year, month, static_cast<int>(f.day)});
  const int64_t seconds = f.hour * 3600 + f.minute * 60 + f.second;
  return days * expr::kDayUs + seconds * expr::kSecondUs + f.us - f.offset_us;
}

}  // namespace slip::contract
