#include "serving/batch_cost.h"

#include <cmath>

#include <gtest/gtest.h>

#include "test/gen/dice.h"

namespace slip::serving {
namespace {

struct Line {
  double row_ns;
  double run_ns;
  double at(int64_t rows) const { return row_ns * static_cast<double>(rows) + run_ns; }
};
constexpr Line kLines[] = {{0, 5e6}, {1e3, 5e6}, {1e5, 1e6}, {1e6, 1e4}, {1e6, 0}, {3, 900}};

// Relative noise of either sign, up to `noise`.
int64_t took(const Line& line, int64_t rows, double noise, gen::Dice* dice) {
  return std::llround(line.at(rows) * (1 + noise * (2 * dice->unit() - 1)));
}

void expect_near(const BatchCost& cost, const Line& line, double tolerance) {
  for (const int64_t n : {1, 8, 31, 64}) {
    SCOPED_TRACE(n);
    EXPECT_NEAR(cost.expect_ns(n) / line.at(n), 1, tolerance);
  }
}

TEST(BatchCost, FindsTheLine) {
  for (size_t i = 0; i < std::size(kLines); ++i) {
    SCOPED_TRACE(i);
    auto dice = gen::Dice::seeded(i);
    BatchCost cost(64);
    for (int run = 0; run < 100; ++run) {
      const int64_t n = dice.between(1, 64);
      cost.add(n, took(kLines[i], n, 0.05, &dice));
    }
    expect_near(cost, kLines[i], 0.1);
    EXPECT_LT(cost.spread(), 0.06);
    EXPECT_LE(cost.least_ns(32), cost.expect_ns(32));
    EXPECT_GE(cost.most_ns(32), cost.expect_ns(32));
  }
}

TEST(BatchCost, NothingIsKnownAtFirst) {
  BatchCost cost(64);
  EXPECT_FALSE(cost.known());
  EXPECT_EQ(cost.least_ns(64), 0);
  EXPECT_EQ(cost.most_ns(64), 0);
  for (int i = 0; i < BatchCost::kRunsToKnow; ++i) cost.add(1, 1'000'000);
  EXPECT_TRUE(cost.known());
  // Runs of one row say nothing of the slope: large batches are still worth a try.
  EXPECT_LT(cost.expect_ns(64), 3e6);
}

TEST(BatchCost, OneInTwentyRunsThirtyTimesAsLongDoesNotCount) {
  for (uint64_t seed = 0; seed < 20; ++seed) {
    SCOPED_TRACE(seed);
    auto dice = gen::Dice::seeded(seed);
    const Line line{1e5, 1e6};
    BatchCost cost(64);
    for (int run = 0; run < 400; ++run) {
      const int64_t n = dice.between(1, 64);
      const int64_t ns = took(line, n, 0.05, &dice);
      cost.add(n, run >= 20 && dice.one_in(20) ? 30 * ns : ns);
    }
    expect_near(cost, line, 0.35);
  }
}

TEST(BatchCost, FollowsAModelThatBecomesSlowerOrFaster) {
  for (const double factor : {0.2, 0.5, 2.0, 10.0}) {
    SCOPED_TRACE(factor);
    auto dice = gen::Dice::seeded(3);
    Line line{1e5, 1e6};
    BatchCost cost(64);
    for (int run = 0; run < 200; ++run) {
      const int64_t n = dice.between(1, 64);
      cost.add(n, took(line, n, 0.05, &dice));
    }
    line = {line.row_ns * factor, line.run_ns * factor};
    for (int run = 0; run < 120; ++run) {
      const int64_t n = dice.between(1, 64);
      cost.add(n, took(line, n, 0.05, &dice));
    }
    expect_near(cost, line, 0.1);
  }
}

TEST(BatchCost, RunsOfOneSizeKeepWhatIsKnownOfOthers) {
  auto dice = gen::Dice::seeded(5);
  const Line line{1e5, 1e6};
  BatchCost cost(64);
  for (int run = 0; run < 60; ++run) {
    const int64_t n = dice.between(1, 64);
    cost.add(n, took(line, n, 0.02, &dice));
  }
  for (int run = 0; run < 5'000; ++run) cost.add(64, took(line, 64, 0.02, &dice));
  EXPECT_NEAR(cost.expect_ns(64) / line.at(64), 1, 0.02);
  EXPECT_NEAR(cost.expect_ns(1) / line.at(1), 1, 0.5);
}

TEST(BatchCost, NeverNegativeWhateverItIsTold) {
  for (uint64_t seed = 0; seed < 200; ++seed) {
    auto dice = gen::Dice::seeded(seed);
    const int64_t max = dice.between(1, 4096);
    BatchCost cost(max);
    for (int run = 0; run < 200; ++run)
      cost.add(dice.between(1, max), dice.between(0, int64_t{1} << dice.below(50)));
    EXPECT_GE(cost.row_ns(), 0);
    EXPECT_GE(cost.run_ns(), 0);
    EXPECT_TRUE(std::isfinite(cost.expect_ns(max)) && std::isfinite(cost.most_ns(max)));
    EXPECT_GE(cost.least_ns(max), 0);
  }
}

TEST(BatchCost, RowsWithin) {
  BatchCost cost(64);
  for (int run = 0; run < 200; ++run) cost.add(run % 64 + 1, (run % 64 + 1) * 1'000 + 10'000);
  EXPECT_EQ(cost.rows_within(5'000), 0);
  EXPECT_NEAR(static_cast<double>(cost.rows_within(30'500)), 20, 1);
  EXPECT_EQ(cost.rows_within(1e9), 64);
}

}  // namespace
}  // namespace slip::serving
