#include <algorithm>
#include <cfloat>
#include <cmath>
#include <map>
#include <set>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "test/gen/dice.h"
#include "test/tracking/world.h"
#include "tracking/run_table.h"

// Runs in groups and in trees, on each database.
namespace slip::tracking {
namespace {

using gen::Dice;

struct Seed {
  std::string id;
  std::map<std::string, double> metrics;
  std::map<std::string, std::string> params;
};

class RunGroupsTest : public test::TrackingDbTest {
 protected:
  std::string new_run(Batch batch, int64_t start_ms = 0, int64_t experiment = 0) {
    NewRun wanted;
    wanted.experiment_id = experiment;
    wanted.name = "r";
    wanted.start_ms = start_ms;
    const std::string id = tracking->runs.create(ctx, wanted).value().id;
    EXPECT_TRUE(tracking->runs.log(ctx, id, std::move(batch)).ok());
    return id;
  }
  void add(Seed seed) {
    Batch b;
    for (const auto& [key, value] : seed.metrics) {
      Metric m;
      m.key = key;
      m.value = value;
      b.metrics.push_back(m);
    }
    for (const auto& [key, value] : seed.params) b.params.push_back({key, value});
    seed.id = new_run(b);
    seeds.push_back(seed);
  }
  std::string child(const std::string& parent, int64_t start_ms = 0, int64_t experiment = 0) {
    Batch b;
    b.tags = {{"mlflow.parentRunId", parent}};
    return new_run(b, start_ms, experiment);
  }
  static RunQuery all(int64_t limit = 1000) {
    RunQuery query;
    query.experiment_ids = {0};
    query.max_results = limit;
    return query;
  }
  std::vector<RunGroup> pages(const RunQuery& query, GroupQuery asked, int64_t limit) {
    std::vector<RunGroup> out;
    asked.max_results = limit;
    do {
      const GroupPage page = tracking->run_table.groups(ctx, query, asked).value();
      out.insert(out.end(), page.items.begin(), page.items.end());
      asked.page_token = page.next_page_token;
    } while (!asked.page_token.empty());
    return out;
  }
  std::set<std::string> ids(const RunQuery& query) {
    std::set<std::string> out;
    const auto page = tracking->run_table.rows(ctx, query, {}).value();
    for (const auto& run : page.items) out.insert(run.id);
    return out;
  }
  std::vector<std::string> of_parent(const std::string& parent) {
    RunQuery query = all();
    query.parent_id = parent;
    std::vector<std::string> out;
    const auto page = tracking->run_table.rows(ctx, query, {}).value();
    for (const auto& run : page.items) out.push_back(run.id);
    return out;
  }
  std::string refused(const RunQuery& query, const GroupQuery& asked) {
    const auto page = tracking->run_table.groups(ctx, query, asked);
    return page.ok() ? std::string() : std::string(page.error().reason);
  }

