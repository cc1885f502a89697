#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "engine/window/limbs.h"

// Exact arithmetic below the aggregates: integers of any size, sums of powers of doubles without
// rounding, and quotients that are rounded once (to nearest, ties to even). No libm, no state but
// the values': the same bits on every machine, in any order of additions.
namespace slip::window {

__extension__ using Int128 = __int128;
__extension__ using Uint128 = unsigned __int128;

// Sign and magnitude; zero is positive and has no limbs.
class Big {
 public:
  Big() = default;
  explicit Big(Int128 v);

  bool zero() const { return mag_.empty(); }
  bool negative() const { return negative_; }
  int64_t bits() const;      // Of the magnitude; 0 for zero.
  int64_t to_int64() const;  // The low 64 bits.
  Big operator-() const;
  friend Big operator+(const Big& a, const Big& b);
  friend Big operator-(const Big& a, const Big& b) { return a + -b; }
  friend Big operator*(const Big& a, const Big& b);
  Big shifted(int64_t left) const;  // Negative `left` drops bits.

 private:
  friend class ExactSum;
  struct Quotient {
    Uint128 value = 0;
    bool inexact = false;
  };
  friend Quotient divide(const Big& a, const Big& b, int64_t shift);
  friend double round_ratio(const Big& num, const Big& den, int64_t exponent);
  friend double round_sqrt(const Big& num, const Big& den, int64_t exponent);
  static int compare(const std::vector<uint32_t>& a, const std::vector<uint32_t>& b);
  void trim();

  std::vector<uint32_t> mag_;
  bool negative_ = false;
};

// num / den * 2^exponent and its square root, rounded once; den > 0. Overflow gives infinity.
double round_ratio(const Big& num, const Big& den, int64_t exponent);
double round_sqrt(const Big& num, const Big& den, int64_t exponent);

// A sum of finite doubles' (or int64s') powers up to the fourth, held in fixed point of 2^-4352
// with only the limbs that are in use. Adding is commutative and associative to the bit.
class ExactSum {
 public:
  static constexpr int64_t kLowBit = -4352;  // Below 2^(-1074 * 4), a multiple of 32.

  // x^power as limbs, to be added to many sums.
  struct Term {
    int64_t at = 0;  // Index of the first limb, as first_.
    int64_t used = 0;
    std::array<int64_t, 10> limbs{};
  };
  static Term term(double x, int power);  // x is finite; power 1 … 4.
  static Term term(int64_t x, int power);

  // `sign` -1 takes one back.
  void add(const Term& term, int sign = 1);
  void add(double x, int power, int sign = 1) { add(term(x, power), sign); }
  void add(int64_t x, int power, int sign = 1) { add(term(x, power), sign); }
  void merge(const ExactSum& other, int sign = 1);

  // The sum is value * 2^exponent.
  Big value(int64_t* exponent) const;
  // All sums of one family over the same exponent.
  Big value_at(int64_t exponent) const;
  int64_t lowest_exponent() const;  // 0 of an empty sum.
  double rounded() const;

  void write(std::string& out) const;
  bool read(std::string_view& in);  // False: not what write() makes.
  bool operator==(const ExactSum& other) const;

 private:
  static Term scaled(uint64_t mantissa, int64_t exponent, int power, bool negative);
  void reach(int64_t first, int64_t end);
  void carry();
  ExactSum canonical() const;

  int64_t first_ = 0;    // Index of limbs_[0] in limbs of 32 bits above kLowBit.
  Limbs limbs_;          // Carries are put off: |limb| < 2^63.
  int64_t pending_ = 0;  // Additions since the last carry().
};

}  // namespace slip::window
