#include "engine/window/exact.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>

#include <gtest/gtest.h>

#include "test/gen/dice.h"

namespace slip::window {
namespace {

double sum_of(const std::vector<double>& xs) {
  ExactSum s;
  for (const double x : xs) s.add(x, 1);
  return s.rounded();
}

TEST(ExactSum, RoundsOnce) {
  const double max = std::numeric_limits<double>::max();
  const double tiny = std::numeric_limits<double>::denorm_min();
  EXPECT_EQ(sum_of({}), 0);
  EXPECT_EQ(sum_of({1e16, 1, -1e16}), 1);
  EXPECT_EQ(sum_of({1e308, 1e308, -1e308}), 1e308);
  EXPECT_EQ(sum_of({max, tiny, -max}), tiny);
  EXPECT_EQ(sum_of({max, max}), std::numeric_limits<double>::infinity());
  EXPECT_EQ(sum_of({-0.1, -0.2}), -0.1 + -0.2);
  EXPECT_EQ(sum_of({0x1p53, 1}), 0x1p53);            // Tie to even.
  EXPECT_EQ(sum_of({0x1p53, 1, tiny}), 0x1p53 + 2);  // Just above the tie.
  EXPECT_EQ(sum_of({tiny, tiny}), 2 * tiny);
  EXPECT_EQ(sum_of({0x1p-1022, -tiny}), 0x1p-1022 - tiny);
}

TEST(ExactSum, OneDoubleAtATimeIsThatDouble) {
  auto dice = gen::Dice::seeded(11);
  for (int i = 0; i < 20000; ++i) {
    const auto x = std::bit_cast<double>(dice.below(~uint64_t{0}));
    if (!std::isfinite(x)) continue;
    EXPECT_EQ(sum_of({x}), x);
    EXPECT_EQ(sum_of({x, -x}), 0);
    const auto y = std::bit_cast<double>(dice.below(~uint64_t{0}));
    if (std::isfinite(y)) {
      EXPECT_EQ(sum_of({x, y}), x + y);  // IEEE addition rounds once, too.
    }
    ExactSum square;
    square.add(x, 2);
    EXPECT_EQ(square.rounded(), x * x);
  }
}

TEST(ExactSum, TheSameBytesInAnyOrderSplitAndTakenBack) {
  auto dice = gen::Dice::seeded(12);
  for (int round = 0; round < 300; ++round) {
    std::vector<double> xs(1 + dice.below(40));
    for (double& x : xs)
      x = std::ldexp(static_cast<double>(dice.below(uint64_t{1} << 52)) - 0x1p51,
                     static_cast<int>(dice.below(120)) - 60);
    const int power = 1 + round % 4;
    ExactSum whole, left, right;
    for (const double x : xs) whole.add(x, power);
    for (size_t i = xs.size(); i-- > 0;) (dice.below(2) ? left : right).add(xs[i], power);
    left.add(3.5e300, power);
    left.merge(right);
    left.add(3.5e300, power, -1);
    std::string a, b;
    whole.write(a);
    left.write(b);
    ASSERT_EQ(a, b);
    ExactSum back;
    std::string_view in = a;
    ASSERT_TRUE(back.read(in));
    ASSERT_TRUE(in.empty());
    ASSERT_TRUE(back == whole);
  }
}

TEST(Big, QuotientsAndRootsAreRoundedOnce) {
  auto dice = gen::Dice::seeded(13);
  for (int i = 0; i < 20000; ++i) {
    const auto a = static_cast<int64_t>(dice.below(uint64_t{1} << 52)),
               b = static_cast<int64_t>(dice.below(uint64_t{1} << 52)) + 1;
    EXPECT_EQ(round_ratio(Big(a), Big(b), 0), static_cast<double>(a) / static_cast<double>(b));
    EXPECT_EQ(round_ratio(Big(-a) * Big(b) * Big(b) * Big(b), Big(b) * Big(b) * Big(b) * Big(b), 0),
              -static_cast<double>(a) / static_cast<double>(b));
    EXPECT_EQ(round_sqrt(Big(a), Big(1), 0), std::sqrt(static_cast<double>(a)));
    EXPECT_EQ(round_sqrt(Big(a) * Big(a) * Big(b), Big(b), 0), static_cast<double>(a));
  }
}

}  // namespace
}  // namespace slip::window
