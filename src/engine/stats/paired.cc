#include "engine/stats/paired.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <vector>

#include <boost/math/distributions/binomial.hpp>
#include <boost/math/distributions/normal.hpp>

#include "engine/stats/sum.h"

namespace slip::stats {
namespace {

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();

// Rank of each value among all, ties share their mean rank; 1 is the least.
std::vector<double> midranks(std::span<const double> x) {
  std::vector<size_t> order(x.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::sort(order.begin(), order.end(), [&](size_t i, size_t j) { return x[i] < x[j]; });
  std::vector<double> out(x.size());
  for (size_t i = 0; i < order.size();) {
    size_t end = i;
    while (end < order.size() && x[order[end]] == x[order[i]]) ++end;
    const double rank = (static_cast<double>(i) + static_cast<double>(end) + 1) / 2;
    for (; i < end; ++i) out[order[i]] = rank;
  }
  return out;
}

struct Split {
  std::vector<double> positives;
  std::vector<double> negatives;
};
Split split(std::span<const double> scores, std::span<const uint8_t> positive) {
  Split out;
  for (size_t i = 0; i < scores.size(); ++i)
    (positive[i] ? out.positives : out.negatives).push_back(scores[i]);
  return out;
}

double mean(const std::vector<double>& x) {
  Sum sum;
  for (const double v : x) sum.add(v);
  return sum.value() / static_cast<double>(x.size());
}

// What each row adds to the area: V10 of positives, V01 of negatives (equations 3 and 4).
struct Components {
  std::vector<double> v10;
  std::vector<double> v01;
  double auc = kNan;
};
Components components(std::span<const double> scores, std::span<const uint8_t> positive) {
  const Split s = split(scores, positive);
  Components out;
  const auto m = static_cast<double>(s.positives.size());
  const auto n = static_cast<double>(s.negatives.size());
  if (m == 0 || n == 0) return out;
  std::vector<double> all = s.positives;
  all.insert(all.end(), s.negatives.begin(), s.negatives.end());
  const std::vector<double> rank_all = midranks(all);
  const std::vector<double> rank_pos = midranks(s.positives);
  const std::vector<double> rank_neg = midranks(s.negatives);
  for (size_t i = 0; i < rank_pos.size(); ++i) out.v10.push_back((rank_all[i] - rank_pos[i]) / n);
  for (size_t j = 0; j < rank_neg.size(); ++j)
    out.v01.push_back(1 - (rank_all[rank_pos.size() + j] - rank_neg[j]) / m);
  out.auc = mean(out.v10);
  return out;
}

// Sample variance of x - y.
double variance_of_difference(const std::vector<double>& x, const std::vector<double>& y) {
  if (x.size() < 2) return kNan;
  std::vector<double> d(x.size());
  for (size_t i = 0; i < x.size(); ++i) d[i] = x[i] - y[i];
  const double middle = mean(d);
  Sum sum;
  for (const double v : d) sum.add((v - middle) * (v - middle));
  return sum.value() / (static_cast<double>(d.size()) - 1);
}

double rooted(double mean_value, Root root) {
  return root == Root::kSquare ? std::sqrt(mean_value) : mean_value;
}

double binomial_at_most(int64_t k, int64_t n) {
  const boost::math::binomial_distribution<double> half(static_cast<double>(n), 0.5);
  return boost::math::cdf(half, static_cast<double>(k));
}

}  // namespace

double normal_cdf(double z) {
  if (std::isnan(z)) return kNan;
  if (std::isinf(z)) return z > 0 ? 1 : 0;
  return boost::math::cdf(boost::math::normal_distribution<double>(), z);
}

double normal_quantile(double p) {
  return boost::math::quantile(boost::math::normal_distribution<double>(), p);
}

double auc(std::span<const double> scores, std::span<const uint8_t> positive) {
  return components(scores, positive).auc;
}

double Delong::z() const {
  if (variance > 0) return difference() / std::sqrt(variance);
  if (std::isnan(variance)) return kNan;
  if (difference() == 0) return 0;
  return difference() > 0 ? std::numeric_limits<double>::infinity()
                          : -std::numeric_limits<double>::infinity();
}

double Delong::p_two_sided() const { return 2 * normal_cdf(-std::abs(z())); }
double Delong::p_worse() const { return normal_cdf(z()); }
double Delong::lower(double alpha) const {
  return difference() + normal_quantile(alpha) * std::sqrt(variance);
}
double Delong::upper(double alpha) const {
  return difference() - normal_quantile(alpha) * std::sqrt(variance);
}

Delong delong(std::span<const double> a, std::span<const double> b,
              std::span<const uint8_t> positive) {
  const Components ca = components(a, positive);
  const Components cb = components(b, positive);
  Delong out{.auc_a = ca.auc, .auc_b = cb.auc, .variance = kNan};
  if (ca.v10.empty()) return out;
  out.variance = variance_of_difference(ca.v10, cb.v10) / static_cast<double>(ca.v10.size()) +
                 variance_of_difference(ca.v01, cb.v01) / static_cast<double>(ca.v01.size());
  return out;
}

double Mcnemar::p_two_sided() const {
  const int64_t n = only_a + only_b;
  if (n == 0 || only_a == only_b) return 1;
  return std::min(1.0, 2 * binomial_at_most(std::min(only_a, only_b), n));
}

double Mcnemar::p_worse() const {
  const int64_t n = only_a + only_b;
  return n == 0 ? 1 : binomial_at_most(only_a, n);
}

double Mcnemar::lower(double alpha, int64_t rows) const {
  const auto n = static_cast<double>(only_a + only_b);
  if (n == 0 || only_a == 0) return -n / static_cast<double>(rows);
  const double p = boost::math::binomial_distribution<>::find_lower_bound_on_p(
      n, static_cast<double>(only_a), alpha);
  return n * (2 * p - 1) / static_cast<double>(rows);
}

double Mcnemar::upper(double alpha, int64_t rows) const {
  const auto n = static_cast<double>(only_a + only_b);
  if (n == 0 || only_b == 0) return n / static_cast<double>(rows);
  const double p = boost::math::binomial_distribution<>::find_upper_bound_on_p(
      n, static_cast<double>(only_a), alpha);
  return n * (2 * p - 1) / static_cast<double>(rows);
}

double Mcnemar::chi_square() const {
  const auto n = static_cast<double>(only_a + only_b);
  if (n == 0) return 0;
  const double d = std::max(0.0, std::abs(static_cast<double>(only_a - only_b)) - 1);
  return d * d / n;
}

Mcnemar mcnemar(std::span<const uint8_t> a_right, std::span<const uint8_t> b_right) {
  Mcnemar out;
  for (size_t i = 0; i < a_right.size(); ++i) {
    out.only_a += a_right[i] && !b_right[i];
    out.only_b += !a_right[i] && b_right[i];
  }
  return out;
}

uint64_t SplitMix::next() {
  uint64_t z = (state_ += 0x9e3779b97f4a7c15ULL);
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
  return z ^ (z >> 31);
}

uint64_t SplitMix::below(uint64_t n) {
  __extension__ using Wide = unsigned __int128;
  return static_cast<uint64_t>((Wide{next()} * n) >> 64);
}

double sorted_quantile(std::span<const double> sorted, double q) {
  if (sorted.empty()) return kNan;
  const double at = q * static_cast<double>(sorted.size() - 1);
  const auto low = static_cast<size_t>(std::floor(at));
  const size_t high = std::min(low + 1, sorted.size() - 1);
  return sorted[low] + (at - static_cast<double>(low)) * (sorted[high] - sorted[low]);
}

Bootstrap paired_bootstrap(std::span<const double> a, std::span<const double> b,
                           const BootstrapSpec& spec) {
  const size_t n = a.size();
  if (n == 0 || spec.samples < 1)
    return {.difference = kNan, .lower = kNan, .upper = kNan, .samples = 0};
  const auto rows = static_cast<double>(n);
  const auto apart = [&](double sum_a, double sum_b) {
    return rooted(sum_a / rows, spec.root) - rooted(sum_b / rows, spec.root);
  };
  Sum whole_a;
  Sum whole_b;
  for (size_t i = 0; i < n; ++i) whole_a.add(a[i]), whole_b.add(b[i]);
  SplitMix rng(spec.seed);
  std::vector<double> drawn(static_cast<size_t>(spec.samples));
  for (double& difference : drawn) {
    Sum sum_a;
    Sum sum_b;
    for (size_t i = 0; i < n; ++i) {
      const size_t row = rng.below(n);
      sum_a.add(a[row]);
      sum_b.add(b[row]);
    }
    difference = apart(sum_a.value(), sum_b.value());
  }
  std::sort(drawn.begin(), drawn.end());
  return {.difference = apart(whole_a.value(), whole_b.value()),
          .lower = sorted_quantile(drawn, spec.alpha),
          .upper = sorted_quantile(drawn, 1 - spec.alpha),
          .samples = spec.samples};
}

}  // namespace slip::stats