  std::vector<Seed> seeds;
};
SLIP_EVERY_DB(RunGroupsTest);

std::vector<std::string> ids_of(const std::vector<RunGroup>& groups) {
  std::vector<std::string> out;
  for (const RunGroup& g : groups) out.push_back(g.key.id());
  return out;
}

TEST_P(RunGroupsTest, OfAParamWithWhatItsMetricsSpan) {
  for (const int n : {1, 2, 3, 4, 5, 6})
    add({"", {{"acc", n}, {"loss", n == 4 ? std::nan("") : -n}}, {{"lr", n % 2 ? "0.1" : "0.01"}}});
  add({"", {{"acc", HUGE_VAL}}, {{"lr", "0.1"}}});
  add({"", {{"acc", 10}}, {}});
  GroupQuery asked;
  asked.by = "params.lr";
  asked.metrics = {"acc", "never", "loss"};
  const GroupPage page = tracking->run_table.groups(ctx, all(), asked).value();
  EXPECT_EQ(page.groups, 3);
  EXPECT_EQ(page.runs, 8);
  ASSERT_EQ(ids_of(page.items), (std::vector<std::string>{"=0.1", "=0.01", "none"}));
  const GroupMetric& acc = page.items[0].metrics[0];
  EXPECT_EQ(page.items[0].runs, 4);
  EXPECT_EQ(std::tuple(acc.key, acc.finite, acc.above, acc.low, acc.mean, acc.high),
            std::tuple("acc", 3, 1, 1.0, 3.0, 5.0));
  ASSERT_EQ(page.items[1].metrics.size(), 2U);
  const GroupMetric& loss = page.items[1].metrics[1];
  EXPECT_EQ(std::tuple(loss.key, loss.finite, loss.nan, loss.low, loss.mean, loss.high),
            std::tuple("loss", 2, 1, -6.0, -4.0, -2.0));
  ASSERT_EQ(page.items[2].metrics.size(), 1U);
}

TEST_P(RunGroupsTest, OrderedByValueRunsOrMean) {
  const std::vector<std::pair<std::string, double>> rows = {
      {"16", 3}, {"16", 5}, {"8", 9}, {"adam", 1}, {"128", std::nan("")}};
  for (const auto& [p, m] : rows) add({"", {{"m", m}}, {{"p", p}}});
  add({"", {}, {}});
  GroupQuery asked;
  asked.by = "params.p";
  using Ids = std::vector<std::string>;
  const auto order = [&](const char* by) {
    asked.order_by = by;
    return ids_of(pages(all(), asked, 2));
  };
  EXPECT_EQ(order("value ASC"), (Ids{"=8", "=16", "=128", "=adam", "none"}));
  EXPECT_EQ(order("value DESC"), (Ids{"=adam", "=128", "=16", "=8", "none"}));
  EXPECT_EQ(order(""), (Ids{"=16", "=8", "=128", "=adam", "none"}));
  EXPECT_EQ(order("runs ASC"), (Ids{"=8", "=128", "=adam", "none", "=16"}));
  EXPECT_EQ(order("metrics.m ASC"), (Ids{"=adam", "=16", "=8", "=128", "none"}));
  EXPECT_EQ(order("metrics.`m` DESC"), (Ids{"=8", "=16", "=adam", "=128", "none"}));
}

TEST_P(RunGroupsTest, OfAMetricsStretchesNanAndInfinities) {
  for (const double v : {0.05, 0.11, 0.19, 0.95, std::nan(""), std::nan(""), HUGE_VAL, -HUGE_VAL})
    add({"", {{"m", v}}, {}});
  add({"", {}, {}});
  GroupQuery asked;
  asked.by = "metrics.m";
  asked.metrics = {"m"};
  const auto groups = pages(all(), asked, 3);
  EXPECT_EQ(ids_of(groups), (std::vector<std::string>{"-Infinity", "0..0.1", "0.1..0.2", "0.9..1",
                                                      "Infinity", "NaN", "none"}));
  EXPECT_EQ(groups[2].runs, 2);
  EXPECT_EQ(groups[5].runs, 2);
  EXPECT_EQ(groups[5].metrics[0].nan, 2);
  EXPECT_TRUE(groups[6].metrics.empty());
}

TEST_P(RunGroupsTest, OfAnAttributeOrATag) {
  RunUpdate done;
  done.status = RunStatus::kFinished;
  for (int i = 0; i < 5; ++i) {
    Batch b;
    if (i < 3) b.tags = {{"team", i < 2 ? "vision" : ""}};
    const std::string id = new_run(b);
    if (i == 0) {
      ASSERT_TRUE(tracking->runs.update(ctx, id, done).ok());
    }
  }
  GroupQuery asked;
  asked.by = "attributes.status";
  EXPECT_EQ(ids_of(pages(all(), asked, 9)), (std::vector<std::string>{"=RUNNING", "=FINISHED"}));
  asked.by = "tags.team";
  EXPECT_EQ(ids_of(pages(all(), asked, 9)), (std::vector<std::string>{"=vision", "none", "="}));
}

// Whatever is asked: every run is in one group, and the group's own search finds its runs.
TEST_P(RunGroupsTest, AGroupOpensToTheRunsThatItCounts) {
  Dice dice = Dice::seeded(17);
  const std::vector<double> odd = {std::nan(""), HUGE_VAL, -HUGE_VAL, DBL_MAX, -DBL_MAX, 0, 1e-310};
  for (int i = 0; i < 90; ++i) {
    Seed seed;
    if (!dice.one_in(8)) seed.metrics["m"] = static_cast<double>(dice.between(-50, 50)) / 7;
    if (dice.one_in(12)) seed.metrics["m"] = odd[static_cast<size_t>(dice.between(0, 6))];
    if (!dice.one_in(5)) seed.params["p"] = std::to_string(dice.between(0, 6));
    if (dice.one_in(9)) seed.params["p"] = "it's \"a\" `b`";
    seed.metrics["x"] = i;
    add(seed);
  }
  for (const std::string& filter : {std::string(), std::string("metrics.x < 60")})
    for (const std::string by : {"params.p", "metrics.m", "attributes.status", "tags.never"})
      for (const int64_t buckets : {1, 7, 100}) {
        SCOPED_TRACE(by + " " + filter);
        RunQuery query = all();
        query.filter = filter;
        GroupQuery asked;
        asked.by = by;
        asked.buckets = buckets;
        std::set<std::string> seen;
        size_t runs = 0;
        for (const RunGroup& group : pages(query, asked, 4)) {
          RunQuery inside = query;
          inside.group_by = by;
          inside.group = group.key.id();
          const std::set<std::string> found = ids(inside);
          EXPECT_EQ(static_cast<int64_t>(found.size()), group.runs) << inside.group;
          EXPECT_EQ(tracking->run_table.count(ctx, inside).value(), group.runs);
          seen.insert(found.begin(), found.end());
          runs += found.size();
        }
        EXPECT_EQ(runs, seen.size());
        EXPECT_EQ(seen, ids(query));
      }
}

TEST_P(RunGroupsTest, SumsDoNotOverflow) {
  for (const double v : {DBL_MAX, DBL_MAX, DBL_MAX / 2}) add({"", {{"m", v}}, {{"p", "a"}}});
  for (const double v : {-DBL_MAX, DBL_MAX, 5e-324}) add({"", {{"m", v}}, {{"p", "b"}}});
  GroupQuery asked;
  asked.by = "params.p";
  asked.metrics = {"m"};
  const auto groups = pages(all(), asked, 9);
  EXPECT_DOUBLE_EQ(groups[0].metrics[0].mean, DBL_MAX / 3 * 2.5);
  EXPECT_GE(groups[1].metrics[0].mean, 0);
  EXPECT_LT(groups[1].metrics[0].mean, 1e-300);
}

TEST_P(RunGroupsTest, WhatIsNoGroupIsRefused) {
  add({"", {}, {}});
  GroupQuery asked;
  for (const char* by : {"", "params", "params.", "lr", "datasets.name", "attributes.never",
                         "attributes.start_time"}) {
    asked.by = by;
    EXPECT_NE(refused(all(), asked), "") << by;
  }
  asked.by = "params.p";
  EXPECT_EQ(refused(all(), asked), "");
  asked.order_by = "params.p ASC";
  EXPECT_EQ(refused(all(), asked), "run_groups.order");
  asked.order_by.clear();
  asked.buckets = kGroupBucketsMax + 1;
  EXPECT_EQ(refused(all(), asked), "run_groups.limit");
  asked.buckets = 0;
  EXPECT_EQ(refused(all(), asked), "run_groups.limit");
  asked.buckets = 1;
  asked.max_results = kGroupPageMax + 1;
  EXPECT_EQ(refused(all(), asked), "page.limit");
  asked.max_results = 1;
  asked.page_token = "nonsense";
  EXPECT_EQ(refused(all(), asked), "page.token");
  asked.page_token.clear();
  asked.metrics.resize(kTableColumnsMax + 1, "m");
  EXPECT_EQ(refused(all(), asked), "run_table.columns");
  RunQuery query = all();
  query.filter = "metrics.m >";
  asked.metrics.clear();
  EXPECT_NE(refused(query, asked), "");
  query = all();
  query.group_by = "metrics.m";
  query.group = "=1";
  EXPECT_EQ(tracking->run_table.rows(ctx, query, {}).error().reason, "run_groups.group");
}

TEST_P(RunGroupsTest, ATokenContinuesItsOwnQueryOnly) {
  for (const char* p : {"a", "b", "c"}) add({"", {}, {{"p", p}}});
  GroupQuery asked;
  asked.by = "params.p";
  asked.max_results = 1;
  asked.page_token = tracking->run_table.groups(ctx, all(), asked).value().next_page_token;
  ASSERT_FALSE(asked.page_token.empty());
  EXPECT_EQ(refused(all(), asked), "");
  GroupQuery other = asked;
  other.by = "tags.p";
  EXPECT_EQ(refused(all(), other), "page.token");
  RunQuery query = all();
  query.filter = "params.p = 'a'";
  EXPECT_EQ(refused(query, asked), "page.token");
}

TEST_P(RunGroupsTest, ParentsOpenToTheirChildren) {
  const std::string parent = new_run({}, 10);
  const std::string first = child(parent, 20);
  const std::string second = child(parent, 30);
  const std::string grandchild = child(first, 40);
  const std::string single = new_run({}, 50);
  RunQuery query = all();
  query.roots = true;
  EXPECT_EQ(ids(query), (std::set<std::string>{parent, single}));
  EXPECT_EQ(tracking->run_table.count(ctx, query).value(), 2);
  EXPECT_EQ(of_parent(parent), (std::vector<std::string>{second, first}));
  EXPECT_EQ(of_parent(first), std::vector<std::string>{grandchild});
  EXPECT_TRUE(of_parent(single).empty());
  EXPECT_TRUE(of_parent("nobody").empty());
  TableColumns columns;
  columns.family = true;
  auto page = tracking->run_table.rows(ctx, all(), columns).value();
  std::ranges::sort(page.with_children);
  std::vector<std::string> want = {parent, first};
  std::ranges::sort(want);
  EXPECT_EQ(page.with_children, want);
  query = all(1);
  query.parent_id = parent;
  const auto head = tracking->run_table.rows(ctx, query, columns).value();
  query.page_token = head.next_page_token;
  const auto rest = tracking->run_table.rows(ctx, query, columns).value();
  EXPECT_TRUE(head.with_children.empty());
  EXPECT_EQ(rest.with_children, std::vector<std::string>{first});
  EXPECT_TRUE(rest.next_page_token.empty());
  query.parent_id = first;
  EXPECT_EQ(tracking->run_table.rows(ctx, query, columns).error().reason, "page.token");
}

// No run vanishes from the tree: a parent that is deleted, filtered out, elsewhere or a ring of
// tags leaves its child at the top.
TEST_P(RunGroupsTest, ARunWithoutItsParentStandsAtTheTop) {
  const int64_t elsewhere = tracking->experiments.create(ctx, {"other", "", {}}).value().id;
  const std::string parent = new_run({}, 10);
  const std::string one = child(parent, 20);
  const std::string away = child(parent, 20, elsewhere);
  const std::string orphan = child("gone", 30);
  const std::string itself = new_run({}, 40);
  const std::string ring_a = new_run({}, 50);
  const std::string ring_b = child(ring_a, 50);
  ASSERT_TRUE(
      tracking->runs
          .log(ctx, itself, {.metrics = {}, .params = {}, .tags = {{"mlflow.parentRunId", itself}}})
          .ok());
  ASSERT_TRUE(
      tracking->runs
          .log(ctx, ring_a, {.metrics = {}, .params = {}, .tags = {{"mlflow.parentRunId", ring_b}}})
          .ok());
  RunQuery roots = all();
  roots.roots = true;
  EXPECT_EQ(ids(roots), (std::set<std::string>{parent, orphan, itself, ring_a}));
  EXPECT_EQ(of_parent(ring_a), std::vector<std::string>{ring_b});
  EXPECT_TRUE(of_parent(ring_b).empty());
  EXPECT_TRUE(of_parent(itself).empty());
  RunQuery other = roots;
  other.experiment_ids = {elsewhere};
  EXPECT_EQ(ids(other), std::set<std::string>{away});
  other.experiment_ids = {0, elsewhere};
  EXPECT_EQ(ids(other), (std::set<std::string>{parent, orphan, itself, ring_a}));
  RunQuery filtered = roots;
  filtered.filter = "attributes.run_id = '" + one + "'";
  EXPECT_EQ(ids(filtered), std::set<std::string>{one});
  ASSERT_TRUE(tracking->runs.remove(ctx, parent).ok());
  EXPECT_EQ(ids(roots), (std::set<std::string>{one, orphan, itself, ring_a}));
}

// Walking down from the roots meets every run once.
TEST_P(RunGroupsTest, TheTreeHoldsEveryRunOnce) {
  Dice dice = Dice::seeded(5);
  std::vector<std::string> made;
  for (int i = 0; i < 60; ++i) {
    const int64_t start = dice.between(0, 30);
    made.push_back(
        made.empty() || dice.one_in(4)
            ? new_run({}, start)
            : child(
                  made[static_cast<size_t>(dice.between(0, static_cast<int64_t>(made.size()) - 1))],
                  start));
  }
  RunQuery query = all();
  query.roots = true;
  TableColumns columns;
  columns.family = true;
  std::vector<std::string> seen;
  const std::function<void(const RunQuery&)> walk = [&](const RunQuery& at) {
    const auto page = tracking->run_table.rows(ctx, at, columns).value();
    for (const auto& run : page.items) {
      seen.push_back(run.id);
      RunQuery below = all();
      below.parent_id = run.id;
      const bool has = std::ranges::count(page.with_children, run.id) > 0;
      EXPECT_EQ(has, tracking->run_table.count(ctx, below).value() > 0);
      if (has) walk(below);
    }
  };
  walk(query);
  std::ranges::sort(seen);
  std::ranges::sort(made);
  EXPECT_EQ(seen, made);
}

}  // namespace
}  // namespace slip::tracking
