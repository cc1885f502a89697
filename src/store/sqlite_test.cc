#include <set>

#include <gtest/gtest.h>

#include "store/db.h"
#include "sys/clock.h"
#include "sys/executor.h"
#include "sys/fs.h"
#include "sys/log.h"
#include "sys/sim/sim_executor.h"
#include "sys/sim/sim_fs.h"
#include "sys/sync.h"
#include "test/store/dbs.h"

// What is SQLite's alone: groups, the queue, the lock. In simulation, where "everybody waits" is a
// moment that a test can ask for: time moves only when nobody else can run.
namespace slip::store {
namespace {

constexpr char kPath[] = "/data/meta.db";
constexpr Migration kSteps[] = {
    {"t", 1, "CREATE TABLE t (id BIGINT PRIMARY KEY, body TEXT NOT NULL)"},
};

// A simulated world with one database, and bodies that the test holds at its gate.
struct Gated {
  explicit Gated(SqliteOptions options = {}) : options_(options) {
    options_.files = SqliteFiles::kFs;
  }

  void run(const std::function<void()>& test) {
    executor.run([&] {
      ASSERT_TRUE(fs.make_dirs("/data").ok());
      auto result = open_sqlite({fs, executor.clock(), executor, null_log()}, kPath, options_);
      ASSERT_TRUE(result.ok()) << result.error().text;
      db = std::move(result).value();
      ASSERT_TRUE(migrate(*db, kSteps).ok());
      test();
      tasks.clear();
      db.reset();
    });
  }
  // A write that holds the writer until open_gate().
  void close_gate() {
    tasks.push_back(executor.spawn("gate", [this] {
      const Status s = db->write([this](Tx&) -> Status {
        sys::Lock lock(mutex);
        while (!open) opened.wait(lock);
        return {};
      });
      EXPECT_TRUE(s.ok());
    }));
    settle();
  }
  void open_gate() {
    {
      const sys::Lock lock(mutex);
      open = true;
    }
    opened.notify_all();
    tasks.clear();
  }
  // A client that inserts `id` with `bytes` of text, and keeps the outcome.
  void insert(int64_t id, size_t bytes = 1) {
    tasks.push_back(executor.spawn("client", [this, id, bytes] {
      const std::string body(bytes, 'x');
      Status s = db->write([&](Tx& tx) -> Status {
        TRY(tx.exec("INSERT INTO t (id, body) VALUES (?, ?)", {id, body}));
        return {};
      });
      outcomes.with([&](auto& all) { all.emplace_back(id, s.ok() ? "ok" : s.error().reason); });
    }));
  }
  // Returns once everybody else waits.
  void settle() { executor.sleep_until(executor.clock().steady_ns() + 1); }

  std::vector<std::pair<int64_t, std::string>> sorted_outcomes() {
    auto all = outcomes.with([](auto& o) { return o; });
    std::sort(all.begin(), all.end());
    return all;
  }
  std::set<int64_t> ids() {
    std::set<int64_t> out;
    const Status s = db->read([&](Tx& tx) {
      out.clear();
      return tx.each("SELECT id FROM t", {}, [&](const Row& row) { out.insert(row.i64(0)); });
    });
    EXPECT_TRUE(s.ok());
    return out;
  }

