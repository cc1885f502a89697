#include "tracking/envelope.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <map>
#include <tuple>
#include <vector>

#include <gtest/gtest.h>

#include "test/gen/dice.h"

namespace slip::tracking {
namespace {

using gen::Dice;

constexpr int64_t kLeast = std::numeric_limits<int64_t>::min();
constexpr int64_t kMost = std::numeric_limits<int64_t>::max();

std::vector<Bucket> envelope_of(const std::vector<CurvePoint>& points, int64_t low, int64_t high,
                                int64_t buckets) {
  Envelope e(low, high, buckets);
  for (const CurvePoint& p : points) e.add(p);
  return std::move(e).take();
}

auto key(const CurvePoint& p) { return std::tuple(p.x, p.tie, p.value); }

// What a bucket must say of its points, the slow way.
void expect_describes(const Bucket& b, std::vector<CurvePoint> points) {
  std::ranges::sort(points, [](const auto& a, const auto& c) { return a.x < c.x; });
  EXPECT_EQ(b.x_first, points.front().x);
  EXPECT_EQ(b.x_last, points.back().x);
  const auto count = [&](auto test) { return std::ranges::count_if(points, test); };
  EXPECT_EQ(b.nan, count([](const CurvePoint& p) { return std::isnan(p.value); }));
  EXPECT_EQ(b.above, count([](const CurvePoint& p) { return p.value == HUGE_VAL; }));
  EXPECT_EQ(b.below, count([](const CurvePoint& p) { return p.value == -HUGE_VAL; }));
  std::erase_if(points, [](const CurvePoint& p) { return !std::isfinite(p.value); });
  ASSERT_EQ(b.finite, static_cast<int64_t>(points.size()));
  if (points.empty()) return;
  std::ranges::sort(points, [](const auto& a, const auto& c) { return key(a) < key(c); });
  EXPECT_EQ(key(b.first), key(points.front()));
  EXPECT_EQ(key(b.last), key(points.back()));
  const auto by_value = [](const CurvePoint& a, const CurvePoint& c) { return a.value < c.value; };
  EXPECT_EQ(key(b.low), key(*std::ranges::min_element(points, by_value)));
  EXPECT_EQ(key(b.high), key(*std::ranges::max_element(points, by_value)));
}

TEST(Envelope, IsWhatBruteForceSays) {
  constexpr double kValues[] = {0,
                                0.5,
                                1,
                                -1,
                                2.5,
                                1e300,
                                1e-9,
                                -1e300,
                                HUGE_VAL,
                                -HUGE_VAL,
                                std::numeric_limits<double>::quiet_NaN()};
  for (uint64_t seed = 0; seed < 400; ++seed) {
    SCOPED_TRACE(seed);
    Dice dice = Dice::seeded(seed);
    const int64_t low = dice.between(-50, 50);
    const int64_t high = low + dice.between(0, dice.one_in(2) ? 20 : 5000);
    const int64_t wanted = dice.between(1, 60);
    std::vector<CurvePoint> points;
    for (uint64_t i = dice.below(300) + 1; i > 0; --i)
      points.push_back({dice.between(low, high), dice.between(0, 3), dice.pick(kValues)});
    const std::vector<Bucket> found = envelope_of(points, low, high, wanted);
    ASSERT_LE(static_cast<int64_t>(found.size()), wanted);
    size_t seen = 0;
    int64_t behind = low - 1;
    for (const Bucket& b : found) {
      EXPECT_GT(b.x_first, behind);
      behind = b.x_last;
      std::vector<CurvePoint> inside;
      for (const CurvePoint& p : points)
        if (p.x >= b.x_first && p.x <= b.x_last) inside.push_back(p);
      seen += inside.size();
      expect_describes(b, std::move(inside));
    }
    EXPECT_EQ(seen, points.size()) << "every point is in one bucket";
  }
}

TEST(Envelope, TheOrderOfPointsChangesNothing) {
  for (uint64_t seed = 0; seed < 100; ++seed) {
    SCOPED_TRACE(seed);
    Dice dice = Dice::seeded(seed);
    std::vector<CurvePoint> points;
    for (int i = 0; i < 120; ++i)
      points.push_back({dice.between(0, 30), dice.between(0, 1),
                        dice.one_in(3) ? -0.0 : static_cast<double>(dice.between(0, 2))});
    const std::vector<Bucket> one = envelope_of(points, 0, 30, 7);
    for (size_t i = points.size(); i > 1; --i)
      std::swap(points[i - 1], points[static_cast<size_t>(dice.below(i))]);
    const std::vector<Bucket> other = envelope_of(points, 0, 30, 7);
    ASSERT_EQ(one.size(), other.size());
    for (size_t i = 0; i < one.size(); ++i) {
      EXPECT_EQ(key(one[i].low), key(other[i].low));
      EXPECT_EQ(key(one[i].high), key(other[i].high));
      EXPECT_EQ(std::signbit(one[i].low.value), std::signbit(other[i].low.value));
      EXPECT_EQ(key(one[i].first), key(other[i].first));
      EXPECT_EQ(key(one[i].last), key(other[i].last));
    }
  }
}

TEST(Envelope, ASpikeSurvivesAndSoDoesANan) {
  Envelope e(0, 999'999, 500);
  for (int64_t x = 0; x < 1'000'000; ++x)
    e.add({x, 0, x == 777'777 ? 1e6 : x == 31 ? std::nan("") : 0.5});
  const std::vector<Bucket> found = std::move(e).take();
  ASSERT_EQ(found.size(), 500U);
  int64_t points = 0;
  int64_t nans = 0;
  double top = 0;
  for (const Bucket& b : found) {
    points += b.finite + b.nan;
    nans += b.nan;
    top = std::max(top, b.high.value);
  }
  EXPECT_EQ(points, 1'000'000);
  EXPECT_EQ(nans, 1);
  EXPECT_EQ(top, 1e6);
}

TEST(Envelope, TheWidestRangeAndASinglePoint) {
  const std::vector<CurvePoint> ends = {{kLeast, 0, 1}, {kMost, 0, 2}, {0, 0, 3}};
  EXPECT_EQ(envelope_of(ends, kLeast, kMost, 1).size(), 1U);
  EXPECT_EQ(envelope_of(ends, kLeast, kMost, 1000).size(), 3U);
  const std::vector<Bucket> one = envelope_of({{7, 0, 4}}, 7, 7, 100);
  ASSERT_EQ(one.size(), 1U);
  EXPECT_EQ(one[0].first.value, 4);
  EXPECT_TRUE(envelope_of({}, 0, 100, 10).empty());
}

}  // namespace
}  // namespace slip::tracking
