#include "test/gen/dice.h"

#include <array>
#include <limits>
#include <set>

#include <gtest/gtest.h>

namespace slip::gen {
namespace {

TEST(Dice, SameSeedSameThrows) {
  for (uint64_t seed : {0u, 7u}) {
    Dice a = Dice::seeded(seed);
    Dice b = Dice::seeded(seed);
    for (int i = 0; i < 100; ++i) EXPECT_EQ(a.below(1000), b.below(1000));
  }
}

TEST(Dice, SeedZeroIsASeed) {
  Dice dice = Dice::seeded(0);
  std::set<uint64_t> seen;
  for (int i = 0; i < 50; ++i) seen.insert(dice.below(1u << 30));
  EXPECT_GT(seen.size(), 45u);
}

TEST(Dice, StaysInRange) {
  Dice dice = Dice::seeded(3);
  for (int i = 0; i < 1000; ++i) {
    EXPECT_LT(dice.below(6), 6u);
    int64_t small = dice.between(-2, 2);
    EXPECT_GE(small, -2);
    EXPECT_LE(small, 2);
    double x = dice.unit();
    EXPECT_GE(x, 0.0);
    EXPECT_LT(x, 1.0);
    EXPECT_LE(dice.text(5).size(), 5u);
  }
}

TEST(Dice, TheWholeRangeIsARangeToo) {
  Dice dice = Dice::seeded(3);
  using Limits = std::numeric_limits<int64_t>;
  EXPECT_NE(dice.between(Limits::min(), Limits::max()), dice.between(Limits::min(), Limits::max()));
}

TEST(Dice, BytesThatRanOutReadAsZero) {
  std::array<uint8_t, 3> bytes = {1, 2, 9};
  Dice dice = Dice::from_bytes(bytes);
  EXPECT_EQ(dice.below(1000), 258u);
  EXPECT_EQ(dice.below(10), 9u);
  EXPECT_EQ(dice.below(1000), 0u);
  EXPECT_EQ(dice.below(0), 0u);
}

}  // namespace
}  // namespace slip::gen
