#include "engine/window/counts.h"

#include <map>

#include <gtest/gtest.h>

#include "engine/window/kernel.h"
#include "test/gen/dice.h"

namespace slip::window {
namespace {

std::string drawn(gen::Dice& dice) {
  Datum value = static_cast<double>(dice.below(40)) / 7 - 2;
  if (dice.one_in(3)) value = static_cast<int64_t>(dice.below(600)) - 300;
  if (dice.one_in(3)) value = std::string(dice.below(30), static_cast<char>('a' + dice.below(2)));
  if (dice.one_in(9)) value = dice.one_in(2);
  std::string out;
  write_datum(value, out);
  return out;
}

std::map<std::string, int64_t> plain(const Counts<DatumKey>& counts) {
  std::map<std::string, int64_t> out;
  for (const auto& [key, n] : counts) {
    EXPECT_TRUE(out.empty() || out.rbegin()->first < key.bytes());
    out.emplace(key.bytes(), n);
  }
  return out;
}

TEST(Counts, AsAMapOfTheBytes) {
  for (uint64_t seed = 0; seed < 300; ++seed) {
    gen::Dice dice = gen::Dice::seeded(seed);
    Counts<DatumKey> counts[2];
    std::map<std::string, int64_t> want[2];
    for (uint64_t i = dice.below(120); i > 0; --i) {
      const std::string key = drawn(dice);
      const size_t side = dice.below(2);
      const int64_t n = dice.one_in(4) && want[side].contains(key) ? -want[side][key] : 1;
      counts[side].add(DatumKey(key), n);
      if ((want[side][key] += n) == 0) want[side].erase(key);
      EXPECT_EQ(counts[side].find(DatumKey(key)) != counts[side].end(), want[side].contains(key));
    }
    ASSERT_EQ(plain(counts[0]), want[0]) << seed;
    counts[0].merge(counts[1]);
    for (const auto& [key, n] : want[1]) want[0][key] += n;
    ASSERT_EQ(plain(counts[0]), want[0]) << seed;
    counts[0].merge(counts[0]);
    for (auto& [unused, n] : want[0]) n *= 2;
    ASSERT_EQ(plain(counts[0]), want[0]) << seed;
  }
}

TEST(Limbs, GrowAtBothEnds) {
  Limbs limbs;
  std::vector<int64_t> want;
  for (int64_t i = 1; i < 40; ++i) {
    limbs.push_back(i);
    want.push_back(i);
    limbs.zeros_in_front(static_cast<size_t>(i % 3));
    want.insert(want.begin(), static_cast<size_t>(i % 3), 0);
    ASSERT_TRUE(std::equal(limbs.begin(), limbs.end(), want.begin(), want.end())) << i;
  }
  limbs.drop_front(30);
  limbs.pop_back();
  want.erase(want.begin(), want.begin() + 30);
  want.pop_back();
  limbs.resize(limbs.size() + 2);
  want.resize(want.size() + 2);
  EXPECT_TRUE(std::equal(limbs.begin(), limbs.end(), want.begin(), want.end()));
}

}  // namespace
}  // namespace slip::window
