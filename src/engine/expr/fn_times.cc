#include <algorithm>
#include <array>

#include "base/text.h"
#include "engine/expr/civil.h"
#include "engine/expr/kernel.h"

namespace slip::engine::expr {
namespace {

using Text = std::string_view;
constexpr Text kGroup = "Time";

struct Split {
  int64_t days = 0;
  int64_t us = 0;  // Of the day.
  Civil civil;
};
Split split_of(Stamp t) {
  Split out;
  out.days = floor_div(t.us, kDayUs);
  out.us = t.us - out.days * kDayUs;
  out.civil = civil_from_days(out.days);
  return out;
}
int64_t weekday(int64_t days) { return ((days + 3) % 7 + 7) % 7; }  // Monday 0.

struct IsoWeek {
  int64_t year = 0;
  int64_t week = 0;
};
IsoWeek iso_week(Stamp t) {  // ISO 8601: the week that holds the year's first Thursday is 1.
  const int64_t days = floor_div(t.us, kDayUs);
  const int64_t thursday = days - weekday(days) + 3;
  const int64_t year = civil_from_days(thursday).year;
  return {year, (thursday - days_from_civil({year, 1, 1})) / 7 + 1};
}

enum class Unit : uint8_t {
  kUs,
  kMs,
  kSecond,
  kMinute,
  kHour,
  kDay,
  kWeek,
  kMonth,
  kQuarter,
  kYear
};
constexpr std::array<Text, 10> kUnits = {"microsecond", "millisecond", "second", "minute",  "hour",
                                         "day",         "week",        "month",  "quarter", "year"};
constexpr std::array<int64_t, 7> kUnitUs = {1,          1000,   kSecondUs, 60 * kSecondUs,
                                            3600000000, kDayUs, 7 * kDayUs};
constexpr int64_t kMondayUs = 4 * kDayUs;  // 1970-01-05

Result<Bound> bind_unit(const BindInput& in) {
  for (size_t i = 0; i < kUnits.size(); ++i)
    if (iequals(in.constant, kUnits[i])) return Bound(std::make_shared<const Unit>(Unit(i)));
  return invalid("expr.unit", concat({"there is no unit '", in.constant, "'"}))
      .with_hint("microsecond, millisecond, second, minute, hour, day, week, month, quarter, year");
}
Result<Bound> bind_zone(const BindInput& in) {
  return Bound(TRY(find_zone(in.constant, in.zones)));
}

int64_t months_of(Unit unit) { return unit == Unit::kYear ? 12 : unit == Unit::kQuarter ? 3 : 1; }
int64_t month_number(const Civil& c) { return c.year * 12 + c.month - 1; }

Stamp truncated(Text, Stamp t, Row& row) {
  const Unit unit = row.as<Unit>();
  if (unit >= Unit::kMonth) {
    const int64_t size = months_of(unit);
    const int64_t month = floor_div(month_number(split_of(t).civil), size) * size;
    return {days_from_civil({floor_div(month, 12), static_cast<int>(month % 12) + 1, 1}) * kDayUs};
  }
  const int64_t us = kUnitUs[static_cast<size_t>(unit)];
  const int64_t origin = unit == Unit::kWeek ? kMondayUs : 0;
  const Stamp out{floor_div(t.us - origin, us) * us + origin};
  if (!in_range(out.us)) row.fail(kOutOfRange);
  return out;
}

Stamp added(Text, int64_t n, Stamp t, Row& row) {
  const Unit unit = row.as<Unit>();
  int64_t out = 0;
  bool bad = false;
  if (unit >= Unit::kMonth) {
    const Split s = split_of(t);
    int64_t month = 0;
    bad = __builtin_mul_overflow(n, months_of(unit), &month) ||
          __builtin_add_overflow(month, month_number(s.civil), &month) || month < 0 ||
          month >= 120000;
    if (!bad) {
      Civil c{month / 12, static_cast<int>(month % 12) + 1, s.civil.day};
      c.day = std::min(c.day, days_in_month(c.year, c.month));
      out = days_from_civil(c) * kDayUs + s.us;
    }
  } else {
    bad = __builtin_mul_overflow(n, kUnitUs[static_cast<size_t>(unit)], &out) ||
          __builtin_add_overflow(out, t.us, &out);
  }
  if (bad || !in_range(out)) row.fail(kOutOfRange);
  return {row.state ? 0 : out};
}

int64_t boundaries(Text, Stamp from, Stamp to, Row& row) {
  const Unit unit = row.as<Unit>();
  if (unit >= Unit::kMonth) {
    const int64_t size = months_of(unit);
    return floor_div(month_number(split_of(to).civil), size) -
           floor_div(month_number(split_of(from).civil), size);
  }
  const int64_t us = kUnitUs[static_cast<size_t>(unit)];
  const int64_t origin = unit == Unit::kWeek ? kMondayUs : 0;
  return floor_div(to.us - origin, us) - floor_div(from.us - origin, us);
}

Stamp checked(int64_t us, bool over, Row& row) {
  if (over || !in_range(us)) row.fail(kOutOfRange);
  return {row.state ? 0 : us};
}

Stamp to_wall(Stamp t, Text, Row& row) {
  const int64_t s = floor_div(t.us, kSecondUs);
  return checked(t.us + row.as<Zone>().offset_at(s) * kSecondUs, false, row);
}
Stamp from_wall(Stamp t, Text, Row& row) {
  const int64_t s = floor_div(t.us, kSecondUs);
  return checked(t.us + (row.as<Zone>().to_utc(s) - s) * kSecondUs, false, row);
}

Stamp made(int64_t year, int64_t month, int64_t day, Row& row) {
  if (year < 0 || year > 9999 || month < 1 || month > 12 || day < 1 ||
      day > days_in_month(year, static_cast<int>(month))) {
    row.fail(kBadArgument);
    return {0};
  }
  return {days_from_civil({year, static_cast<int>(month), static_cast<int>(day)}) * kDayUs};
}

Text formatted(Stamp t, Text format, Row& row) {
  const std::string iso = format_stamp(t.us);
  const Split s = split_of(t);
  const std::string micros = std::to_string(kSecondUs + s.us % kSecondUs).substr(1);
  std::string out;
  for (size_t i = 0; i < format.size(); ++i) {
    if (format[i] != '%' || i + 1 == format.size()) {
      out += format[i];
      continue;
    }
    const int64_t of_year = s.days - days_from_civil({s.civil.year, 1, 1}) + 1;
    const char code = format[++i];
    if (code == 'Y')
      out += iso.substr(0, 4);
    else if (code == 'm')
      out += iso.substr(5, 2);
    else if (code == 'd')
      out += iso.substr(8, 2);
    else if (code == 'H')
      out += iso.substr(11, 2);
    else if (code == 'M')
      out += iso.substr(14, 2);
    else if (code == 'S')
      out += iso.substr(17, 2);
    else if (code == 'f')
      out += micros;
    else if (code == 'j')
      out += std::to_string(1000 + of_year).substr(1);
    else if (code == 'u')
      out += std::to_string(weekday(s.days) + 1);
    else if (code == '%')
      out += '%';
    else
      row.fail(kBadArgument);
    if (out.size() > kMadeTextBytesMax) row.fail(kTooLong);
    if (row.state) return {};
  }
  return row.arena.keep(out);
}

void add_fields(std::vector<Function>* out) {
  out->push_back(row<[](Stamp t) { return split_of(t).civil.year; }>(
      {"year", kGroup, "of UTC, as all fields"}));
  out->push_back(row<[](Stamp t) { return (split_of(t).civil.month - 1) / 3 + int64_t{1}; }>(
      {"quarter", kGroup, "1 … 4"}));
  out->push_back(
      row<[](Stamp t) { return int64_t{split_of(t).civil.month}; }>({"month", kGroup, "1 … 12"}));
  out->push_back(
      row<[](Stamp t) { return int64_t{split_of(t).civil.day}; }>({"day", kGroup, "1 … 31"}));
  out->push_back(
      row<[](Stamp t) { return split_of(t).us / 3600000000; }>({"hour", kGroup, "0 … 23"}));
  out->push_back(
      row<[](Stamp t) { return split_of(t).us / 60000000 % 60; }>({"minute", kGroup, "0 … 59"}));
  out->push_back(
      row<[](Stamp t) { return split_of(t).us / kSecondUs % 60; }>({"second", kGroup, "0 … 59"}));
  out->push_back(row<[](Stamp t) { return split_of(t).us % kSecondUs; }>(
      {"microsecond", kGroup, "0 … 999999"}));
  out->push_back(row<[](Stamp t) { return weekday(split_of(t).days) + 1; }>(
      {"day_of_week", kGroup, "Monday 1 … Sunday 7"}));
  out->push_back(row<[](Stamp t) {
    const Split s = split_of(t);
    return s.days - days_from_civil({s.civil.year, 1, 1}) + 1;
  }>({"day_of_year", kGroup, "1 … 366"}));
  out->push_back(
      row<[](Stamp t) { return iso_week(t).week; }>({"week", kGroup, "of ISO 8601, 1 … 53"}));
  out->push_back(
      row<[](Stamp t) { return iso_week(t).year; }>({"iso_year", kGroup, "the year of that week"}));
  out->push_back(row<[](Stamp t) {
    const Civil c = split_of(t).civil;
    return Stamp{days_from_civil({c.year, c.month, days_in_month(c.year, c.month)}) * kDayUs};
  }>({"last_day", kGroup, "midnight of the month's last day"}));
}

void add_epochs(std::vector<Function>* out) {
  out->push_back(row<[](Stamp t) { return static_cast<double>(t.us) / 1e6; }>(
      {"epoch", kGroup, "seconds since 1970, with fractions"}));
  out->push_back(
      row<[](Stamp t) { return floor_div(t.us, 1000); }>({"epoch_ms", kGroup, "rounded down"}));
  out->push_back(row<[](Stamp t) { return t.us; }>({"epoch_us", kGroup, ""}));
  out->push_back(row<[](int64_t s, Row& r) {
    int64_t us = 0;
    const bool over = __builtin_mul_overflow(s, kSecondUs, &us);
    return checked(us, over, r);
  }>({"from_epoch", kGroup, "of seconds; fails outside of years 0 to 9999"}));
  out->push_back(row<[](int64_t ms, Row& r) {
    int64_t us = 0;
    const bool over = __builtin_mul_overflow(ms, int64_t{1000}, &us);
    return checked(us, over, r);
  }>({"from_epoch_ms", kGroup, "fails outside of years 0 to 9999"}));
  out->push_back(row<[](int64_t us, Row& r) { return checked(us, false, r); }>(
      {"from_epoch_us", kGroup, "fails outside of years 0 to 9999"}));
  out->push_back(row<[](Interval i) { return static_cast<double>(i.us) / 1e6; }>(
      {"seconds", kGroup, "of an interval, with fractions"}));
}

}  // namespace

void add_times(std::vector<Function>* out) {
  add_fields(out);
  add_epochs(out);
  out->push_back(row_bound<truncated>({"date_trunc", kGroup, "('hour', t); weeks start on Monday"},
                                      0, bind_unit));
  out->push_back(row_bound<added>(
      {"date_add", kGroup, "('month', n, t); a day beyond the month's end becomes its last"}, 0,
      bind_unit));
  out->push_back(row_bound<boundaries>(
      {"date_diff", kGroup, "('day', from, to): boundaries of the unit between them"}, 0,
      bind_unit));
  out->push_back(row_bound<to_wall>(
      {"at_zone", kGroup, "t at time zone 'Z': the zone's wall clock, as if it were UTC"}, 1,
      bind_zone));
  out->push_back(row_bound<from_wall>(
      {"from_zone", kGroup, "of a wall clock; in a fold the earlier, in a gap moved forward"}, 1,
      bind_zone));
  out->push_back(
      row<made>({"make_timestamp", kGroup, "of year, month, day; fails for a day that isn't"}));
  out->push_back(row<formatted>(
      {"strftime", kGroup, "(t, '%Y-%m-%d %H:%M:%S'); also %f %j %u %%; fails for others"}));
}

}  // namespace slip::engine::expr
