#include <array>
#include <cmath>
#include <limits>

#include "engine/expr/elementary.h"
#include "engine/expr/kernel.h"

namespace slip::engine::expr {
namespace {

constexpr std::string_view kGroup = "Numbers";
constexpr double kPi = 3.141592653589793;

double sign_of(double x) { return x > 0 ? 1 : x < 0 ? -1 : x; }

int64_t whole_sign(int64_t x) { return x > 0 ? 1 : x < 0 ? -1 : 0; }

double round_to(double x, int64_t places, Row& row) {
  static constexpr std::array<double, 16> kTens = {1e0, 1e1, 1e2,  1e3,  1e4,  1e5,  1e6,  1e7,
                                                   1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15};
  if (places < -15 || places > 15) {
    row.fail(kBadArgument);
    return 0;
  }
  const double ten = kTens[static_cast<size_t>(std::abs(places))];
  if (places < 0) return std::round(x / ten) * ten;
  return std::abs(x) * ten >= 0x1p52 || !std::isfinite(x) ? x : std::round(x * ten) / ten;
}

double haversine_km(double lat1, double lon1, double lat2, double lon2) {
  constexpr double kEarthKm = 6371.0088;  // Mean radius of the WGS 84 ellipsoid.
  constexpr double kRadian = kPi / 180;
  const double s = elementary::sin((lat2 - lat1) * kRadian / 2);
  const double t = elementary::sin((lon2 - lon1) * kRadian / 2);
  const double h =
      s * s + elementary::cos(lat1 * kRadian) * elementary::cos(lat2 * kRadian) * t * t;
  return 2 * kEarthKm * elementary::asin(std::sqrt(h < 1 ? h : h >= 1 ? 1 : h));
}

int64_t divided(int64_t a, int64_t b, Row& row) {
  if (b == 0) row.fail(kDivideByZero);
  if (b == -1 && a == std::numeric_limits<int64_t>::min()) row.fail(kOverflow);
  return row.state ? 0 : a / b;
}

int64_t remainder_of(int64_t a, int64_t b, Row& row) {
  if (b == 0) row.fail(kDivideByZero);
  return b == 0 || b == -1 ? 0 : a % b;
}

template <class T>
T clipped(T x, T lo, T hi) {
  return x < lo ? lo : x > hi ? hi : x;
}

void add_rounding(std::vector<Function>* out) {
  out->push_back(row<[](int64_t x, Row& r) {
    if (x == std::numeric_limits<int64_t>::min()) r.fail(kOverflow);
    return r.state ? int64_t{0} : std::abs(x);
  }>({"abs", kGroup, "fails for the least integer"}));
  out->push_back(row<[](double x) { return std::abs(x); }>({"abs", kGroup, ""}));
  out->push_back(row<whole_sign>({"sign", kGroup, "-1, 0 or 1"}));
  out->push_back(row<sign_of>({"sign", kGroup, "-1.0, 1.0, or the zero or NaN itself"}));
  out->push_back(row<[](double x) { return std::floor(x); }>({"floor", kGroup, "exact"}));
  out->push_back(row<[](double x) { return std::ceil(x); }>({"ceil", kGroup, "exact"}));
  out->push_back(row<[](double x) { return std::trunc(x); }>({"trunc", kGroup, "towards 0"}));
  out->push_back(
      row<[](double x) { return std::round(x); }>({"round", kGroup, "halves away from 0"}));
  out->push_back(row<round_to>(
      {"round", kGroup, "to places -15 … 15: round(x * 10^n) / 10^n; fails for others"}));
  out->push_back(row<[](double x) { return std::nearbyint(x); }>(
      {"round_even", kGroup, "halves to the even neighbour"}));
  out->push_back(
      row<divided>({"div", kGroup, "integer division towards 0; fails for a divisor 0"}));
  out->push_back(row<remainder_of>({"mod", kGroup, "as %"}));
  out->push_back(row<[](double a, double b) { return std::fmod(a, b); }>({"mod", kGroup, "as %"}));
  out->push_back(row<clipped<int64_t>>({"clip", kGroup, "x within lo … hi"}));
  out->push_back(row<clipped<double>>({"clip", kGroup, "x within lo … hi; a NaN stays"}));
  out->push_back(row<[](double x) { return x != x; }>({"isnan", kGroup, ""}));
  out->push_back(row<[](double x) { return std::isinf(x); }>({"isinf", kGroup, ""}));
  out->push_back(row<[](double x) { return std::isfinite(x); }>({"isfinite", kGroup, ""}));
  out->push_back(row<[](int64_t a, int64_t b) { return a & b; }>({"bit_and", kGroup, ""}));
  out->push_back(row<[](int64_t a, int64_t b) { return a | b; }>({"bit_or", kGroup, ""}));
  out->push_back(row<[](int64_t a, int64_t b) { return a ^ b; }>({"bit_xor", kGroup, ""}));
}

}  // namespace

void add_numbers(std::vector<Function>* out) {
  namespace e = elementary;
  add_rounding(out);
  out->push_back(row<[](double x) { return std::sqrt(x); }>({"sqrt", kGroup, "NaN below 0"}));
  out->push_back(row<e::cbrt>({"cbrt", kGroup, ""}));
  out->push_back(row<e::exp>({"exp", kGroup, ""}));
  out->push_back(row<e::log>({"ln", kGroup, "-Infinity of 0, NaN below"}));
  out->push_back(row<e::log2>({"log2", kGroup, "-Infinity of 0, NaN below"}));
  out->push_back(row<e::log10>({"log10", kGroup, "-Infinity of 0, NaN below"}));
  out->push_back(row<e::pow>({"pow", kGroup, "C99's cases: pow(x, 0) = pow(1, y) = 1"}));
  out->push_back(row<e::sin>({"sin", kGroup, "radians; NaN of infinities"}));
  out->push_back(row<e::cos>({"cos", kGroup, "radians; NaN of infinities"}));
  out->push_back(row<e::tan>({"tan", kGroup, "radians; NaN of infinities"}));
  out->push_back(row<e::asin>({"asin", kGroup, "NaN outside of -1 … 1"}));
  out->push_back(row<e::acos>({"acos", kGroup, "NaN outside of -1 … 1"}));
  out->push_back(row<e::atan>({"atan", kGroup, ""}));
  out->push_back(row<e::atan2>({"atan2", kGroup, "atan2(y, x)"}));
  out->push_back(row<e::sinh>({"sinh", kGroup, ""}));
  out->push_back(row<e::cosh>({"cosh", kGroup, ""}));
  out->push_back(row<e::tanh>({"tanh", kGroup, ""}));
  out->push_back(row<[](double x) { return 1 / (1 + elementary::exp(-x)); }>(
      {"sigmoid", kGroup, "1 / (1 + exp(-x))"}));
  out->push_back(row<[](double x) { return x * (180 / kPi); }>({"degrees", kGroup, ""}));
  out->push_back(row<[](double x) { return x * (kPi / 180); }>({"radians", kGroup, ""}));
  out->push_back(row<[]() { return kPi; }>({"pi", kGroup, ""}));
  out->push_back(
      row<haversine_km>({"haversine_km", kGroup,
                         "great circle of (lat, lon, lat, lon) in degrees, radius 6371.0088 km"}));
}

}  // namespace slip::engine::expr
