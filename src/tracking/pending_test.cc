#include "tracking/pending.h"

#include <atomic>
#include <cmath>
#include <map>
#include <memory>
#include <set>
#include <tuple>

#include <gtest/gtest.h>

#include "codec/hash.h"
#include "test/gen/dice.h"
#include "test/tracking/world.h"
#include "tracking/counted.h"
#include "tracking/pending_store.h"

// What waits to be folded is seen by every reader, survives, and counts once.
namespace slip::tracking {
namespace {

using gen::Dice;

Metric metric(std::string key, double value, int64_t step) {
  Metric m;
  m.key = std::move(key);
  m.value = value;
  m.step = step;
  m.timestamp_ms = 7;
  return m;
}

Batch batch_of(std::vector<Metric> metrics) {
  Batch batch;
  batch.metrics = std::move(metrics);
  return batch;
}

// A world on a database; opened again on the same one it is the next process.
struct TrackingWorld {
  explicit TrackingWorld(store::Db& opened, Clock& clock = real_clock())
      : db(opened),
        events({opened, clock, real_rng()}),
        blobs(store::open_blobs({fs, clock, real_executor(), null_log()}, "/blobs").value()),
        tracking({opened, *blobs, events, clock, real_rng()}) {}

  std::string new_run() { return tracking.runs.create(ctx, {}).value().id; }
  Status log(const std::string& run, std::vector<Metric> metrics) {
    return tracking.runs.log(ctx, run, batch_of(std::move(metrics)));
  }
  int64_t waiting() {
    int64_t n = 0;
    EXPECT_TRUE(db.read([&](store::Tx& tx) {
                    return tx.each("SELECT COUNT(*) FROM metric_pending", {},
                                   [&](const store::Row& row) { n = row.i64(0); });
                  }).ok());
    return n;
  }
  // (n, digest) of all that was counted of a run's metrics and is no event yet.
  std::pair<int64_t, std::string> told(const std::string& run) {
    std::pair<int64_t, std::string> out;
    EXPECT_TRUE(db.read([&](store::Tx& tx) {
                    out = {};
                    return tx.each(
                        "SELECT n, digest FROM ledger_tally WHERE uid = ? AND verb ="
                        " 'run.metrics_logged'",
                        {run}, [&](const store::Row& row) {
                          out.first += row.i64(0);
                          out.second = row.str(1);
                        });
                  }).ok());
    return out;
  }

