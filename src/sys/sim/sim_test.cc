#include <gtest/gtest.h>

#include "base/text.h"
#include "sys/sim/sim_executor.h"
#include "sys/sim/sim_fs.h"
#include "sys/sim/sim_net.h"

namespace slip::sim {
namespace {

// Two tasks append to one text; the interleaving is the trace.
std::string trace_of(uint64_t seed) {
  SimExecutor world(seed);
  std::string trace;
  world.run([&] {
    sys::Mutex mutex;
    const auto worker = [&](char name) {
      for (int i = 0; i < 20; ++i) {
        const sys::Lock lock(mutex);
        trace.push_back(name);
      }
    };
    const std::unique_ptr<Task> a = world.spawn("a", [&] { worker('a'); });
    const std::unique_ptr<Task> b = world.spawn("b", [&] { worker('b'); });
  });
  return trace;
}

TEST(SimExecutor, ASeedIsAnInterleaving) {
  EXPECT_EQ(trace_of(7), trace_of(7));
  EXPECT_NE(trace_of(7), trace_of(8));
  EXPECT_EQ(trace_of(7).size(), 40U);
  EXPECT_NE(trace_of(7).find("ab"), std::string::npos);
  EXPECT_NE(trace_of(7).find("ba"), std::string::npos);
}

TEST(SimExecutor, TimeJumpsToTheNearestDeadline) {
  SimExecutor world(1);
  world.run([&] {
    const int64_t start = world.clock().steady_ns();
    constexpr int64_t kHour = 3'600'000'000'000;
    std::string order;
    {
      const std::unique_ptr<Task> late = world.spawn("late", [&] {
        world.sleep_until(start + 2 * kHour);
        order += "late";
      });
      const std::unique_ptr<Task> early = world.spawn("early", [&] {
        world.sleep_until(start + kHour);
        order += "early ";
      });
    }
    EXPECT_EQ(order, "early late");
    EXPECT_GE(world.clock().steady_ns() - start, 2 * kHour);

    sys::Mutex mutex;
    sys::CondVar never;
    sys::Lock lock(mutex);
    EXPECT_FALSE(never.wait_until(lock, world.clock().steady_ns() + kHour));
  });
}

TEST(SimExecutor, PoolAndQueueRunOnIt) {
  for (uint64_t seed = 1; seed <= 50; ++seed) {
    SCOPED_TRACE(seed);
    SimExecutor world(seed);
    world.run([&] {
      sys::Guarded<int> ran(0);
      {
        const std::unique_ptr<Pool> pool =
            make_pool(world, world.clock(), {.name = "p", .threads_max = 3, .queue_max = 100});
        for (int i = 0; i < 30; ++i)
          ASSERT_TRUE(pool->submit([&] { ran.with([](int& n) { ++n; }); }).ok());
      }
      EXPECT_EQ(ran.with([](int& n) { return n; }), 30);
    });
  }
}

TEST(SimExecutorDeathTest, ADeadlockIsReportedWithItsSeed) {
  EXPECT_DEATH(
      {
        SimExecutor world(42);
        world.run([&] {
          sys::Mutex mutex;
          sys::CondVar never;
          sys::Lock lock(mutex);
          never.wait(lock);
        });
      },
      "deadlock, seed 42");
}

TEST(SimFs, OnlyWhatWasSyncedIsSureToSurvive) {
  bool lost_write = false;
  bool kept_write = false;
  bool torn_write = false;
  bool lost_name = false;
  for (uint64_t seed = 1; seed <= 200; ++seed) {
    SCOPED_TRACE(seed);
    SimFs fs(seed);
    ASSERT_TRUE(fs.make_dirs("/d").ok());
    {
      const std::unique_ptr<File> f = fs.open("/d/safe", OpenMode::kCreateNew).value();
      ASSERT_TRUE(f->append("synced").ok());
      ASSERT_TRUE(f->sync().ok());
      ASSERT_TRUE(fs.sync_dir("/d").ok());
      ASSERT_TRUE(f->append(std::string(5000, 'x')).ok());
      ASSERT_TRUE(fs.open("/d/loose", OpenMode::kCreateNew).ok());
      fs.power_cut();
      EXPECT_EQ(f->append("dead").error().reason, "fs.io");
    }
    const std::string left = read_file(fs, "/d/safe", 10'000).value();
    ASSERT_TRUE(left.starts_with("synced"));
    const auto survived = static_cast<size_t>(std::count(left.begin(), left.end(), 'x'));
    lost_write |= survived == 0;
    kept_write |= survived == 5000;
    torn_write |= survived > 0 && survived < 5000;
    lost_name |= !fs.stat("/d/loose").ok();
  }
  EXPECT_TRUE(lost_write && kept_write && torn_write && lost_name);
}

TEST(SimFs, RenameIsAtomicAndNeedsItsDirectorySynced) {
  int old_kept = 0;
  int new_kept = 0;
  for (uint64_t seed = 1; seed <= 100; ++seed) {
    SimFs fs(seed);
    ASSERT_TRUE(fs.make_dirs("/d").ok());
    ASSERT_TRUE(write_file_atomic(fs, "/d/f", "old").ok());
    {
      const std::unique_ptr<File> f = fs.open("/d/t", OpenMode::kCreateNew).value();
      ASSERT_TRUE(f->append("new").ok());
      ASSERT_TRUE(f->sync().ok());
    }
    ASSERT_TRUE(fs.rename("/d/t", "/d/f").ok());
    fs.power_cut();
    const std::string left = read_file(fs, "/d/f", 10).value();
    old_kept += left == "old";
    new_kept += left == "new";
  }
  EXPECT_EQ(old_kept + new_kept, 100);
  EXPECT_GT(old_kept, 0);
  EXPECT_GT(new_kept, 0);
}

TEST(SimFs, FillsUpAndFailsTheNthChange) {
  SimFs fs(1);
  ASSERT_TRUE(fs.make_dirs("/d").ok());
  const std::unique_ptr<File> f = fs.open("/d/f", OpenMode::kCreateNew).value();
  fs.set_capacity(10);
  ASSERT_TRUE(f->append("0123456789").ok());
  EXPECT_EQ(f->append("x").error().reason, "fs.full");
  EXPECT_TRUE(f->write_at(3, "abc").ok());  // Overwriting takes no room.
  fs.set_capacity(INT64_MAX);
  fs.fail_nth_change(2);
  EXPECT_TRUE(f->append("a").ok());
  EXPECT_EQ(f->sync().error().reason, "fs.io");
  EXPECT_TRUE(fs.fault_happened());
  EXPECT_TRUE(f->sync().ok());
}

TEST(SimNet, StreamsArriveInOrderOrAreReset) {
  int whole = 0;
  int reset = 0;
  for (uint64_t seed = 1; seed <= 50; ++seed) {
    SCOPED_TRACE(seed);
    SimExecutor world(seed);
    world.run([&] {
      SimNet net(world, seed);
      net.add_host("peer", "10.0.0.1");
      net.reset_one_in(40);
      net.listen("10.0.0.1", 80, [&](Conn& conn) {
        std::array<char, 8> buffer;
        for (;;) {
          const Result<size_t> n = conn.read(buffer, INT64_MAX);
          if (!n.ok() || *n == 0) return;
          if (!conn.write(std::string_view(buffer.data(), *n), INT64_MAX).ok()) return;
        }
      });
      EXPECT_EQ(net.resolve("nobody", 1).error().reason, "net.unknown_host");
      const Address address = net.resolve("peer", 80).value().front();
      EXPECT_EQ(net.dial({"10.0.0.1", 81}, INT64_MAX).error().reason, "net.refused");
      const std::unique_ptr<Conn> conn = net.dial(address, INT64_MAX).value();
      std::string echoed;
      Status status = conn->write("a message of some length", INT64_MAX);
      std::array<char, 16> buffer;
      while (status.ok() && echoed.size() < 24) {
        const Result<size_t> n = conn->read(buffer, world.clock().steady_ns() + 1'000'000'000);
        if (!n.ok())
          status = n.error();
        else
          echoed.append(buffer.data(), *n);
      }
      EXPECT_TRUE(std::string_view("a message of some length").starts_with(echoed));
      status.ok() ? ++whole : ++reset;
    });
  }
  EXPECT_GT(whole, 0);
  EXPECT_GT(reset, 0);
}

}  // namespace
}  // namespace slip::sim
