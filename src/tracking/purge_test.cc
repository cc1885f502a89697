#include "tracking/purge.h"

#include <algorithm>
#include <set>

#include <gtest/gtest.h>

#include "base/text.h"
#include "sys/sim/sim_rng.h"
#include "test/store/mem_blobs.h"
#include "test/tracking/world.h"

namespace slip::tracking {
namespace {

constexpr int64_t kDayMs = int64_t{24} * 3'600'000;

// A database that fails one write: before it runs, or after it was committed, as a crash would
// have it that nobody was told of.
class FailingDb final : public store::Db {
 public:
  explicit FailingDb(store::Db& real) : real_(real) {}
  int64_t fail_in = INT64_MAX;
  bool after_commit = false;

  Status read(const Body& body) override { return real_.read(body); }
  Status write(const Body& body) override {
    const bool fails = fail_in-- == 0;
    if (fails && !after_commit) return unavailable("test.crash", "before");
    TRY(real_.write(body));
    if (fails) return unavailable("test.crash", "after");
    return {};
  }
  void submit(Body body, Done done) override { real_.submit(std::move(body), std::move(done)); }
  Status exclusively(const std::function<Status()>& work) override {
    return real_.exclusively(work);
  }
  std::string_view kind() const override { return real_.kind(); }

 private:
  store::Db& real_;
};

class SomeClaims final : public Claims {
 public:
  std::set<std::string> ids;
  Result<std::string> claimant(store::Tx&, const std::string&, const Thing& thing) override {
    return std::string(ids.contains(thing.run_id) || ids.contains(thing.model_id) ? "model m@1"
                                                                                  : "");
  }
};

// Holds what exists; a resolver as the server's.
class AnyObject final : public hold::Objects {
 public:
  Result<hold::Object> find(store::Tx& tx, const std::string& project,
                            const hold::Reference& ref) override {
    auto found = TRY(Purge::find_object(tx, project, ref));
    if (!found) return not_found("hold.no_object", "none");
    return std::move(*found);
  }
};

class PurgeTest : public test::DbTest {
 protected:
  void SetUp() override {
    migrated(test::tracking_steps());
    failing = std::make_unique<FailingDb>(db());
    events = std::make_unique<ledger::Ledger>(ledger::Ledger::Deps{*failing, clock, real_rng()});
    tracking = std::make_unique<Tracking>(Deps{*failing, blobs, *events, clock, real_rng()});
    tracking->purge.set_claims(&claims);
    holds = std::make_unique<hold::Holds>(hold::Holds::Deps{*failing, *events, clock, real_rng()});
  }

  std::string new_run(int64_t experiment = 0) {
    NewRun wanted;
    wanted.experiment_id = experiment;
    wanted.start_ms = clock.now_ms();
    return tracking->runs.create(ctx, wanted).value().id;
  }
  void fill(const std::string& run, int points) {
    Batch batch;
    for (int i = 0; i < points; ++i) {
      Metric& m = batch.metrics.emplace_back();
      m.key = "loss";
      m.value = i;
      m.step = i;
      m.timestamp_ms = i;
    }
    batch.params = {{"p", "1"}};
    ASSERT_TRUE(tracking->runs.log(ctx, run, batch).ok());
  }
  std::string new_model(int64_t experiment, const std::string& run = "") {
    NewLoggedModel wanted;
    wanted.experiment_id = experiment;
    wanted.name = "m";
    wanted.source_run_id = run;
    return tracking->models.create(ctx, wanted).value().id;
  }
  void new_trace(const std::string& id, int64_t experiment) {
    Trace t;
    t.id = id;
    t.experiment_id = experiment;
    t.request_us = clock.now_us();
    ASSERT_TRUE(tracking->traces.start(ctx, t).ok());
  }
  int64_t new_experiment(const std::string& name) {
    return tracking->experiments.create(ctx, {name, "", {}}).value().id;
  }
  void put(const std::string& run, std::string_view bytes) {
    auto draft = blobs.create().value();
    ASSERT_TRUE(draft->write(bytes).ok());
    const std::string uri = tracking->runs.get(ctx, run)->artifact_uri;
    ASSERT_TRUE(tracking->artifacts.put(ctx, *proxied_path(uri) + "/f", *draft).ok());
  }
  std::string hold(const std::string& object) {
    const auto ref = hold::parse_reference(object).value();
    return holds->place(ctx, objects, ref, "a case").value().uid;
  }

