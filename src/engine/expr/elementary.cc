#include "engine/expr/elementary.h"

#include <array>
#include <bit>
#include <cstdint>
#include <limits>

#include "engine/expr/double_double.h"

namespace slip::engine::expr::elementary {
namespace {

constexpr double kInf = std::numeric_limits<double>::infinity();
constexpr double kNan = std::numeric_limits<double>::quiet_NaN();
constexpr double kTiny = 0x1p-27;  // Below it, f(x) = x + O(x^3) rounds to x.

constexpr Double2 kPi = {0x1.921fb54442d18p+1, 0x1.1a62633145c07p-53};
constexpr Double2 kHalfPi = {0x1.921fb54442d18p+0, 0x1.1a62633145c07p-54};
constexpr Double2 kPerLn10 = {0x1.bcb7b1526e50ep-2, 0x1.95355baaafad3p-57};
constexpr Double2 kPerLn2 = {0x1.71547652b82fep+0, 0x1.777d0ffda0d24p-56};
constexpr Double2 kLog10Of2 = {0x1.34413509f79ffp-2, -0x1.9dc1da994fd21p-59};
constexpr double kLn2Head = 0x1.62e42fefa2000p-1;  // 40 bits: k * kLn2Head is exact.
constexpr Double2 kLn2Tail = {0x1.9ef35793c7673p-41, 0x1.f97b57a079a19p-103};

// The leading 1408 bits of 2/pi (Payne and Hanek 1983).
constexpr uint64_t kTwoPerPi[] = {
    0xa2f9836e4e441529, 0xfc2757d1f534ddc0, 0xdb6295993c439041, 0xfe5163abdebbc561,
    0xb7246e3a424dd2e0, 0x06492eea09d1921c, 0xfe1deb1cb129a73e, 0xe88235f52ebb4484,
    0xe99c7026b45f7e41, 0x3991d639835339f4, 0x9c845f8bbdf9283b, 0x1ff897ffde05980f,
    0xef2f118b5a0a6d1f, 0x6d367ecf27cb09b7, 0x4f463f669e5fea2d, 0x7527bac7ebe5f17b,
    0x3d0739f78a5292ea, 0x6bfb5fb11f8d5d08, 0x56033046fc7b6bab, 0xf0cfbc209af4361d,
    0xa9e391615ee61b08, 0x6599855f14a06840};

struct Inverses {  // 1/n! and 1/n
  std::array<Double2, 34> factorial;
  std::array<Double2, 64> number;
  Inverses() {
    factorial[0] = {1};
    number[0] = {0};
    for (size_t n = 1; n < number.size(); ++n) number[n] = Double2{1} / Double2{double(n)};
    for (size_t n = 1; n < factorial.size(); ++n)
      factorial[n] = factorial[n - 1] / Double2{double(n)};
  }
};
const Inverses& inverses() {
  static const Inverses one;
  return one;
}

// Sum of x^n / n! over n = first, first + step, …, of `terms` terms; x_step = x^step with its sign.
Double2 factorial_series(Double2 x_step, size_t first, size_t step, size_t terms) {
  const auto& f = inverses().factorial;
  Double2 sum = f[first + step * (terms - 1)];
  for (size_t i = terms - 1; i-- > 0;) sum = sum * x_step + f[first + step * i];
  return sum;
}

// x + x^3/3 + x^5/5 + … (sign = 1), or with alternating signs (sign = -1).
Double2 odd_series(Double2 x, double sign, size_t terms) {
  const auto& inverse = inverses().number;
  const Double2 square = x * x * Double2{sign};
  Double2 sum = inverse[2 * terms - 1];
  for (size_t i = terms - 1; i-- > 0;) sum = sum * square + inverse[2 * i + 1];
  return sum * x;
}

struct Tables {
  std::array<Double2, 129> exp_64;  // exp((i - 64) / 64)
  std::array<Double2, 100> log_64;  // log(i / 64)
  std::array<Double2, 65> atan_64;  // atan(i / 64)
  Tables() {
    for (size_t i = 0; i < exp_64.size(); ++i) {
      const Double2 x{(double(i) - 64) / 64};
      exp_64[i] = factorial_series(x, 0, 1, 30);
    }
    log_64[0] = {};
    for (size_t i = 1; i < log_64.size(); ++i) {
      const double c = double(i) / 64;
      if (c >= 0.6) log_64[i] = odd_series(Double2{c - 1} / Double2{c + 1}, 1, 31) * Double2{2};
    }
    atan_64[0] = {};
    for (size_t i = 1; i < atan_64.size(); ++i) {
      const double a = double(i) / 64;
      const double b = double(i - 1) / 64;
      atan_64[i] =
          atan_64[i - 1] + odd_series(Double2{1.0 / 64} / (Double2{1} + Double2{a * b}), -1, 12);
    }
  }
};
const Tables& tables() {
  static const Tables one;
  return one;
}

struct Scaled {  // m * 2^k
  Double2 m;
  int k = 0;
};

Scaled exp2_parts(Double2 x) {  // exp(x), |x| < 1100.
  const double k = std::nearbyint(x.hi * kPerLn2.hi);
  Double2 r = exact_sum(x.hi - k * kLn2Head, x.lo) - kLn2Tail * Double2{k};
  const double j = std::nearbyint(r.hi * 64);
  r = r - Double2{j / 64};
  const Double2 series = factorial_series(r, 0, 1, 14);
  return {tables().exp_64[static_cast<size_t>(j + 64)] * series, static_cast<int>(k)};
}

double scale(Scaled s) { return std::ldexp(s.m.rounded(), s.k); }

Scaled log_split(double x) {  // x = m * 2^k, m near 1; x positive and finite.
  int k = 0;
  double m = std::frexp(x, &k);
  if (m < 0x1.6a09e667f3bcdp-1) {
    m *= 2;
    --k;
  }
  return {{m}, k};
}

Double2 log_near_1(double m) {
  const double j = std::nearbyint(m * 64);
  const double c = j / 64;
  const Double2 s = Double2{m - c} / exact_sum(m, c);
  return tables().log_64[static_cast<size_t>(j)] + odd_series(s, 1, 9) * Double2{2};
}

Double2 log_parts(double x) {
  const Scaled s = log_split(x);
  const Double2 k{double(s.k)};
  return Double2{double(s.k) * kLn2Head} + (kLn2Tail * k + log_near_1(s.m.hi));
}

// x = q * pi/2 + r with |r| <= pi/4; q modulo 4. x finite.
struct Reduced {
  Double2 r;
  unsigned q = 0;
};

__extension__ using Wide = unsigned __int128;

Reduced reduce(double x) {
  const double a = std::abs(x);
  if (a < 0.785) return {{x}, 0};
  int e = 0;
  const double f = std::frexp(a, &e);
  const auto m = static_cast<uint64_t>(f * 0x1p53);  // a = m * 2^(e - 53)
  // Product with the bits of 2/pi from `from` on: what lies before only adds multiples of 4.
  const int from = e - 53 - 2 > 0 ? e - 53 - 2 : 0;
  uint64_t window[5];
  for (int i = 0; i < 5; ++i) {
    const int bit = from + 64 * i;
    const int shift = bit % 64;
    const uint64_t high = kTwoPerPi[bit / 64];
    window[i] = shift ? high << shift | kTwoPerPi[bit / 64 + 1] >> (64 - shift) : high;
  }
  uint64_t product[6] = {};  // Big-endian, the fraction point lies 320 bits from the right.
  uint64_t carry = 0;
  for (int i = 5; i-- > 0;) {
    const Wide p = Wide{m} * window[i] + carry;
    product[i + 1] = static_cast<uint64_t>(p);
    carry = static_cast<uint64_t>(p >> 64);
  }
  product[0] = carry;
  // a * 2/pi = product * 2^(e - 53 - from) / 2^320, and e - 53 - from <= 2.
  const int up = e - 53 - from + 62;  // Moves the two bits of the quadrant to the top.
  uint64_t top[4];
  for (int i = 0; i < 4; ++i) {
    const int word = i + (up >= 0 ? up / 64 : 0);
    const int shift = up >= 0 ? up % 64 : 0;
    top[i] = shift ? product[word] << shift | product[word + 1] >> (64 - shift) : product[word];
  }
  if (up < 0) {  // Small a: shift right instead.
    const int down = -up;
    for (int i = 4; i-- > 0;) top[i] = product[i] >> down | (i ? product[i - 1] << (64 - down) : 0);
  }
  auto q = static_cast<unsigned>(top[0] >> 62);
  for (int i = 0; i < 3; ++i) top[i] = top[i] << 2 | top[i + 1] >> 62;
  const bool over = top[0] >> 63;
  if (over) {  // Nearest quadrant: the fraction becomes negative.
    ++q;
    for (int i = 0; i < 3; ++i) top[i] = ~top[i];
  }
  Double2 fraction{};
  for (int i = 3; i-- > 0;) {
    const auto high = static_cast<double>(top[i] >> 32);
    const auto low = static_cast<double>(top[i] & 0xffffffffU);
    fraction = Double2{std::ldexp(low, -64 * (i + 1))} + fraction;
    fraction = Double2{std::ldexp(high, 32 - 64 * (i + 1))} + fraction;
  }
  Double2 r = fraction * kHalfPi;
  if (over != (x < 0)) r = -r;
  return {r, x < 0 ? (4 - q % 4) % 4 : q % 4};
}

Double2 sin_series(Double2 r) { return factorial_series(-(r * r), 1, 2, 15) * r; }
Double2 cos_series(Double2 r) { return factorial_series(-(r * r), 0, 2, 15); }

Double2 sin_parts(const Reduced& a, unsigned turn) {
  const unsigned q = (a.q + turn) % 4;
  const Double2 v = q % 2 ? cos_series(a.r) : sin_series(a.r);
  return q >= 2 ? -v : v;
}

// The angle of (x, y), y >= 0, both in a harmless range and not both zero.
Double2 angle(Double2 y, Double2 x) {
  const Double2 ax = x.hi < 0 ? -x : x;
  const bool steep = y.hi > ax.hi;
  const Double2 t = steep ? ax / y : y / ax;
  const double j = std::nearbyint(t.hi * 64);
  const Double2 c{j / 64};
  const Double2 s = (t - c) / (Double2{1} + t * c);
  Double2 a = tables().atan_64[static_cast<size_t>(j)] + odd_series(s, -1, 9);
  if (steep) a = kHalfPi - a;
  return x.hi < 0 ? kPi - a : a;
}

Double2 exp_pair(double a, double sign) {  // (e^a + sign e^-a) / 2
  const Scaled up = exp2_parts({a});
  const Double2 e{std::ldexp(up.m.hi, up.k), std::ldexp(up.m.lo, up.k)};
  return (e + Double2{sign} / e) * Double2{0.5};
}

bool odd_integer(double y) {
  return std::abs(y) < 0x1p53 && y == std::trunc(y) && std::fmod(y, 2) != 0;
}

double pow_of_zero_or_inf(double x, double y) {
  const bool grows = std::isinf(x) == (y > 0);
  const double size = grows ? kInf : 0.0;
  return std::signbit(x) && odd_integer(y) ? -size : size;
}

double pow_to_inf(double a, double y) {  // y infinite, a = |x|.
  if (a == 1) return 1;
  return (a > 1) == (y > 0) ? kInf : 0.0;
}

}  // namespace

double exp(double x) {
  if (std::isnan(x)) return kNan;
  if (x > 710) return kInf;
  if (x < -746) return 0;
  return scale(exp2_parts({x}));
}

double log(double x) {
  if (std::isnan(x) || x < 0) return kNan;
  if (x == 0) return -kInf;
  return std::isinf(x) ? x : log_parts(x).rounded();
}

double log2(double x) {
  if (std::isnan(x) || x < 0) return kNan;
  if (x == 0) return -kInf;
  if (std::isinf(x)) return x;
  const Scaled s = log_split(x);
  return (Double2{double(s.k)} + log_near_1(s.m.hi) * kPerLn2).rounded();
}

double log10(double x) {
  if (std::isnan(x) || x < 0) return kNan;
  if (x == 0) return -kInf;
  if (std::isinf(x)) return x;
  const Scaled s = log_split(x);
  return (kLog10Of2 * Double2{double(s.k)} + log_near_1(s.m.hi) * kPerLn10).rounded();
}

double pow(double x, double y) {
  if (y == 0 || x == 1) return 1;
  if (std::isnan(x) || std::isnan(y)) return kNan;
  const double a = std::abs(x);
  if (std::isinf(y)) return pow_to_inf(a, y);
  if (x == 0 || std::isinf(x)) return pow_of_zero_or_inf(x, y);
  if (x < 0 && y != std::trunc(y)) return kNan;
  const double sign = x < 0 && odd_integer(y) ? -1 : 1;
  if (a == 1) return sign;
  const Double2 l = log_parts(a);
  const double about = l.hi * y;
  if (about > 710) return sign * kInf;
  if (about < -746) return sign * 0.0;
  if (std::abs(about) < 0x1p-60) return sign;
  return sign * scale(exp2_parts(l * Double2{y}));
}

double cbrt(double x) {
  if (x == 0 || !std::isfinite(x)) return std::isnan(x) ? kNan : x;
  const Scaled s = log_split(std::abs(x));
  const int third = s.k >= 0 ? s.k / 3 : -((2 - s.k) / 3);
  const double m = std::ldexp(s.m.hi, s.k - 3 * third);
  const Scaled e = exp2_parts(log_parts(m) / Double2{3});
  const double root = std::ldexp(scale(e), third);
  return x < 0 ? -root : root;
}

double sin(double x) {
  if (!std::isfinite(x)) return kNan;
  return std::abs(x) < kTiny ? x : sin_parts(reduce(x), 0).rounded();
}

double cos(double x) {
  if (!std::isfinite(x)) return kNan;
  return std::abs(x) < kTiny ? 1 : sin_parts(reduce(x), 1).rounded();
}

double tan(double x) {
  if (!std::isfinite(x)) return kNan;
  if (std::abs(x) < kTiny) return x;
  const Reduced a = reduce(x);
  return (sin_parts(a, 0) / sin_parts(a, 1)).rounded();
}

double asin(double x) {
  if (std::isnan(x) || std::abs(x) > 1) return kNan;
  if (std::abs(x) < kTiny) return x;
  const double a = std::abs(x);
  if (a == 1) return std::copysign(kHalfPi.hi, x);
  const Double2 side = root(exact_sum(1, -a) * exact_sum(1, a));
  return std::copysign(angle({a}, side).rounded(), x);
}

double acos(double x) {
  if (std::isnan(x) || std::abs(x) > 1) return kNan;
  if (std::abs(x) == 1) return x < 0 ? kPi.hi : 0;
  const double a = std::abs(x);
  if (a < 0x1p-60) return kHalfPi.hi;
  return angle(root(exact_sum(1, -a) * exact_sum(1, a)), {x}).rounded();
}

double atan(double x) {
  if (std::isnan(x)) return kNan;
  const double a = std::abs(x);
  if (a < kTiny) return x;
  if (a > 0x1p60) return std::copysign(kHalfPi.hi, x);
  return std::copysign(angle({a}, {1}).rounded(), x);
}

double atan2(double y, double x) {
  if (std::isnan(x) || std::isnan(y)) return kNan;
  double ay = std::abs(y);
  double to_x = x;
  if (std::isinf(ay) || std::isinf(x)) {  // Infinities are all of one size.
    to_x = std::isinf(x) ? std::copysign(1, x) : std::copysign(0.0, x);
    ay = std::isinf(ay) ? 1 : 0;
  }
  if (ay == 0) return std::copysign(std::signbit(to_x) ? kPi.hi : 0, y);
  if (to_x == 0) return std::copysign(kHalfPi.hi, y);
  int ey = 0;
  int ex = 0;
  const double fy = std::frexp(ay, &ey);
  const double fx = std::frexp(to_x, &ex);
  if (ey - ex > 120) return std::copysign(kHalfPi.hi, y);
  if (ex - ey > 120) return std::copysign(to_x < 0 ? kPi.hi : std::ldexp(fy / fx, ey - ex), y);
  if (to_x > 0 && ex - ey > 30)  // atan(t) = t - t^3/3: the quotient, rounded once.
    return std::copysign(std::ldexp(fy / fx, ey - ex), y);
  return std::copysign(angle({std::ldexp(fy, ey - ex)}, {fx}).rounded(), y);
}

double sinh(double x) {
  if (!std::isfinite(x)) return std::isnan(x) ? kNan : x;
  const double a = std::abs(x);
  if (a < kTiny) return x;
  if (a > 711) return std::copysign(kInf, x);
  if (a < 0.35) return (factorial_series(exact_product(x, x), 1, 2, 11) * Double2{x}).rounded();
  if (a < 300) return std::copysign(exp_pair(a, -1).rounded(), x);
  Scaled big = exp2_parts({a});
  --big.k;
  return std::copysign(scale(big), x);
}

double cosh(double x) {
  if (std::isnan(x)) return kNan;
  const double a = std::abs(x);
  if (a > 711) return kInf;
  if (a < 300) return exp_pair(a, 1).rounded();
  Scaled big = exp2_parts({a});
  --big.k;
  return scale(big);
}

double tanh(double x) {
  if (std::isnan(x)) return kNan;
  const double a = std::abs(x);
  if (a < kTiny) return x;
  if (a > 22) return std::copysign(1, x);
  const Double2 s =
      a < 0.35 ? factorial_series(exact_product(a, a), 1, 2, 11) * Double2{a} : exp_pair(a, -1);
  return std::copysign((s / exp_pair(a, 1)).rounded(), x);
}

}  // namespace slip::engine::expr::elementary
