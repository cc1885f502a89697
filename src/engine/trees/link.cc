#include "engine/trees/link.h"

#include <algorithm>
#include <cmath>

namespace slip::trees {
namespace {

// XGBoost's: exp never overflows a float, the quotient never divides by zero.
float sigmoid(float x) {
  const float power = std::min(-x, 88.7F);
  return 1.0F / (std::exp(power) + 1.0F + 1e-16F);
}
double sigmoid(double x, double scale) { return 1.0 / (1.0 + std::exp(-scale * x)); }

template <class T>
void softmax(std::span<const double> raw, std::span<double> out, bool zero_stays) {
  T most = static_cast<T>(raw[0]);
  for (const double x : raw) most = std::max(most, static_cast<T>(x));
  double sum = 0;
  for (size_t i = 0; i < raw.size(); ++i) {
    const bool zero = zero_stays && std::fabs(raw[i]) <= 1e-7;
    const T power = zero ? T{0} : std::exp(static_cast<T>(raw[i]) - most);
    out[i] = static_cast<double>(power);
    sum += out[i];
  }
  for (double& x : out) x = static_cast<double>(static_cast<T>(x) / static_cast<T>(sum));
}

template <class T>
double one(const Forest& f, double raw) {
  const T x = static_cast<T>(raw);
  switch (f.link) {
    case Link::kSigmoid:
      return std::is_same_v<T, float> ? static_cast<double>(sigmoid(static_cast<float>(x)))
                                      : sigmoid(raw, f.link_scale);
    case Link::kProbit:
      return static_cast<double>(probit(static_cast<float>(x)));
    case Link::kExp:
      return static_cast<double>(std::exp(x));
    case Link::kHinge:
      return x > T{0} ? 1 : 0;
    case Link::kSquare:
      return static_cast<double>(std::copysign(x * x, x));
    case Link::kLog1pExp:
      return static_cast<double>(std::log1p(std::exp(x)));
    default:
      return raw;
  }
}

// One sum that stands for two classes.
void two(const Forest& f, double raw, std::span<double> out) {
  const auto x = static_cast<float>(raw);
  if (f.link == Link::kOneComplement) {
    out[0] = static_cast<double>(1.0F - x);
    out[1] = static_cast<double>(x);
  } else if (f.link == Link::kOneNegated) {
    out[0] = static_cast<double>(-x);
    out[1] = static_cast<double>(x);
  } else {
    out[0] = static_cast<double>(sigmoid(-x));
    out[1] = static_cast<double>(sigmoid(x));
  }
}

}  // namespace

float probit(float x) {
  const float y = 2 * x - 1;
  const float sign = y < 0 ? -1.0F : 1.0F;
  const float log = std::log((1 - y) * (1 + y));
  const float a = 2.0F / (3.14159F * 0.147F) + 0.5F * log;
  const float b = 1 / 0.147F * log;
  return 1.41421356F * sign * std::sqrt(-a + std::sqrt(a * a - b));
}

void finish_sums(const Forest& f, std::span<double> sums) {
  const bool base = !f.base.empty() && !f.base_first;
  if (f.divisor == 1 && !base) return;
  for (size_t k = 0; k < sums.size(); ++k) {
    const double add = base ? f.base[k] : 0;
    if (f.float_sum) {
      float x = static_cast<float>(sums[k]);
      if (f.divisor != 1) x /= static_cast<float>(f.divisor);
      sums[k] = static_cast<double>(x + static_cast<float>(add));
    } else {
      sums[k] = sums[k] / f.divisor + add;
    }
  }
}

namespace {

void normalize(std::span<double> out) {
  float sum = 0;
  for (const double x : out) sum += std::fabs(static_cast<float>(x));
  if (sum == 0) return;
  for (double& x : out) x = static_cast<double>(static_cast<float>(x) / sum);
}

void apply(const Forest& f, std::span<const double> raw, std::span<double> out) {
  switch (f.link) {
    case Link::kIdentity:
      std::copy(raw.begin(), raw.end(), out.begin());
      return;
    case Link::kSoftmax:
    case Link::kSoftmaxZero:
      if (f.float_sum)
        softmax<float>(raw, out, f.link == Link::kSoftmaxZero);
      else
        softmax<double>(raw, out, f.link == Link::kSoftmaxZero);
      return;
    case Link::kArgmax:
      out[0] = static_cast<double>(std::max_element(raw.begin(), raw.end()) - raw.begin());
      return;
    case Link::kOneSigmoid:
    case Link::kOneComplement:
    case Link::kOneNegated:
      two(f, raw[0], out);
      return;
    default:
      for (size_t k = 0; k < raw.size(); ++k)
        out[k] = f.float_sum ? one<float>(f, raw[k]) : one<double>(f, raw[k]);
  }
}

}  // namespace

void apply_link(const Forest& f, std::span<const double> raw, std::span<double> out) {
  apply(f, raw, out);
  if (f.normalize) normalize(out);
}

size_t class_of(const Forest& f, std::span<const double> sums) {
  if (sums.size() == 1) return sums[0] > f.positive_above ? 1 : 0;
  return static_cast<size_t>(std::max_element(sums.begin(), sums.end()) - sums.begin());
}

}  // namespace slip::trees
