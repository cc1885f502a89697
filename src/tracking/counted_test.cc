#include "tracking/counted.h"

#include <cmath>
#include <map>

#include <gtest/gtest.h>

#include "test/tracking/world.h"

namespace slip::tracking {
namespace {

Metric metric(std::string key, double value, int64_t step) {
  Metric m;
  m.key = std::move(key);
  m.value = value;
  m.step = step;
  m.timestamp_ms = 7;
  return m;
}

TEST(Counted, ItemsSayWhatWasLogged) {
  const std::vector<Metric> metrics = {metric("loss", 0.5, 1), metric("up", HUGE_VAL, 2)};
  const auto m = counted_metrics(metrics);
  EXPECT_EQ(m.n, 2);
  EXPECT_EQ(m.items, (std::vector<std::string>{R"([["loss","0.5",1,7],["up","Infinity",2,7]])"}));
  const std::vector<Tag> tags = {{"k", "v"}};
  EXPECT_EQ(counted_tags(tags).items, (std::vector<std::string>{R"([["k","v"]])"}));
  EXPECT_EQ(counted_tags({}).n, 0);
  EXPECT_EQ(counted_deletion("k").n, 1);
  EXPECT_EQ(counted_deletion("k").items, (std::vector<std::string>{R"([["k",null]])"}));
}

class CountedTest : public test::DbTest {};
SLIP_EVERY_DB(CountedTest);

TEST_P(CountedTest, WhatIsLoggedIsOneEventAMinuteAndObject) {
  migrated(test::tracking_steps());
  sim::SimFs fs{1};
  test::FakeClock clock;
  Ctx ctx;
  ledger::Ledger events({db(), clock, real_rng()});
  const auto blobs = store::open_blobs({fs, clock, real_executor(), null_log()}, "/blobs").value();
  Tracking tracking({db(), *blobs, events, clock, real_rng()});

  const std::string run = tracking.runs.create(ctx, {}).value().id;
  const auto log = [&](std::vector<Metric> metrics, std::vector<Tag> params) {
    Batch batch;
    batch.metrics = std::move(metrics);
    batch.params = std::move(params);
    return tracking.runs.log(ctx, run, std::move(batch)).ok();
  };
  for (int step = 0; step < 3; ++step) EXPECT_TRUE(log({metric("loss", 0.5, step)}, {}));
  EXPECT_TRUE(log({}, {{"p", "1"}}));
  EXPECT_FALSE(log({metric("m", 1, 0)}, {{"p", "2"}}));  // Nothing happened: nothing is counted.
  EXPECT_TRUE(tracking.experiments.set_tag(ctx, 0, {"team", "a"}).ok());
  EXPECT_TRUE(tracking.experiments.delete_tag(ctx, 0, "team").ok());
  EXPECT_EQ(events.flush_counted().value(), 0);  // The minute isn't over.
  clock.advance_ms(60'000);
  ASSERT_TRUE(tracking.pending.settle_all().ok());
  EXPECT_EQ(events.flush_counted().value(), 3);
  while (events.number_pending().value() == ledger::kNumberedAtOnce) {}
  std::map<std::string, int64_t> counts;
  for (const ledger::Event& e : events.list({}).value()) {
    if (!e.body->find("count")) continue;
    counts[e.verb + " " + e.subject.uid] = e.body->find("count")->as_int();
    EXPECT_TRUE(e.after_digest.starts_with("sha256:")) << e.verb;
  }
  EXPECT_EQ(counts, (std::map<std::string, int64_t>{{"run.metrics_logged " + run, 3},
                                                    {"run.params_logged " + run, 1},
                                                    {"experiment.tags_changed 0", 2}}));
}

}  // namespace
}  // namespace slip::tracking
