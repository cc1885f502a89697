#include "engine/expr/civil.h"

#include <array>

#include "base/text.h"

namespace slip::engine::expr {
namespace {

class Reader {
 public:
  explicit Reader(std::string_view text) : text_(text) {}
  bool done() const { return at_ == text_.size(); }
  bool take(char c) {
    if (done() || text_[at_] != c) return false;
    ++at_;
    return true;
  }
  char peek() const { return done() ? '\0' : text_[at_]; }
  std::optional<int> number(size_t digits, int lo, int hi) {
    int out = 0;
    for (size_t i = 0; i < digits; ++i, ++at_) {
      if (done() || text_[at_] < '0' || text_[at_] > '9') return std::nullopt;
      out = out * 10 + (text_[at_] - '0');
    }
    if (out < lo || out > hi) return std::nullopt;
    return out;
  }
  std::optional<int64_t> micros() {  // After the point: one to nine digits; beyond µs they are cut.
    int64_t out = 0;
    int digits = 0;
    for (; !done() && text_[at_] >= '0' && text_[at_] <= '9'; ++at_, ++digits)
      if (digits < 6) out = out * 10 + (text_[at_] - '0');
    if (digits == 0 || digits > 9) return std::nullopt;
    for (int i = digits; i < 6; ++i) out *= 10;
    return out;
  }

 private:
  std::string_view text_;
  size_t at_ = 0;
};

std::optional<int64_t> read_clock(Reader* in) {
  const auto hour = in->number(2, 0, 23);
  if (!hour || !in->take(':')) return std::nullopt;
  const auto minute = in->number(2, 0, 59);
  if (!minute) return std::nullopt;
  int64_t us = (*hour * 3600 + *minute * 60) * kSecondUs;
  if (!in->take(':')) return us;
  const auto second = in->number(2, 0, 59);
  if (!second) return std::nullopt;
  us += *second * kSecondUs;
  if (!in->take('.')) return us;
  const auto micros = in->micros();
  if (!micros) return std::nullopt;
  return us + *micros;
}

std::optional<int64_t> read_offset(Reader* in) {
  if (in->done() || in->take('Z') || in->take('z')) return 0;
  const bool minus = in->take('-');
  if (!minus && !in->take('+')) return std::nullopt;
  const auto hour = in->number(2, 0, 23);
  if (!hour) return std::nullopt;
  int minutes = 0;
  if (!in->done()) {
    (void)in->take(':');
    const auto m = in->number(2, 0, 59);
    if (!m) return std::nullopt;
    minutes = *m;
  }
  const int64_t us = (*hour * 3600 + minutes * 60) * kSecondUs;
  return minus ? -us : us;
}

void put(std::string* out, int64_t value, size_t digits) {
  const std::string text = std::to_string(value);
  out->append(digits > text.size() ? digits - text.size() : 0, '0').append(text);
}

}  // namespace

int64_t days_from_civil(const Civil& c) {
  const int64_t y = c.month <= 2 ? c.year - 1 : c.year;
  const int64_t era = floor_div(y, 400);
  const int64_t of_era = y - era * 400;
  const int64_t of_year = (153 * (c.month + (c.month > 2 ? -3 : 9)) + 2) / 5 + c.day - 1;
  return era * 146097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719468;
}

Civil civil_from_days(int64_t days) {
  days += 719468;
  const int64_t era = floor_div(days, 146097);
  const int64_t of_era = days - era * 146097;
  const int64_t year = (of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) / 365;
  const int64_t of_year = of_era - (365 * year + year / 4 - year / 100);
  const int64_t m = (5 * of_year + 2) / 153;
  Civil out;
  out.day = static_cast<int>(of_year - (153 * m + 2) / 5 + 1);
  out.month = static_cast<int>(m < 10 ? m + 3 : m - 9);
  out.year = year + era * 400 + (out.month <= 2 ? 1 : 0);
  return out;
}

int days_in_month(int64_t year, int month) {
  static constexpr std::array<int, 12> kDays = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
  const bool leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
  return month == 2 && leap ? 29 : kDays[static_cast<size_t>(month - 1)];
}

bool in_range(int64_t us) { return us >= kStampMinUs && us <= kStampMaxUs; }

std::optional<int64_t> parse_stamp(std::string_view text) {
  Reader in(trim(text));
  const auto year = in.number(4, 0, 9999);
  if (!year || !in.take('-')) return std::nullopt;
  const auto month = in.number(2, 1, 12);
  if (!month || !in.take('-')) return std::nullopt;
  const auto day = in.number(2, 1, days_in_month(*year, *month));
  if (!day) return std::nullopt;
  int64_t us = days_from_civil({*year, *month, *day}) * kDayUs;
  if (in.done()) return us;
  if (!in.take('T') && !in.take(' ') && !in.take('t')) return std::nullopt;
  const auto clock = read_clock(&in);
  if (!clock) return std::nullopt;
  const auto offset = read_offset(&in);
  if (!offset || !in.done()) return std::nullopt;
  us += *clock - *offset;
  return in_range(us) ? std::optional(us) : std::nullopt;
}

std::string format_stamp(int64_t us) {
  const int64_t days = floor_div(us, kDayUs);
  const Civil c = civil_from_days(days);
  int64_t rest = us - days * kDayUs;
  std::string out;
  put(&out, c.year, 4);
  out += '-';
  put(&out, c.month, 2);
  out += '-';
  put(&out, c.day, 2);
  out += 'T';
  put(&out, rest / (3600 * kSecondUs), 2);
  out += ':';
  put(&out, rest / (60 * kSecondUs) % 60, 2);
  out += ':';
  put(&out, rest / kSecondUs % 60, 2);
  rest %= kSecondUs;
  if (rest) {
    out += '.';
    put(&out, rest % 1000 ? rest : rest / 1000, rest % 1000 ? 6 : 3);
  }
  return out + "Z";
}

std::string format_interval(int64_t us) {
  struct Unit {
    std::string_view name;
    int64_t us;
  };
  static constexpr std::array<Unit, 6> kUnits = {
      {{"d", kDayUs}, {"h", 3600000000}, {"m", 60000000}, {"s", 1000000}, {"ms", 1000}, {"us", 1}}};
  for (const Unit& u : kUnits)
    if (us % u.us == 0) return concat({std::to_string(us / u.us), u.name});
  return {};
}

}  // namespace slip::engine::expr
