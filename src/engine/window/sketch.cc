#include "engine/window/sketch.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>

namespace slip::window {
namespace {

constexpr double kInf = std::numeric_limits<double>::infinity();

uint64_t mixed(uint64_t z) {  // The finalizer of splitmix64.
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
  z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
  return z ^ (z >> 31);
}

// Ertl, "New cardinality estimation algorithms for HyperLogLog sketches" (2017), algorithm 6.
double sigma(double x) {
  if (x == 1) return kInf;
  double y = 1, z = x, before = 0;
  do {
    x *= x;
    before = z;
    z += x * y;
    y += y;
  } while (z != before);
  return z;
}

double tau(double x) {
  if (x == 0 || x == 1) return 0;
  double y = 1, z = 1 - x, before = 0;
  do {
    x = std::sqrt(x);
    before = z;
    y *= 0.5;
    z -= (1 - x) * (1 - x) * y;
  } while (z != before);
  return z / 3;
}

// 7 / (10 ln gamma), gamma = (1 + a) / (1 - a): ln gamma = 2 (a + a^3/3 + a^5/5 + …).
double buckets_per_octave(double a) {
  double term = a, sum = 0;
  for (int k = 1; k < 200 && sum + term / k != sum; k += 2) {
    sum += term / k;
    term *= a * a;
  }
  return 7 / (20 * sum);
}

int32_t bucket_at(double x, double per_octave) {
  const auto bits = std::bit_cast<uint64_t>(x);
  const auto exponent = static_cast<double>(static_cast<int64_t>(bits >> 52) - 1023);
  const double s =
      std::bit_cast<double>((bits & ((uint64_t{1} << 52) - 1)) | uint64_t{1023} << 52) - 1;
  const double log = exponent + ((6.0 / 35 * s - 3.0 / 5) * s + 10.0 / 7) * s;
  const double scaled = log * per_octave;
  const auto whole = static_cast<int32_t>(scaled);
  return whole - (static_cast<double>(whole) > scaled ? 1 : 0);
}

// The least positive normal double of that bucket or a later one.
double first_of(int32_t bucket, double per_octave) {
  uint64_t low = uint64_t{1} << 52, high = uint64_t{0x7ff} << 52;
  while (low < high) {
    const uint64_t middle = low + (high - low) / 2;
    bucket_at(std::bit_cast<double>(middle), per_octave) >= bucket ? high = middle
                                                                   : low = middle + 1;
  }
  return std::bit_cast<double>(low);
}

}  // namespace

uint64_t hash_bytes(std::string_view bytes) {
  uint64_t h = 0x9e3779b97f4a7c15 ^ bytes.size();
  for (size_t i = 0; i < bytes.size(); i += 8) {
    uint64_t word = 0;
    for (size_t j = i; j < std::min(i + 8, bytes.size()); ++j) {
      word |= uint64_t{static_cast<uint8_t>(bytes[j])} << (8 * (j - i));
    }
    h = mixed(h ^ word) + 0x9e3779b97f4a7c15;
  }
  return mixed(h);
}

void hll_add(std::vector<uint8_t>& registers, uint64_t hash) {
  const size_t at = hash >> (64 - kHllBits);
  const uint64_t rest = hash << kHllBits | uint64_t{1} << (kHllBits - 1);
  registers[at] = std::max(registers[at], static_cast<uint8_t>(std::countl_zero(rest) + 1));
}

double hll_estimate(const std::vector<uint8_t>& registers) {
  constexpr int kLast = 64 - kHllBits + 1;
  constexpr double kM = 1 << kHllBits;
  std::vector<double> counts(kLast + 1, 0.0);
  for (const uint8_t r : registers) ++counts[r];
  double z = kM * tau(1 - counts[kLast] / kM);
  for (size_t k = kLast - 1; k >= 1; --k) z = 0.5 * (z + counts[k]);
  z += kM * sigma(counts[0] / kM);
  return 0.72134752044448170368 * kM * kM / z;  // 1 / (2 ln 2)
}

void cm_add(std::vector<int64_t>& cells, uint64_t hash, int64_t times) {
  for (uint64_t row = 0; row < kCmRows; ++row) {
    cells[row * kCmColumns + mixed(hash + row) % kCmColumns] += times;
  }
}

int64_t cm_count(const std::vector<int64_t>& cells, uint64_t hash) {
  int64_t least = std::numeric_limits<int64_t>::max();
  for (uint64_t row = 0; row < kCmRows; ++row) {
    least = std::min(least, cells[row * kCmColumns + mixed(hash + row) % kCmColumns]);
  }
  return least;
}

int32_t bucket_of(double x, double accuracy) { return bucket_at(x, buckets_per_octave(accuracy)); }

double bucket_value(int32_t bucket, double accuracy) {
  const double per_octave = buckets_per_octave(accuracy);
  const double low = first_of(bucket, per_octave);
  const double high =
      std::min(first_of(bucket + 1, per_octave), std::numeric_limits<double>::max());
  return low * (2 / (1 + low / high));
}

int32_t sketch_bucket(double x, double accuracy) {
  const double size = std::abs(x);
  return size >= std::numeric_limits<double>::min() && size < kInf ? bucket_of(size, accuracy) : 0;
}

void sketch_add(Sketch& s, double x, int32_t bucket, int64_t times) {
  s.n += times;
  if (x != x) {
    s.nans += times;
  } else if (std::abs(x) == kInf) {
    (x > 0 ? s.highs : s.lows) += times;
  } else if (std::abs(x) < std::numeric_limits<double>::min()) {
    s.zeros += times;
  } else {
    auto& side = x > 0 ? s.above : s.below;
    side.add(bucket, times);
  }
}

double sketch_quantile(const Sketch& s, double q, double accuracy) {
  const int64_t n = s.n - s.nans;
  if (n <= 0) return std::numeric_limits<double>::quiet_NaN();
  auto left = static_cast<int64_t>(q * static_cast<double>(n - 1));  // Rank floor(q (n - 1)).
  if ((left -= s.lows) < 0) return -kInf;
  for (auto i = s.below.end(); i != s.below.begin();) {
    --i;
    if ((left -= i->n) < 0) return -bucket_value(i->key, accuracy);
  }
  if ((left -= s.zeros) < 0) return 0;
  for (const auto& [bucket, count] : s.above) {
    if ((left -= count) < 0) return bucket_value(bucket, accuracy);
  }
  return kInf;
}

}  // namespace slip::window
