#pragma once

#include <cstdint>
#include <span>

// Is one of two models worse than the other on the same rows? Every function takes what both said
// of the same rows in the same order. Pure; any thread.
namespace slip::stats {

// P(Z <= z) and its inverse for the standard normal.
double normal_cdf(double z);
double normal_quantile(double p);  // 0 < p < 1.

// Area under the ROC curve with ties counted half (Mann & Whitney 1947). NaN when one class has no
// row. `positive[i]` is nonzero for a positive row; scores are finite.
double auc(std::span<const double> scores, std::span<const uint8_t> positive);

// Two correlated areas (DeLong, DeLong & Clarke-Pearson 1988, "Comparing the areas under two or
// more correlated receiver operating characteristic curves", equations 3-6; by midranks as Sun &
// Xu 2014, algorithm 2). `difference` is a - b, `variance` that of the difference.
struct Delong {
  double auc_a = 0;
  double auc_b = 0;
  double variance = 0;
  double difference() const { return auc_a - auc_b; }
  double z() const;  // 0 when both curves are the same.
  double p_two_sided() const;
  double p_worse() const;  // Of a <= the observed difference when both are equally good.
  // One-sided limits of a - b at level `alpha`.
  double lower(double alpha) const;
  double upper(double alpha) const;
};
// Needs two rows of each class for a variance; with fewer it is NaN.
Delong delong(std::span<const double> a, std::span<const double> b,
              std::span<const uint8_t> positive);

// Paired right and wrong answers (McNemar 1947). `only_a`: rows that a alone got right; `only_b`
// the other way. Exact, by the binomial with p = 1/2; chi-square with Edwards' 1948 correction.
struct Mcnemar {
  int64_t only_a = 0;
  int64_t only_b = 0;
  double p_two_sided() const;
  double p_worse() const;  // P(X <= only_a), X ~ Binomial(only_a + only_b, 1/2).
  // One-sided limits, at level alpha, of the difference of the two shares of right answers among
  // `rows`, given how many rows they disagree on: Clopper & Pearson's (1934) for P(only a right).
  // upper() < 0 says the same as p_worse() < alpha.
  double lower(double alpha, int64_t rows) const;
  double upper(double alpha, int64_t rows) const;
  double chi_square() const;
};
Mcnemar mcnemar(std::span<const uint8_t> a_right, std::span<const uint8_t> b_right);

// Paired bootstrap (Efron & Tibshirani 1993, chapter 13: percentile intervals): rows are drawn with
// replacement, both models keep their row; `difference` of each sample is kept. Same seed, same
// answer, on every machine.
struct Bootstrap {
  double difference = 0;  // On the rows themselves.
  double lower = 0;       // alpha and 1 - alpha quantiles of the samples (linear between order
  double upper = 0;       // statistics, as numpy's default).
  int64_t samples = 0;
};
inline constexpr int64_t kBootstrapSamples = 2000;
// Of `statistic(a) - statistic(b)` where the statistic is root(mean(row values)) and root is the
// identity or the square root.
enum class Root : uint8_t { kNone, kSquare };
struct BootstrapSpec {
  Root root = Root::kNone;
  double alpha = 0.05;
  uint64_t seed = 0;
  int64_t samples = kBootstrapSamples;
};
// NaN everywhere when there are no rows.
Bootstrap paired_bootstrap(std::span<const double> a, std::span<const double> b,
                           const BootstrapSpec& spec);

// SplitMix64 (Steele, Lea & Flood 2014): the generator that bootstrap draws from.
class SplitMix {
 public:
  explicit SplitMix(uint64_t seed) : state_(seed) {}
  uint64_t next();
  uint64_t below(uint64_t n);  // By the high half of a 128-bit product.

 private:
  uint64_t state_;
};

// The q quantile of sorted values, linear between neighbours. NaN when empty.
double sorted_quantile(std::span<const double> sorted, double q);

}  // namespace slip::stats
