#include "tracking/group_key.h"

#include <cfloat>
#include <cmath>
#include <set>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "test/gen/dice.h"

namespace slip::tracking {
namespace {

using Kind = GroupKey::Kind;

GroupKey text(const std::string& t) {
  return {.kind = Kind::kText, .text = t, .low = 0, .high = 0};
}
GroupKey stretch(double low, double high) {
  return {.kind = Kind::kStretch, .text = "", .low = low, .high = high};
}
GroupKey of_kind(Kind kind) { return {.kind = kind, .text = "", .low = 0, .high = 0}; }

TEST(GroupKey, IdsReadBack) {
  for (const std::string t : {"", "adam", "none", "NaN", "=", "0.1..0.2", "π \" ' `"}) {
    EXPECT_EQ(parse_group_key(text(t).id(), false).value(), text(t));
  }
  for (const GroupKey& key :
       {stretch(0.1, 0.2), stretch(-DBL_MAX, DBL_MAX), stretch(-1e-290, 0), of_kind(Kind::kBelow),
        of_kind(Kind::kAbove), of_kind(Kind::kNan), of_kind(Kind::kAbsent)})
    EXPECT_EQ(parse_group_key(key.id(), true).value(), key) << key.id();
  EXPECT_EQ(parse_group_key("none", false).value(), of_kind(Kind::kAbsent));
}

TEST(GroupKey, WhatIsNoIdIsRefused) {
  for (const char* id : {"", "adam", "NaN", "0.1..0.2"})
    EXPECT_FALSE(parse_group_key(id, false).ok()) << id;
  for (const char* id :
       {"", "=a", "1", "1..", "..1", "2..1", "1..1", "NaN..1", "1..Infinity", "1..2..3", "a..b"})
    EXPECT_EQ(parse_group_key(id, true).error().reason, "run_groups.group") << id;
}

TEST(GroupKey, NumbersStandBySizeAndWhatIsMissingLast) {
  const std::vector<GroupKey> texts = {text("-1"),   text("0.5"), text("8"),
                                       text("16"),   text("1e3"), text("Adam"),
                                       text("adam"), text("inf"), of_kind(Kind::kAbsent)};
  const std::vector<GroupKey> numbers = {of_kind(Kind::kBelow), stretch(-1, 0),
                                         stretch(0, 1),         of_kind(Kind::kAbove),
                                         of_kind(Kind::kNan),   of_kind(Kind::kAbsent)};
  for (const auto& list : {texts, numbers})
    for (size_t i = 0; i < list.size(); ++i)
      for (size_t j = 0; j < list.size(); ++j) {
        const int want = i < j ? -1 : i > j ? 1 : 0;
        EXPECT_EQ(compare(list[i], list[j], true), want) << list[i].id() << " " << list[j].id();
        const bool last = list[i].kind >= Kind::kNan || list[j].kind >= Kind::kNan;
        EXPECT_EQ(compare(list[i], list[j], false), last ? want : -want);
      }
}

TEST(Stretches, AreOfARoundWidth) {
  EXPECT_EQ(Stretches(0, 1, 10).of(0.35), stretch(0.3, 0.4));
  EXPECT_EQ(Stretches(0, 1, 10).of(1), stretch(1, 1.1));
  EXPECT_EQ(Stretches(0, 1, 4).of(0.35), stretch(0, 0.5));
  EXPECT_EQ(Stretches(-3, 12, 5).of(-0.5), stretch(-5, 0));
  EXPECT_EQ(Stretches(0, 2e6, 10).of(1.5e6), stretch(1.4e6, 1.6e6));
  EXPECT_EQ(Stretches(7, 7, 10).of(7), stretch(7, 8));
  EXPECT_EQ(Stretches(0, 0, 10).of(0), stretch(0, 1));
}

TEST(Stretches, EveryValueLiesInItsOwnAndTheyDoNotOverlap) {
  gen::Dice dice = gen::Dice::seeded(29);
  const auto value = [&] {
    const double size = std::pow(10.0, static_cast<double>(dice.between(-320, 308)));
    return static_cast<double>(dice.between(-999, 999)) / 100 * size;
  };
  for (int round = 0; round < 3000; ++round) {
    std::vector<double> values = {value(), value(), value(), 0, DBL_MIN};
    if (dice.one_in(10)) values.insert(values.end(), {DBL_MAX, -DBL_MAX});
    if (dice.one_in(4)) {  // All within a few steps of one double.
      values = {values[0]};
      while (values.size() < 5) values.push_back(std::nextafter(values.back(), HUGE_VAL));
    }
    std::erase_if(values, [](double v) { return !std::isfinite(v); });
    if (values.empty()) continue;
    const int64_t wanted = dice.between(1, kGroupBucketsMax);
    const Stretches cut(std::ranges::min(values), std::ranges::max(values), wanted);
    std::vector<GroupKey> keys;
    for (const double v : values) {
      const GroupKey key = cut.of(v);
      ASSERT_EQ(key.kind, Kind::kStretch);
      ASSERT_LE(key.low, v);
      ASSERT_TRUE(v < key.high || key.high == DBL_MAX) << v;
      ASSERT_EQ(parse_group_key(key.id(), true).value(), key) << key.id();
      keys.push_back(key);
    }
    for (const GroupKey& a : keys)
      for (const GroupKey& b : keys) ASSERT_TRUE(a == b || a.high <= b.low || b.high <= a.low);
  }
  for (const auto& [v, kind] :
       {std::pair(HUGE_VAL, Kind::kAbove), std::pair(-HUGE_VAL, Kind::kBelow),
        std::pair(std::nan(""), Kind::kNan)})
    EXPECT_EQ(Stretches(0, 1, 10).of(v).kind, kind);
}

TEST(Stretches, AreAboutAsManyAsWanted) {
  for (const int64_t wanted : {1, 3, 10, 37, 100}) {
    const Stretches cut(-4.2, 17.9, wanted);
    std::set<double> lows;
    for (int i = 0; i <= 10'000; ++i) lows.insert(cut.of(-4.2 + 22.1 * i / 10'000).low);
    EXPECT_LE(lows.size(), static_cast<size_t>(wanted) + 2);
    EXPECT_GE(lows.size() * 3, static_cast<size_t>(wanted));
  }
}

}  // namespace
}  // namespace slip::tracking
