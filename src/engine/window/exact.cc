#include "engine/window/exact.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>

#include "base/check.h"
#include "engine/window/bytes.h"

namespace slip::window {
namespace {

using Digits = std::vector<uint32_t>;

Digits plus(const Digits& a, const Digits& b) {
  Digits out(std::max(a.size(), b.size()) + 1);
  uint64_t carry = 0;
  for (size_t i = 0; i < out.size(); ++i) {
    carry += (i < a.size() ? a[i] : 0ULL) + (i < b.size() ? b[i] : 0ULL);
    out[i] = static_cast<uint32_t>(carry);
    carry >>= 32;
  }
  return out;
}

// a >= b.
Digits minus(const Digits& a, const Digits& b) {
  Digits out(a.size());
  int64_t borrow = 0;
  for (size_t i = 0; i < a.size(); ++i) {
    const int64_t d = int64_t{a[i]} - (i < b.size() ? b[i] : 0) + borrow;
    out[i] = static_cast<uint32_t>(d);
    borrow = d >> 32;
  }
  return out;
}

// mantissa * 2^exponent, more bits than a double has: rounded once, `inexact` bits follow.
double assemble(Uint128 m, bool inexact, int64_t exponent) {
  if (m == 0) return 0;
  const auto high = static_cast<uint64_t>(m >> 64);
  const int width =
      high ? 128 - std::countl_zero(high) : 64 - std::countl_zero(static_cast<uint64_t>(m));
  const int64_t top = exponent + width;  // The value lies in [2^(top-1), 2^top).
  if (top > 1024) return std::numeric_limits<double>::infinity();
  const int64_t keep = std::min<int64_t>(53, top + 1074);
  if (keep < 0) return 0;
  const int64_t drop = width - keep;
  uint64_t bits = 0;
  if (drop <= 0) {
    bits = static_cast<uint64_t>(m << -drop);
  } else {
    bits = drop >= 128 ? 0 : static_cast<uint64_t>(m >> drop);
    const Uint128 half = Uint128{1} << (drop - 1);
    const Uint128 rest = drop >= 128 ? m : m & ((half << 1) - 1);
    if (rest > half || (rest == half && (inexact || (bits & 1)))) ++bits;
  }
  // The unit of `bits` is 2^(top - keep), at least 2^-1074: biased exponents follow from addition.
  const int64_t unit = top - keep;
  if (bits >> 53) return assemble(bits, false, unit);  // Rounded up to the next power of two.
  if (bits < (uint64_t{1} << 52))
    return std::bit_cast<double>(bits);  // Subnormal; unit is 2^-1074.
  return std::bit_cast<double>((bits & ((uint64_t{1} << 52) - 1)) |
                               static_cast<uint64_t>(unit + 1075) << 52);
}

// The integer below the root of v < 2^127: a double's root, one step of Newton's, and the rest by
// ones.
uint64_t root(Uint128 v) {
  auto r = static_cast<uint64_t>(std::sqrt(static_cast<double>(v)));
  if (r == 0) return 0;
  const auto off = static_cast<Int128>(v) - static_cast<Int128>(Uint128{r} * r);
  r += static_cast<uint64_t>(
      static_cast<int64_t>(static_cast<double>(off) / (2 * static_cast<double>(r))));
  while (Uint128{r} * r > v) --r;
  while (Uint128{r + 1} * (r + 1) <= v) ++r;
  return r;
}

}  // namespace

Big::Big(Int128 v) : negative_(v < 0) {
  auto m = v < 0 ? Uint128{0} - static_cast<Uint128>(v) : static_cast<Uint128>(v);
  for (; m; m >>= 32) mag_.push_back(static_cast<uint32_t>(m));
}

int64_t Big::bits() const {
  return mag_.empty() ? 0 : static_cast<int64_t>(mag_.size()) * 32 - std::countl_zero(mag_.back());
}

void Big::trim() {
  while (!mag_.empty() && mag_.back() == 0) mag_.pop_back();
  if (mag_.empty()) negative_ = false;
}

int Big::compare(const Digits& a, const Digits& b) {
  if (a.size() != b.size()) return a.size() < b.size() ? -1 : 1;
  for (size_t i = a.size(); i-- > 0;) {
    if (a[i] != b[i]) return a[i] < b[i] ? -1 : 1;
  }
  return 0;
}

int64_t Big::to_int64() const {
  uint64_t v = 0;
  for (size_t i = 0; i < std::min<size_t>(mag_.size(), 2); ++i) v |= uint64_t{mag_[i]} << (32 * i);
  return static_cast<int64_t>(negative_ ? 0 - v : v);
}

Big Big::operator-() const {
  Big out = *this;
  out.negative_ = !negative_ && !zero();
  return out;
}

Big operator+(const Big& a, const Big& b) {
  Big out;
  if (a.negative_ == b.negative_) {
    out.mag_ = plus(a.mag_, b.mag_);
    out.negative_ = a.negative_;
  } else {
    const bool a_is_more = Big::compare(a.mag_, b.mag_) >= 0;
    out.mag_ = a_is_more ? minus(a.mag_, b.mag_) : minus(b.mag_, a.mag_);
    out.negative_ = a_is_more ? a.negative_ : b.negative_;
  }
  out.trim();
  return out;
}

Big operator*(const Big& a, const Big& b) {
  Big out;
  out.mag_.assign(a.mag_.size() + b.mag_.size(), 0);
  for (size_t i = 0; i < a.mag_.size(); ++i) {
    uint64_t carry = 0;
    for (size_t j = 0; j < b.mag_.size(); ++j) {
      carry += uint64_t{a.mag_[i]} * b.mag_[j] + out.mag_[i + j];
      out.mag_[i + j] = static_cast<uint32_t>(carry);
      carry >>= 32;
    }
    out.mag_[i + b.mag_.size()] = static_cast<uint32_t>(carry);
  }
  out.negative_ = a.negative_ != b.negative_;
  out.trim();
  return out;
}

Big Big::shifted(int64_t left) const {
  Big out;
  if (zero()) return out;
  const int64_t words = left >> 5;
  const int small = static_cast<int>(left & 31);
  const int64_t size = static_cast<int64_t>(mag_.size()) + words + 1;
  if (size <= 0) return out;
  out.mag_.assign(static_cast<size_t>(size), 0);
  for (size_t i = 0; i < mag_.size(); ++i) {
    const uint64_t v = uint64_t{mag_[i]} << small;
    const int64_t at = static_cast<int64_t>(i) + words;
    if (at >= 0) out.mag_[static_cast<size_t>(at)] |= static_cast<uint32_t>(v);
    if (at + 1 >= 0) out.mag_[static_cast<size_t>(at + 1)] |= static_cast<uint32_t>(v >> 32);
  }
  out.negative_ = negative_;
  out.trim();
  return out;
}

// floor(|a| * 2^shift / b), which the caller knows to fit 128 bits.
Big::Quotient divide(const Big& a, const Big& b, int64_t shift) {
  Big num = a.negative() ? -a : a;
  Big den = b;
  shift >= 0 ? void(num = num.shifted(shift)) : void(den = den.shifted(-shift));
  Big::Quotient out;
  if (den.bits() <= 96) {  // Limb by limb: what is left stays below den, so one more limb fits.
    Uint128 d = 0, rest = 0;
    for (size_t i = den.mag_.size(); i-- > 0;) d = d << 32 | den.mag_[i];
    for (size_t i = num.mag_.size(); i-- > 0;) {
      rest = rest << 32 | num.mag_[i];
      out.value = out.value << 32 | rest / d;
      rest %= d;
    }
    out.inexact = rest != 0;
    return out;
  }
  const int64_t steps = num.bits() - den.bits();
  for (int64_t bit = steps; bit >= 0; --bit) {
    const Big part = den.shifted(bit);
    out.value <<= 1;
    if (Big::compare(num.mag_, part.mag_) < 0) continue;
    num = num - part;
    out.value |= 1;
  }
  out.inexact = !num.zero();
  return out;
}

double round_ratio(const Big& num, const Big& den, int64_t exponent) {
  CHECK(!den.zero() && !den.negative());
  if (num.zero()) return 0;
  const int64_t shift = 66 - (num.bits() - den.bits());
  const Big::Quotient q = divide(num, den, shift);
  const double v = assemble(q.value, q.inexact, exponent - shift);
  return num.negative() ? -v : v;
}

double round_sqrt(const Big& num, const Big& den, int64_t exponent) {
  CHECK(!den.zero() && !den.negative() && !num.negative());
  if (num.zero()) return 0;
  int64_t shift = 125 - (num.bits() - den.bits());
  if ((exponent - shift) & 1) ++shift;
  const Big::Quotient q = divide(num, den, shift);
  const uint64_t r = root(q.value);
  return assemble(r, q.inexact || Uint128{r} * r != q.value, (exponent - shift) / 2);
}

ExactSum::Term ExactSum::term(double x, int power) {
  const auto bits = std::bit_cast<uint64_t>(x);
  const auto biased = static_cast<int64_t>(bits >> 52 & 0x7ff);
  CHECK(biased != 0x7ff);
  const uint64_t fraction = bits & ((uint64_t{1} << 52) - 1);
  const uint64_t mantissa = biased ? fraction | uint64_t{1} << 52 : fraction;
  return scaled(mantissa, std::max<int64_t>(biased, 1) - 1075, power, (bits >> 63) && (power & 1));
}

ExactSum::Term ExactSum::term(int64_t x, int power) {
  const uint64_t mantissa = x < 0 ? 0 - static_cast<uint64_t>(x) : static_cast<uint64_t>(x);
  return scaled(mantissa, 0, power, x < 0 && (power & 1));
}

ExactSum::Term ExactSum::scaled(uint64_t mantissa, int64_t exponent, int power, bool negative) {
  Term out;
  if (mantissa == 0) return out;
  const int zeros = std::countr_zero(mantissa);  // Short sums stay short.
  mantissa >>= zeros;
  exponent = (exponent + zeros) * power - kLowBit;
  uint32_t words[9] = {static_cast<uint32_t>(mantissa), static_cast<uint32_t>(mantissa >> 32)};
  for (int p = 1; p < power; ++p) {
    uint32_t next[9] = {};
    for (size_t i = 0; i < 7; ++i) {
      if (words[i] == 0) continue;
      const Uint128 v = Uint128{mantissa} * words[i];
      uint64_t carry = 0;
      for (size_t j = i; j < 9 && (j - i < 3 || carry); ++j) {
        const uint64_t part = j - i < 3 ? static_cast<uint32_t>(v >> (32 * (j - i))) : 0;
        carry += uint64_t{next[j]} + part;
        next[j] = static_cast<uint32_t>(carry);
        carry >>= 32;
      }
    }
    std::copy_n(next, 9, words);
  }
  size_t used = 9;
  while (words[used - 1] == 0) --used;
  out.at = exponent >> 5;
  out.used = static_cast<int64_t>(used) + 1;
  const int small = static_cast<int>(exponent & 31);
  for (size_t i = 0; i < used; ++i) {
    const uint64_t v = uint64_t{words[i]} << small;
    out.limbs[i] += static_cast<int64_t>(v & 0xffffffff);
    out.limbs[i + 1] += static_cast<int64_t>(v >> 32);
  }
  if (negative)
    for (int64_t& limb : out.limbs) limb = -limb;
  return out;
}

void ExactSum::add(const Term& term, int sign) {
  if (term.used == 0) return;
  reach(term.at, term.at + term.used);
  int64_t* limb = limbs_.data() + (term.at - first_);
  for (size_t i = 0; i < static_cast<size_t>(term.used); ++i)
    limb[i] += sign < 0 ? -term.limbs[i] : term.limbs[i];
  if (++pending_ >= int64_t{1} << 28) carry();
}

void ExactSum::reach(int64_t first, int64_t end) {
  if (limbs_.empty()) first_ = first;
  if (first < first_) {
    limbs_.zeros_in_front(static_cast<size_t>(first_ - first));
    first_ = first;
  }
  if (end > first_ + static_cast<int64_t>(limbs_.size())) {
    limbs_.resize(static_cast<size_t>(end - first_));
  }
}

void ExactSum::carry() {
  int64_t over = 0;
  for (size_t i = 0; i + 1 < limbs_.size(); ++i) {
    const int64_t v = limbs_[i] + over;
    limbs_[i] = v & 0xffffffff;
    over = v >> 32;
  }
  if (limbs_.empty()) return;
  limbs_.back() += over;
  for (int64_t v = limbs_.back(); v < -(int64_t{1} << 31) || v >= int64_t{1} << 31;
       v = limbs_.back()) {
    limbs_.back() = v & 0xffffffff;
    limbs_.push_back(v >> 32);
  }
  pending_ = 0;
}

void ExactSum::merge(const ExactSum& other, int sign) {
  if (other.limbs_.empty()) return;
  if (pending_ + other.pending_ >= int64_t{1} << 28) carry();
  reach(other.first_, other.first_ + static_cast<int64_t>(other.limbs_.size()));
  int64_t* limb = limbs_.data() + (other.first_ - first_);
  for (size_t i = 0; i < other.limbs_.size(); ++i) {
    limb[i] += sign < 0 ? -other.limbs_[i] : other.limbs_[i];
  }
  pending_ += other.pending_ + 1;
  if (pending_ >= int64_t{1} << 28) carry();
}

// One form a value: no zero limb below, no limb above that only repeats the sign.
ExactSum ExactSum::canonical() const {
  ExactSum out = *this;
  out.carry();
  auto& l = out.limbs_;
  while (l.size() > 1) {
    const bool sign_only = (l.back() == 0 && l[l.size() - 2] < int64_t{1} << 31) ||
                           (l.back() == -1 && l[l.size() - 2] >= int64_t{1} << 31);
    if (!sign_only) break;
    const bool negative = l.back() < 0;
    l.pop_back();
    if (negative) l.back() -= int64_t{1} << 32;
  }
  size_t zeros = 0;
  while (zeros < l.size() && l[zeros] == 0) ++zeros;
  l.drop_front(zeros);
  out.first_ = l.empty() ? 0 : out.first_ + static_cast<int64_t>(zeros);
  return out;
}

Big ExactSum::value(int64_t* exponent) const {
  const ExactSum c = canonical();
  *exponent = c.limbs_.empty() ? 0 : c.first_ * 32 + kLowBit;
  Big out;
  if (c.limbs_.empty()) return out;
  const bool negative = c.limbs_.back() < 0;
  int64_t over = 0;
  for (const int64_t limb : c.limbs_) {
    const int64_t v = (negative ? -limb : limb) + over;
    out.mag_.push_back(static_cast<uint32_t>(v));
    over = v >> 32;
  }
  CHECK(over == 0);
  out.negative_ = negative;
  out.trim();
  return out;
}

int64_t ExactSum::lowest_exponent() const { return limbs_.empty() ? 0 : first_ * 32 + kLowBit; }

Big ExactSum::value_at(int64_t exponent) const {
  int64_t own = 0;
  const Big v = value(&own);
  return v.zero() ? v : v.shifted(own - exponent);
}

double ExactSum::rounded() const {
  int64_t exponent = 0;
  const Big v = value(&exponent);
  return round_ratio(v, Big(1), exponent);
}

bool ExactSum::operator==(const ExactSum& other) const {
  const ExactSum a = canonical(), b = other.canonical();
  return a.first_ == b.first_ && a.limbs_ == b.limbs_;
}

void ExactSum::write(std::string& out) const {
  const ExactSum c = canonical();
  put<uint16_t>(out, static_cast<uint16_t>(c.limbs_.size()));
  put<uint16_t>(out, static_cast<uint16_t>(c.first_));
  for (const int64_t limb : c.limbs_) put<uint32_t>(out, static_cast<uint32_t>(limb));
}

bool ExactSum::read(std::string_view& in) {
  uint16_t n = 0, first = 0;
  if (!take(in, n) || !take(in, first) || n > 300 || first > 300) return false;
  *this = ExactSum();
  first_ = first;
  for (uint16_t i = 0; i < n; ++i) {
    uint32_t limb = 0;
    if (!take(in, limb)) return false;
    limbs_.push_back(i + 1 < n ? int64_t{limb} : int64_t{static_cast<int32_t>(limb)});
  }
  const ExactSum c = canonical();
  return c.first_ == first_ && c.limbs_ == limbs_;
}

}  // namespace slip::window
