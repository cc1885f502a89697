#include "features/freshness.h"

#include <gtest/gtest.h>

namespace slip::features {
namespace {

TEST(Spread, PercentilesAreBoundsAndNeverAboveTheMaximum) {
  Spread s;
  EXPECT_FALSE(s.at(0.5));
  for (int64_t i = 1; i <= 90; ++i) s.add(i * 10);    // Up to 900 us.
  for (int64_t i = 0; i < 10; ++i) s.add(2'000'000);  // Two seconds.
  EXPECT_EQ(s.count(), 100);
  EXPECT_EQ(s.at(0.5), 1'000);
  EXPECT_EQ(s.at(0.9), 1'000);
  EXPECT_EQ(s.at(0.91), 2'000'000);
  EXPECT_EQ(s.at(1), 2'000'000);
  s.add(-5);
  s.add(INT64_C(9'000'000'000'000), 3);
  EXPECT_EQ(s.count(), 104);
  EXPECT_EQ(s.at(1), INT64_C(9'000'000'000'000));
}

}  // namespace
}  // namespace slip::features
