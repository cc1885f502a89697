#include <gtest/gtest.h>

#include "base/text.h"
#include "core/worker/session.h"
#include "core/worker/test_world.h"

namespace slip::worker {
namespace {

using test::FakeProcess;
using test::PoolWorld;
using Fate = test::FakeProcess::Fate;

TEST(WorkerPoolTest, AnswersAndSendsAFunctionOnce) {
  PoolWorld w(1);
  w.run([&] {
    EXPECT_EQ(w.pool->counters().starts, 0) << "started when first needed";
    for (int i = 0; i < 5; ++i) EXPECT_EQ(w.call("echo").value(), test::rows_of({1, 2, 3}));
    EXPECT_EQ(w.process->started, 1);
    EXPECT_EQ(w.process->defined, 1);
    const Counters counters = w.pool->counters();
    EXPECT_EQ(counters.calls.at("ok"), 5);
    EXPECT_EQ(counters.running, 1);
    EXPECT_EQ(w.pool->level().python, "python3 3.11");
  });
}

// What a worker does wrong, what the caller hears, and whether the worker goes on.
TEST(WorkerPoolTest, EveryTroubleHasItsReason) {
  const struct {
    const char* name;
    const char* reason;
    bool goes_on;
  } kRows[] = {
      {"raise", "worker.failed", true},     {"memory", "worker.memory", false},
      {"die", "worker.died", false},        {"hang", "worker.deadline", false},
      {"garbage", "worker.died", false},    {"other_id", "worker.died", false},
      {"strange", "worker.died", false},    {"huge", "worker.too_large", false},
      {"fewer", "worker.rows", false},      {"renamed", "worker.output", false},
      {"no_table", "worker.output", false}, {"slow", "ok", true},
  };
  for (const auto& row : kRows) {
    PoolWorld w(7);
    w.run([&] {
      EXPECT_EQ(w.reason(row.name), row.reason) << row.name;
      EXPECT_EQ(w.reason("echo"), "ok") << row.name;
      EXPECT_EQ(w.process->started, row.goes_on ? 1 : 2) << row.name;
      EXPECT_EQ(w.pool->counters().calls.count(row.reason), 1u) << row.name;
    });
  }
}

TEST(WorkerPoolTest, WhatCannotBeAskedIsRefusedBefore) {
  PoolWorld w(1);
  w.run([&] {
    const auto reason = [&](const PythonFunction& function, std::string_view rows) {
      return w.pool->call(Ctx(), function, rows).error().reason;
    };
    PythonFunction none = test::function_of("echo");
    none.outputs.clear();
    EXPECT_EQ(reason(none, test::rows_of({})), "worker.function");
    none = test::function_of("echo");
    none.source.clear();
    EXPECT_EQ(reason(none, test::rows_of({})), "worker.function");
    EXPECT_EQ(reason(test::function_of("echo"), "no stream"), "table.syntax");
    EXPECT_EQ(w.process->started, 0);
  });
  Options off = test::test_options();
  off.python = "off";
  PoolWorld without(1, off);
  without.run([&] {
    EXPECT_EQ(without.reason("echo"), "worker.off");
    EXPECT_EQ(without.pool->warm(Ctx()).error().code, Code::kUnsupported);
  });
}

TEST(WorkerPoolTest, AWorkerThatDiedBeforeItReadIsReplacedOnce) {
  PoolWorld w(3);
  w.run([&] {
    w.process->fates = {{1, Fate::kDiesUnread}, {3, Fate::kDiesUnread}, {4, Fate::kDiesUnread}};
    EXPECT_EQ(w.reason("echo"), "ok");
    EXPECT_EQ(w.process->started, 2);
    EXPECT_EQ(w.reason("die"), "worker.died");
    EXPECT_EQ(w.reason("echo"), "worker.died") << "twice is enough";
    EXPECT_EQ(w.process->started, 4);
    EXPECT_EQ(w.reason("echo"), "ok") << "and no fault of the function";
  });
}

TEST(WorkerPoolTest, AWorkerThatDoesNotListenIsReplaced) {
  PoolWorld w(3);
  w.run([&] {
    w.process->fates = {{1, Fate::kIsDeaf}};
    EXPECT_EQ(w.reason("echo"), "ok");
    EXPECT_EQ(w.process->started, 2);
    EXPECT_EQ(w.now_s(), 10);
  });
}

TEST(WorkerPoolTest, AFunctionThatKillsIsRefusedForAWhile) {
  PoolWorld w(5);
  w.run([&] {
    for (int i = 0; i < 3; ++i) EXPECT_EQ(w.reason("die"), "worker.died");
    const int64_t started = w.process->started;
    EXPECT_EQ(w.reason("die"), "worker.refused");
    EXPECT_EQ(w.process->started, started);
    EXPECT_EQ(w.reason("echo"), "ok") << "others are served";
    w.wait_s(10);
    EXPECT_EQ(w.reason("die"), "worker.died");
    EXPECT_EQ(w.reason("die"), "worker.refused");
    w.wait_s(10);
    EXPECT_EQ(w.reason("die"), "worker.refused") << "20 s this time";
    w.wait_s(10);
    EXPECT_EQ(w.reason("die"), "worker.died");
    for (int i = 0; i < 3; ++i) EXPECT_EQ(w.reason("memory"), "worker.memory");
    EXPECT_EQ(w.reason("memory"), "worker.refused");
    for (int i = 0; i < 9; ++i) EXPECT_EQ(w.reason("raise"), "worker.failed") << "costs nothing";
  });
}

// A caller's haste costs nobody a worker; only the worker's own limit does.
TEST(WorkerPoolTest, ACallerMayLeave) {
  PoolWorld w(9);
  w.run([&] {
    EXPECT_EQ(w.call("echo").ok(), true);
    const int64_t begun_s = w.now_s();
    EXPECT_EQ(w.call("slow", "default", 1).error().reason, "worker.deadline");
    EXPECT_EQ(w.now_s() - begun_s, 1);
    EXPECT_EQ(w.call("echo", "default", 1).error().reason, "worker.deadline") << "it waits in vain";
    EXPECT_TRUE(w.call("echo").ok());
    EXPECT_EQ(w.now_s() - begun_s, 5);
    EXPECT_EQ(w.process->started, 1);
  });
}

TEST(WorkerPoolTest, StartsThatFailAreTriedLessOften) {
  PoolWorld w(2);
  w.run([&] {
    w.process->fates = {{1, Fate::kFailsToStart}, {2, Fate::kIsSilent}};
    const Result<std::string> failed = w.call("echo");
    EXPECT_EQ(failed.error().reason, "worker.unavailable");
    EXPECT_EQ(failed.error().text, "no module pyarrow");
    EXPECT_EQ(w.pool->level().problem, "no module pyarrow");
    EXPECT_EQ(w.reason("echo"), "worker.unavailable");
    EXPECT_EQ(w.process->started, 1) << "not at once";
    w.wait_s(1);
    EXPECT_EQ(w.pool->warm(Ctx()).error().text, "a worker didn't start in time");
    EXPECT_EQ(w.process->started, 2);
    w.wait_s(1);
    EXPECT_EQ(w.reason("echo"), "worker.unavailable");
    w.wait_s(1);
    EXPECT_EQ(w.reason("echo"), "ok");
    EXPECT_EQ(w.pool->level().problem, "");
  });
}

TEST(WorkerPoolTest, IdleWorkersEnd) {
  PoolWorld w(4);
  w.run([&] {
    EXPECT_TRUE(w.pool->warm(Ctx()).ok());
    EXPECT_EQ(w.pool->counters().running, 1);
    w.wait_s(599);
    EXPECT_EQ(w.reason("echo"), "ok");
    w.wait_s(599);
    EXPECT_EQ(w.pool->counters().running, 1);
    w.wait_s(2);
    EXPECT_EQ(w.pool->counters().running, 0);
    EXPECT_EQ(w.reason("echo"), "ok");
    EXPECT_EQ(w.process->started, 2);
  });
}

// What a function leaves behind in a process is seen by its own project alone.
TEST(WorkerPoolTest, ProjectsShareNoProcess) {
  PoolWorld w(6);
  w.run([&] {
    for (int i = 0; i < 3; ++i) EXPECT_TRUE(w.call("echo", "a").ok());
    EXPECT_EQ(w.process->started, 1);
    EXPECT_TRUE(w.call("echo", "b").ok());
    EXPECT_EQ(w.process->started, 2);
    EXPECT_EQ(w.process->defined, 2);
    EXPECT_EQ(w.pool->counters().running, 1) << "one at a time";
  });
  Options two = test::test_options();
  two.count = 2;
  PoolWorld wide(6, two);
  wide.run([&] {
    for (int i = 0; i < 6; ++i) EXPECT_TRUE(wide.call("echo", i % 2 == 0 ? "a" : "b").ok());
    EXPECT_EQ(wide.process->started, 2) << "one for each";
    EXPECT_TRUE(wide.call("echo", "c").ok());
    EXPECT_TRUE(wide.call("echo", "b").ok());
    EXPECT_EQ(wide.process->started, 3) << "the one that was used longest ago makes way";
  });
}

TEST(WorkerPoolTest, TheRowIsBounded) {
  Options narrow = test::test_options();
  narrow.waiting_max = 3;
  PoolWorld w(8, narrow);
  w.run([&] {
    std::map<std::string, int> outcomes;
    std::vector<std::unique_ptr<Task>> tasks;
    for (int i = 0; i < 10; ++i)
      tasks.push_back(w.executor.spawn("caller", [&] { ++outcomes[w.reason("slow")]; }));
    tasks.clear();
    EXPECT_EQ(outcomes["ok"] + outcomes["worker.busy"], 10);
    EXPECT_GE(outcomes["ok"], 4);
    EXPECT_GE(outcomes["worker.busy"], 1);
  });
}

// Calls with rows of its own; how many were answered.
int64_t ask_and_compare(PoolWorld& w, int64_t caller) {
  Ctx ctx;
  ctx.project = {caller % 3 == 0 ? "a" : "b"};
  int64_t answered = 0;
  for (int64_t i = 0; i < 8; ++i) {
    const std::string rows = test::rows_of({caller, i});
    const std::string echo = caller % 2 == 0 ? "echo0" : "echo1";
    const Result<std::string> out =
        w.pool->call(ctx, test::function_of(i % 5 == 4 ? "raise" : echo), rows);
    if (!out.ok()) {
      EXPECT_TRUE(out.error().reason.starts_with("worker.")) << out.error().reason;
      continue;
    }
    EXPECT_EQ(*out, rows);
    ++answered;
  }
  return answered;
}

// Many callers on few workers whose streams break now and then: everybody gets their own rows or an
// error, and the pool is whole at the end.
TEST(WorkerPoolTest, NobodyGetsAnothersAnswer) {
  for (uint64_t seed = 1; seed <= 20; ++seed) {
    SCOPED_TRACE(seed);
    Options options = test::test_options();
    options.count = 1 + seed % 3;
    PoolWorld w(seed, options);
    int64_t answered = 0;
    w.run([&] {
      if (seed % 2 == 0) w.process->net().reset_one_in(100);
      std::vector<std::unique_ptr<Task>> tasks;
      for (int64_t caller = 0; caller < 6; ++caller)
        tasks.push_back(
            w.executor.spawn("caller", [&, caller] { answered += ask_and_compare(w, caller); }));
      tasks.clear();
      w.process->net().reset_one_in(0);
      w.wait_s(601);
      EXPECT_EQ(w.pool->counters().running, 0);
      EXPECT_EQ(w.reason("echo"), "ok");
    });
    EXPECT_GT(answered, 0);
  }
}

TEST(WorkerPoolTest, EndsSoonWhateverRuns) {
  PoolWorld w(11);
  w.run([&] {
    std::vector<std::unique_ptr<Task>> callers;
    std::map<std::string, int> outcomes;
    for (int i = 0; i < 3; ++i)
      callers.push_back(w.executor.spawn("caller", [&] { ++outcomes[w.reason("hang")]; }));
    w.wait_s(1);
    w.pool->stop();
    callers.clear();
    EXPECT_EQ(outcomes, (std::map<std::string, int>{{"worker.unavailable", 3}}));
    EXPECT_LE(w.now_s(), 2);
    EXPECT_EQ(w.reason("echo"), "worker.unavailable");
  });
  PoolWorld again(11);
  again.run([&] {
    EXPECT_EQ(again.call("hang", "default", 1).error().reason, "worker.deadline");
    const int64_t begun_ns = again.executor.clock().steady_ns();
    again.pool.reset();
    EXPECT_LT(again.executor.clock().steady_ns() - begun_ns, 1'000'000'000);
  });
}

TEST(WorkerDefinitionTest, TheDigestCoversAllThatMatters) {
  const PythonFunction base = test::function_of("f");
  std::vector<PythonFunction> others(6, base);
  others[0].source += " ";
  others[1].pickle = "x";
  others[2].entry = "g";
  others[3].outputs[0].type = "double";
  others[4].mode = PythonFunction::Mode::kPandas;
  others[5].pickle = others[5].source.substr(3);
  others[5].source.resize(3);  // The same bytes, cut elsewhere.
  EXPECT_EQ(define(base).digest, define(base).digest);
  std::set<std::string> digests = {define(base).digest};
  for (const PythonFunction& other : others) digests.insert(define(other).digest);
  EXPECT_EQ(digests.size(), 7u);
}

}  // namespace
}  // namespace slip::worker
