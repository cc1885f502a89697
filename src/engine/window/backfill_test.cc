#include "engine/window/backfill.h"

#include <algorithm>

#include <gtest/gtest.h>

#include "test/gen/dice.h"

namespace slip::window {
namespace {

using engine::Column;
using engine::Type;
using engine::Values;

// Rows in any order answer as pushed events do, one at a time, read while the stream runs.
TEST(Backfill, AnswersWhatThePushedStreamAnswered) {
  std::vector<Aggregate> all;
  for (const Op op : {Op::kMean, Op::kStddevSample, Op::kQuantile, Op::kLast, Op::kDistinct}) {
    Aggregate a;
    a.op = op;
    a.windows = {{Kind::kSawtooth, kMinuteUs}, {Kind::kExact, kHourUs}, {Kind::kLifetime, 0}};
    all.push_back(a);
  }
  const Plan plan = Plan::compile(all, {kMinuteUs, false}).value();
  auto dice = gen::Dice::seeded(31);
  for (int round = 0; round < 100; ++round) {
    std::vector<Blob> blobs(3);
    struct Row {
      int64_t key, ts, seq;
      double x;
    };
    struct Query {
      int64_t key, t;
      std::vector<Answer> seen;
    };
    std::vector<Row> rows;
    std::vector<Query> asked;
    int64_t now = 1'700'000'000 * kSecondUs;
    for (int64_t i = 0; i < 60; ++i) {
      now += dice.between(0, dice.one_in(5) ? 20 * kMinuteUs : kSecondUs);
      const int64_t key = dice.between(0, 2);
      const Row row{key, now, i, dice.unit() - 0.5};
      blobs[static_cast<size_t>(key)].advance(plan, now);
      ASSERT_TRUE(blobs[static_cast<size_t>(key)]
                      .add(plan, {{row.ts, static_cast<uint64_t>(i)}, {row.x}})
                      .ok());
      rows.push_back(row);
      const int64_t other = dice.between(0, 2), t = now + dice.between(0, 1);
      asked.push_back({other, t, blobs[static_cast<size_t>(other)].read(plan, t).value()});
    }
    rows.push_back(rows[3]);  // Twice.
    for (size_t i = rows.size(); i-- > 1;) std::swap(rows[i], rows[dice.below(i + 1)]);
    for (size_t i = asked.size(); i-- > 1;) std::swap(asked[i], asked[dice.below(i + 1)]);
    Values key(Type::kInt64), ts(Type::kTimestampUs), seq(Type::kInt64), x(Type::kDouble);
    Values query_key(Type::kInt64), t(Type::kTimestampUs);
    for (const Row& r : rows)
      key.add_i64(r.key), ts.add_i64(r.ts), seq.add_i64(r.seq), x.add_f64(r.x);
    for (const Query& q : asked) query_key.add_i64(q.key), t.add_i64(q.t);
    const Column k = key.view(), at = ts.view(), s = seq.view(), v = x.view();
    const Column qk = query_key.view(), qt = t.view();
    const auto answers = backfill(plan, {&k, &at, &s, {&v}}, {&qk, &qt}).value();
    ASSERT_EQ(answers.size(), asked.size());
    for (size_t i = 0; i < asked.size(); ++i) ASSERT_TRUE(answers[i] == asked[i].seen) << round;
  }
}

TEST(Backfill, RefusesColumnsThatDontFit) {
  Aggregate a;
  a.op = Op::kSum;
  a.windows = {{Kind::kLifetime, 0}};
  const Plan plan = Plan::compile({a}, {}).value();
  Values times(Type::kTimestampUs), two(Type::kTimestampUs), x(Type::kDouble);
  times.add_null();
  two.add_i64(1);
  two.add_i64(2);
  x.add_f64(1);
  const Column nulls = times.view(), pair = two.view(), v = x.view();
  EXPECT_EQ(backfill(plan, {nullptr, &pair, nullptr, {&v}}, {nullptr, &pair}).error().reason,
            "window.bad_record");
  EXPECT_EQ(backfill(plan, {nullptr, &nulls, nullptr, {&v}}, {nullptr, &pair}).error().reason,
            "window.bad_record");
  EXPECT_EQ(backfill(plan, {nullptr, &v, nullptr, {&v}}, {nullptr, &pair}).error().reason,
            "window.bad_record");
  EXPECT_EQ(backfill(plan, {nullptr, &pair, nullptr, {}}, {nullptr, &pair}).error().reason,
            "window.bad_record");
  EXPECT_EQ(backfill(plan, {nullptr, &pair, nullptr, {&pair}}, {nullptr, &nulls}).error().reason,
            "window.bad_query");
  EXPECT_TRUE(backfill(plan, {nullptr, &pair, nullptr, {&pair}}, {nullptr, &pair}).ok());
}

}  // namespace
}  // namespace slip::window
