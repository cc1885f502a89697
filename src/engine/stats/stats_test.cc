#include <cmath>
#include <limits>
#include <set>

#include <gtest/gtest.h>

#include "engine/stats/bins.h"
#include "engine/stats/divergence.h"
#include "engine/stats/eprocess.h"
#include "engine/stats/sum.h"
#include "test/gen/dice.h"

namespace slip::stats {
namespace {

using Counts = std::vector<double>;
constexpr double kNan = std::numeric_limits<double>::quiet_NaN();

double uniform(gen::Dice& dice) { return static_cast<double>(dice.below(1 << 30)) / (1 << 30); }

TEST(Sum, LosesNothingBesideBigTerms) {
  Sum sum;
  for (const double x : {1.0, 1e100, 1.0, -1e100}) sum.add(x);
  EXPECT_EQ(sum.value(), 2.0);
}

// Expected values: the formulas evaluated in Python.
TEST(Divergence, KnownValues) {
  struct Case {
    const char* name;
    Counts reference;
    Counts current;
    double psi;
    double js;
  };
  const Case cases[] = {
      {"the same shares of different totals", {10, 30, 60}, {1, 3, 6}, 0, 0},
      {"half moved", {50, 50}, {25, 75}, 0.27465307216702742285, 0.1839077909404743},
      {"disjoint", {1, 0}, {0, 1}, 18.41883867587797, 0.83255461115769775635},
      {"an empty side says nothing", {1, 2}, {0, 0}, 0, 0},
      {"a bin that both lack changes nothing",
       {50, 0, 50},
       {25, 0, 75},
       0.27465307216702742285,
       0.1839077909404743},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.name);
    EXPECT_NEAR(psi(c.reference, c.current), c.psi, 1e-9);
    EXPECT_NEAR(jensen_shannon(c.reference, c.current), c.js, 1e-9);
    EXPECT_NEAR(jensen_shannon(c.current, c.reference), c.js, 1e-9);
  }
}

TEST(Divergence, BoundsHoldForAnyHistograms) {
  for (uint64_t seed = 1; seed <= 200; ++seed) {
    SCOPED_TRACE(seed);
    gen::Dice dice = gen::Dice::seeded(seed);
    Counts a(1 + dice.below(20));
    Counts b(a.size());
    for (double& x : a) x = static_cast<double>(dice.below(50));
    for (double& x : b) x = static_cast<double>(dice.below(50));
    EXPECT_GE(psi(a, b), -1e-3);
    const double js = jensen_shannon(a, b);
    EXPECT_GE(js, 0);
    EXPECT_LE(js, std::sqrt(std::log(2.0)) + 1e-12);
  }
}

// Two samples of one distribution exceed the chance bound about as often as promised.
TEST(Divergence, ChanceBoundHoldsItsLevel) {
  constexpr int kRuns = 2000;
  constexpr double kAlpha = 0.05;
  gen::Dice dice = gen::Dice::seeded(3);
  int psi_above = 0;
  int js_above = 0;
  for (int run = 0; run < kRuns; ++run) {
    Counts reference(10);
    Counts current(10);
    for (int i = 0; i < 2000; ++i) ++reference[dice.below(10)];
    for (int i = 0; i < 500; ++i) ++current[dice.below(10)];
    psi_above += psi(reference, current) > psi_by_chance(10, 2000, 500, kAlpha);
    js_above +=
        jensen_shannon(reference, current) > jensen_shannon_by_chance(10, 2000, 500, kAlpha);
  }
  EXPECT_NEAR(psi_above, kRuns * kAlpha, 40);  // Four standard deviations.
  EXPECT_NEAR(js_above, kRuns * kAlpha, 40);
  EXPECT_NEAR(chi_square_upper(9, 0.05), 16.918977604620448, 1e-9);
}

TEST(NumericBins, BordersFollowTheReference) {
  std::vector<double> values;
  for (int i = 0; i < 1000; ++i) values.push_back(i);
  const NumericBins bins = NumericBins::make(values, 10);
  ASSERT_EQ(bins.borders().size(), 9U);
  std::vector<int> counts(bins.size());
  for (const double v : values) ++counts[bins.bin(v)];
  for (size_t i = 0; i < 10; ++i) EXPECT_EQ(counts[i], 100);
  EXPECT_EQ(bins.bin(-1e300), 0U);
  EXPECT_EQ(bins.bin(HUGE_VAL), 9U);
  EXPECT_EQ(bins.bin(kNan), 10U);

  EXPECT_EQ(NumericBins::make(std::vector<double>{}, 10).bin(5), 0U);
  const std::vector<double> constant(100, 7.0);
  const NumericBins one = NumericBins::make(constant, 10);
  EXPECT_EQ((std::set{one.bin(6.9), one.bin(7), one.bin(7.1), one.bin(kNan)}).size(), 4U);
  std::vector<double> rare(100, 0.0);
  rare.back() = 1;
  const NumericBins two = NumericBins::make(rare, 10);
  EXPECT_NE(two.bin(0), two.bin(1));
}

TEST(CategoryBins, KeepsTheFrequentAndPoolsTheRest) {
  const std::vector<std::string> values = {"b", "a", "a", "c", "c", "c", "d"};
  const CategoryBins bins = CategoryBins::make(values, 2);
  EXPECT_EQ(bins.names(), (std::vector<std::string>{"a", "c"}));
  EXPECT_EQ(bins.bin("a"), 0U);
  EXPECT_EQ(bins.bin("c"), 1U);
  EXPECT_EQ(bins.bin("b"), 2U);
  EXPECT_EQ(bins.bin("never seen"), 2U);
}

TEST(EProcess, StepByStepEqualsTheClosedForm) {
  const std::vector<double> theta = {0.8, 0.2};
  for (uint64_t seed = 1; seed <= 20; ++seed) {
    gen::Dice dice = gen::Dice::seeded(seed);
    EProcess process(2);
    for (int i = 0; i < 300; ++i) process.add(dice.below(3) == 0 ? 1 : 0, theta);
    const double closed = log_e_closed_form(process.counts(), theta, EProcess::kConcentration);
    EXPECT_NEAR(process.log_e(), closed, 1e-9 * std::max(1.0, std::abs(closed)));
  }
}

// Ville: equally good arms are condemned in at most alpha of the histories, however long one looks.
TEST(EProcess, FalseAlarmsStayBelowAlphaUnderContinuousPeeking) {
  constexpr int kRuns = 2000;
  for (const double share : {0.05, 0.2, 0.5}) {
    SCOPED_TRACE(share);
    const std::vector<double> theta = {1 - share, share};
    gen::Dice dice = gen::Dice::seeded(11);
    int alarms = 0;
    for (int run = 0; run < kRuns; ++run) {
      EProcess process(2);
      for (int i = 0; i < 500; ++i) process.add(uniform(dice) < share ? 1 : 0, theta);
      alarms += process.rejects(0.05);
    }
    EXPECT_LE(alarms, kRuns * 0.05 + 3 * std::sqrt(kRuns * 0.05 * 0.95));
  }
}

TEST(EProcess, FindsABadArmQuicklyAndNamesTheDirection) {
  const std::vector<double> theta = {0.8, 0.2};
  EProcess bad(2);
  int needed = 0;
  for (; needed < 1000 && !bad.worse(1, 0.01); ++needed) bad.add(needed % 2, theta);
  EXPECT_LT(needed, 60);  // Half of the errors on a fifth of the traffic.
  EXPECT_FALSE(bad.worse(0, 0.01));
  EXPECT_NEAR(bad.expected_share(1), 0.2, 1e-12);

  EProcess good(2);  // The canary errs less than its share: evidence, but no reason to go back.
  for (int i = 0; i < 2000; ++i) good.add(i % 20 == 0 ? 1 : 0, theta);
  EXPECT_TRUE(good.rejects(0.01));
  EXPECT_FALSE(good.worse(1, 0.01));
}

TEST(EProcess, SharesMayChangeOnTheWay) {
  gen::Dice dice = gen::Dice::seeded(5);
  int alarms = 0;
  for (int run = 0; run < 1000; ++run) {
    EProcess process(2);
    for (int i = 0; i < 400; ++i) {
      const double share = i < 200 ? 0.1 : 0.6;
      const std::vector<double> theta = {1 - share, share};
      process.add(uniform(dice) < share ? 1 : 0, theta);
    }
    alarms += process.rejects(0.01);
  }
  EXPECT_LE(alarms, 20);
}

}  // namespace
}  // namespace slip::stats
