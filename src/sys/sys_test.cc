#include <array>
#include <atomic>
#include <csignal>
#include <set>
#include <vector>

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/text.h"
#include "sys/clock.h"
#include "sys/executor.h"
#include "sys/fs.h"
#include "sys/net.h"
#include "sys/process.h"
#include "sys/real_path.h"
#include "sys/rng.h"
#include "sys/sim/sim_fs.h"
#include "sys/sync.h"

namespace slip {
namespace {

std::string fresh_dir() {
  const std::string dir =
      ::testing::TempDir() + "sys_test_" + new_uuid7(real_clock(), real_rng()).hex();
  real_fs().make_dirs(dir).value();
  return dir;
}

// What every Fs must do, the real one and the simulated one.
void check_files(Fs& fs, const std::string& dir) {
  const std::string path = dir + "/a/b/file";
  EXPECT_EQ(fs.open(path, OpenMode::kCreate).error().reason, "fs.not_found");
  ASSERT_TRUE(fs.make_dirs(dir + "/a/b").ok());
  ASSERT_TRUE(fs.make_dirs(dir + "/a/b").ok());
  EXPECT_EQ(fs.open(path, OpenMode::kRead).error().reason, "fs.not_found");
  {
    const std::unique_ptr<File> f = fs.open(path, OpenMode::kCreateNew).value();
    ASSERT_TRUE(f->append("hello ").ok());
    ASSERT_TRUE(f->append("world").ok());
    ASSERT_TRUE(f->write_at(0, "J").ok());
    ASSERT_TRUE(f->write_at(12, "!").ok());
    ASSERT_TRUE(f->sync().ok());
    EXPECT_EQ(f->size().value(), 13);
    ASSERT_TRUE(f->lock().ok());
    const std::unique_ptr<File> other = fs.open(path, OpenMode::kReadWrite).value();
    EXPECT_EQ(other->lock().error().reason, "fs.locked");
  }
  EXPECT_EQ(fs.open(path, OpenMode::kCreateNew).error().reason, "fs.exists");
  EXPECT_EQ(read_file(fs, path, 100).value(), std::string("Jello world\0!", 13));
  EXPECT_EQ(read_file(fs, path, 5).error().reason, "fs.too_large");
  ASSERT_TRUE(write_file_atomic(fs, path, "new").ok());
  EXPECT_EQ(read_file(fs, path, 100).value(), "new");
  ASSERT_TRUE(fs.rename(path, dir + "/a/other").ok());
  EXPECT_EQ(fs.stat(path).error().reason, "fs.not_found");
  EXPECT_EQ(fs.stat(dir + "/a/other").value().size, 3);
  const std::vector<FileInfo> names = fs.list(dir + "/a").value();
  ASSERT_EQ(names.size(), 2U);
  EXPECT_EQ(names[0].name, "b");
  EXPECT_TRUE(names[0].is_dir);
  EXPECT_EQ(names[1].name, "other");
  EXPECT_EQ(fs.remove(dir + "/a").error().reason, "fs.exists");
  EXPECT_TRUE(fs.open_beneath(dir, "a/other").ok());
  EXPECT_EQ(fs.open_beneath(dir + "/a/b", "../other").error().reason, "fs.denied");
  EXPECT_FALSE(fs.open_beneath(dir, "/etc/passwd").ok());
  ASSERT_TRUE(fs.remove_all(dir + "/a").ok());
  ASSERT_TRUE(fs.remove_all(dir + "/a").ok());
  EXPECT_FALSE(fs.stat(dir + "/a").ok());
  EXPECT_GT(fs.space(dir).value().total_bytes, 0);
}

TEST(Fs, TheRealOneKeepsTheContract) {
  const std::string dir = fresh_dir();
  check_files(real_fs(), dir);
  ASSERT_TRUE(real_fs().remove_all(dir).ok());
}

TEST(Fs, TheSimulatedOneKeepsTheContract) {
  sim::SimFs fs(1);
  ASSERT_TRUE(fs.make_dirs("/data").ok());
  check_files(fs, "/data");
}

TEST(Executor, TasksQueuesAndDeadlines) {
  sys::Queue<int> queue(2);
  std::atomic<int> sum = 0;
  std::unique_ptr<Task> task = real_executor().spawn("adder", [&] {
    while (const std::optional<int> n = queue.pop()) sum += *n;
  });
  for (int i = 1; i <= 100;) i += queue.push(i) ? 1 : 0;
  queue.close();
  task->join();
  EXPECT_EQ(sum, 5050);
  EXPECT_FALSE(queue.push(1));
  sys::Queue<int> empty(1);
  EXPECT_FALSE(empty.pop(real_clock().steady_ns() + 1'000'000));
}

TEST(Pool, RunsEverythingAndRefusesWhatDoesNotFit) {
  sys::Mutex mutex;
  sys::CondVar changed;
  bool open = false;
  int ran = 0;
  {
    const std::unique_ptr<Pool> pool =
        make_pool(real_executor(), real_clock(), {.name = "t", .threads_max = 2, .queue_max = 3});
    const auto work = [&] {
      sys::Lock lock(mutex);
      while (!open) changed.wait(lock);
      ++ran;
    };
    int accepted = 0;
    while (pool->submit(work).ok()) ++accepted;  // Two run at most, three wait.
    EXPECT_GE(accepted, 3);
    EXPECT_LE(accepted, 5);
    {
      const sys::Lock lock(mutex);
      open = true;
    }
    changed.notify_all();
  }
  EXPECT_GE(ran, 3);
}

TEST(Process, ChildrenEndAndAreKilled) {
  Process& p = real_process();
  EXPECT_EQ(p.spawn({.argv = {"/bin/sh", "-c", "exit 7"}}).value()->wait(10'000)->code, 7);
  EXPECT_EQ(p.spawn({.argv = {"no-such-program-here"}}).error().reason, "process.not_found");
  EXPECT_EQ(p.spawn({.argv = {}}).error().reason, "process.argv");
  const std::unique_ptr<Child> sleeper = p.spawn({.argv = {"sleep", "60"}}).value();
  EXPECT_EQ(sleeper->wait(0).error().reason, "process.running");
  ASSERT_TRUE(sleeper->signal(SIGTERM).ok());
  EXPECT_EQ(sleeper->wait(10'000)->signal, SIGTERM);
  EXPECT_GT(p.resident_bytes(), 1 << 20);
  EXPECT_GT(p.memory_limit_bytes(), 64 << 20);
  EXPECT_GE(p.cpu_count(), 1);
}

TEST(Rng, WordsNeverRepeatAcrossDrawsThreadsAndForks) {
  constexpr size_t kDraws = 500;  // Many times what a thread fetches ahead.
  std::vector<uint64_t> words;
  const auto draw = [](std::vector<uint64_t>* out) {
    for (size_t i = 0; i < kDraws; ++i) out->push_back(real_rng().u64());
  };
  draw(&words);
  std::vector<uint64_t> theirs;
  real_executor().spawn("rng", [&] { draw(&theirs); })->join();
  words.insert(words.end(), theirs.begin(), theirs.end());
  for (const size_t size : {1U, 7U, 9U, 1000U}) {  // Odd sizes leave the supply at odd places.
    std::vector<uint8_t> bytes(size);
    real_rng().fill(bytes);
    if (size > 8) {
      EXPECT_NE(bytes, std::vector<uint8_t>(size));
    }
  }
  std::array<int, 2> ends{};
  ASSERT_EQ(pipe(ends.data()), 0);
  const pid_t child = fork();  // In the middle of a supply.
  if (child == 0) {
    const uint64_t word = real_rng().u64();
    _exit(write(ends[1], &word, sizeof word) == sizeof word ? 0 : 1);
  }
  words.push_back(real_rng().u64());
  words.emplace_back();
  EXPECT_EQ(read(ends[0], &words.back(), sizeof(uint64_t)), ssize_t{sizeof(uint64_t)});
  EXPECT_EQ(waitpid(child, nullptr, 0), child);
  close(ends[0]);
  close(ends[1]);
  EXPECT_EQ(std::set<uint64_t>(words.begin(), words.end()).size(), words.size());
}

TEST(Net, KnowsWhichAddressesArePublic) {
  for (const char* ip : {"8.8.8.8", "1.1.1.1", "172.32.0.1", "2606:4700::1111"})
    EXPECT_TRUE(is_public_ip(ip)) << ip;
  for (const char* ip : {"127.0.0.1",
                         "10.1.2.3",
                         "172.16.0.1",
                         "172.31.255.255",
                         "192.168.1.1",
                         "169.254.169.254",
                         "100.64.0.1",
                         "0.0.0.0",
                         "224.0.0.1",
                         "255.255.255.255",
                         "198.18.0.1",
                         "::1",
                         "fe80::1",
                         "fc00::1",
                         "::ffff:8.8.8.8",
                         "64:ff9b::808:808",
                         "2002:0a00:0001::1",
                         "2001:db8::1",
                         "::",
                         "127.1",
                         "0x7f000001",
                         "example",
                         ""})
    EXPECT_FALSE(is_public_ip(ip)) << ip;
}

TEST(Net, RefusedIsSaidAtOnce) {
  const Result<std::unique_ptr<Conn>> conn =
      real_net().dial({"127.0.0.1", 1}, real_clock().steady_ns() + 1'000'000'000);
  EXPECT_EQ(conn.error().reason, "net.refused");
}

TEST(RealPath, IsOneForEachPlace) {
  const std::string here = ::testing::TempDir() + "real_path_test";
  real_fs().make_dirs(here + "/a").value();
  const std::string want = real_path(here + "/a", "/");
  EXPECT_FALSE(want.ends_with('/'));
  for (const std::string& other : {here + "/a/", here + "//a", here + "/b/../a", here + "/./a"})
    EXPECT_EQ(real_path(other, "/"), want) << other;
  EXPECT_EQ(real_path("a", here), want);
  EXPECT_EQ(real_path(here + "/not/there/", "/"), real_path(here, "/") + "/not/there");
  real_fs().remove_all(here).value();
}

}  // namespace
}  // namespace slip
