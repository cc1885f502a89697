#include "engine/stats/paired.h"

#include <cmath>
#include <vector>

#include <gtest/gtest.h>

#include "test/gen/dice.h"

namespace slip::stats {
namespace {

using Doubles = std::vector<double>;
using Flags = std::vector<uint8_t>;

double uniform(gen::Dice& dice) { return static_cast<double>(dice.below(1 << 20)) / (1 << 20); }

TEST(Paired, NormalAsScipy) {
  EXPECT_NEAR(normal_quantile(0.05), -1.6448536269514729, 1e-12);
  EXPECT_NEAR(normal_quantile(0.975), 1.959963984540054, 1e-12);
  EXPECT_NEAR(normal_quantile(1e-6), -4.753424308822899, 1e-12);
  EXPECT_NEAR(normal_cdf(-3.2), 0.0006871379379158471, 1e-15);
}

// Expected: the definition of the placements by numpy (psi of every pair, numpy.cov), scipy's tail.
TEST(Paired, DelongAsItsDefinition) {
  const Doubles a = {.1, .4, .35, .8, .65, .2, .9, .55, .4, .7};
  const Doubles b = {.2, .3, .5, .6, .7, .1, .95, .4, .45, .5};
  const Flags positive = {0, 0, 1, 1, 1, 0, 1, 0, 0, 1};
  const Delong d = delong(a, b, positive);
  EXPECT_NEAR(d.auc_a, 0.88, 1e-12);
  EXPECT_NEAR(d.auc_b, 1.0, 1e-12);
  EXPECT_NEAR(d.variance, 0.0168, 1e-12);
  EXPECT_NEAR(d.z(), -0.9258200997725515, 1e-9);
  EXPECT_NEAR(d.p_two_sided(), 0.3545394797735013, 1e-9);
  EXPECT_NEAR(d.p_worse(), 0.17726973988675065, 1e-9);
  EXPECT_NEAR(d.lower(0.05), -0.33319739686216376, 1e-9);
}

// The fast form against every pair compared, on random samples with many ties.
TEST(Paired, DelongByMidranksIsDelongByPairs) {
  for (uint64_t seed = 1; seed <= 50; ++seed) {
    SCOPED_TRACE(seed);
    gen::Dice dice = gen::Dice::seeded(seed);
    const size_t n = 4 + dice.below(60);
    Doubles a(n);
    Doubles b(n);
    Flags y(n);
    for (size_t i = 0; i < n; ++i) {
      y[i] = i < 2 || (i >= 4 && dice.below(3) == 0);
      a[i] = static_cast<double>(dice.below(7));
      b[i] = uniform(dice);
    }
    const auto by_pairs = [&](const Doubles& s) {
      double sum = 0;
      double pairs = 0;
      for (size_t i = 0; i < n; ++i)
        for (size_t j = 0; j < n; ++j) {
          if (!y[i] || y[j]) continue;
          ++pairs;
          sum += s[i] > s[j] ? 1 : s[i] == s[j] ? 0.5 : 0;
        }
      return sum / pairs;
    };
    const Delong d = delong(a, b, y);
    EXPECT_NEAR(d.auc_a, by_pairs(a), 1e-9);
    EXPECT_NEAR(d.auc_b, by_pairs(b), 1e-9);
    EXPECT_GE(d.variance, 0);
    const Delong swapped = delong(b, a, y);
    EXPECT_NEAR(swapped.variance, d.variance, 1e-12);
    EXPECT_NEAR(swapped.p_worse() + d.p_worse(), 1, 1e-9);
    const Delong same = delong(a, a, y);
    EXPECT_EQ(same.variance, 0);
    EXPECT_EQ(same.z(), 0);
  }
}

TEST(Paired, OneClassHasNoArea) {
  EXPECT_TRUE(std::isnan(auc(Doubles{1, 2}, Flags{1, 1})));
  EXPECT_TRUE(std::isnan(delong(Doubles{1, 2}, Doubles{1, 2}, Flags{0, 0}).variance));
  EXPECT_TRUE(std::isnan(delong(Doubles{1, 2}, Doubles{1, 2}, Flags{0, 1}).variance));
  EXPECT_TRUE(std::isnan(auc(Doubles{}, Flags{})));
}

// Expected: scipy.stats.binomtest and binom.cdf.
TEST(Paired, McnemarAsScipy) {
  struct Case {
    int64_t only_a;
    int64_t only_b;
    double two_sided;
    double worse;
    double chi_square;
  };
  const Case cases[] = {{3, 11, 0.057373046875, 0.0286865234375, 3.5},
                        {10, 10, 1, 0.5880985260009766, 0},
                        {0, 5, 0.0625, 0.03125, 3.2},
                        {120, 95, 0.10145232764870649, 0.9620232563984912, 2.6790697674418604},
                        {0, 0, 1, 1, 0}};
  for (const Case& c : cases) {
    SCOPED_TRACE(c.only_a);
    const Mcnemar m{.only_a = c.only_a, .only_b = c.only_b};
    EXPECT_NEAR(m.p_two_sided(), c.two_sided, 1e-9);
    EXPECT_NEAR(m.p_worse(), c.worse, 1e-9);
    EXPECT_NEAR(m.chi_square(), c.chi_square, 1e-9);
  }
  const Mcnemar m = mcnemar(Flags{1, 1, 0, 0, 1}, Flags{1, 0, 1, 0, 0});
  EXPECT_EQ(m.only_a, 2);
  EXPECT_EQ(m.only_b, 1);
}

// Expected: bisection on the binomial sums themselves, written out in Python.
TEST(Paired, McnemarsLimitsSayWhatItsTestSays) {
  const Mcnemar m{.only_a = 3, .only_b = 11};
  EXPECT_NEAR(m.lower(0.05, 100), -0.1228911799194863, 1e-9);
  EXPECT_NEAR(m.upper(0.05, 100), -0.009616148585619037, 1e-9);
  const Mcnemar even{.only_a = 0, .only_b = 0};
  EXPECT_EQ(even.lower(0.05, 10), 0);
  EXPECT_EQ(even.upper(0.05, 10), 0);
  for (int64_t a = 0; a <= 12; ++a)
    for (int64_t b = 0; b <= 12; ++b)
      for (const double alpha : {0.01, 0.05, 0.2}) {
        const Mcnemar one{.only_a = a, .only_b = b};
        const double difference = static_cast<double>(a - b) / 50;
        EXPECT_LE(one.lower(alpha, 50), difference + 1e-12);
        EXPECT_GE(one.upper(alpha, 50), difference - 1e-12);
        EXPECT_EQ(one.upper(alpha, 50) < 0, one.p_worse() < alpha) << a << " " << b << " " << alpha;
      }
}

// Expected: the same generator in Python, numpy's mean and quantile.
TEST(Paired, BootstrapAsNumpy) {
  SplitMix rng(0);
  EXPECT_EQ(rng.next(), 0xe220a8397b1dcdafULL);
  EXPECT_EQ(rng.next(), 0x6e789e6aa1b965f4ULL);
  const Doubles a = {1, 0, 1, 1, 0, 1, 1, 1};
  const Doubles b = {1, 1, 1, 0, 0, 1, 1, 0.5};
  const Bootstrap plain = paired_bootstrap(a, b, {.alpha = 0.05, .seed = 7, .samples = 200});
  EXPECT_NEAR(plain.difference, 0.0625, 1e-12);
  EXPECT_NEAR(plain.lower, -0.25, 1e-9);
  EXPECT_NEAR(plain.upper, 0.31562499999999893, 1e-9);
  const Bootstrap rooted =
      paired_bootstrap(a, b, {.root = Root::kSquare, .alpha = 0.05, .seed = 7, .samples = 200});
  EXPECT_NEAR(rooted.difference, 0.036869206195588644, 1e-9);
  EXPECT_NEAR(rooted.lower, -0.14484493165139045, 1e-9);
  EXPECT_NEAR(rooted.upper, 0.20577357549272285, 1e-9);
  EXPECT_TRUE(std::isnan(paired_bootstrap({}, {}, {}).lower));
}

// Two models that are equally good: the interval misses zero about as often as it says.
TEST(Paired, BootstrapKeepsItsLevel) {
  gen::Dice dice = gen::Dice::seeded(3);
  int below = 0;
  constexpr int kTrials = 300;
  for (int t = 0; t < kTrials; ++t) {
    Doubles a(80);
    Doubles b(80);
    for (size_t i = 0; i < a.size(); ++i) a[i] = uniform(dice), b[i] = uniform(dice);
    below += paired_bootstrap(a, b, {.alpha = 0.05, .seed = uint64_t(t), .samples = 300}).upper < 0;
  }
  EXPECT_LT(below, kTrials / 8);
  EXPECT_GT(below, 2);
}

TEST(Paired, QuantilesBetweenNeighbours) {
  EXPECT_EQ(sorted_quantile(Doubles{1, 2, 4}, 0.5), 2);
  EXPECT_EQ(sorted_quantile(Doubles{1, 2, 4}, 0.75), 3);
  EXPECT_EQ(sorted_quantile(Doubles{5}, 0.01), 5);
  EXPECT_TRUE(std::isnan(sorted_quantile(Doubles{}, 0.5)));
}

}  // namespace
}  // namespace slip::stats
