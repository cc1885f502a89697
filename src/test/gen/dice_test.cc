#include "test/gen/dice.h"

#include <array>

#include <gtest/gtest.h>

namespace slip::gen {
namespace {

TEST(Dice, SameSeedSameThrows) {
  Dice a = Dice::seeded(7);
  Dice b = Dice::seeded(7);
  for (int i = 0; i < 100; ++i) {
    uint64_t throw_a = a.below(1000);
    EXPECT_EQ(throw_a, b.below(1000));
    EXPECT_LT(throw_a, 1000u);
  }
}

TEST(Dice, BytesThatRanOutReadAsZero) {
  std::array<uint8_t, 2> bytes = {1, 2};
  Dice dice = Dice::from_bytes(bytes);
  EXPECT_EQ(dice.below(1000), 258u);
  EXPECT_EQ(dice.below(1000), 0u);
  EXPECT_EQ(dice.below(0), 0u);
}

}  // namespace
}  // namespace slip::gen