  // From `cursor` on, to the end or to the first failure, whose place it leaves in `cursor`.
  Status go_on(const PurgeSpec& spec, std::string* cursor) {
    do {
      Result<std::string> next = tracking->purge.step(ctx, "job", spec, *cursor);
      if (!next.ok()) return next.error();
      *cursor = *next;
    } while (!cursor->empty());
    return {};
  }
  Purged purge(PurgeSpec spec = now_spec()) {
    std::string cursor;
    const Status done = go_on(spec, &cursor);
    EXPECT_TRUE(done.ok()) << done.error().text;
    const auto run = tracking->purge.run(ctx, "job");
    return run.ok() ? run->purged : Purged();
  }
  static PurgeSpec now_spec() {
    PurgeSpec spec;
    spec.older_than_ms = 0;
    return spec;
  }
  bool there(const std::string& run) { return tracking->runs.get(ctx, run).ok(); }
  bool has_model(const std::string& id) { return tracking->models.get(ctx, id, true).ok(); }
  bool has_trace(const std::string& id) { return tracking->traces.get(ctx, id).ok(); }
  int64_t rows(std::string_view table) {
    int64_t out = 0;
    EXPECT_TRUE(db().read([&](store::Tx& tx) -> Status {
                      TRY(tx.first(concat({"SELECT COUNT(*) FROM ", table}), {},
                                   [&](const store::Row& row) { out = row.i64(0); }));
                      return {};
                    })
                    .ok());
    return out;
  }

