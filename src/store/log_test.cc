#include "store/log.h"

#include <map>
#include <set>

#include <gtest/gtest.h>

#include "sys/clock.h"
#include "sys/executor.h"
#include "sys/log.h"
#include "sys/sim/sim_executor.h"
#include "sys/sim/sim_fs.h"
#include "test/gen/dice.h"

namespace slip::store {
namespace {

struct Disk {
  explicit Disk(uint64_t seed = 1) : fs(seed) {}
  sim::SimFs fs;
  Result<std::unique_ptr<SegmentLog>> open(LogOptions options = {.segment_bytes = 400,
                                                                 .limit_bytes = 1 << 20,
                                                                 .record_bytes_max = 1000}) {
    return open_segment_log({fs, real_clock(), real_executor(), null_log()}, "/log", options);
  }
};

Status add(SegmentLog& log, std::string_view record, LogAck ack = LogAck::kKernel) {
  return log.append(std::span(&record, 1), ack);
}

std::vector<std::string> all(SegmentLog& log) {
  std::vector<std::string> out;
  for (const LogSegment& s : log.segments())
    log.read(s.number, 0,
             [&](std::string_view r, int64_t) -> Result<bool> {
               out.emplace_back(r);
               return true;
             })
        .value();
  return out;
}

TEST(SegmentLog, KeepsRecordsInOrderAcrossSegmentsAndRestarts) {
  Disk disk;
  std::vector<std::string> wanted;
  for (int life = 0; life < 3; ++life) {
    const std::unique_ptr<SegmentLog> log = disk.open().value();
    EXPECT_EQ(all(*log), wanted);
    for (int i = 0; i < 20; ++i) {
      wanted.push_back("record " + std::to_string(life) + "/" + std::to_string(i));
      ASSERT_TRUE(add(*log, wanted.back(), i % 2 == 0 ? LogAck::kKernel : LogAck::kDisk).ok());
    }
    EXPECT_EQ(all(*log), wanted);
  }
  const std::unique_ptr<SegmentLog> log = disk.open().value();
  EXPECT_GT(log->segments().size(), 3U);
  for (const LogSegment& s : log->segments()) EXPECT_LE(s.bytes, 400);
}

TEST(SegmentLog, RotateClosesAndRemoveForgets) {
  Disk disk;
  const std::unique_ptr<SegmentLog> log = disk.open().value();
  ASSERT_TRUE(log->rotate().ok());
  EXPECT_TRUE(log->segments().empty());
  ASSERT_TRUE(add(*log, "a").ok());
  ASSERT_TRUE(log->rotate().ok());
  ASSERT_TRUE(add(*log, "b").ok());
  ASSERT_EQ(log->segments().size(), 2U);
  EXPECT_TRUE(log->segments()[0].closed);
  EXPECT_FALSE(log->segments()[1].closed);
  ASSERT_TRUE(log->remove(log->segments()[0].number).ok());
  EXPECT_EQ(all(*log), std::vector<std::string>{"b"});
}

// Whoever has taken a segment over knows it by its number and drops what comes under that number
// again, so a number that returned would be records lost.
TEST(SegmentLog, NumbersAreNotReusedWhenEverythingWasRemoved) {
  Disk disk;
  int64_t last = 0;
  for (int life = 0; life < 4; ++life) {
    const std::unique_ptr<SegmentLog> log = disk.open().value();
    EXPECT_TRUE(log->segments().empty());
    if (life == 2) continue;  // A start in which nothing comes.
    ASSERT_TRUE(add(*log, "record").ok());
    ASSERT_TRUE(log->rotate().ok());
    const std::vector<LogSegment> segments = log->segments();
    ASSERT_EQ(segments.size(), 1U);
    EXPECT_GT(segments[0].number, last);
    last = segments[0].number;
    ASSERT_TRUE(log->remove(last).ok());
    ASSERT_TRUE(log->remove(last).ok());  // Fine when gone.
    EXPECT_TRUE(log->segments().empty());
    const auto none = [](std::string_view, int64_t) -> Result<bool> { return true; };
    EXPECT_EQ(log->read(last, 0, none).error().code, Code::kNotFound);
    EXPECT_EQ(disk.fs.list("/log").value().size(), 1U);
    EXPECT_EQ(disk.fs.list("/log").value()[0].size, 32);
  }
}

TEST(SegmentLog, LimitsAreRefusedAndChangeNothing) {
  Disk disk;
  const std::unique_ptr<SegmentLog> log =
      disk.open({.segment_bytes = 108, .limit_bytes = 166, .record_bytes_max = 50}).value();
  EXPECT_EQ(add(*log, "").error().reason, "log.record_too_large");
  EXPECT_EQ(add(*log, std::string(51, 'x')).error().reason, "log.record_too_large");
  ASSERT_TRUE(add(*log, std::string(50, 'a')).ok());
  ASSERT_TRUE(add(*log, std::string(30, 'b')).ok());
  EXPECT_EQ(add(*log, std::string(50, 'c')).error().reason, "log.full");
  EXPECT_EQ(all(*log).size(), 2U);
}

TEST(SegmentLog, ADamagedRecordIsSaidAndNotReturned) {
  Disk disk;
  {
    const std::unique_ptr<SegmentLog> log = disk.open().value();
    ASSERT_TRUE(add(*log, "first", LogAck::kDisk).ok());
    ASSERT_TRUE(add(*log, "second", LogAck::kDisk).ok());
    ASSERT_TRUE(log->rotate().ok());
    ASSERT_TRUE(add(*log, "third", LogAck::kDisk).ok());
  }
  disk.fs.flip_bit("/log/000000000001.log", 32 + 12 + 5 + 12, 3);
  const std::unique_ptr<SegmentLog> log = disk.open().value();
  std::vector<std::string> seen;
  const Result<int64_t> status = log->read(1, 0, [&](std::string_view r, int64_t) -> Result<bool> {
    seen.emplace_back(r);
    return true;
  });
  EXPECT_EQ(status.error().reason, "log.corrupt");
  EXPECT_EQ(seen, std::vector<std::string>{"first"});
}

// Fail the Nth change of the disk, for every N that the history has; cut the power; reopen. What
// was acknowledged with kDisk is there, nothing is there that was never appended, and the log
// works.
TEST(SegmentLog, NthFaultSweep) {
  for (const auto fault : {sim::SimFs::Fault::kIo, sim::SimFs::Fault::kFull}) {
    for (int64_t n = 1;; ++n) {
      SCOPED_TRACE(n);
      Disk disk(static_cast<uint64_t>(n));
      std::set<std::string> appended;
      std::vector<std::string> acknowledged;
      disk.fs.fail_nth_change(n, fault);
      {
        const Result<std::unique_ptr<SegmentLog>> log = disk.open();
        for (int i = 0; log.ok() && i < 30; ++i) {
          const std::string record = "record " + std::to_string(i);
          appended.insert(record);
          if (add(**log, record, LogAck::kDisk).ok()) acknowledged.push_back(record);
        }
      }
      const bool reached = disk.fs.fault_happened();
      disk.fs.power_cut();
      const std::unique_ptr<SegmentLog> log = disk.open().value();
      std::vector<std::string> left = all(*log);
      for (const std::string& r : left) ASSERT_TRUE(appended.contains(r)) << r;
      for (const std::string& r : acknowledged)
        ASSERT_NE(std::find(left.begin(), left.end(), r), left.end()) << r;
      ASSERT_TRUE(add(*log, "after", LogAck::kDisk).ok());
      EXPECT_EQ(all(*log).size(), left.size() + 1);
      if (!reached) break;
    }
  }
}

// Many writers at once, on a disk whose power goes away in the middle.
// Whoever has taken a closed segment over may forget it: what was refused doesn't come back in it.
TEST(SegmentLog, AClosedSegmentIsTheSameAfterALossOfPower) {
  const auto read = [](SegmentLog& log, int64_t segment) {
    std::vector<std::string> out;
    log.read(segment, 0,
             [&](std::string_view r, int64_t) -> Result<bool> {
               out.emplace_back(r);
               return true;
             })
        .value();
    return out;
  };
  int64_t seen = 0;
  for (uint64_t seed = 1; seed <= 30; ++seed)
    for (int64_t n = 1; n <= 40; ++n) {
      Disk disk(seed);
      std::map<int64_t, std::vector<std::string>> closed;
      std::set<std::string> acknowledged;
      {
        const std::unique_ptr<SegmentLog> log = disk.open().value();
        disk.fs.fail_nth_change(n, n % 2 == 0 ? sim::SimFs::Fault::kIo : sim::SimFs::Fault::kFull);
        for (int i = 0; i < 14; ++i) {
          const std::string record = "record " + std::to_string(i) + std::string(20, 'x');
          if (add(*log, record, LogAck::kDisk).ok()) acknowledged.insert(record);
          if (i % 4 == 3) ignore(log->rotate(), "tried again below");
        }
        ignore(log->rotate(), "it may be the one that fails");
        for (const LogSegment& s : log->segments())
          if (s.closed) closed[s.number] = read(*log, s.number);
      }
      disk.fs.fail_nth_change(0);
      disk.fs.power_cut();
      const std::unique_ptr<SegmentLog> log = disk.open().value();
      for (const auto& [segment, records] : closed) {
        EXPECT_EQ(read(*log, segment), records) << "seed " << seed << ", change " << n;
        for (const std::string& r : records) EXPECT_TRUE(acknowledged.contains(r)) << r;
        ++seen;
      }
    }
  EXPECT_GT(seen, 3000);
}

TEST(SegmentLog, ConcurrentWritersLoseNothingAcknowledged) {
  for (uint64_t seed = 1; seed <= 60; ++seed) {
    SCOPED_TRACE(seed);
    sim::SimExecutor world(seed);
    world.run([&] {
      sim::SimFs fs(seed);
      gen::Dice dice = gen::Dice::seeded(seed);
      const World on{fs, world.clock(), world, null_log()};
      const LogOptions options{
          .segment_bytes = 300, .limit_bytes = 1 << 20, .record_bytes_max = 100};
      sys::Guarded<std::set<std::string>> acknowledged;
      {
        const std::unique_ptr<SegmentLog> log = open_segment_log(on, "/log", options).value();
        std::vector<std::unique_ptr<Task>> tasks;
        for (int t = 0; t < 4; ++t)
          tasks.push_back(world.spawn("writer", [&, t] {
            for (int i = 0; i < 10; ++i) {
              const std::string record = std::to_string(t) + ":" + std::to_string(i);
              if (add(*log, record, LogAck::kDisk).ok())
                acknowledged.with([&](std::set<std::string>& a) { a.insert(record); });
            }
          }));
        if (dice.one_in(2)) {
          for (uint64_t i = dice.below(60); i > 0; --i) world.yield("wait");
          fs.freeze();
        }
      }
      fs.power_cut();
      const std::unique_ptr<SegmentLog> log = open_segment_log(on, "/log", options).value();
      const std::vector<std::string> left = all(*log);
      const std::set<std::string> present(left.begin(), left.end());
      EXPECT_EQ(present.size(), left.size());
      acknowledged.with([&](const std::set<std::string>& a) {
        for (const std::string& r : a) ASSERT_TRUE(present.contains(r)) << r;
      });
    });
  }
}

}  // namespace
}  // namespace slip::store