  store::Db& db;
  sim::SimFs fs{1};
  Ctx ctx;
  ledger::Ledger events;
  std::unique_ptr<store::Blobs> blobs;
  Tracking tracking;
};

class PendingTest : public test::DbTest {
 protected:
  void SetUp() override { migrated(test::tracking_steps()); }
  test::FakeClock clock;
};
SLIP_EVERY_DB(PendingTest);

struct Reader {
  const char* name;
  std::function<bool(TrackingWorld&, const std::string& run)> sees;
};
const Reader kReaders[] = {
    {"get",
     [](TrackingWorld& p, const std::string& run) {
       return p.tracking.runs.get(p.ctx, run).value().metrics.size() == 1;
     }},
    {"history",
     [](TrackingWorld& p, const std::string& run) {
       return p.tracking.runs.history(p.ctx, {.run_id = run, .key = "m", .page_token = {}})
                  .value()
                  .items.size() == 2;
     }},
    {"points_of",
     [](TrackingWorld& p, const std::string& run) {
       return p.tracking.runs.points_of(p.ctx, {run}, "m", 10).value().size() == 2;
     }},
    {"thinned",
     [](TrackingWorld& p, const std::string& run) {
       return p.tracking.runs.thinned(p.ctx, {.run_ids = {run}, .key = "m", .steps = {}})
                  .value()
                  .size() == 2;
     }},
    {"latest",
     [](TrackingWorld& p, const std::string& run) {
       return p.tracking.runs.latest(p.ctx, run, "m").value() == 0.25;
     }},
    {"search",
     [](TrackingWorld& p, const std::string& run) {
       RunQuery query;
       query.experiment_ids = {0};
       query.filter = "metrics.m = 0.25 AND attributes.run_id = '" + run + "'";
       query.order_by = {"metrics.m"};
       return p.tracking.runs.search(p.ctx, query).value().items.size() == 1;
     }},
    {"curves",
     [](TrackingWorld& p, const std::string& run) {
       const auto got =
           p.tracking.curves.read(p.ctx, {.run_ids = {run}, .keys = {"m"}, .part = {}});
       return got.ok() && got->size() == 1 && got->front().whole.has_value();
     }},
    {"run_table",
     [](TrackingWorld& p, const std::string& run) {
       RunQuery query;
       query.experiment_ids = {0};
       query.filter = "metrics.m = 0.25 AND attributes.run_id = '" + run + "'";
       return p.tracking.run_table.rows(p.ctx, query, {}).value().items.size() == 1;
     }},
    {"run_table count",
     [](TrackingWorld& p, const std::string& run) {
       RunQuery query;
       query.experiment_ids = {0};
       query.filter = "metrics.m = 0.25 AND attributes.run_id = '" + run + "'";
       return p.tracking.run_table.count(p.ctx, query).value() == 1;
     }},
    {"run_table keys",
     [](TrackingWorld& p, const std::string& run) {
       RunQuery query;
       query.experiment_ids = {0};
       query.filter = "attributes.run_id = '" + run + "'";
       return p.tracking.run_table.keys(p.ctx, query).value().metrics.size() == 1;
     }},
    {"reproductions",
     [](TrackingWorld& p, const std::string& run) {
       const std::string again = p.new_run();
       EXPECT_TRUE(p.log(again, {metric("m", 0.5, 1), metric("m", 0.25, 2)}).ok());
       for (const std::string& id : {run, again})
         EXPECT_TRUE(
             p.tracking.runs
                 .update(p.ctx, id, {.status = RunStatus::kFinished, .end_ms = 9, .name = {}})
                 .ok());
       const auto made = p.tracking.reproductions.add(
           p.ctx, run,
           {.again_run_id = again, .environment = {}, .outputs = {}, .ignored_metrics = {}});
       return made.ok() && made->verdict == Verdict::kMetricIdentical;
     }},
};

TEST_P(PendingTest, EveryReaderSeesWhatWasLogged) {
  TrackingWorld world(db(), clock);
  for (const Reader& reader : kReaders) {
    SCOPED_TRACE(reader.name);
    const std::string run = world.new_run();
    ASSERT_TRUE(world.log(run, {metric("m", 0.5, 1)}).ok());
    ASSERT_TRUE(world.log(run, {metric("m", 0.25, 2)}).ok());
    EXPECT_EQ(world.waiting(), db().kind() == "sqlite" ? 2 : 0);
    EXPECT_TRUE(reader.sees(world, run));
    EXPECT_EQ(world.waiting(), 0);
  }
}

TEST_P(PendingTest, WhatDoesNotWait) {
  TrackingWorld world(db(), clock);
  const std::string run = world.new_run();
  std::vector<Metric> many;
  for (size_t i = 0; i <= kPendingRequestPointsMax; ++i)
    many.push_back(metric("m", 1, static_cast<int64_t>(i)));
  EXPECT_TRUE(world.log(run, many).ok());
  Metric of_model = metric("m", 1, 0);
  of_model.model_id = "m-1";
  EXPECT_TRUE(world.log(run, {of_model}).ok());
  Batch mixed = batch_of({metric("m", 2, 0)});
  mixed.params.push_back({"p", "1"});
  EXPECT_TRUE(world.tracking.runs.log(world.ctx, run, std::move(mixed)).ok());
  EXPECT_EQ(world.waiting(), 0);
  many.pop_back();
  EXPECT_TRUE(world.log(run, many).ok());
  EXPECT_EQ(world.waiting(), db().kind() == "sqlite" ? 1 : 0);
}

TEST_P(PendingTest, ARefusedRequestLeavesNothing) {
  TrackingWorld world(db(), clock);
  const std::string run = world.new_run();
  EXPECT_EQ(world.log(std::string(32, 'f'), {metric("m", 1, 0)}).error().reason, "run.not_found");
  ASSERT_TRUE(world.log(run, {metric("m", 1, 0)}).ok());
  ASSERT_TRUE(world.tracking.runs.remove(world.ctx, run).ok());
  EXPECT_EQ(world.log(run, {metric("m", 1, 1)}).error().reason, "run.not_active");
  // What was acknowledged before is kept with the deleted run.
  EXPECT_EQ(world.tracking.runs.points_of(world.ctx, {run}, "m", 10).value().size(), 1U);
}

// Of both databases: the same history, whether folded now, later or by the next process.
TEST_P(PendingTest, AnyOrderOfFoldingGivesTheSame) {
  using PointKey = std::tuple<std::string, int64_t, double>;  // NaN is written as -77 here.
  const auto written = [](double v) { return std::isnan(v) ? -77.0 : v; };
  constexpr double kValues[] = {0.5, -1, 1e300, HUGE_VAL, -HUGE_VAL, NAN, -0.0, 3};
  for (uint64_t seed = 1; seed <= 6; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    Dice dice = Dice::seeded(seed);
    auto world = std::make_unique<TrackingWorld>(db(), clock);
    std::vector<std::string> runs = {world->new_run(), world->new_run(), world->new_run()};
    std::map<std::string, std::set<PointKey>> points;
    std::map<std::string, std::pair<int64_t, std::string>> told;
    const auto log = [&] {
      const std::string& run = dice.pick(runs);
      std::vector<Metric> metrics;
      const uint64_t n = dice.one_in(6) ? 40 : 1 + dice.below(4);
      for (uint64_t i = 0; i < n; ++i)
        metrics.push_back(metric(dice.one_in(3) ? "a" : "b", dice.pick(kValues),
                                 static_cast<int64_t>(dice.below(30))));
      ASSERT_TRUE(world->log(run, metrics).ok());
      for (const Metric& m : metrics) points[run].insert({m.key, m.step, written(m.value)});
      told[run].first += static_cast<int64_t>(n);
    };
    for (int i = 0; i < 60; ++i) {
      switch (dice.below(8)) {
        case 0:
          ASSERT_TRUE(world->tracking.pending.settle_run("default", dice.pick(runs)).ok());
          break;
        case 1:
          ASSERT_TRUE(world->tracking.pending.settle_all().ok());
          break;
        case 2:
          world.reset();
          world = std::make_unique<TrackingWorld>(reopen(), clock);
          break;
        default:
          log();
      }
    }
    for (const std::string& run : runs) {
      std::set<PointKey> have;
      std::map<std::string, Metric> latest;
      for (const char* key : {"a", "b"})
        for (const Metric& m :
             world->tracking.runs.points_of(world->ctx, {run}, key, 1000).value()) {
          have.insert({m.key, m.step, written(m.value)});
          latest[key] = m.step >= latest[key].step ? m : latest[key];
        }
      EXPECT_EQ(have, points[run]);
      for (const Metric& m : world->tracking.runs.get(world->ctx, run).value().metrics)
        EXPECT_EQ(m.step, latest[m.key].step);
      ASSERT_TRUE(world->tracking.pending.settle_all().ok());
      EXPECT_EQ(world->told(run).first, told[run].first);
    }
  }
}

TEST_P(PendingTest, TheDigestIsTheChainOfRequests) {
  TrackingWorld world(db(), clock);
  const std::string run = world.new_run();
  std::string digest;
  for (int64_t step = 0; step < 5; ++step) {
    const std::vector<Metric> metrics = {metric("m", 0.1, step), metric("n", 1, step)};
    ASSERT_TRUE(world.log(run, metrics).ok());
    digest = codec::sha256(digest + counted_metrics(metrics).items[0]).text();
    if (step == 2) {
      ASSERT_TRUE(world.tracking.pending.settle_all().ok());
    }
  }
  clock.advance_ms(61'000);  // Folded later, counted when it was made.
  ASSERT_TRUE(world.tracking.pending.settle_all().ok());
  EXPECT_EQ(world.told(run), (std::pair<int64_t, std::string>{10, digest}));
  EXPECT_EQ(world.events.flush_counted().value(), 1);
}

TEST_P(PendingTest, ManyAtOnceAreCountedOnce) {
  TrackingWorld world(db());
  const std::string run = world.new_run();
  std::vector<std::unique_ptr<Task>> tasks;
  for (int t = 0; t < 4; ++t)
    tasks.push_back(real_executor().spawn("log", [&, t] {
      for (int64_t i = 0; i < 50; ++i) {
        EXPECT_TRUE(world.log(run, {metric("m", t, i)}).ok());
        Status settled;
        if (i % 10 == t) settled = world.tracking.pending.settle_run("default", run);
        if (i % 16 == t) settled = world.tracking.pending.settle_all();
        EXPECT_TRUE(settled.ok());
      }
    }));
  tasks.clear();
  EXPECT_EQ(world.tracking.runs.points_of(world.ctx, {run}, "m", 1000).value().size(), 200U);
  EXPECT_EQ(world.told(run).first, 200);
  EXPECT_EQ(world.waiting(), 0);
}

TEST_P(PendingTest, APurgedRunTakesWhatWaitsWithIt) {
  TrackingWorld world(db(), clock);
  const std::string run = world.new_run();
  ASSERT_TRUE(world.log(run, {metric("m", 1, 0)}).ok());
  ASSERT_TRUE(world.tracking.runs.remove(world.ctx, run).ok());
  PurgeSpec spec;
  spec.older_than_ms = 0;
  spec.run_ids = {run};
  clock.advance_ms(1);
  std::string cursor;
  do cursor = world.tracking.purge.step(world.ctx, "u", spec, cursor).value();
  while (!cursor.empty());
  EXPECT_EQ(world.waiting(), 0);
  EXPECT_EQ(world.told(run).first, 1);
  int64_t left = 0;
  ASSERT_TRUE(db().read([&](store::Tx& tx) {
                    return tx.each("SELECT COUNT(*) FROM metric_point", {},
                                   [&](const store::Row& row) { left = row.i64(0); });
                  })
                  .ok());
  EXPECT_EQ(left, 0);
}

TEST(Pending, IsFoldedWhenOldOrMuch) {
  test::TempDb db;
  ASSERT_TRUE(store::migrate(*db, test::tracking_steps()).ok());
  test::FakeClock clock;
  TrackingWorld world(*db, clock);
  PendingMetrics& pending = world.tracking.pending;
  const std::string run = world.new_run();
  ASSERT_TRUE(world.log(run, {metric("m", 1, 0)}).ok());
  ASSERT_TRUE(pending.fold_when_due().ok());
  EXPECT_EQ(world.waiting(), 1);
  clock.advance_ms(kFoldAgeMs);
  ASSERT_TRUE(pending.fold_when_due().ok());
  EXPECT_EQ(world.waiting(), 0);

  std::atomic<int64_t> failed = 0;
  std::atomic<int64_t> open = 0;
  int64_t step = 0;
  const auto fill = [&](int64_t points) {
    // Submitted, so that they share transactions.
    for (; points > 0; points -= static_cast<int64_t>(kPendingRequestPointsMax)) {
      std::vector<Metric> metrics;
      for (size_t i = 0; i < kPendingRequestPointsMax; ++i)
        metrics.push_back(metric("m", 1, ++step));
      ++open;
      world.tracking.runs.submit_log(world.ctx, run, batch_of(std::move(metrics)),
                                     [&](const Status& done) {
                                       if (!done.ok()) ++failed;
                                       --open;
                                       open.notify_one();
                                     });
    }
    for (int64_t now = open.load(); now > 0; now = open.load()) open.wait(now);
  };
  fill(kFoldPoints);
  ASSERT_TRUE(pending.fold_when_due().ok());
  EXPECT_EQ(world.waiting(), 0);
  fill(kPendingPointsMax);
  EXPECT_FALSE(pending.takes(1));
  const int64_t full = world.waiting();
  ASSERT_TRUE(world.log(run, {metric("m", 1, ++step)}).ok());  // The direct way.
  EXPECT_EQ(world.waiting(), full);
  EXPECT_EQ(failed.load(), 0);
  ASSERT_TRUE(pending.settle_all().ok());
  EXPECT_TRUE(pending.takes(1));
  EXPECT_EQ(world.told(run).first, step + 1);
}

// Fails the Nth change of the disk, loses power, opens again: what was acknowledged is there, and
// what is there was counted once.
TEST(Pending, SurvivesAFaultAtEveryChange) {
  int64_t n = 1;
  for (;; n += 2) {
    SCOPED_TRACE("change " + std::to_string(n));
    sim::SimFs fs(static_cast<uint64_t>(n));
    ASSERT_TRUE(fs.make_dirs("/data").ok());
    const auto open = [&] {
      return store::open_sqlite({fs, real_clock(), real_executor(), null_log()}, "/data/meta.db",
                                {.files = store::SqliteFiles::kFs});
    };
    std::string run;
    std::set<int64_t> acknowledged;
    bool happened = false;
    {
      auto db = open().value();
      ASSERT_TRUE(store::migrate(*db, test::tracking_steps()).ok());
      TrackingWorld world(*db);
      run = world.new_run();
      fs.fail_nth_change(n);
      for (int64_t step = 0; step < 12 && !fs.fault_happened(); ++step) {
        if (world.log(run, {metric("m", 1, step)}).ok()) acknowledged.insert(step);
        if (step % 5 == 4) (void)world.tracking.pending.settle_all();
      }
      happened = fs.fault_happened();
      fs.freeze();
    }
    fs.power_cut();
    auto db = open().value();
    TrackingWorld world(*db);
    std::set<int64_t> have;
    for (const Metric& m : world.tracking.runs.points_of(world.ctx, {run}, "m", 100).value())
      have.insert(m.step);
    for (const int64_t step : acknowledged) EXPECT_TRUE(have.contains(step)) << step;
    EXPECT_EQ(world.told(run).first, static_cast<int64_t>(have.size()));
    EXPECT_EQ(world.waiting(), 0);
    if (!happened || testing::Test::HasFailure()) break;
  }
  EXPECT_GT(n, 20);
}

}  // namespace
}  // namespace slip::tracking
