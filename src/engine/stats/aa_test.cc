#include "engine/stats/aa.h"

#include <limits>
#include <vector>

#include <gtest/gtest.h>

namespace slip::stats {
namespace {

TEST(Aa, EqualVersionsAreRolledBackNoMoreOftenThanAlpha) {
  for (const double weight : {0.05, 0.2, 0.5}) {
    for (const double error_rate : {0.02, 0.25, 0.7}) {
      SCOPED_TRACE(testing::Message() << "weight " << weight << " error rate " << error_rate);
      const AaPlan plan{.runs = 2000,
                        .weight = weight,
                        .error_rate = error_rate,
                        .canary_error_rate = error_rate};
      EXPECT_LE(simulate_aa(plan).rolled_back, 20);
    }
  }
}

TEST(Aa, AMuchWorseVersionIsRolledBackSoon) {
  const AaResult result = simulate_aa({.error_rate = 0.25, .canary_error_rate = 0.95});
  EXPECT_EQ(result.rolled_back, 200);
  EXPECT_LT(result.labels_mean, 200);
  EXPECT_GE(result.e_value_max, 100);
}

TEST(Aa, ABetterVersionIsNotRolledBack) {
  EXPECT_LE(simulate_aa({.error_rate = 0.5, .canary_error_rate = 0.2}).rolled_back, 1);
}

TEST(Aa, TheSeedDecides) {
  const AaPlan plan{.error_rate = 0.2, .canary_error_rate = 0.3};
  AaPlan other = plan;
  other.seed = 2;
  EXPECT_EQ(simulate_aa(plan).e_value_max, simulate_aa(plan).e_value_max);
  EXPECT_NE(simulate_aa(plan).e_value_max, simulate_aa(other).e_value_max);
}

TEST(Aa, PlansBeyondTheLimitsAreInvalid) {
  constexpr double kNan = std::numeric_limits<double>::quiet_NaN();
  const AaPlan good;
  EXPECT_TRUE(valid(good));
  const std::vector<AaPlan> bad = {
      {.runs = 0},         {.runs = kAaRunsMax + 1},
      {.weight = 0},       {.weight = 1},
      {.weight = kNan},    {.error_rate = -0.1},
      {.error_rate = 1.1}, {.canary_error_rate = kNan},
      {.labels = 0},       {.labels = kAaLabelsMax + 1},
      {.alpha = 0},        {.alpha = 1},
  };
  for (size_t i = 0; i < bad.size(); ++i) EXPECT_FALSE(valid(bad[i])) << i;
}

}  // namespace
}  // namespace slip::stats
