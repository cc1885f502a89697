#include "http/date.h"

#include <algorithm>
#include <array>
#include <chrono>

#include "base/text.h"

namespace slip::http {
namespace {

// The names of a header, whatever the locale.
constexpr std::array<std::string_view, 7> kDays = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
constexpr std::array<std::string_view, 12> kMonths = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                                      "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};

std::string digits(int64_t n, size_t places) {
  std::string out = std::to_string(n);
  return out.size() < places ? std::string(places - out.size(), '0') + out : out;
}

// Digits alone; a blank may stand for the first of a day ("Nov  6").
std::optional<int> number(std::string_view text) {
  if (text.empty() || text.find_first_not_of("0123456789") != text.npos) return std::nullopt;
  const auto n = parse_int(text);
  return n ? std::optional<int>(static_cast<int>(*n)) : std::nullopt;
}

// What a date says, each as its text.
struct Fields {
  std::string_view day;
  std::string_view month;
  std::string_view year;
  std::string_view time;  // "08:49:37"
};

std::optional<int64_t> seconds_of(const Fields& f, int64_t now_s) {
  using namespace std::chrono;
  const auto month_at = std::find(kMonths.begin(), kMonths.end(), f.month);
  if (month_at == kMonths.end() || f.time.size() != 8 || f.time[2] != ':' || f.time[5] != ':')
    return std::nullopt;
  const auto day = number(f.day);
  auto year = number(f.year);
  const auto hour = number(f.time.substr(0, 2));
  const auto minute = number(f.time.substr(3, 2));
  const auto second = number(f.time.substr(6, 2));
  if (!day || !year || !hour || !minute || !second) return std::nullopt;
  if (*hour > 23 || *minute > 59 || *second > 60) return std::nullopt;
  if (f.year.size() == 2) {
    const year_month_day now(floor<days>(sys_seconds(std::chrono::seconds(now_s))));
    const int this_year = static_cast<int>(now.year());
    *year += this_year / 100 * 100;
    if (*year > this_year + 50) *year -= 100;
  }
  const auto month = static_cast<unsigned>(month_at - kMonths.begin()) + 1;
  const year_month_day date(std::chrono::year(*year), std::chrono::month(month),
                            std::chrono::day(static_cast<unsigned>(*day)));
  if (!date.ok()) return std::nullopt;
  const sys_seconds at =
      sys_days(date) + hours(*hour) + minutes(*minute) + std::chrono::seconds(*second);
  return at.time_since_epoch().count();
}

}  // namespace

std::string http_date(int64_t unix_s) {
  using namespace std::chrono;
  const sys_seconds at{std::chrono::seconds(unix_s)};
  const sys_days date = floor<days>(at);
  const year_month_day ymd(date);
  const hh_mm_ss time(at - date);
  return concat(
      {kDays[weekday(date).c_encoding()], ", ", digits(static_cast<unsigned>(ymd.day()), 2), " ",
       kMonths[static_cast<unsigned>(ymd.month()) - 1], " ",
       digits(static_cast<int>(ymd.year()), 4), " ", digits(time.hours().count(), 2), ":",
       digits(time.minutes().count(), 2), ":", digits(time.seconds().count(), 2), " GMT"});
}

std::optional<int64_t> parse_http_date(std::string_view text, int64_t now_s) {
  text = trim(text);
  const size_t comma = text.find(", ");
  if (comma == text.npos) {  // "Sun Nov  6 08:49:37 1994"
    if (text.size() != 24) return std::nullopt;
    return seconds_of({.day = trim(text.substr(8, 2)),
                       .month = text.substr(4, 3),
                       .year = text.substr(20),
                       .time = text.substr(11, 8)},
                      now_s);
  }
  const std::string_view rest = text.substr(comma + 2);
  if (!rest.ends_with(" GMT")) return std::nullopt;
  if (rest.size() == 24)  // "06 Nov 1994 08:49:37 GMT"
    return seconds_of({.day = rest.substr(0, 2),
                       .month = rest.substr(3, 3),
                       .year = rest.substr(7, 4),
                       .time = rest.substr(12, 8)},
                      now_s);
  if (rest.size() == 22)  // "06-Nov-94 08:49:37 GMT"
    return seconds_of({.day = rest.substr(0, 2),
                       .month = rest.substr(3, 3),
                       .year = rest.substr(7, 2),
                       .time = rest.substr(10, 8)},
                      now_s);
  return std::nullopt;
}

}  // namespace slip::http
