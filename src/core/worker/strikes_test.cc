#include "core/worker/strikes.h"

#include <gtest/gtest.h>

namespace slip::worker {
namespace {

constexpr int64_t kMs = 1'000'000;

TEST(StrikesTest, ThreeInARowAreRefusedForTwiceAsLongEachTime) {
  Strikes strikes;
  int64_t now_ns = 0;
  strikes.killed("f", "it crashed", now_ns);
  strikes.killed("f", "it crashed", now_ns);
  EXPECT_TRUE(strikes.check("f", now_ns).ok());
  int64_t wait_ms = 10'000;
  for (int i = 0; i < 9; ++i) {
    strikes.killed("f", "it crashed", now_ns);
    EXPECT_EQ(strikes.check("f", now_ns).error().reason, "worker.refused");
    EXPECT_EQ(strikes.check("f", now_ns + wait_ms * kMs - 1).error().code, Code::kUnavailable);
    EXPECT_TRUE(strikes.check("f", now_ns + wait_ms * kMs).ok()) << i;
    EXPECT_TRUE(strikes.check("g", now_ns).ok());
    now_ns += wait_ms * kMs;
    wait_ms = std::min<int64_t>(wait_ms * 2, 600'000);
  }
  EXPECT_EQ(wait_ms, 600'000);
}

TEST(StrikesTest, AnAnswerForgives) {
  Strikes strikes;
  for (int i = 0; i < 10; ++i) {
    strikes.killed("f", "late", 0);
    strikes.killed("f", "late", 0);
    strikes.answered("f");
    EXPECT_TRUE(strikes.check("f", 0).ok());
  }
  EXPECT_EQ(strikes.size(), 0u);
}

TEST(StrikesTest, KeepsABoundedNumber) {
  Strikes strikes;
  for (int i = 0; i < kStrikesMax; ++i) strikes.killed("worst", "late", 0);
  for (size_t i = 0; i < 2 * kStrikersMax; ++i) strikes.killed(std::to_string(i), "late", 0);
  EXPECT_EQ(strikes.size(), kStrikersMax);
  EXPECT_FALSE(strikes.check("worst", 0).ok());
}

TEST(StrikesTest, Waits) {
  EXPECT_EQ(refused_ms(0), 0);
  EXPECT_EQ(refused_ms(2), 0);
  EXPECT_EQ(refused_ms(3), 10'000);
  EXPECT_EQ(refused_ms(4), 20'000);
  EXPECT_EQ(refused_ms(1'000'000), 600'000);
}

}  // namespace
}  // namespace slip::worker
