#include "engine/window/kernel.h"

#include <cmath>
#include <limits>

#include <gtest/gtest.h>

#include "engine/window/sketch.h"
#include "test/gen/dice.h"

namespace slip::window {
namespace {

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();
constexpr double kInf = std::numeric_limits<double>::infinity();

Answer run(Op op, const std::vector<Datum>& values, Params params = {}) {
  const Kernel kernel = kernel_of(op, params).value();
  State state = init(kernel);
  uint64_t seq = 0;
  for (const Datum& v : values) update(kernel, state, v, {100, ++seq});
  return finalize(op, params, state);
}

double number(const Answer& a) { return std::get<double>(a.value); }

TEST(Kernel, NumbersByHand) {
  EXPECT_EQ(run(Op::kCount, {}).value, Datum(int64_t{0}));
  for (const Op op : {Op::kSum, Op::kMean, Op::kVarPop, Op::kSkew, Op::kMin, Op::kLast, Op::kAny,
                      Op::kQuantile, Op::kEwma, Op::kListSum}) {
    EXPECT_EQ(run(op, {}).value, Datum()) << static_cast<int>(op);
  }
  const std::vector<Datum> four = {1.0, 2.0, 3.0, 10.0};
  EXPECT_EQ(number(run(Op::kSum, four)), 16);
  EXPECT_EQ(number(run(Op::kMean, four)), 4);
  EXPECT_EQ(number(run(Op::kVarPop, four)), 12.5);
  EXPECT_EQ(number(run(Op::kVarSample, four)), 50.0 / 3);
  EXPECT_EQ(number(run(Op::kStddevPop, four)), std::sqrt(12.5));
  EXPECT_NEAR(number(run(Op::kSkew, four)), 45 / std::pow(12.5, 1.5), 1e-15);
  EXPECT_EQ(number(run(Op::kKurtosis, four)), -120.25 / 156.25);
  EXPECT_EQ(run(Op::kVarSample, {1.0}).value, Datum());
  EXPECT_EQ(number(run(Op::kVarPop, {1.0})), 0);
  EXPECT_TRUE(std::isnan(number(run(Op::kSkew, {1.0, 1.0}))));
  EXPECT_EQ(number(run(Op::kStddevPop, {1e300, -1e300})), 1e300);  // Its square has no double.
  EXPECT_EQ(number(run(Op::kMean, {int64_t{1}, int64_t{2}})), 1.5);
}

TEST(Kernel, IntegersOverflowOnlyInTheEnd) {
  const int64_t max = std::numeric_limits<int64_t>::max();
  EXPECT_EQ(run(Op::kSum, {max, max, -max}).value, Datum(max));
  EXPECT_EQ(run(Op::kSum, {-max, int64_t{-1}}).value, Datum(-max - 1));
  EXPECT_TRUE(run(Op::kSum, {max, int64_t{1}}).overflow);
  EXPECT_TRUE(run(Op::kSum, {-max, int64_t{-2}}).overflow);
  EXPECT_EQ(run(Op::kSum, {max, int64_t{1}}).value, Datum());
}

TEST(Kernel, NanAndInfinities) {
  EXPECT_EQ(number(run(Op::kSum, {1.0, kInf})), kInf);
  EXPECT_TRUE(std::isnan(number(run(Op::kSum, {kInf, -kInf}))));
  EXPECT_TRUE(std::isnan(number(run(Op::kMean, {1.0, kNan}))));
  EXPECT_TRUE(std::isnan(number(run(Op::kMax, {1.0, kNan, kInf}))));
  EXPECT_EQ(number(run(Op::kMin, {1.0, kNan, kInf})), 1);
  EXPECT_TRUE(std::signbit(number(run(Op::kMin, {0.0, -0.0}))));
  EXPECT_FALSE(std::signbit(number(run(Op::kMax, {0.0, -0.0}))));
  EXPECT_EQ(run(Op::kDistinct, {0.0, -0.0, kNan, -kNan}).value, Datum(int64_t{2}));
}

TEST(Kernel, ByTimeAndSequence) {
  Params p;
  p.k = 2;
  p.alpha = 0.25;
  EXPECT_EQ(run(Op::kFirst, {int64_t{7}, int64_t{8}, int64_t{9}}).value, Datum(int64_t{7}));
  EXPECT_EQ(run(Op::kLast, {int64_t{7}, int64_t{8}, int64_t{9}}).value, Datum(int64_t{9}));
  EXPECT_EQ(run(Op::kLastK, {int64_t{7}, int64_t{8}, int64_t{9}}, p).items,
            (std::vector<Datum>{int64_t{9}, int64_t{8}}));
  EXPECT_EQ(number(run(Op::kEwma, {8.0, 4.0}, p)), 7);
}

TEST(Kernel, ValuesAndCounts) {
  Params p;
  p.k = 1;
  p.cap = 2;
  const std::vector<Datum> words = {std::string("b"), std::string("a"), std::string("b")};
  EXPECT_EQ(run(Op::kTopK, words, p).entries[0].first, Datum(std::string("b")));
  EXPECT_EQ(run(Op::kHistogram, words, p).entries.size(), 2);
  EXPECT_TRUE(run(Op::kHistogram, {int64_t{1}, int64_t{2}, int64_t{3}}, p).overflow);
  EXPECT_EQ(run(Op::kAny, {false, true}).value, Datum(true));
  EXPECT_EQ(run(Op::kAll, {false, true}).value, Datum(false));
  using L = std::vector<double>;
  EXPECT_EQ(run(Op::kListMean, {L{1, 2}, L{3, 5}}).value, Datum(L{2, 3.5}));
}

TEST(Kernel, SketchesKeepTheirPromise) {
  for (const double accuracy : {0.001, 0.01, 0.1}) {
    auto dice = gen::Dice::seeded(5);
    for (int i = 0; i < 3000; ++i) {
      const double x = std::ldexp(1 + dice.unit(), static_cast<int>(dice.between(-1000, 1000)));
      EXPECT_NEAR(bucket_value(bucket_of(x, accuracy), accuracy) / x, 1, accuracy * (1 + 1e-9));
    }
  }
  for (const int64_t n : {1000, 1025, 3000, 20000, 200000}) {
    const Kernel kernel = kernel_of(Op::kDistinct, {}).value();
    State state = init(kernel);
    for (int64_t i = 0; i < n; ++i) update(kernel, state, i * 977, {0, 0});
    const Answer a = finalize(Op::kDistinct, {}, state);
    EXPECT_NEAR(static_cast<double>(std::get<int64_t>(a.value)) / static_cast<double>(n), 1,
                a.approximate ? 0.05 : 0)
        << n;
    EXPECT_EQ(a.approximate, n > 1024);
  }
}

TEST(Kernel, HeavyValuesAreFoundBeyondTheCap) {
  Params p;
  p.k = 3;
  p.cap = 64;
  std::vector<Datum> values;
  for (int64_t i = 0; i < 4000; ++i) values.emplace_back(i % 4 ? i : i / 4 % 3 - 5);
  const Answer a = run(Op::kTopK, values, p);
  EXPECT_TRUE(a.approximate);
  ASSERT_EQ(a.entries.size(), 3);
  for (const auto& [value, n] : a.entries) {
    EXPECT_LT(std::get<int64_t>(value), 0);
    EXPECT_GE(n, 333);
    EXPECT_LE(n, 344);
  }
}

Datum some(Op op, gen::Dice& dice) {
  if (op == Op::kAny || op == Op::kAll) return dice.one_in(2);
  if (op == Op::kListSum || op == Op::kListMean) {
    return std::vector<double>{dice.unit() * 1e9, -dice.unit()};
  }
  if (dice.one_in(20)) return kNan;
  if (dice.one_in(20)) return dice.one_in(2) ? kInf : -kInf;
  return std::ldexp(static_cast<double>(dice.between(-9, 9)),
                    static_cast<int>(dice.between(-3, 30)));
}

// Any order, any split, bytes in between, and events that come and go: the same bytes.
TEST(Kernel, AStateIsAFunctionOfItsEvents) {
  auto dice = gen::Dice::seeded(21);
  int taken_back = 0;
  for (int round = 0; round < 4600; ++round) {
    const auto op = static_cast<Op>(round % kOpCount);
    Params p;
    p.k = 3;
    p.cap = op == Op::kTopK ? 1000 : 12;  // Top-k beyond its cap is approximate by declaration.
    const Kernel kernel = kernel_of(op, p).value();
    State whole = init(kernel), parts[2] = {init(kernel), init(kernel)};
    std::vector<std::pair<Datum, Event>> events(dice.below(30));
    for (auto& [value, at] : events) {
      value = some(op, dice);
      at = {dice.between(0, 9), static_cast<uint64_t>(&at - &events[0].second)};
    }
    for (const auto& [value, at] : events) update(kernel, whole, value, at);
    for (size_t i = events.size(); i-- > 1;) std::swap(events[i], events[dice.below(i + 1)]);
    for (const auto& [value, at] : events) {
      State& part = parts[dice.below(2)];
      const Datum extra = some(op, dice);
      State before = part;
      update(kernel, part, extra, {5, 999});
      std::string a, b;
      if (retract(kernel, part, extra, {5, 999})) {
        write(kernel, before, a);
        write(kernel, part, b);
        ASSERT_EQ(a, b) << static_cast<int>(op);
        ++taken_back;
      } else {
        part = before;
      }
      update(kernel, part, value, at);
    }
    std::string bytes, expected;
    write(kernel, parts[1], bytes);
    std::string_view in = bytes;
    const State back = read(kernel, in).value();
    merge(kernel, parts[0], back);
    bytes.clear();
    write(kernel, parts[0], bytes);
    write(kernel, whole, expected);
    ASSERT_EQ(bytes, expected) << static_cast<int>(op);
  }
  EXPECT_GT(taken_back, 20000);
}

TEST(Kernel, RefusesWhatItCannotMean) {
  Params p;
  EXPECT_EQ(kernel_of(Op::kLastK, p).error().reason, "window.bad_limit");
  p.k = kMaxLimit + 1;
  EXPECT_EQ(kernel_of(Op::kLastK, p).error().reason, "window.bad_limit");
  EXPECT_EQ(kernel_of(Op::kTopK, p).error().reason, "window.bad_limit");
  p.alpha = kNan;
  EXPECT_EQ(kernel_of(Op::kEwma, p).error().reason, "window.bad_alpha");
  p.quantile = 1.5;
  EXPECT_EQ(kernel_of(Op::kQuantile, p).error().reason, "window.bad_quantile");
  const Kernel kernel = kernel_of(Op::kSum, {}).value();
  EXPECT_FALSE(fits(kernel, init(kernel), std::string("1")));
  std::string_view in = "garbage";
  EXPECT_EQ(read(kernel, in).error().reason, "window.bad_state");
}

}  // namespace
}  // namespace slip::window
