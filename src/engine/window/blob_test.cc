#include "engine/window/blob.h"

#include <algorithm>
#include <cmath>

#include <gtest/gtest.h>

#include "test/gen/dice.h"

namespace slip::window {
namespace {

constexpr int64_t kS = kSecondUs;

Aggregate of(Op op, std::vector<Window> windows, uint32_t column = 0) {
  Aggregate a;
  a.op = op;
  a.column = column;
  a.windows = std::move(windows);
  a.params.k = 3;
  a.params.cap = 100;
  return a;
}

Plan plan_of(std::vector<Aggregate> aggregates, Options options = {}) {
  return Plan::compile(std::move(aggregates), options).value();
}

Datum one(const Plan& plan, const Blob& blob, int64_t t, size_t slot = 0) {
  return blob.read(plan, t).value()[slot].value;
}

TEST(Window, EdgesAreWhereTheySay) {
  const Plan plan = plan_of({of(Op::kCount, {{Kind::kSawtooth, 120 * kS},
                                             {Kind::kExact, 120 * kS},
                                             {Kind::kTumbling, 60 * kS},
                                             {Kind::kLifetime, 0}})});
  const auto counts = [&](int64_t ts, int64_t t) {
    Blob blob;
    EXPECT_EQ(blob.add(plan, {{ts, 1}, {int64_t{1}}}).value(), Added::kAdded);
    std::string out;
    for (size_t i = 0; i < 4; ++i) out += one(plan, blob, t, i) == Datum(int64_t{1}) ? '1' : '0';
    return out;
  };
  const int64_t t = 1'700'000'045 * kS + 7;  // Its minute began 5 s before.
  EXPECT_EQ(counts(t, t), "0000");
  EXPECT_EQ(counts(t - 1, t), "1101");
  EXPECT_EQ(counts(t - 120 * kS, t), "1101");
  EXPECT_EQ(counts(t - 120 * kS - 1, t), "1001");
  EXPECT_EQ(counts(t - 125 * kS - 7, t), "1001");
  EXPECT_EQ(counts(t - 125 * kS - 8, t), "0001");
  EXPECT_EQ(counts(t - 5 * kS - 7, t), "1101");
  EXPECT_EQ(counts(t - 5 * kS - 8, t), "1111");
  EXPECT_EQ(counts(t - 65 * kS - 7, t), "1111");
  EXPECT_EQ(counts(t - 65 * kS - 8, t), "1101");
  for (const int64_t edge : {-62167219200 * kS, 253402300799 * kS}) {  // Years 0 and 9999.
    EXPECT_EQ(counts(edge, edge), "0000");
    EXPECT_EQ(counts(edge, edge + 1).front(), '1');
  }
}

TEST(Window, StepsFollowTheLength) {
  const auto hop = [](Kind kind, int64_t length, bool chronon) {
    return plan_of({of(Op::kSum, {{kind, length}})}, {kHourUs, chronon}).slots()[0].hop_us;
  };
  EXPECT_EQ(hop(Kind::kSawtooth, kSecondUs, false), kSecondUs);
  EXPECT_EQ(hop(Kind::kSawtooth, 120 * kS - kS, false), kSecondUs);
  EXPECT_EQ(hop(Kind::kSawtooth, 120 * kS, false), 10 * kS);
  EXPECT_EQ(hop(Kind::kSawtooth, kHourUs, false), 5 * kMinuteUs);
  EXPECT_EQ(hop(Kind::kSawtooth, 12 * kHourUs, false), kHourUs);
  EXPECT_EQ(hop(Kind::kSawtooth, 12 * kDayUs, false), kDayUs);
  EXPECT_EQ(hop(Kind::kSawtooth, 120 * kS, true), 5 * kMinuteUs);
  EXPECT_EQ(hop(Kind::kSawtooth, 12 * kHourUs - kS, true), 5 * kMinuteUs);
  EXPECT_EQ(hop(Kind::kTumbling, kHourUs + kMinuteUs, false), kMinuteUs);
}

TEST(Window, BadPlansAndRecords) {
  const auto reason = [](Aggregate a) { return Plan::compile({a}, {}).error().reason; };
  EXPECT_EQ(reason(of(Op::kSum, {})), "window.no_window");
  EXPECT_EQ(reason(of(Op::kSum, {{Kind::kExact, 0}})), "window.bad_length");
  EXPECT_EQ(reason(of(Op::kSum, {{Kind::kExact, kS + 1}})), "window.bad_length");
  EXPECT_EQ(reason(of(Op::kSum, {{Kind::kLifetime, kS}})), "window.bad_length");
  EXPECT_EQ(reason(of(Op::kSum, {{Kind::kExact, kMaxLengthUs + kS}})), "window.bad_length");
  EXPECT_EQ(Plan::compile({}, {}).error().reason, "window.no_aggregate");
  const Plan plan = plan_of({of(Op::kSum, {{Kind::kExact, kS}}, 1)});
  Blob blob;
  const std::string before = blob.write(plan);
  for (const Record& r : {Record{{0, 0}, {1.0}}, Record{{0, 0}, {1.0, std::string("x")}},
                          Record{{kMaxTimeUs + 1, 0}, {1.0, 2.0}}}) {
    EXPECT_EQ(blob.add(plan, r).error().reason, "window.bad_record");
  }
  EXPECT_EQ(blob.write(plan), before);
  blob.advance(plan, kDayUs);
  EXPECT_EQ(blob.add(plan, {{0, 0}, {1.0, 2.0}}).value(), Added::kTooLate);
  EXPECT_EQ(blob.too_late(), 1);
  EXPECT_EQ(blob.read(plan, 0).error().reason, "window.too_old");
}

TEST(Window, WhatCannotBeTakenBackAsksForItsEvents) {
  const Plan plan = plan_of({of(Op::kMax, {{Kind::kSawtooth, 2 * kHourUs}})}, {0, false});
  Blob blob;
  const Record high = {{1000 * kS, 1}, {9.0}}, low = {{1001 * kS, 2}, {4.0}};
  ASSERT_TRUE(blob.add(plan, high).ok());
  ASSERT_TRUE(blob.add(plan, low).ok());
  blob.advance(plan, kHourUs);
  EXPECT_EQ(one(plan, blob, kHourUs), Datum(9.0));
  EXPECT_TRUE(blob.retract(plan, high).value());
  EXPECT_EQ(blob.read(plan, kHourUs).error().reason, "window.needs_recompute");
  const std::vector<Tile> stale = blob.stale(plan);
  ASSERT_FALSE(stale.empty());
  blob = Blob::parse(plan, blob.write(plan)).value();
  for (const Tile& tile : stale) EXPECT_TRUE(blob.recompute(plan, tile, {&low, 1}).ok());
  EXPECT_EQ(one(plan, blob, kHourUs), Datum(4.0));
}

// ---- random histories against the definition: filter the events, then count by hand.
struct Totals {
  int histories = 0, ties = 0, late = 0, duplicates = 0, retracted = 0, edges = 0, reads = 0;
};

struct History {
  std::vector<Record> events;  // Distinct.
  std::vector<Record> sent;    // With duplicates.
  int64_t t = 0;
};

const std::vector<Window> kWindows = {{Kind::kSawtooth, 7 * kS},      {Kind::kExact, 20 * kS},
                                      {Kind::kSawtooth, 120 * kS},    {Kind::kTumbling, 30 * kS},
                                      {Kind::kSawtooth, kHourUs},     {Kind::kLifetime, 0},
                                      {Kind::kSawtooth, 12 * kHourUs}};

int64_t begin_of(const Slot& s, int64_t t) {
  if (s.window.kind == Kind::kLifetime) return -kMaxTimeUs;
  if (s.window.kind == Kind::kExact) return t - s.window.length_us;
  const int64_t step = s.window.kind == Kind::kTumbling ? s.window.length_us : s.hop_us;
  int64_t edge = (t - s.window.length_us) / step * step;  // Times of the test are positive.
  return edge;
}

Answer by_hand(const Plan& plan, const Slot& s, std::vector<Record> events, int64_t t) {
  const int64_t from = begin_of(s, t);
  const int64_t to = s.window.kind == Kind::kTumbling ? from + s.window.length_us : t;
  std::erase_if(events, [&](const Record& r) {
    return r.at.ts_us < from || r.at.ts_us >= to || r.values[0].index() == 0;
  });
  std::sort(events.begin(), events.end(), [](const Record& a, const Record& b) {
    return std::pair(a.at.ts_us, a.at.seq) < std::pair(b.at.ts_us, b.at.seq);
  });
  const auto n = static_cast<int64_t>(events.size());
  int64_t s1 = 0, s2 = 0;  // Of eighths: far from 2^53, so that one division rounds once.
  std::vector<double> xs;
  for (const Record& r : events) {
    xs.push_back(std::get<double>(r.values[0]));
    const auto eighths = static_cast<int64_t>(xs.back() * 8);
    s1 += eighths;
    s2 += eighths * eighths;
  }
  Answer out;
  const double dn = static_cast<double>(n);
  switch (plan.aggregates()[s.aggregate].op) {
    case Op::kCount:
      out.value = n;
      break;
    case Op::kSum:
      if (n) out.value = static_cast<double>(s1) / 8;
      break;
    case Op::kMean:
      if (n) out.value = static_cast<double>(s1) / (8 * dn);
      break;
    case Op::kVarSample:
      if (n > 1) out.value = static_cast<double>(n * s2 - s1 * s1) / (64 * dn * (dn - 1));
      break;
    case Op::kMax:
      if (n) out.value = *std::max_element(xs.begin(), xs.end());
      break;
    case Op::kFirst:
      if (n) out.value = xs.front();
      break;
    case Op::kLastK:
      for (size_t i = xs.size(); i-- > 0 && out.items.size() < 3;) out.items.emplace_back(xs[i]);
      break;
    case Op::kDistinct:
      std::sort(xs.begin(), xs.end());
      out.value = std::unique(xs.begin(), xs.end()) - xs.begin();
      break;
    default:
      ADD_FAILURE();
  }
  return out;
}

History draw(gen::Dice& dice, Totals& totals) {
  History h;
  constexpr int64_t kSpans[] = {3 * kS, 30 * kS, 200 * kS, 3 * kHourUs, 3 * kDayUs};
  const int64_t span = kSpans[dice.below(5)];
  h.t = 1'700'000'000 * kS + dice.between(0, 100) * kS / (dice.one_in(2) ? 1 : 7);
  bool tie = false, edge = false;
  const uint64_t n = dice.below(24);
  for (uint64_t i = 0; i < n; ++i) {
    Record r{{h.t - dice.between(-kS, span), i}, {}};
    if (i > 0 && dice.one_in(3)) r.at.ts_us = h.events[dice.below(i)].at.ts_us, tie = true;
    if (dice.one_in(4)) {
      constexpr int64_t kEdges[] = {0, 7 * kS, 20 * kS, 120 * kS, 30 * kS, kHourUs};
      r.at.ts_us = h.t - kEdges[dice.below(6)] - dice.between(0, 1), edge = true;
    }
    const double value = static_cast<double>(dice.between(-80, 80)) / 8;
    dice.one_in(10) ? r.values.emplace_back() : r.values.emplace_back(value);
    h.events.push_back(r);
  }
  h.sent = h.events;
  const uint64_t again = n && dice.one_in(2) ? 1 + dice.below(4) : 0;
  for (uint64_t i = 0; i < again; ++i) h.sent.push_back(h.events[dice.below(n)]);
  for (size_t i = h.sent.size(); i-- > 1;) std::swap(h.sent[i], h.sent[dice.below(i + 1)]);
  ++totals.histories;
  totals.ties += tie;
  totals.edges += edge;
  totals.duplicates += again > 0;
  return h;
}

TEST(Window, TenThousandHistoriesAgainstTheDefinition) {
  std::vector<Aggregate> all;
  for (const Op op : {Op::kCount, Op::kSum, Op::kMean, Op::kVarSample, Op::kMax, Op::kFirst,
                      Op::kLastK, Op::kDistinct}) {
    all.push_back(of(op, kWindows));
  }
  const Plan plan = plan_of(all, {4 * kDayUs, false});
  auto dice = gen::Dice::seeded(77);
  Totals totals;
  for (int round = 0; round < 10000; ++round) {
    History h = draw(dice, totals);
    Blob blob, part, plain;
    bool late = false;
    int64_t newest = 0;
    for (const Record& r : h.sent) {
      late = late || r.at.ts_us < newest;
      newest = std::max(newest, r.at.ts_us);
      ASSERT_TRUE((dice.one_in(3) ? part : blob).add(plan, r).ok());
      if (dice.one_in(9)) blob = Blob::parse(plan, blob.write(plan)).value();
      if (dice.one_in(9)) blob.advance(plan, std::min(r.at.ts_us, h.t));  // All is within lateness.
    }
    totals.late += late;
    blob.merge(plan, part);
    if (!h.events.empty() && dice.one_in(3)) {
      const size_t i = dice.below(h.events.size());
      ASSERT_TRUE(blob.retract(plan, h.events[i]).value());
      h.events.erase(h.events.begin() + static_cast<std::ptrdiff_t>(i));
      ++totals.retracted;
    }
    for (const Record& r : h.events) ASSERT_EQ(plain.add(plan, r).value(), Added::kAdded);
    blob.advance(plan, h.t);
    plain.advance(plan, h.t);
    ASSERT_TRUE(blob.write(plan) == plain.write(plan)) << round;
    const auto answers = blob.read(plan, h.t).value();
    for (size_t i = 0; i < answers.size(); ++i) {
      ASSERT_EQ(answers[i], by_hand(plan, plan.slots()[i], h.events, h.t)) << round << ' ' << i;
      ++totals.reads;
    }
  }
  RecordProperty("reads", totals.reads);
  for (const int n :
       {totals.ties, totals.late, totals.duplicates, totals.retracted, totals.edges}) {
    EXPECT_GE(n, totals.histories / 5);
  }
}

// Time passes, tiles and raw events go, the lifetime's base takes over: the same answers.
TEST(Window, AStreamThatForgetsAnswersLikeOneThatDoesNot) {
  std::vector<Aggregate> all = {of(Op::kCount, kWindows), of(Op::kSum, kWindows),
                                of(Op::kMax, kWindows), of(Op::kLastK, kWindows)};
  const Plan plan = plan_of(all, {10 * kS, false});
  auto dice = gen::Dice::seeded(78);
  for (int round = 0; round < 60; ++round) {
    Blob blob;
    std::vector<Record> kept;
    int64_t now = 1'700'000'000 * kS;
    int64_t refused = 0;
    for (uint64_t seq = 0; seq < 120; ++seq) {
      const int64_t steps[] = {0, 1, kS / 3, 40 * kS, 3 * kHourUs, 2 * kDayUs};
      now += steps[dice.below(6)];
      blob.advance(plan, now);
      const Record r{{now - dice.between(0, 11 * kS), seq},
                     {static_cast<double>(dice.between(-80, 80)) / 8}};
      const Added added = blob.add(plan, r).value();
      ASSERT_EQ(added == Added::kTooLate, r.at.ts_us < now - 10 * kS);
      refused += added == Added::kTooLate;
      if (added == Added::kAdded) kept.push_back(r);
      const int64_t t = now - dice.between(0, 10 * kS);
      const auto answers = blob.read(plan, t).value();
      for (size_t i = 0; i < answers.size(); ++i) {
        ASSERT_EQ(answers[i], by_hand(plan, plan.slots()[i], kept, t)) << round << ' ' << i;
      }
    }
    EXPECT_EQ(blob.too_late(), refused);
    EXPECT_LT(blob.write(plan).size(), 60000);
  }
}

}  // namespace
}  // namespace slip::window
