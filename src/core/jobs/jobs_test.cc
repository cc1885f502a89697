#include "core/jobs/jobs.h"

#include <gtest/gtest.h>

#include "sys/executor.h"
#include "sys/log.h"
#include "sys/sim/sim_rng.h"
#include "test/fake/clock.h"
#include "test/store/dbs.h"

namespace slip::jobs {
namespace {

class JobsTest : public test::DbTest {
 protected:
  JobsTest() : jobs({migrated(migrations()), clock, rng, real_executor(), null_log()}) {}

  std::string add(std::string_view kind, std::string_view key = "", codec::Json payload = 1) {
    std::string uid;
    const Status s = db().write([&](store::Tx& tx) -> Status {
      uid = TRY(jobs.enqueue(tx, Ctx(), kind, payload, key));
      return {};
    });
    EXPECT_TRUE(s.ok());
    return uid;
  }
  Info info(std::string_view uid) {
    for (Info& i : jobs.list(Ctx(), "", 100).value())
      if (i.uid == uid) return i;
    return {};
  }

  test::FakeClock clock;
  sim::SimRng rng{3};
  Jobs jobs;
};
SLIP_EVERY_DB(JobsTest);

TEST_P(JobsTest, RunsStepsUntilDone) {
  std::vector<std::string> cursors;
  jobs.add_kind({.name = "t.count", .step = [&](const Ctx& ctx, const Work& w) -> Result<Next> {
                   EXPECT_EQ(ctx.actor_kind, "system");
                   EXPECT_EQ(w.payload.as_int(), 1);
                   EXPECT_EQ(w.attempt, 1);
                   cursors.push_back(w.cursor);
                   if (w.cursor == "aa") return done();
                   if (w.cursor == "a") return later("aa", 5000);
                   return again("a");
                 }});
  const std::string uid = add("t.count");
  EXPECT_TRUE(jobs.run_one().value());
  EXPECT_TRUE(jobs.run_one().value());
  EXPECT_FALSE(jobs.run_one().value());  // Later.
  clock.advance_ms(5000);
  EXPECT_TRUE(jobs.run_one().value());
  EXPECT_FALSE(jobs.run_one().value());
  EXPECT_EQ(cursors, (std::vector<std::string>{"", "a", "aa"}));
  EXPECT_EQ(info(uid).state, "done");
}

TEST_P(JobsTest, BacksOffAndGivesUp) {
  int runs = 0;
  jobs.add_kind({.name = "t.fail",
                 .step = [&](const Ctx&, const Work& w) -> Result<Next> {
                   EXPECT_EQ(w.attempt, ++runs);
                   return unavailable("t.down", "down");
                 },
                 .attempts_max = 3});
  const std::string uid = add("t.fail");
  int64_t waited_ms = 0;
  while (info(uid).state == "ready") {
    if (!jobs.run_one().value()) {
      clock.advance_ms(100);
      waited_ms += 100;
    }
    ASSERT_LT(waited_ms, 60'000);
  }
  EXPECT_EQ(runs, 3);
  EXPECT_GE(waited_ms, 2400);  // 1 s and 2 s, each ± 20 %.
  EXPECT_LE(waited_ms, 3800);
  EXPECT_EQ(info(uid).state, "failed");
  EXPECT_EQ(info(uid).error, "t.down: down");
}

TEST_P(JobsTest, AKeyIsOneUnfinishedJob) {
  int runs = 0;
  jobs.add_kind({.name = "t.once", .step = [&](const Ctx&, const Work&) -> Result<Next> {
                   ++runs;
                   return done();
                 }});
  EXPECT_EQ(add("t.once", "k"), add("t.once", "k"));
  while (jobs.run_one().value()) {}
  EXPECT_EQ(runs, 1);
  add("t.once", "k");  // It was finished: it starts again.
  while (jobs.run_one().value()) {}
  EXPECT_EQ(runs, 2);
}

TEST_P(JobsTest, ALostLeaseRecordsNothing) {
  int runs = 0;
  jobs.add_kind({.name = "t.slow",
                 .step = [&](const Ctx&, const Work& w) -> Result<Next> {
                   if (++runs == 1) {
                     clock.advance_ms(2000);  // Overslept: somebody else takes it.
                     EXPECT_TRUE(jobs.run_one().value());
                     return again("mine");
                   }
                   EXPECT_EQ(w.cursor, "");
                   return later("theirs", 50);
                 },
                 .lease_ms = 1000});
  add("t.slow");
  EXPECT_EQ(jobs.run_one().error().reason, "job.lease_lost");
  EXPECT_EQ(runs, 2);
  clock.advance_ms(50);
  EXPECT_FALSE(jobs.list(Ctx(), "", 10).value().empty());
}

TEST_P(JobsTest, LeavesKindsItDoesNotKnow) {
  add("t.other_binary");
  EXPECT_FALSE(jobs.run_one().value());
}

TEST_P(JobsTest, RefusesALargePayload) {
  const Status s = db().write([&](store::Tx& tx) -> Status {
    TRY(jobs.enqueue(tx, Ctx(), "t.k", codec::Json(std::string(kPayloadBytesMax, 'x'))));
    return {};
  });
  EXPECT_EQ(s.error().reason, "job.payload_too_large");
}

TEST_P(JobsTest, RunnersAndDutiesRunAndStop) {
  sys::Mutex mutex;
  sys::CondVar changed;
  int steps = 0;
  int duties = 0;
  const auto bump = [&](int* what) {
    const sys::Lock lock(mutex);
    ++*what;
    changed.notify_all();
  };
  jobs.add_kind({.name = "t.k", .step = [&](const Ctx&, const Work&) -> Result<Next> {
                   bump(&steps);
                   return done();
                 }});
  jobs.every("t.duty", 3'600'000, [&](const Ctx&) -> Status {
    bump(&duties);
    return {};
  });
  jobs.start(2);
  for (int i = 0; i < 10; ++i) add("t.k");
  jobs.poke();
  {
    sys::Lock lock(mutex);
    while (steps < 10 || duties < 1) changed.wait(lock);
  }
  jobs.poke("t.duty");
  {
    sys::Lock lock(mutex);
    while (duties < 2) changed.wait(lock);
  }
  jobs.stop();
  EXPECT_EQ(steps, 10);
}

class JobsSchemaTest : public test::DbTest {};
SLIP_EVERY_DB(JobsSchemaTest);
TEST_P(JobsSchemaTest, MigratesFromEveryVersion) {
  test::expect_migrates_from_every_version(*this, migrations());
}

}  // namespace
}  // namespace slip::jobs