  test::MemBlobs blobs;
  test::FakeClock clock;
  Ctx ctx;
  SomeClaims claims;
  AnyObject objects;
  std::unique_ptr<FailingDb> failing;
  std::unique_ptr<ledger::Ledger> events;
  std::unique_ptr<Tracking> tracking;
  std::unique_ptr<hold::Holds> holds;
};
SLIP_EVERY_DB(PurgeTest);

TEST_P(PurgeTest, TakesAnExperimentWithAllThatIsInItAndFreesItsName) {
  const int64_t e = new_experiment("e");
  const std::string run = new_run(e);
  fill(run, 900);
  put(run, "12345");
  const std::string model = new_model(e, run);
  new_trace("tr-1", e);
  const std::string other = new_run();
  ASSERT_TRUE(tracking->experiments.remove(ctx, e).ok());
  const PurgePlan plan = tracking->purge.plan(ctx, now_spec()).value();
  EXPECT_EQ(plan.objects, (std::map<std::string, int64_t>{
                              {"run", 1}, {"logged_model", 1}, {"trace", 1}, {"experiment", 1}}));
  EXPECT_EQ(plan.bytes, 5);
  EXPECT_EQ(plan.blocked_count, 0);
  EXPECT_TRUE(there(run));
  const Purged purged = purge();
  EXPECT_EQ(purged.objects, plan.objects);
  EXPECT_FALSE(there(run) || has_model(model) || has_trace("tr-1"));
  EXPECT_TRUE(there(other));
  for (const char* table : {"metric_point", "metric_latest", "run_param", "logged_model", "trace",
                            "trace_metadata", "artifact_tree", "purge_leftover"})
    EXPECT_EQ(rows(table), 0) << table;
  EXPECT_EQ(new_experiment("e"), e + 1);
}

TEST_P(PurgeTest, NumbersOfExperimentsAreNeverGivenAgain) {
  new_experiment("a");
  const int64_t last = new_experiment("b");
  ASSERT_TRUE(tracking->experiments.remove(ctx, last).ok());
  purge();
  EXPECT_EQ(new_experiment("b"), last + 1);
}

TEST_P(PurgeTest, KeepsWhatIsLiveHeldClaimedOrYoung) {
  const int64_t e = new_experiment("e");
  const std::string restored = new_run(e);
  const std::string model = new_model(e);
  const std::string claimed = new_run();
  const std::string held = new_run();
  const std::string model_of_held = new_model(0, held);
  const std::string young = new_run();
  ASSERT_TRUE(tracking->experiments.remove(ctx, e).ok());
  ASSERT_TRUE(tracking->runs.restore(ctx, restored).ok());
  for (const std::string& run : {claimed, held}) ASSERT_TRUE(tracking->runs.remove(ctx, run).ok());
  ASSERT_TRUE(tracking->models.remove(ctx, model_of_held).ok());
  clock.advance_ms(2 * kDayMs);
  ASSERT_TRUE(tracking->runs.remove(ctx, young).ok());
  claims.ids = {claimed};
  const std::string hold_uid = hold("run:" + held);
  PurgeSpec spec;
  spec.older_than_ms = kDayMs;
  spec.run_ids = {};
  const PurgePlan plan = tracking->purge.plan(ctx, spec).value();
  EXPECT_EQ(plan.objects, (std::map<std::string, int64_t>()));
  std::map<std::string, std::string> why;
  for (const auto& item : plan.blocked) why[item.uid] = item.blocked;
  EXPECT_EQ(why, (std::map<std::string, std::string>{
                     {claimed, "model m@1"},
                     {held, "legal hold " + hold_uid},
                     {model_of_held, "legal hold " + hold_uid},
                     {std::to_string(e), "still keeps 2 runs, models or traces"}}));
  EXPECT_EQ(purge(spec).objects, (std::map<std::string, int64_t>()));
  for (const std::string& run : {restored, claimed, held, young}) EXPECT_TRUE(there(run));
  EXPECT_TRUE(has_model(model) && has_model(model_of_held));
  ASSERT_TRUE(holds->release(ctx, hold_uid, "settled").ok());
  claims.ids.clear();
  EXPECT_EQ(purge(spec).objects, (std::map<std::string, int64_t>{{"run", 2}, {"logged_model", 1}}));
}

TEST_P(PurgeTest, WhatWasRestoredBetweenPlanAndPurgeSurvives) {
  const std::string run = new_run();
  ASSERT_TRUE(tracking->runs.remove(ctx, run).ok());
  EXPECT_EQ(tracking->purge.plan(ctx, now_spec())->objects.at("run"), 1);
  ASSERT_TRUE(tracking->runs.restore(ctx, run).ok());
  purge();
  EXPECT_TRUE(there(run));
}

TEST_P(PurgeTest, RulesOfExperimentsGoBeforeTheProjects) {
  const int64_t e = new_experiment("e");
  const std::string strict = new_run(e);
  const std::string plain = new_run();
  const std::string ended = new_run();
  new_trace("tr-old", 0);
  RunUpdate end;
  end.status = RunStatus::kFinished;
  ASSERT_TRUE(tracking->runs.update(ctx, ended, end).ok());
  for (const std::string& run : {strict, plain}) ASSERT_TRUE(tracking->runs.remove(ctx, run).ok());
  RetentionRule rule;
  rule.deleted_days = 30;
  rule.runs_days = 5;
  rule.traces_days = 5;
  ASSERT_TRUE(tracking->purge.set_rule(ctx, rule).ok());
  rule.experiment_id = e;
  rule.deleted_days = 90;
  ASSERT_TRUE(tracking->purge.set_rule(ctx, rule).ok());
  EXPECT_EQ(tracking->purge.projects_with_rules().value(), (std::vector<std::string>{"default"}));
  PurgeSpec spec;
  spec.by_rules = true;
  clock.advance_ms(6 * kDayMs);
  purge(spec);
  EXPECT_EQ(tracking->runs.get(ctx, ended)->lifecycle, Lifecycle::kDeleted);
  EXPECT_FALSE(has_trace("tr-old"));
  EXPECT_TRUE(there(plain));
  clock.advance_ms(25 * kDayMs);
  purge(spec);
  EXPECT_FALSE(there(plain));
  EXPECT_TRUE(there(strict) && there(ended));
  clock.advance_ms(60 * kDayMs);
  purge(spec);
  EXPECT_FALSE(there(strict) || there(ended));
}

TEST_P(PurgeTest, WithoutARuleNothingGoesByItself) {
  const std::string run = new_run();
  ASSERT_TRUE(tracking->runs.remove(ctx, run).ok());
  clock.advance_ms(1000 * kDayMs);
  PurgeSpec spec;
  spec.by_rules = true;
  purge(spec);
  EXPECT_TRUE(there(run));
}

TEST_P(PurgeTest, HoldsStopEveryWayOfLosingThings) {
  const std::string run = new_run();
  put(run, "bytes");
  const std::string path = *proxied_path(tracking->runs.get(ctx, run)->artifact_uri);
  new_trace("tr-1", 0);
  new_trace("tr-2", 0);
  const std::string on_run = hold("run:" + run);
  hold("trace:tr-1");
  EXPECT_EQ(tracking->artifacts.remove(ctx, path + "/f").error().reason, "hold.held");
  auto draft = blobs.create().value();
  ASSERT_TRUE(draft->write("other").ok());
  EXPECT_EQ(tracking->artifacts.put(ctx, path + "/f", *draft).error().reason, "hold.held");
  draft = blobs.create().value();
  ASSERT_TRUE(draft->write("more").ok());
  EXPECT_TRUE(tracking->artifacts.put(ctx, path + "/g", *draft).ok());
  TraceDeletion one;
  one.ids = {"tr-1"};
  EXPECT_EQ(tracking->traces.remove(ctx, one).error().reason, "hold.held");
  TraceDeletion old;
  old.max_time_ms = clock.now_ms();
  EXPECT_EQ(tracking->traces.remove(ctx, old).value(), 1);
  EXPECT_TRUE(has_trace("tr-1"));
  EXPECT_TRUE(tracking->runs.remove(ctx, run).ok());  // Into the bin it may go.
  EXPECT_EQ(holds->release(ctx, on_run, "").error().reason, "hold.reason");
  ASSERT_TRUE(holds->release(ctx, on_run, "settled").ok());
  EXPECT_EQ(holds->release(ctx, on_run, "settled").error().reason, "hold.released");
  EXPECT_TRUE(tracking->artifacts.remove(ctx, path + "/f").ok());
}

TEST_P(PurgeTest, ATraceThatWasSentAgainKeepsItsParts) {
  new_trace("tr-1", 0);
  ASSERT_TRUE(db().write([&](store::Tx& tx) -> Status {  // As a purge leaves it after its head.
                    TRY(
                        tx.exec("INSERT INTO purge_leftover (project, kind, uid, n, artifact_uri)"
                                " VALUES ('default', 'trace', 'tr-1', 0, '')",
                                {}));
                    return {};
                  })
                  .ok());
  const int64_t before = rows("trace_metadata") + rows("trace_tag");
  purge();
  EXPECT_TRUE(has_trace("tr-1"));
  EXPECT_EQ(rows("trace_metadata") + rows("trace_tag"), before);
  EXPECT_EQ(rows("purge_leftover"), 0);
}

// Whatever write fails, before or after its commit: every run is whole or not there at all, and
// going on ends as if nothing had happened.
TEST_P(PurgeTest, ACrashAtAnyWriteLeavesNothingHalf) {
  for (const bool after : {false, true})
    for (int64_t n = 0;; ++n) {
      SCOPED_TRACE(concat({"write ", std::to_string(n), after ? " after" : " before"}));
      const int64_t e = new_experiment(concat({"e", std::to_string(n), after ? "a" : "b"}));
      std::vector<std::string> runs;
      for (int i = 0; i < 3; ++i) {
        runs.push_back(new_run(e));
        fill(runs.back(), 700);
      }
      const std::string live = new_run();
      ASSERT_TRUE(tracking->experiments.remove(ctx, e).ok());
      std::string cursor;
      failing->after_commit = after;
      failing->fail_in = n;
      const Status first = go_on(now_spec(), &cursor);
      failing->fail_in = INT64_MAX;
      for (const std::string& run : runs)
        if (const auto found = tracking->runs.get(ctx, run); found.ok()) {
          HistoryQuery query;
          query.run_id = run;
          query.key = "loss";
          query.max_results = 1000;
          EXPECT_EQ(tracking->runs.history(ctx, query)->items.size(), 700U);
        }
      ASSERT_TRUE(go_on(now_spec(), &cursor).ok());
      for (const std::string& run : runs) EXPECT_FALSE(there(run));
      EXPECT_TRUE(there(live));
      EXPECT_EQ(rows("metric_point") + rows("run_param") + rows("purge_leftover"), 0);
      if (first.ok()) break;
      ASSERT_LT(n, 50);
    }
}

// Against a model of what may go: never what is live, held or needed, and all the rest.
TEST_P(PurgeTest, AgreesWithItsModel) {
  sim::SimRng rng(7);
  struct Known {
    std::string run;
    std::string model;
    bool deleted = false;
    bool held = false;
    bool claimed = false;
  };
  for (int round = 0; round < 6; ++round) {
    SCOPED_TRACE(round);
    claims.ids.clear();
    std::vector<Known> all;
    for (int i = 0; i < 12; ++i) {
      Known& k = all.emplace_back();
      k.run = new_run();
      const bool with_model = rng.u64() % 2 == 0;
      if (with_model) k.model = new_model(0, k.run);
      k.deleted = rng.u64() % 3 != 0;
      k.held = rng.u64() % 4 == 0;
      k.claimed = rng.u64() % 4 == 0;
      if (k.held)
        hold(with_model && rng.u64() % 2 == 0 ? "logged_model:" + k.model : "run:" + k.run);
      if (k.claimed) claims.ids.insert(k.run);
      if (!k.deleted) continue;
      ASSERT_TRUE(tracking->runs.remove(ctx, k.run).ok());
      if (with_model) {
        ASSERT_TRUE(tracking->models.remove(ctx, k.model).ok());
      }
    }
    purge();
    for (const Known& k : all) {
      EXPECT_EQ(there(k.run), !k.deleted || k.held || k.claimed);
      if (!k.model.empty()) {
        EXPECT_EQ(has_model(k.model), !k.deleted || k.held);
      }
    }
  }
}

}  // namespace
}  // namespace slip::tracking
