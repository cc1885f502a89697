#include "serving/batch_tuner.h"

#include <gtest/gtest.h>

namespace slip::serving {
namespace {

// What is known exactly.
BatchCost cost_of(double row_ns, double run_ns, int64_t max) {
  BatchCost cost(max);
  for (int i = 0; i < 400; ++i) {
    const int64_t n = i % max + 1;
    cost.add(n, static_cast<int64_t>(run_ns + row_ns * static_cast<double>(n)));
  }
  return cost;
}

struct Row {
  const char* name;
  double row_ns, run_ns;
  int64_t objective_us;
  double rows_per_s;
  int64_t rows_least, rows_most;  // What the chosen size lies between.
  int64_t delay_most_us;
  bool waits;
};

TEST(BatchTuner, ChoosesWhatTheObjectiveAllows) {
  constexpr Row kRows[] = {
      {"no objective", 1e5, 1e6, 0, 1000, 64, 64, 0, false},
      {"all fits", 1e4, 5e6, 25'000, 10'000, 60, 64, 0, false},
      {"half the objective is a run", 1e6, 10e6, 60'000, 10, 18, 20, 0, false},
      {"rows cost all: small is enough", 5e5, 2e4, 50'000, 10, 1, 8, 0, false},
      {"out of reach", 1e4, 50e6, 25'000, 10, 64, 64, 0, false},
      {"waiting saves", 1e4, 1e6, 50'000, 200, 50, 64, 25'000, true},
      {"nobody comes", 1e4, 1e6, 50'000, 0.1, 50, 64, 0, false},
      {"busy anyway", 1e4, 5e6, 100'000, 10'000, 60, 64, 0, false},
      {"no room", 1e4, 8e6, 25'000, 50, 50, 64, 0, false},
  };
  for (const Row& row : kRows) {
    SCOPED_TRACE(row.name);
    BatchTuner tuner({.objective_us = row.objective_us});
    int64_t now_ns = 0;
    for (int i = 0; i < 2000; ++i) {
      now_ns += static_cast<int64_t>(1e9 / row.rows_per_s);
      tuner.arrived(1, now_ns);
    }
    tuner.retune(cost_of(row.row_ns, row.run_ns, 64), now_ns);
    EXPECT_GE(tuner.rows(), row.rows_least);
    EXPECT_LE(tuner.rows(), row.rows_most);
    EXPECT_EQ(tuner.delay_ns() > 0, row.waits) << tuner.delay_why();
    EXPECT_LE(tuner.delay_ns(), row.delay_most_us * 1000);
    EXPECT_FALSE(tuner.rows_why().empty());
    EXPECT_FALSE(tuner.delay_why().empty());
  }
}

TEST(BatchTuner, SetValuesStay) {
  BatchTuner tuner({.max_batch_size = 32, .max_queue_delay_us = 700, .objective_us = 50'000});
  tuner.arrived(1, 1000);
  tuner.retune(cost_of(1e4, 1e6, 32), 2000);
  EXPECT_EQ(tuner.delay_ns(), 700'000);
}

TEST(BatchTuner, LateAnswersTakeTheWaitBack) {
  BatchTuner tuner({.objective_us = 50'000});
  const BatchCost cost = cost_of(1e4, 1e6, 64);
  int64_t now_ns = 0;
  const auto pass = [&](int64_t latency_ns, int runs) {
    for (int i = 0; i < runs; ++i) {
      now_ns += 5'000'000;
      tuner.arrived(1, now_ns);
      tuner.answered(latency_ns);
      tuner.retune(cost, now_ns);
    }
  };
  pass(10'000'000, 400);
  EXPECT_GT(tuner.delay_ns(), 0);
  pass(49'000'000, 100);
  EXPECT_EQ(tuner.delay_ns(), 0);
  EXPECT_NE(tuner.delay_why().find("near the objective"), std::string::npos);
  pass(10'000'000, 6000);
  EXPECT_GT(tuner.delay_ns(), 0);
}

TEST(BatchTuner, TheRateIsOfLately) {
  BatchTuner tuner({.objective_us = 50'000});
  int64_t now_ns = 0;
  for (int i = 0; i < 2000; ++i) tuner.arrived(2, now_ns += 1'000'000);
  EXPECT_NEAR(tuner.rows_per_s(now_ns), 2000, 60);
  EXPECT_LT(tuner.rows_per_s(now_ns + 5'000'000'000), 1);
}

}  // namespace
}  // namespace slip::serving
