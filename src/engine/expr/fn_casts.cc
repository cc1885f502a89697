#include <cmath>

#include "base/text.h"
#include "engine/expr/civil.h"
#include "engine/expr/kernel.h"
#include "engine/expr/syntax.h"

namespace slip::engine::expr {
namespace {

using Text = std::string_view;
constexpr Text kGroup = "Casts";

int64_t to_int(double v, Row& row) {
  const double whole = std::nearbyint(v);
  if (whole >= -0x1p63 && whole < 0x1p63) return static_cast<int64_t>(whole);
  row.fail(kBadCast);
  return 0;
}
int64_t parsed_int(Text t, Row& row) {
  const auto v = parse_int(trim(t));
  if (!v) row.fail(kBadCast);
  return v.value_or(0);
}
double parsed_double(Text t, Row& row) {
  t = trim(t);
  const bool minus = t.starts_with('-');
  const Text size = minus ? t.substr(1) : t;
  if (iequals(t, "nan")) return std::nan("");
  if (iequals(size, "infinity") || iequals(size, "inf")) return minus ? -HUGE_VAL : HUGE_VAL;
  const auto v = parse_double(t);
  if (!v || !std::isfinite(*v)) row.fail(kBadCast);
  return row.state ? 0 : *v;
}
bool parsed_bool(Text t, Row& row) {
  t = trim(t);
  const bool yes = iequals(t, "true") || t == "1";
  if (!yes && !iequals(t, "false") && t != "0") row.fail(kBadCast);
  return yes;
}
Stamp parsed_stamp(Text t, Row& row) {
  const auto us = parse_stamp(t);
  if (!us) row.fail(kBadCast);
  return {us.value_or(0)};
}
Interval parsed_span(Text t, Row& row) {
  const auto us = parse_interval(t);
  if (us.ok()) return {*us};
  row.fail(kBadCast);
  return {0};
}
Text valid_text(Blob b, Row& row) {
  if (is_utf8(b.bytes)) return b.bytes;
  row.fail(kBadCast);
  return {};
}

}  // namespace

void add_casts(std::vector<Function>* out) {
  out->push_back(row<[](int64_t v) { return static_cast<double>(v); }>(
      {"cast double", kGroup, "to the nearest; also where a double is wanted"}));
  out->push_back(
      row<parsed_double>({"cast double", kGroup, "also NaN, Infinity, -Infinity; fails"}));
  out->push_back(
      row<to_int>({"cast int64", kGroup, "halves to even; fails for NaN and beyond 64 bits"}));
  out->push_back(row<[](bool v) { return int64_t{v}; }>({"cast int64", kGroup, "0 or 1"}));
  out->push_back(row<parsed_int>({"cast int64", kGroup, "decimal digits; fails"}));
  out->push_back(row<[](Interval i) { return i.us; }>({"cast int64", kGroup, "microseconds"}));
  out->push_back(row<[](int64_t v) { return v != 0; }>({"cast bool", kGroup, "false for 0"}));
  out->push_back(row<parsed_bool>({"cast bool", kGroup, "true, false, 1, 0; fails"}));
  out->push_back(
      row<[](bool v) { return v ? Text("true") : Text("false"); }>({"cast string", kGroup, ""}));
  out->push_back(row<[](int64_t v, Row& r) { return r.arena.keep(std::to_string(v)); }>(
      {"cast string", kGroup, ""}));
  out->push_back(row<[](double v, Row& r) { return r.arena.keep(format_double(v)); }>(
      {"cast string", kGroup, "the shortest that reads back the same; NaN, Infinity"}));
  out->push_back(row<[](Stamp t, Row& r) { return r.arena.keep(format_stamp(t.us)); }>(
      {"cast string", kGroup, "2026-11-23T05:53:00.125Z"}));
  out->push_back(row<[](Interval i, Row& r) { return r.arena.keep(format_interval(i.us)); }>(
      {"cast string", kGroup, "90s, in the largest unit that is whole"}));
  out->push_back(row<valid_text>({"cast string", kGroup, "fails for what isn't UTF-8"}));
  out->push_back(row<[](Text t) { return Blob{t}; }>({"cast bytes", kGroup, "its UTF-8"}));
  out->push_back(row<parsed_stamp>(
      {"cast timestamp", kGroup, "ISO 8601, without offset UTC; places beyond µs are cut; fails"}));
  out->push_back(row<parsed_span>({"cast interval", kGroup, "as interval '1h30m'; fails"}));
  out->push_back(
      row<[](int64_t us) { return Interval{us}; }>({"cast interval", kGroup, "microseconds"}));
}

}  // namespace slip::engine::expr
