#include <set>

#include <gtest/gtest.h>

#include "store/db.h"
#include "sys/clock.h"
#include "sys/executor.h"
#include "sys/log.h"
#include "sys/sim/sim_executor.h"
#include "sys/sim/sim_fs.h"
#include "sys/sync.h"
#include "test/gen/dice.h"

// SQLite on a disk that fails, fills up, lies down and comes back.
namespace slip::store {
namespace {

constexpr Migration kSteps[] = {
    {"t", 1, "CREATE TABLE t (id BIGINT PRIMARY KEY, body TEXT NOT NULL)"},
    {"t", 2, "CREATE INDEX t_body ON t (body)"},
};
constexpr char kPath[] = "/data/meta.db";
constexpr int64_t kRows = 6;

World on(sim::SimFs& fs) { return {fs, real_clock(), real_executor(), null_log()}; }

Result<std::unique_ptr<Db>> open_on(World world) {
  auto db = TRY(open_sqlite(world, kPath, {.files = SqliteFiles::kFs}));
  TRY(migrate(*db, kSteps));
  return db;
}

Status insert(Db& db, int64_t id) {
  return db.write([&](Tx& tx) -> Status {
    const std::string body(static_cast<size_t>(200 + id * 1400), 'x');
    TRY(tx.exec("INSERT INTO t (id, body) VALUES (?, ?)", {id, body}));
    return {};
  });
}

Result<std::set<int64_t>> ids(Db& db) {
  std::set<int64_t> out;
  TRY(db.read([&](Tx& tx) {
    out.clear();
    return tx.each("SELECT id FROM t", {}, [&](const Row& row) { out.insert(row.i64(0)); });
  }));
  return out;
}

std::string integrity(Db& db) {
  std::string out;
  const Status s = db.read([&](Tx& tx) {
    out.clear();
    return tx.each("PRAGMA integrity_check", {}, [&](const Row& row) { out += row.text(0); });
  });
  return s.ok() ? out : s.error().text;
}

struct Outcome {
  std::set<int64_t> acknowledged;
  std::set<int64_t> refused;  // Neither try was acknowledged; in doubt.
  bool opened_first = true;
};

// One fault is armed: a step that fails is tried once more and must then succeed.
void work(sim::SimFs& fs, Outcome* out) {
  auto db = open_on(on(fs));
  if (!db.ok()) {
    out->opened_first = false;
    db = open_on(on(fs));
  }
  ASSERT_TRUE(db.ok()) << db.error().text;
  for (int64_t id = 0; id < kRows; ++id) {
    Status s = insert(**db, id);
    if (!s.ok()) {
      EXPECT_TRUE(s.error().code == Code::kUnavailable || s.error().code == Code::kExhausted)
          << s.error().reason << ": " << s.error().text;
      s = insert(**db, id);
    }
    EXPECT_TRUE(s.ok()) << s.error().text;
    (s.ok() ? out->acknowledged : out->refused).insert(id);
    if (id == kRows / 2) {
      const auto seen = ids(**db);
      EXPECT_TRUE(seen.ok() && *seen == out->acknowledged);
    }
  }
}

void expect_kept(sim::SimFs& fs, const Outcome& done) {
  auto db = open_on(on(fs));
  ASSERT_TRUE(db.ok()) << db.error().text;
  EXPECT_EQ(integrity(**db), "ok");
  const auto have = ids(**db);
  ASSERT_TRUE(have.ok()) << have.error().text;
  EXPECT_EQ(*have, done.acknowledged);
  EXPECT_TRUE(insert(**db, 1000).ok());
}

// Fails the Nth change of the disk, closes or loses power, opens again; N = 1, 1 + stride, … until
// there is no Nth change.
void sweep(sim::SimFs::Fault fault, bool power_cut, int64_t stride) {
  int64_t n = 1;
  for (;; n += stride) {
    SCOPED_TRACE("change " + std::to_string(n));
    sim::SimFs fs(static_cast<uint64_t>(n));
    ASSERT_TRUE(fs.make_dirs("/data").ok());
    Outcome done;
    fs.fail_nth_change(n, fault);
    work(fs, &done);
    const bool happened = fs.fault_happened();
    fs.fail_nth_change(0);
    if (power_cut) fs.power_cut();
    expect_kept(fs, done);
    if (!happened || testing::Test::HasFailure()) break;
  }
  EXPECT_GT(n, 50);  // Otherwise the sweep swept nothing.
}

TEST(SqliteFault, SweepIoErrors) { sweep(sim::SimFs::Fault::kIo, false, 3); }
TEST(SqliteFault, SweepIoErrorsThenPowerCut) { sweep(sim::SimFs::Fault::kIo, true, 1); }
TEST(SqliteFault, SweepFullDisk) { sweep(sim::SimFs::Fault::kFull, false, 3); }

// The disk stops at each change in turn: what was acknowledged before is there afterwards.
TEST(SqliteFault, PowerCutAtEveryChange) {
  int64_t total = 0;
  {
    sim::SimFs fs(1);
    ASSERT_TRUE(fs.make_dirs("/data").ok());
    Outcome done;
    work(fs, &done);
    total = fs.changes();
  }
  for (int64_t n = 1; n <= total; ++n) {
    SCOPED_TRACE("change " + std::to_string(n));
    sim::SimFs fs(static_cast<uint64_t>(n) * 7919);
    ASSERT_TRUE(fs.make_dirs("/data").ok());
    fs.fail_nth_change(n);
    std::set<int64_t> acknowledged;
    std::set<int64_t> tried;
    if (auto db = open_on(on(fs)); db.ok()) {
      for (int64_t id = 0; id < kRows; ++id) {
        tried.insert(id);
        const Status s = insert(**db, id);
        if (fs.fault_happened()) fs.freeze();
        if (s.ok()) acknowledged.insert(id);
        if (!s.ok()) break;
      }
      fs.freeze();
    }
    fs.power_cut();
    auto db = open_on(on(fs));
    ASSERT_TRUE(db.ok()) << db.error().text;
    EXPECT_EQ(integrity(**db), "ok");
    const auto have = ids(**db);
    ASSERT_TRUE(have.ok()) << have.error().text;
    for (const int64_t id : acknowledged) EXPECT_TRUE(have->contains(id)) << id;
    for (const int64_t id : *have) EXPECT_TRUE(tried.contains(id)) << id;
    if (HasFailure()) break;
  }
}

TEST(SqliteFault, FullDiskRefusesAndRecovers) {
  sim::SimFs fs(3);
  ASSERT_TRUE(fs.make_dirs("/data").ok());
  auto db = open_on(on(fs));
  ASSERT_TRUE(db.ok());
  fs.set_capacity(200'000);
  int64_t id = 0;
  Status s;
  while (s.ok() && id < 1000) s = insert(**db, id++);
  ASSERT_FALSE(s.ok());
  EXPECT_EQ(s.error().code, Code::kExhausted);
  EXPECT_EQ(s.error().reason, "store.full");
  const auto have = ids(**db);
  ASSERT_TRUE(have.ok()) << have.error().text;
  EXPECT_EQ(static_cast<int64_t>(have->size()), id - 1);
  fs.set_capacity(INT64_MAX);
  EXPECT_TRUE(insert(**db, id - 1).ok());
}

// A skipped fsync must be caught by these tests, or they show nothing.
TEST(SqliteFault, LyingDiskLosesRows) {
  bool lost = false;
  for (uint64_t seed = 1; seed <= 20 && !lost; ++seed) {
    sim::SimFs fs(seed);
    ASSERT_TRUE(fs.make_dirs("/data").ok());
    Outcome done;
    fs.lie_about_sync("-wal");
    {
      auto db = open_on(on(fs));
      ASSERT_TRUE(db.ok());
      for (int64_t id = 0; id < kRows; ++id)
        if (insert(**db, id).ok()) done.acknowledged.insert(id);
      fs.freeze();
    }
    fs.power_cut();
    auto db = open_on(on(fs));
    lost = !db.ok() || !ids(**db).ok() || *ids(**db) != done.acknowledged;
  }
  EXPECT_TRUE(lost);
}

TEST(SqliteFault, CorruptFilesAreNamed) {
  sim::SimFs fs(5);
  ASSERT_TRUE(fs.make_dirs("/data").ok());
  {
    auto db = open_on(on(fs));
    ASSERT_TRUE(db.ok());
    for (int64_t id = 0; id < kRows; ++id) ASSERT_TRUE(insert(**db, id).ok());
  }
  for (int64_t at = 0; at < 16; ++at) fs.flip_bit(kPath, at, 3);
  const auto db = open_on(on(fs));
  ASSERT_FALSE(db.ok());
  EXPECT_EQ(db.error().code, Code::kCorrupt);
  EXPECT_EQ(db.error().reason, "store.corrupt");
}

TEST(SqliteFault, TornPageIsFoundWhenRead) {
  sim::SimFs fs(6);
  ASSERT_TRUE(fs.make_dirs("/data").ok());
  {
    auto db = open_on(on(fs));
    ASSERT_TRUE(db.ok());
    for (int64_t id = 0; id < kRows; ++id) ASSERT_TRUE(insert(**db, id).ok());
  }
  const auto size = fs.stat(kPath);
  ASSERT_TRUE(size.ok());
  for (int64_t page = 4096; page < size->size; page += 4096) fs.flip_bit(kPath, page, 7);
  const auto db = open_on(on(fs));
  const Status s = db.ok() ? [&]() -> Status {
    TRY(ids(**db));
    return {};
  }()
      : Status(db.error());
  ASSERT_FALSE(s.ok());
  EXPECT_EQ(s.error().code, Code::kCorrupt) << s.error().text;
}

// Every interleaving that the seeds choose, on simulated time: acknowledged rows survive the cut,
// readers see whole transactions only.
void simulate(uint64_t seed) {
  sim::SimExecutor world(seed);
  sim::SimFs fs(seed);
  world.run([&] {
    const World w{fs, world.clock(), world, null_log()};
    ASSERT_TRUE(fs.make_dirs("/data").ok());
    auto opened = open_on(w);
    ASSERT_TRUE(opened.ok()) << opened.error().text;
    Db& db = **opened;
    sys::Guarded<std::set<int64_t>> acknowledged;
    auto dice = gen::Dice::seeded(seed);
    const auto cut_after = static_cast<int64_t>(dice.below(40));
    std::vector<std::unique_ptr<Task>> tasks;
    for (int64_t client = 0; client < 4; ++client)
      tasks.push_back(world.spawn("client", [&, client] {
        for (int64_t i = 0; i < 6; ++i) {
          const int64_t id = client * 100 + i * 2;  // Two rows a body: both or none.
          const Status s = db.write([&](Tx& tx) -> Status {
            for (const int64_t row : {id, id + 1})
              TRY(tx.exec("INSERT INTO t (id, body) VALUES (?, 'x')", {row}));
            if (i == 3) return invalid("test.no", "no");
            return {};
          });
          if (s.ok()) acknowledged.with([&](auto& rows) { rows.insert({id, id + 1}); });
          if (i == 3) {
            EXPECT_FALSE(s.ok());
          }
          const auto seen = acknowledged.with([](auto& rows) { return rows.size(); });
          if (static_cast<int64_t>(seen) >= cut_after) fs.freeze();
          const auto have = ids(db);
          if (!have.ok()) continue;
          for (const int64_t row : *have) EXPECT_TRUE(have->contains(row ^ 1)) << row;
        }
      }));
    tasks.clear();
    opened->reset();
    fs.power_cut();
    auto again = open_on(w);
    ASSERT_TRUE(again.ok()) << again.error().text;
    EXPECT_EQ(integrity(**again), "ok");
    const auto have = ids(**again);
    ASSERT_TRUE(have.ok()) << have.error().text;
    acknowledged.with([&](auto& rows) {
      for (const int64_t row : rows) EXPECT_TRUE(have->contains(row)) << row;
    });
    for (const int64_t row : *have) {
      EXPECT_TRUE(have->contains(row ^ 1)) << row;
      EXPECT_NE(row % 100 / 2, 3) << row;
    }
  });
}

TEST(SqliteSim, AcknowledgedRowsSurviveInEveryInterleaving) {
  for (uint64_t seed = 1; seed <= 60 && !HasFailure(); ++seed) {
    SCOPED_TRACE(seed);
    simulate(seed);
  }
}

}  // namespace
}  // namespace slip::store
