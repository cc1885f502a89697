#pragma once

#include <cmath>
#include <cstdint>

// A number as hi + lo with |lo| <= ulp(hi) / 2 (Dekker 1971, Knuth TAOCP 4.2.2): about 104 bits.
// No FMA, so the bits depend on no CPU. Arguments of products must lie well inside the exponent
// range. Pure.
namespace slip::engine::expr {

struct Double2 {
  double hi = 0;
  double lo = 0;
  double rounded() const { return hi + lo; }
};

inline Double2 quick_sum(double a, double b) {  // |a| >= |b|.
  const double s = a + b;
  return {s, b - (s - a)};
}

inline Double2 exact_sum(double a, double b) {
  const double s = a + b;
  const double t = s - a;
  return {s, (a - (s - t)) + (b - t)};
}

inline Double2 halves(double a) {
  const double t = 134217729.0 * a;  // 2^27 + 1
  const double hi = t - (t - a);
  return {hi, a - hi};
}

inline Double2 exact_product(double a, double b) {
  const double p = a * b;
  const Double2 x = halves(a);
  const Double2 y = halves(b);
  return {p, ((x.hi * y.hi - p) + x.hi * y.lo + x.lo * y.hi) + x.lo * y.lo};
}

inline Double2 operator-(Double2 a) { return {-a.hi, -a.lo}; }

inline Double2 operator+(Double2 a, Double2 b) {
  Double2 s = exact_sum(a.hi, b.hi);
  const Double2 t = exact_sum(a.lo, b.lo);
  s = quick_sum(s.hi, s.lo + t.hi);
  return quick_sum(s.hi, s.lo + t.lo);
}
inline Double2 operator-(Double2 a, Double2 b) { return a + -b; }

inline Double2 operator*(Double2 a, Double2 b) {
  const Double2 p = exact_product(a.hi, b.hi);
  return quick_sum(p.hi, p.lo + (a.hi * b.lo + a.lo * b.hi));
}

inline Double2 operator/(Double2 a, Double2 b) {
  const double q1 = a.hi / b.hi;
  Double2 r = a - b * Double2{q1};
  const double q2 = r.hi / b.hi;
  r = r - b * Double2{q2};
  const double q3 = r.hi / b.hi;
  return quick_sum(q1, q2) + Double2{q3};
}

inline Double2 root(Double2 a) {  // a > 0; one step of Newton from the rounded root.
  const double s = std::sqrt(a.hi);
  const Double2 left = a - exact_product(s, s);
  return quick_sum(s, left.hi / (2 * s));
}

}  // namespace slip::engine::expr
