#include "sim/fraud.h"

#include <array>

#include <gtest/gtest.h>

namespace slip::sim {
namespace {

TEST(Fraud, ASeedIsAHistory) {
  const FraudSpec spec{.seed = 7, .cards = 200, .terminals = 400, .days = 60, .new_attack_day = 40};
  const std::vector<Payment> a = simulate_fraud(spec);
  const std::vector<Payment> b = simulate_fraud(spec);
  ASSERT_EQ(a.size(), b.size());
  EXPECT_EQ(a.size(), 21'904u);  // The same on every machine.
  std::array<int64_t, 5> kinds{};
  for (size_t i = 0; i < a.size(); ++i) {
    EXPECT_EQ(a[i].second, b[i].second);
    EXPECT_EQ(a[i].cents, b[i].cents);
    EXPECT_LE(a[i == 0 ? 0 : i - 1].second, a[i].second);
    EXPECT_GT(a[i].cents, 0);
    ++kinds[static_cast<size_t>(a[i].fraud)];
    EXPECT_TRUE(a[i].fraud != FraudKind::kNight || a[i].second >= 40 * 86'400);
  }
  for (const int64_t n : kinds) EXPECT_GT(n, 0);
  EXPECT_LT(kinds[1] + kinds[2] + kinds[3] + kinds[4], kinds[0] / 4);
}

}  // namespace
}  // namespace slip::sim
