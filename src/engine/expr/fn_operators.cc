#include <algorithm>
#include <cmath>
#include <limits>

#include "engine/expr/civil.h"
#include "engine/expr/kernel.h"

namespace slip::engine::expr {
namespace {

constexpr std::string_view kGroup = "Operators";

struct Add {
  static bool apply(int64_t a, int64_t b, int64_t* out) {
    return __builtin_add_overflow(a, b, out);
  }
};
struct Subtract {
  static bool apply(int64_t a, int64_t b, int64_t* out) {
    return __builtin_sub_overflow(a, b, out);
  }
};
struct Multiply {
  static bool apply(int64_t a, int64_t b, int64_t* out) {
    return __builtin_mul_overflow(a, b, out);
  }
};

// Overflow is looked for once a block; only then row by row.
template <class Op>
bool any_overflow(int64_t* __restrict out, const int64_t* __restrict a, const int64_t* __restrict b,
                  int n) {
  bool over = false;
  for (int i = 0; i < n; ++i) over |= Op::apply(a[i], b[i], &out[i]);
  return over;
}

template <class Op>
void checked(const Call& c) {
  auto* out = c.write<int64_t>();
  const auto* a = c.args[0]->read<int64_t>();
  const auto* b = c.args[1]->read<int64_t>();
  if (c.out->clean && !any_overflow<Op>(out, a, b, c.n)) return;
  for (int i = 0; i < c.n; ++i) {
    const uint8_t state = c.out->clean ? uint8_t{kValid} : c.out->state[i];
    out[i] = 0;
    const bool over = !state && Op::apply(a[i], b[i], &out[i]);
    c.out->state[i] = over ? uint8_t{kOverflow} : state;
  }
  c.out->clean = false;
}

template <class Op>
Function whole(std::string_view name, ValueType type, std::string_view text) {
  Function f;
  f.name = name;
  f.group = kGroup;
  f.text = text;
  f.params = {type, type};
  f.result = type;
  f.kernel = checked<Op>;
  return f;
}

Stamp shifted(int64_t us, Row& row) {
  if (!in_range(us)) row.fail(kOutOfRange);
  return {us};
}

void add_arithmetic(std::vector<Function>* out) {
  out->push_back(whole<Add>("+", kIntType, "fails on overflow"));
  out->push_back(row<[](double a, double b) { return a + b; }>({"+", kGroup, "IEEE 754"}));
  out->push_back(row<[](Stamp a, Interval b, Row& r) {
    int64_t us = 0;
    if (__builtin_add_overflow(a.us, b.us, &us)) us = std::numeric_limits<int64_t>::max();
    return shifted(us, r);
  }>({"+", kGroup, "fails outside of years 0 to 9999"}));
  out->push_back(whole<Add>("+", kIntervalType, "fails on overflow"));
  out->push_back(whole<Subtract>("-", kIntType, "fails on overflow"));
  out->push_back(row<[](double a, double b) { return a - b; }>({"-", kGroup, "IEEE 754"}));
  out->push_back(row<[](Stamp a, Interval b, Row& r) {
    int64_t us = 0;
    if (__builtin_sub_overflow(a.us, b.us, &us)) us = std::numeric_limits<int64_t>::max();
    return shifted(us, r);
  }>({"-", kGroup, "fails outside of years 0 to 9999"}));
  out->push_back(row<[](Stamp a, Stamp b, Row& r) {
    Interval d{0};
    if (__builtin_sub_overflow(a.us, b.us, &d.us)) r.fail(kOverflow);
    return d;
  }>({"-", kGroup, "the time between"}));
  out->push_back(whole<Subtract>("-", kIntervalType, "fails on overflow"));
  out->push_back(whole<Multiply>("*", kIntType, "fails on overflow"));
  out->push_back(row<[](double a, double b) { return a * b; }>({"*", kGroup, "IEEE 754"}));
  out->push_back(row<[](Interval a, int64_t b, Row& r) {
    Interval d{0};
    if (__builtin_mul_overflow(a.us, b, &d.us)) r.fail(kOverflow);
    return d;
  }>({"*", kGroup, "fails on overflow"}));
  out->push_back(row<[](double a, double b) { return a / b; }>(
      {"/", kGroup, "IEEE 754, of integers too: 1 / 2 = 0.5, 1 / 0 = Infinity, 0 / 0 = NaN"}));
  out->push_back(row<[](Interval a, Interval b) {
    return static_cast<double>(a.us) / static_cast<double>(b.us);
  }>({"/", kGroup, "a ratio"}));
  out->push_back(row<[](int64_t a, int64_t b, Row& r) {
    if (b == 0) r.fail(kDivideByZero);
    return b == 0 || b == -1 ? int64_t{0} : a % b;
  }>({"%", kGroup, "the sign of the dividend; fails for a divisor 0"}));
  out->push_back(row<[](double a, double b) { return std::fmod(a, b); }>(
      {"%", kGroup, "exact, the sign of the dividend; NaN for a divisor 0"}));
  out->push_back(row<[](int64_t a, Row& r) {
    int64_t v = 0;
    if (__builtin_sub_overflow(int64_t{0}, a, &v)) r.fail(kOverflow);
    return v;
  }>({"-", kGroup, "fails for the least integer"}));
  out->push_back(row<[](double a) { return -a; }>({"-", kGroup, "turns the sign, of 0 too"}));
  out->push_back(row<[](Interval a, Row& r) {
    Interval v{0};
    if (__builtin_sub_overflow(int64_t{0}, a.us, &v.us)) r.fail(kOverflow);
    return v;
  }>({"-", kGroup, "fails for the least interval"}));
}

template <class T>
const auto& key(const T& v) {
  if constexpr (std::is_same_v<T, Stamp> || std::is_same_v<T, Interval>)
    return v.us;
  else if constexpr (std::is_same_v<T, Blob>)
    return v.bytes;
  else
    return v;
}

template <class T>
bool greater(T a, T b) {
  return key(b) < key(a);
}
template <class T>
bool at_least(T a, T b) {
  return key(b) <= key(a);
}

template <class T>
void add_comparison(std::vector<Function>* out, std::string_view text) {
  out->push_back(row<[](T a, T b) { return key(a) == key(b); }>({"=", kGroup, text}));
  out->push_back(row<[](T a, T b) { return key(a) != key(b); }>({"<>", kGroup, text}));
  out->push_back(row<[](T a, T b) { return key(a) < key(b); }>({"<", kGroup, text}));
  out->push_back(row<[](T a, T b) { return key(a) <= key(b); }>({"<=", kGroup, text}));
  out->push_back(row<greater<T>>({">", kGroup, text}));
  out->push_back(row<at_least<T>>({">=", kGroup, text}));
  out->push_back(row<[](T v, T lo, T hi) { return key(lo) <= key(v) && key(v) <= key(hi); }>(
      {"between", kGroup, text}));
}

// Three values: `decides` (false for and, true for or) wins over null and over a failure, on
// either side.
template <bool kDecides>
void kleene(const Call& c) {
  auto* out = c.write<bool>();
  const Vec& a = *c.args[0];
  const Vec& b = *c.args[1];
  const auto* x = a.read<bool>();
  const auto* y = b.read<bool>();
  c.out->clean = a.clean && b.clean;
  if (c.out->clean) {
    for (int i = 0; i < c.n; ++i) out[i] = kDecides ? x[i] | y[i] : x[i] & y[i];
    return;
  }
  for (int i = 0; i < c.n; ++i) {
    const uint8_t s = a.state_of(i);
    const uint8_t t = b.state_of(i);
    const bool decided = (s == kValid && x[i] == kDecides) || (t == kValid && y[i] == kDecides);
    out[i] = decided == kDecides;
    c.out->state[i] = decided ? uint8_t{kValid} : s > kNull ? s : t > kNull ? t : std::max(s, t);
  }
}

Function logic(std::string_view name, Kernel kernel, std::string_view text) {
  Function f;
  f.name = name;
  f.group = kGroup;
  f.text = text;
  f.params = {kBoolType, kBoolType};
  f.result = kBoolType;
  f.kernel = kernel;
  f.strict = false;
  return f;
}

}  // namespace

void add_operators(std::vector<Function>* out) {
  add_arithmetic(out);
  add_comparison<bool>(out, "false before true");
  add_comparison<int64_t>(out, "");
  add_comparison<double>(out, "IEEE 754: false with a NaN (<> is true), -0.0 = 0.0");
  add_comparison<std::string_view>(out, "by bytes, so by code points");
  add_comparison<Blob>(out, "by bytes");
  add_comparison<Stamp>(out, "");
  add_comparison<Interval>(out, "");
  out->push_back(logic("and", kleene<false>, "false if either is false, whatever the other is"));
  out->push_back(logic("or", kleene<true>, "true if either is true, whatever the other is"));
  out->push_back(row<[](bool a) { return !a; }>({"not", kGroup, ""}));
}

}  // namespace slip::engine::expr
