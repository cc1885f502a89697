#include "tracking/run_table.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "test/gen/dice.h"
#include "test/tracking/world.h"

// The table of runs and the curves, over what was logged as a client logs it.
namespace slip::tracking {
namespace {

using gen::Dice;

class RunTableTest : public test::TrackingDbTest {
 protected:
  std::string new_run(int64_t start_ms, Batch batch) {
    NewRun wanted;
    wanted.name = "r" + std::to_string(start_ms);
    wanted.start_ms = start_ms;
    const std::string id = tracking->runs.create(ctx, wanted).value().id;
    EXPECT_TRUE(tracking->runs.log(ctx, id, std::move(batch)).ok());
    return id;
  }
  static Metric metric(const std::string& key, double value, int64_t step = 0, int64_t at = 0) {
    Metric m;
    m.key = key;
    m.value = value;
    m.step = step;
    m.timestamp_ms = at;
    return m;
  }
  static Batch batch(std::vector<Metric> metrics, std::vector<Tag> params = {}) {
    Batch b;
    b.metrics = std::move(metrics);
    b.params = std::move(params);
    return b;
  }
  static RunQuery all() {
    RunQuery query;
    query.experiment_ids = {0};
    return query;
  }
};
SLIP_EVERY_DB(RunTableTest);

TEST_P(RunTableTest, APageHoldsTheChosenCellsOnly) {
  for (int i = 0; i < 150; ++i)  // More than one list of numbers.
    new_run(i, batch({metric("a", i), metric("b", i % 3 == 0 ? std::nan("") : -i), metric("c", 1)},
                     {{"p", std::to_string(i % 2)}, {"q", "x"}}));
  RunQuery query = all();
  query.order_by = {"metrics.a DESC"};
  query.max_results = 140;
  const TableColumns columns{.metrics = {"b", "a", "never"}, .params = {"p"}, .tags = {}};
  const auto first = tracking->run_table.rows(ctx, query, columns).value();
  ASSERT_EQ(first.items.size(), 140U);
  for (size_t i = 0; i < first.items.size(); ++i) {
    const slip::tracking::Run& run = first.items[i];
    const auto a = static_cast<double>(149 - i);
    ASSERT_EQ(run.metrics.size(), 2U);
    EXPECT_EQ(run.metrics[0].key, "a");
    EXPECT_EQ(run.metrics[0].value, a);
    if ((149 - i) % 3 == 0)
      EXPECT_TRUE(std::isnan(run.metrics[1].value));
    else
      EXPECT_EQ(run.metrics[1].value, -a);
    EXPECT_EQ(run.params, (std::vector<Tag>{{"p", std::to_string((149 - i) % 2)}}));
    EXPECT_TRUE(run.tags.empty());
  }
  query.page_token = first.next_page_token;
  const auto rest = tracking->run_table.rows(ctx, query, columns).value();
  EXPECT_EQ(rest.items.size(), 10U);
  EXPECT_EQ(rest.items.back().name, "r0");
  EXPECT_TRUE(rest.next_page_token.empty());
  query.order_by = {"metrics.b DESC"};
  EXPECT_EQ(tracking->run_table.rows(ctx, query, columns).error().reason, "page.token");
}

TEST_P(RunTableTest, CountsWhatAllPagesHold) {
  for (int i = 0; i < 9; ++i) new_run(i, batch({metric("a", i)}));
  RunQuery query = all();
  query.max_results = 2;
  EXPECT_EQ(tracking->run_table.count(ctx, query).value(), 9);
  query.filter = "metrics.a >= 4";
  EXPECT_EQ(tracking->run_table.count(ctx, query).value(), 5);
  query.filter = "params.none = 'x'";
  EXPECT_EQ(tracking->run_table.count(ctx, query).value(), 0);
  query.filter = "metrics.a >=";
  EXPECT_FALSE(tracking->run_table.count(ctx, query).ok());
  query = all();
  query.experiment_ids = {};
  EXPECT_EQ(tracking->run_table.count(ctx, query).value(), 0);
}

TEST_P(RunTableTest, KeysSayWhoHasThemAndWhetherTheyDiffer) {
  const double nan = std::nan("");
  new_run(1, batch({metric("same", 1), metric("nan", nan), metric("other", 1)}, {{"p", "1"}}));
  new_run(2, batch({metric("same", 1), metric("nan", nan), metric("other", HUGE_VAL)},
                   {{"p", "1"}, {"q", "1"}}));
  const TableKeys keys = tracking->run_table.keys(ctx, all()).value();
  EXPECT_EQ(keys.runs, 2);
  EXPECT_TRUE(keys.whole);
  EXPECT_EQ(keys.metrics,
            (std::vector<TableKey>{{"nan", 2, false}, {"other", 2, true}, {"same", 2, false}}));
  EXPECT_EQ(keys.params, (std::vector<TableKey>{{"p", 2, false}, {"q", 1, true}}));
  EXPECT_EQ(keys.tags, (std::vector<TableKey>{{"mlflow.runName", 2, true}}));
  RunQuery query = all();
  query.filter = "params.q = '1'";
  const TableKeys one = tracking->run_table.keys(ctx, query).value();
  EXPECT_EQ(one.runs, 1);
  EXPECT_EQ(one.params, (std::vector<TableKey>{{"p", 1, false}, {"q", 1, false}}));
}

TEST_P(RunTableTest, TooManyRowsOrColumnsAreRefused) {
  RunQuery query = all();
  query.max_results = kTableRowsMax + 1;
  EXPECT_FALSE(tracking->run_table.rows(ctx, query, {}).ok());
  query.max_results = 1;
  TableColumns columns;
  columns.params.resize(kTableColumnsMax + 1, "p");
  EXPECT_EQ(tracking->run_table.rows(ctx, query, columns).error().reason, "run_table.columns");
  columns.params.resize(kTableColumnsMax);
  EXPECT_TRUE(tracking->run_table.rows(ctx, query, columns).ok());
}

TEST_P(RunTableTest, AnExperimentsUse) {
  const int64_t other = tracking->experiments.create(ctx, {"other", "", {}}).value().id;
  new_run(5, {});
  const std::string done = new_run(9, {});
  RunUpdate update;
  update.status = RunStatus::kFinished;
  ASSERT_TRUE(tracking->runs.update(ctx, done, update).ok());
  ASSERT_TRUE(tracking->runs.remove(ctx, new_run(20, {})).ok());
  const auto use = tracking->run_table.use_of(ctx, {0, other}).value();
  ASSERT_EQ(use.size(), 1U);
  EXPECT_EQ(use[0].experiment_id, 0);
  EXPECT_EQ(use[0].runs, 2);
  EXPECT_EQ(use[0].running, 1);
  EXPECT_EQ(use[0].last_start_ms, 9);
}

TEST_P(RunTableTest, CurvesAreTheEnvelopeOfTheirPoints) {
  Dice dice = Dice::seeded(11);
  std::vector<Metric> points;
  for (int i = 0; i < 900; ++i) {
    double value = static_cast<double>(dice.between(-9, 9));
    if (dice.one_in(20)) value = std::nan("");
    if (dice.one_in(25)) value = -HUGE_VAL;
    points.push_back(metric("m", value, dice.between(-100, 400), dice.between(0, 50)));
  }
  const std::string id = new_run(1, batch(points));
  const auto same = [](const Metric& a, const Metric& b) {
    return a.step == b.step && a.timestamp_ms == b.timestamp_ms &&
           (a.value == b.value || (std::isnan(a.value) && std::isnan(b.value)));
  };
  std::vector<Metric> distinct;  // A point that is logged twice is one.
  for (const Metric& m : points)
    if (std::ranges::none_of(distinct, [&](const Metric& d) { return same(m, d); }))
      distinct.push_back(m);
  for (const CurveAxis axis : {CurveAxis::kStep, CurveAxis::kTime}) {
    const bool by_step = axis == CurveAxis::kStep;
    for (const int64_t buckets : {1, 10, 64, 5000}) {
      CurveQuery query;
      query.run_ids = {id};
      query.keys = {"m", "never"};
      query.axis = axis;
      query.points = buckets;
      const auto curves = tracking->curves.read(ctx, query).value();
      ASSERT_EQ(curves.size(), 2U);
      EXPECT_FALSE(curves[1].whole);
      EXPECT_TRUE(curves[1].buckets.empty());
      const auto [low, high] = *curves[0].whole;
      Envelope want(low, high, buckets);
      for (const Metric& m : distinct)
        want.add(by_step ? CurvePoint{m.step, m.timestamp_ms, m.value}
                         : CurvePoint{m.timestamp_ms, m.step, m.value});
      const std::vector<Bucket> expected = std::move(want).take();
      ASSERT_EQ(curves[0].buckets.size(), expected.size());
      for (size_t i = 0; i < expected.size(); ++i) {
        const Bucket& a = curves[0].buckets[i];
        const Bucket& b = expected[i];
        EXPECT_EQ(std::tuple(a.x_first, a.x_last, a.finite, a.nan, a.above, a.below),
                  std::tuple(b.x_first, b.x_last, b.finite, b.nan, b.above, b.below));
        EXPECT_EQ(std::tuple(a.first.value, a.low.value, a.high.value, a.last.value),
                  std::tuple(b.first.value, b.low.value, b.high.value, b.last.value));
      }
    }
  }
}

TEST_P(RunTableTest, APartOfACurveIsThatPart) {
  std::vector<Metric> points;
  for (int i = 0; i < 500; ++i) points.push_back(metric("m", i, i, 1000 - i));
  CurveQuery query;
  query.run_ids = {new_run(1, batch(points))};
  query.keys = {"m"};
  query.part = {100, 119};
  const auto steps = tracking->curves.read(ctx, query).value()[0];
  EXPECT_EQ(steps.whole, (std::pair<int64_t, int64_t>(0, 499)));
  ASSERT_EQ(steps.buckets.size(), 20U);
  EXPECT_EQ(steps.buckets[0].first.value, 100);
  query.axis = CurveAxis::kTime;
  query.part = {990, 2000};
  const auto times = tracking->curves.read(ctx, query).value()[0];
  ASSERT_EQ(times.buckets.size(), 11U);
  EXPECT_EQ(times.buckets.back().last.value, 0);
  query.part = {5000, 6000};
  EXPECT_TRUE(tracking->curves.read(ctx, query).value()[0].buckets.empty());
}

TEST_P(RunTableTest, APartMayCountFromEachCurvesFirst) {
  CurveQuery query;
  for (const int64_t begun : {0, 7000}) {
    std::vector<Metric> points;
    for (int i = 0; i < 100; ++i) points.push_back(metric("m", i, begun + i, 5 + begun + i * 10));
    query.run_ids.push_back(new_run(begun, batch(points)));
  }
  query.keys = {"m"};
  query.part_from_first = true;
  for (const CurveAxis axis : {CurveAxis::kStep, CurveAxis::kTime}) {
    query.axis = axis;
    const int64_t unit = axis == CurveAxis::kStep ? 1 : 10;
    query.part = {20 * unit, 29 * unit};
    for (const ThinCurve& curve : tracking->curves.read(ctx, query).value()) {
      ASSERT_EQ(curve.buckets.size(), 10U);
      EXPECT_EQ(curve.buckets.front().first.value, 20);
      EXPECT_EQ(curve.buckets.back().last.value, 29);
    }
  }
  query.part = {INT64_MIN, INT64_MAX};
  for (const ThinCurve& curve : tracking->curves.read(ctx, query).value())
    EXPECT_EQ(curve.buckets.size(), 100U);
  query.part = {1000, INT64_MAX};
  for (const ThinCurve& curve : tracking->curves.read(ctx, query).value())
    EXPECT_TRUE(curve.buckets.empty());
}

// Whatever part is looked at, no extreme of it is lost and nothing from beside it comes in.
TEST_P(RunTableTest, EveryPartKeepsItsLeastAndGreatest) {
  Dice dice = Dice::seeded(41);
  std::vector<Metric> points;
  for (int i = 0; i < 800; ++i) {
    double value = static_cast<double>(dice.between(-1000, 1000));
    if (dice.one_in(15)) value = std::nan("");
    if (dice.one_in(40)) value = HUGE_VAL;
    points.push_back(metric("m", value, i * 3, 100'000 - i));
  }
  CurveQuery query;
  query.run_ids = {new_run(1, batch(points))};
  query.keys = {"m"};
  for (int round = 0; round < 60; ++round) {
    query.axis = dice.one_in(2) ? CurveAxis::kStep : CurveAxis::kTime;
    const bool by_step = query.axis == CurveAxis::kStep;
    const int64_t from = by_step ? dice.between(-10, 2500) : dice.between(99'000, 100'100);
    const int64_t to = from + dice.between(0, 900);
    query.part = {from, to};
    query.points = dice.between(1, 300);
    const ThinCurve curve = tracking->curves.read(ctx, query).value()[0];
    ASSERT_LE(static_cast<int64_t>(curve.buckets.size()), query.points);
    size_t seen = 0;
    for (const Bucket& b : curve.buckets) {
      double low = HUGE_VAL;
      double high = -HUGE_VAL;
      int64_t finite = 0;
      int64_t odd = 0;
      for (const Metric& m : points) {
        const int64_t x = by_step ? m.step : m.timestamp_ms;
        if (x < b.x_first || x > b.x_last) continue;
        ASSERT_TRUE(from <= x && x <= to);
        if (!std::isfinite(m.value)) {
          ++odd;
          continue;
        }
        ++finite;
        low = std::min(low, m.value);
        high = std::max(high, m.value);
      }
      ASSERT_EQ(b.finite, finite);
      ASSERT_EQ(b.nan + b.above + b.below, odd);
      if (finite > 0) {
        ASSERT_EQ(std::pair(b.low.value, b.high.value), std::pair(low, high));
      }
      seen += static_cast<size_t>(finite + odd);
    }
    const auto inside = std::ranges::count_if(points, [&](const Metric& m) {
      const int64_t x = by_step ? m.step : m.timestamp_ms;
      return from <= x && x <= to;
    });
    ASSERT_EQ(static_cast<int64_t>(seen), inside);
  }
}

TEST_P(RunTableTest, BadCurveQueriesAreRefused) {
  const std::string id = new_run(1, {});
  const auto reason = [&](const auto& change) {
    CurveQuery query;
    query.run_ids = {id};
    query.keys = {"m"};
    change(query);
    const auto read = tracking->curves.read(ctx, query);
    return read.ok() ? std::string() : std::string(read.error().reason);
  };
  EXPECT_EQ(reason([](CurveQuery&) {}), "");
  EXPECT_EQ(reason([](CurveQuery& q) { q.points = 0; }), "curves.limit");
  EXPECT_EQ(reason([](CurveQuery& q) { q.points = kCurvePointsMax + 1; }), "curves.limit");
  EXPECT_EQ(reason([](CurveQuery& q) { q.keys = {}; }), "curves.limit");
  EXPECT_EQ(reason([](CurveQuery& q) { q.run_ids.clear(); }), "curves.limit");
  EXPECT_EQ(reason([](CurveQuery& q) { q.keys.resize(kCurvesMax + 1, "m"); }), "curves.limit");
  EXPECT_EQ(reason([](CurveQuery& q) { q.part = {2, 1}; }), "curves.range");
  EXPECT_EQ(reason([](CurveQuery& q) { q.run_ids[0] = "none"; }), "run.not_found");
}

}  // namespace
}  // namespace slip::tracking