  SqliteOptions options_;
  sim::SimExecutor executor{7};
  sim::SimFs fs{7};
  std::unique_ptr<Db> db;
  sys::Mutex mutex;
  sys::CondVar opened;
  bool open = false;
  sys::Guarded<std::vector<std::pair<int64_t, std::string>>> outcomes;
  std::vector<std::unique_ptr<Task>> tasks;
};

using Outcomes = std::vector<std::pair<int64_t, std::string>>;

TEST(SqliteGroup, WaitingBodiesShareOneCommit) {
  Gated world;
  world.run([&] {
    world.close_gate();
    for (int64_t id = 0; id < 20; ++id) world.insert(id);
    world.settle();
    const int64_t commits = world.db->stats().commits;
    const int64_t changes = world.fs.changes();
    world.open_gate();
    EXPECT_EQ(world.db->stats().commits, commits + 2);  // The gate's own, and one for all.
    EXPECT_EQ(world.db->stats().writes, 20 + 1 + 2);    // And the two of migrate().
    EXPECT_EQ(world.ids().size(), 20U);
    EXPECT_LT(world.fs.changes() - changes, 20);
  });
}

TEST(SqliteGroup, GroupsHaveALimit) {
  Gated world({.group_max = 5});
  world.run([&] {
    world.close_gate();
    for (int64_t id = 0; id < 20; ++id) world.insert(id);
    world.settle();
    const int64_t commits = world.db->stats().commits;
    world.open_gate();
    EXPECT_EQ(world.db->stats().commits, commits + 1 + 4);
  });
}

TEST(SqliteGroup, FailingBodyLeavesItsNeighboursAlone) {
  Gated world;
  world.run([&] {
    world.close_gate();
    for (const int64_t id : {1, 2, 1, 3}) world.insert(id);
    world.settle();
    world.open_gate();
    EXPECT_EQ(world.sorted_outcomes(),
              (Outcomes{{1, "ok"}, {1, "store.constraint"}, {2, "ok"}, {3, "ok"}}));
    EXPECT_EQ(world.ids(), (std::set<int64_t>{1, 2, 3}));
    EXPECT_EQ(world.db->stats().replays, 0);
  });
}

TEST(SqliteGroup, OnlyWhoFillsTheDiskIsRefused) {
  Gated world;
  world.run([&] {
    world.close_gate();
    world.insert(1);
    world.insert(2, 500'000);
    world.insert(3);
    world.settle();
    world.fs.set_capacity(300'000);
    world.open_gate();
    EXPECT_EQ(world.sorted_outcomes(), (Outcomes{{1, "ok"}, {2, "store.full"}, {3, "ok"}}));
    EXPECT_EQ(world.ids(), (std::set<int64_t>{1, 3}));
    EXPECT_EQ(world.db->stats().replays, 3);
    world.fs.set_capacity(INT64_MAX);
    world.insert(2, 500'000);
    world.tasks.clear();
    EXPECT_EQ(world.ids(), (std::set<int64_t>{1, 2, 3}));
  });
}

TEST(SqliteGroup, LostFsyncIsReplayedForEach) {
  Gated world;
  world.run([&] {
    world.close_gate();
    for (int64_t id = 0; id < 3; ++id) world.insert(id);
    world.settle();
    world.fs.fail_nth_change(2);  // The frames of the group are written, or their sync is.
    world.open_gate();
    EXPECT_TRUE(world.fs.fault_happened());
    for (const auto& [id, outcome] : world.sorted_outcomes()) EXPECT_EQ(outcome, "ok") << id;
    EXPECT_EQ(world.ids(), (std::set<int64_t>{0, 1, 2}));
    EXPECT_EQ(world.db->stats().replays, 3);
  });
}

TEST(SqliteGroup, FullQueueRefuses) {
  Gated world({.queue_max = 3});
  world.run([&] {
    world.close_gate();
    for (int64_t id = 0; id < 5; ++id) world.insert(id);
    world.settle();
    world.open_gate();
    const auto outcomes = world.sorted_outcomes();
    ASSERT_EQ(outcomes.size(), 5U);
    const auto refused = std::count_if(outcomes.begin(), outcomes.end(), [](const auto& o) {
      return o.second == "store.queue_full";
    });
    EXPECT_EQ(refused, 2);
    EXPECT_EQ(world.ids().size(), 3U);
  });
}

TEST(SqliteReaders, WaitForAFreeConnectionAndSeeOneSnapshot) {
  Gated world({.readers = 1});
  world.run([&] {
    world.insert(1);
    world.tasks.clear();
    int64_t before = -1;
    int64_t after = -1;
    const auto count = [](Tx& tx, int64_t* out) {
      return tx.each("SELECT count(*) FROM t", {}, [&](const Row& row) { *out = row.i64(0); });
    };
    auto reader = world.executor.spawn("reader", [&] {
      const Status s = world.db->read([&](Tx& tx) -> Status {
        TRY(count(tx, &before));
        sys::Lock lock(world.mutex);
        while (!world.open) world.opened.wait(lock);
        return count(tx, &after);
      });
      EXPECT_TRUE(s.ok());
    });
    world.settle();
    world.insert(2);
    world.settle();
    std::vector<std::unique_ptr<Task>> others;
    for (int i = 0; i < 3; ++i)
      others.push_back(world.executor.spawn("other", [&] { EXPECT_EQ(world.ids().size(), 2U); }));
    world.settle();
    world.open_gate();
    reader.reset();
    others.clear();
    EXPECT_EQ(before, 1);
    EXPECT_EQ(after, 1);
  });
}

TEST(SqliteOpen, RefusesASecondOwner) {
  test::TempDb first;
  const World world{real_fs(), real_clock(), real_executor(), null_log()};
  const auto second = open_sqlite(world, first.path(), {});
  ASSERT_FALSE(second.ok());
  EXPECT_EQ(second.error().code, Code::kConflict);
  EXPECT_EQ(second.error().reason, "store.locked");
  EXPECT_FALSE(second.error().hint.empty());
}

TEST(SqliteOpen, RefusesWhatIsNoDatabase) {
  const std::string dir = testing::TempDir() + "slip-no-db";
  ASSERT_TRUE(real_fs().make_dirs(dir).ok());
  const World world{real_fs(), real_clock(), real_executor(), null_log()};
  ASSERT_TRUE(write_file_atomic(real_fs(), dir + "/x.db", std::string(8192, 'z')).ok());
  const auto garbage = open_sqlite(world, dir + "/x.db", {});
  ASSERT_FALSE(garbage.ok());
  EXPECT_EQ(garbage.error().reason, "store.corrupt");
  const auto missing = open_sqlite(world, dir + "/missing/x.db", {});
  ASSERT_FALSE(missing.ok());
  EXPECT_EQ(missing.error().code, Code::kNotFound);
  EXPECT_TRUE(real_fs().remove_all(dir).ok());
}

// A disk that may be read only.
class ReadOnlyFs final : public Fs {
 public:
  explicit ReadOnlyFs(Fs& under) : under_(under) {}
  Result<std::unique_ptr<File>> open(const std::string& path, OpenMode mode) override {
    if (mode != OpenMode::kRead) return no();
    return under_.open(path, mode);
  }
  Status make_dirs(const std::string&) override { return no(); }
  Status rename(const std::string&, const std::string&) override { return no(); }
  Status remove(const std::string&) override { return no(); }
  Status remove_all(const std::string&) override { return no(); }
  Status sync_dir(const std::string&) override { return no(); }
  Result<std::vector<FileInfo>> list(const std::string& dir) override { return under_.list(dir); }
  Result<FileInfo> stat(const std::string& path) override { return under_.stat(path); }
  Result<DiskSpace> space(const std::string& path) override { return under_.space(path); }
  Result<std::unique_ptr<File>> open_beneath(const std::string& root,
                                             std::string_view relative) override {
    return under_.open_beneath(root, relative);
  }

 private:
  static Error no() { return forbidden("fs.denied", "read-only file system"); }
  Fs& under_;
};

TEST(SqliteOpen, ReadOnlyFolderIsNamed) {
  sim::SimFs disk(1);
  ASSERT_TRUE(disk.make_dirs("/data").ok());
  ReadOnlyFs fs(disk);
  const auto db = open_sqlite({fs, real_clock(), real_executor(), null_log()}, kPath,
                              {.files = SqliteFiles::kFs});
  ASSERT_FALSE(db.ok());
  EXPECT_EQ(db.error().code, Code::kForbidden);
  EXPECT_EQ(db.error().reason, "store.read_only");
}

}  // namespace
}  // namespace slip::store
