#include "serving/batcher.h"

#include <algorithm>
#include <atomic>
#include <cstring>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "base/check.h"
#include "sys/clock.h"
#include "sys/executor.h"
#include "sys/sim/sim_executor.h"
#include "sys/sync.h"
#include "test/gen/dice.h"

namespace slip::serving {
namespace {

constexpr int64_t kMs = 1'000'000;
constexpr float kBadRow = -1;   // The model refuses whatever has one,
constexpr float kCrashes = -2;  // fails,
constexpr float kNoRows = -3;   // or answers with one row in all.

Tensor floats(std::string name, std::vector<int64_t> shape, const std::vector<float>& values) {
  Tensor t;
  t.name = std::move(name);
  t.shape = std::move(shape);
  t.data.resize(values.size() * sizeof(float));
  if (!values.empty()) std::memcpy(t.data.data(), values.data(), t.data.size());
  return t;
}

// Rows "x" of (number, value, padding …) and a text "t" for each.
std::vector<Tensor> rows_of(int64_t number, const std::vector<float>& values, int64_t width = 2) {
  std::vector<float> x;
  Tensor text;
  text.name = "t";
  text.type = DataType::kBytes;
  text.shape = {static_cast<int64_t>(values.size())};
  for (const float value : values) {
    x.push_back(static_cast<float>(number));
    x.push_back(value);
    x.resize(x.size() + static_cast<size_t>(width) - 2, 7);
    text.strings.push_back(std::to_string(number) + "/" + std::to_string(value));
  }
  return {floats("x", {static_cast<int64_t>(values.size()), width}, x), text};
}

// A row's number plus ten times its value, and its text twice.
Result<std::vector<Tensor>> run_model(std::span<const Tensor> inputs) {
  const Tensor* x = nullptr;
  const Tensor* t = nullptr;
  for (const Tensor& input : inputs) (input.name == "x" ? x : t) = &input;
  CHECK(x != nullptr && t != nullptr && x->rows() == t->rows());
  const int64_t width = x->shape[1];
  std::vector<float> sums;
  Tensor texts = *t;
  texts.name = "tt";
  for (std::string& text : texts.strings) text += text;
  bool one_row = false;
  for (int64_t row = 0; row < x->rows(); ++row) {
    const double value = x->number(row * width + 1);
    if (value == kBadRow) return invalid("model.bad_row", "a row is bad");
    if (value == kCrashes) return internal("model.failed", "the model failed");
    one_row = one_row || value == kNoRows;
    sums.push_back(static_cast<float>(x->number(row * width) + 10 * value));
  }
  if (one_row) return std::vector<Tensor>{floats("y", {1}, {42})};
  const auto n = static_cast<int64_t>(sums.size());
  return std::vector<Tensor>{floats("y", {n, 1}, sums), texts};
}

std::string text_of(const Result<std::vector<Tensor>>& result) {
  if (!result.ok()) return result.error().reason;
  std::string out;
  for (const Tensor& t : *result) {
    out += t.name + "[";
    for (const int64_t d : t.shape) out += std::to_string(d) + ",";
    out += "]" + t.data;
    for (const std::string& s : t.strings) out += s + ";";
  }
  return out;
}

// A batcher in a simulated world, what it was asked and how it answered.
struct World {
  explicit World(uint64_t seed) : sim(seed) {}

  void run(BatchSettings settings, const std::function<void()>& body, Pool::Options options = {}) {
    sim.run([&] {
      pool = make_pool(sim, sim.clock(), options);
      alarm = make_batch_alarm(sim, sim.clock());
      batcher = std::make_unique<Batcher>(Batcher::Deps{*pool, sim.clock(), *alarm}, settings,
                                          [this](std::span<const Tensor> in) { return infer(in); });
      body();
      batcher->drain(INT64_MAX);
      batcher.reset();
      alarm.reset();  // It hands over to the pool.
      pool.reset();
    });
  }

  Result<std::vector<Tensor>> infer(std::span<const Tensor> inputs) {
    const int64_t now = sim.clock().steady_ns();
    for (const Tensor& t : inputs) {
      if (t.name != "x") continue;
      note_run(t, now);
      sim.sleep_until(now + run_ns + t.rows() * row_ns);
      const sys::Lock lock(mutex);
      --running;
    }
    return run_model(inputs);
  }

  void note_run(const Tensor& x, int64_t now) {
    const sys::Lock lock(mutex);
    batches.push_back(x.rows());
    most_running = std::max(most_running, ++running);
    for (int64_t row = 0; row < x.rows(); ++row) {
      const auto number = static_cast<int64_t>(x.number(row * x.shape[1]));
      // Every lock in between takes its simulated time.
      if (deadlines[number] != 0 && deadlines[number] + kMs <= now) ++late_runs;
    }
  }

  // Asks as number 1, 2, …
  int64_t ask(const std::vector<float>& values, BatchRequest request = {}, int64_t width = 2) {
    int64_t number = 0;
    {
      const sys::Lock lock(mutex);
      number = ++asked;
      deadlines[number] = request.deadline_ns;
      request.inputs = rows_of(number, values, width);
      expected[number] = text_of(run_model(request.inputs));
    }
    request.done = [this, number](Result<std::vector<Tensor>> result, const BatchTimes& times) {
      const sys::Lock lock(mutex);
      ++answers[number];
      order.push_back(number);
      got[number] = text_of(result);
      if (!result.ok()) texts[number] = result.error().text;
      last_times = times;
    };
    batcher->submit(std::move(request));
    return number;
  }

  void wait(int64_t ns) { sim.sleep_until(sim.clock().steady_ns() + ns); }

  sim::SimExecutor sim;
  std::unique_ptr<Pool> pool;
  std::unique_ptr<BatchAlarm> alarm;
  std::unique_ptr<Batcher> batcher;
  int64_t run_ns = 10 * kMs;
  int64_t row_ns = 0;
  sys::Mutex mutex;  // Guards what follows.
  int64_t asked = 0;
  int running = 0, most_running = 0, late_runs = 0;
  std::vector<int64_t> batches;
  std::map<int64_t, int64_t> deadlines;
  std::map<int64_t, std::string> expected, got, texts;
  std::map<int64_t, int> answers;
  std::vector<int64_t> order;
  BatchTimes last_times;
};

TEST(Batcher, GathersWhileBusyAndGivesBackEachItsRows) {
  World w(1);
  w.run({}, [&] {
    w.ask({1, 2, 3});
    for (int i = 0; i < 20; ++i) w.ask(std::vector<float>(static_cast<size_t>(1 + i % 3), 4));
  });
  EXPECT_EQ(w.batches, (std::vector<int64_t>{3, 39}));
  EXPECT_EQ(w.got, w.expected);
  EXPECT_EQ(w.answers.size(), 21U);
}

TEST(Batcher, SplitsWhatIsLargerThanABatchAndJoinsItInOrder) {
  World w(2);
  std::vector<float> values;
  for (int i = 0; i < 21; ++i) values.push_back(static_cast<float>(i));
  w.run({.max_batch_size = 8, .instances = 2}, [&] { w.ask(values); });
  EXPECT_EQ(w.got, w.expected);
  EXPECT_EQ(w.batches.size(), 3U);
}

TEST(Batcher, ABadRowFailsItsOwnRequestAlone) {
  World w(3);
  w.run({}, [&] {
    w.ask({1});
    for (int i = 0; i < 5; ++i) w.ask({static_cast<float>(i), i == 2 ? kBadRow : 5});
  });
  EXPECT_EQ(w.got, w.expected);
  EXPECT_EQ(w.got[4], "model.bad_row");
  EXPECT_EQ(w.batches, (std::vector<int64_t>{1, 10, 2, 2, 2, 2, 2}));
}

TEST(Batcher, AModelThatFailsFailsItsBatchAlone) {
  World w(4);
  w.run({.max_batch_size = 4}, [&] {
    w.ask({1});
    for (int i = 0; i < 4; ++i) w.ask({i == 2 ? kCrashes : 5});
    for (int i = 0; i < 4; ++i) w.ask({6});
  });
  for (int64_t n = 1; n <= 9; ++n)
    EXPECT_EQ(w.got[n], n >= 2 && n <= 5 ? "model.failed" : w.expected[n]) << n;
}

TEST(Batcher, AnOutputWithoutRowsIsGivenToWhoRanAlone) {
  World w(5);
  w.run({}, [&] {
    w.ask({kNoRows});
    w.ask({kNoRows, 1});
    w.ask({1});
  });
  EXPECT_EQ(w.got, w.expected);
  World split(6);
  split.run({.max_batch_size = 2}, [&] { split.ask({1, 2, 3, kNoRows, 5}); });
  EXPECT_EQ(split.got[1], "batch.output");
}

TEST(Batcher, RequestsWithoutRowsAreRefused) {
  World w(7);
  w.run({}, [&] {
    w.ask({});
    BatchRequest request;
    request.inputs = {floats("x", {2, 1}, {1, 2}), floats("z", {1, 1}, {1})};
    std::string reason;
    request.done = [&](Result<std::vector<Tensor>> r, const BatchTimes&) { reason = text_of(r); };
    w.batcher->submit(std::move(request));
    EXPECT_EQ(reason, "batch.rows");
  });
  EXPECT_EQ(w.got[1], "batch.rows");
}

TEST(Batcher, FullAndExpiredSayWhatTritonSays) {
  World w(8);
  BatchSettings s{.max_batch_size = 1};
  s.default_queue_policy.max_queue_size = 1;
  w.run(s, [&] {
    w.ask({1});
    w.ask({1}, {.timeout_us = 2000});
    w.ask({1});
    w.wait(5 * kMs);
    EXPECT_EQ(w.got[2], "batch.deadline");  // At once, though the instance is busy.
  });
  EXPECT_EQ(w.got[3], "batch.full");
  EXPECT_NE(w.texts[3].find("Exceeds maximum queue size"), std::string::npos);
  EXPECT_NE(w.texts[2].find("Request timeout expired"), std::string::npos);
}

TEST(Batcher, ADelayEndsByItself) {
  World w(9);
  w.run({.max_queue_delay_us = 3000}, [&] {
    w.ask({1});
    w.ask({2});
    w.wait(20 * kMs);
    EXPECT_EQ(w.got, w.expected);
    EXPECT_NEAR(static_cast<double>(w.last_times.queue_ns), 3e6, 1e5);  // Looks at the clock cost.
    EXPECT_NEAR(static_cast<double>(w.last_times.infer_ns), 10e6, 1e5);
    EXPECT_EQ(w.last_times.batch_rows, 2);
    EXPECT_EQ(w.last_times.reason, BatchReason::kDelay);
  });
}

TEST(Batcher, TheCancelledDoNotRun) {
  World w(10);
  bool gone = false;
  w.run({}, [&] {
    w.ask({1});
    w.ask({2}, {.cancelled = [&] { return gone; }});
    w.ask({3});
    gone = true;
  });
  EXPECT_EQ(w.got[2], "batch.cancelled");
  EXPECT_EQ(w.batches, (std::vector<int64_t>{1, 1}));
}

TEST(Batcher, DrainsWithinATime) {
  World w(11);
  w.run({.max_batch_size = 1}, [&] {
    for (int i = 0; i < 5; ++i) w.ask({1});
    w.batcher->drain(w.sim.clock().steady_ns() + 15 * kMs);
    EXPECT_EQ(w.answers.size(), 5U);
    w.ask({1});
  });
  for (int64_t n = 1; n <= 6; ++n)
    EXPECT_EQ(w.got[n], n <= 2 ? w.expected[n] : "batch.stopping") << n;
}

TEST(Batcher, WithoutAThreadForItARequestIsToldSo) {
  World w(12);
  w.run({.max_batch_size = 1, .instances = 3},
        [&] {
          for (int i = 0; i < 4; ++i) w.ask({1});
        },
        {.threads_max = 1, .queue_max = 1});
  std::map<std::string, int> count;
  for (const auto& [number, text] : w.got) ++count[text == "pool.full" ? text : "answered"];
  EXPECT_GE(count["pool.full"], 1);
  EXPECT_GE(count["answered"], 1);
  EXPECT_EQ(w.answers.size(), 4U);
}

TEST(Batcher, CheapRunsHappenWhereTheyAreAsked) {
  World w(13);
  w.run_ns = 1000;
  w.run({.inline_below_us = 50}, [&] {
    for (int i = 0; i < 10; ++i) {
      w.ask({1});
      w.wait(kMs);
    }
    const int64_t number = w.ask({1});
    EXPECT_EQ(w.got[number], w.expected[number]);  // No wait in between.
  });
}

TEST(Batcher, AnswersInOrderWhenAsked) {
  for (uint64_t seed = 0; seed < 30; ++seed) {
    SCOPED_TRACE(seed);
    World w(seed);
    auto dice = gen::Dice::seeded(seed);
    w.row_ns = kMs;
    BatchSettings s{.max_batch_size = 4, .preserve_ordering = true, .instances = 3};
    s.priority_levels = 2;
    w.run(s, [&] {
      for (int i = 0; i < 25; ++i) {
        w.ask(std::vector<float>(static_cast<size_t>(dice.between(1, 9)), 1),
              {.priority = dice.between(1, 2)}, dice.between(2, 3));
        if (dice.one_in(3)) w.wait(dice.between(0, 9 * kMs));
      }
    });
    EXPECT_EQ(w.got, w.expected);
    EXPECT_TRUE(std::is_sorted(w.order.begin(), w.order.end()));
    EXPECT_EQ(w.order.size(), 25U);
  }
}

// ---- anything goes

void ask_anything(World* w, uint64_t seed, std::atomic<bool>* gone) {
  auto dice = gen::Dice::seeded(seed);
  for (int i = 0; i < 12; ++i) {
    BatchRequest r;
    r.priority = dice.between(0, 3);
    r.tenant = dice.text(1, "abc");
    if (dice.one_in(3)) r.deadline_ns = w->sim.clock().steady_ns() + dice.between(1, 60 * kMs);
    if (dice.one_in(4)) r.timeout_us = dice.between(1, 20'000);
    if (dice.one_in(5)) r.cancelled = [gone] { return gone->load(); };
    std::vector<float> values(static_cast<size_t>(dice.between(1, dice.one_in(4) ? 20 : 3)));
    for (float& v : values) v = static_cast<float>(dice.between(0, 50));
    if (dice.one_in(8)) values.back() = kBadRow;
    if (dice.one_in(12)) values.back() = kCrashes;
    if (dice.one_in(12)) values.back() = kNoRows;
    // Rows of 4 KiB and more are copied outside of the lock.
    const int64_t widths[] = {2, 3, 2000};
    w->ask(values, std::move(r), dice.pick(widths));
    if (dice.one_in(2)) w->wait(dice.between(0, 8 * kMs));
    if (dice.one_in(20)) *gone = !gone->load();
  }
}

void check_answers(const World& w) {
  EXPECT_EQ(w.late_runs, 0);
  EXPECT_EQ(w.answers.size(), static_cast<size_t>(w.asked));
  const std::vector<std::string> refusals = {"batch.deadline", "batch.cancelled", "batch.full",
                                             "pool.full", "batch.stopping"};
  for (const auto& [number, times] : w.answers) {
    EXPECT_EQ(times, 1) << number;
    const std::string& got = w.got.at(number);
    // A neighbour's crash takes a batch along; an output without rows can't be joined.
    const bool may_fail = got == "model.failed" || got == "batch.output" || got == "model.bad_row";
    EXPECT_TRUE(got == w.expected.at(number) || may_fail ||
                std::find(refusals.begin(), refusals.end(), got) != refusals.end())
        << number << ": " << got.substr(0, 100);
    EXPECT_TRUE(got != "model.bad_row" || w.expected.at(number) == got) << number;
  }
}

TEST(Batcher, WhateverHappensEverybodyIsAnsweredOnceAndRightly) {
  for (uint64_t seed = 0; seed < 150; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    World w(seed);
    auto dice = gen::Dice::seeded(seed);
    w.run_ns = dice.between(1000, 5 * kMs);
    w.row_ns = dice.between(0, kMs);
    BatchSettings s;
    s.max_batch_size = dice.between(1, 12);
    s.instances = dice.between(1, 3);
    s.priority_levels = 3;
    s.ageing_us = 10'000;
    s.preserve_ordering = dice.one_in(3);
    if (dice.one_in(2)) s.max_queue_delay_us = dice.between(0, 5'000);
    if (dice.one_in(2)) s.objective_us = 30'000;
    if (dice.one_in(4)) s.inline_below_us = 3'000;
    s.default_queue_policy.max_queue_size = dice.between(0, 12);
    Pool::Options options;
    options.threads_max = static_cast<size_t>(dice.between(1, 4));
    options.queue_max = static_cast<size_t>(dice.one_in(4) ? 1 : 100);
    std::atomic<bool> gone = false;
    w.run(
        s,
        [&] {
          std::vector<std::unique_ptr<Task>> callers;
          for (uint64_t i = 0; i < 3; ++i)
            callers.push_back(
                w.sim.spawn("caller", [&, i] { ask_anything(&w, 8 * seed + i, &gone); }));
          callers.clear();
          if (dice.one_in(3))
            w.batcher->drain(w.sim.clock().steady_ns() + dice.between(0, 9 * kMs));
        },
        options);
    EXPECT_LE(w.most_running, s.instances);
    check_answers(w);
    if (testing::Test::HasFailure()) return;
  }
}

// For the sanitizers: no simulation between the threads.
TEST(Batcher, ManyThreads) {
  const auto pool = make_pool(real_executor(), real_clock(), {.threads_max = 4});
  const auto alarm = make_batch_alarm(real_executor(), real_clock());
  std::atomic<int> right = 0;
  {
    Batcher batcher({*pool, real_clock(), *alarm}, {.max_batch_size = 16, .instances = 2},
                    run_model);
    std::vector<std::unique_ptr<Task>> callers;
    for (int c = 0; c < 3; ++c)
      callers.push_back(real_executor().spawn("caller", [&, c] {
        for (int i = 0; i < 200; ++i) {
          BatchRequest r;
          r.inputs = rows_of(c * 1000 + i, {1, 2, 3}, i % 7 == 0 ? 900 : 2);
          r.done = [&, expected = text_of(run_model(r.inputs))](Result<std::vector<Tensor>> result,
                                                                const BatchTimes&) {
            right += text_of(result) == expected;
          };
          batcher.submit(std::move(r));
        }
      }));
    callers.clear();
    batcher.drain(INT64_MAX);
  }
  EXPECT_EQ(right, 600);
}

// ---- what is told

TEST(Batcher, ReportsInWords) {
  World w(14);
  w.row_ns = kMs / 10;
  w.run({.max_batch_size = 8, .objective_us = 100'000}, [&] {
    for (int i = 0; i < 60; ++i) {
      w.ask(std::vector<float>(static_cast<size_t>(1 + i % 4), 1));
      if (i % 3 == 0) w.wait(12 * kMs);
    }
    w.batcher->drain(INT64_MAX);
    const BatchReport report = w.batcher->report();
    EXPECT_TRUE(report.fitted);
    EXPECT_NEAR(report.run_ns / 1e6, 10, 1);
    EXPECT_EQ(report.stats.requests, 60);
    const std::string text = batch_report_text(report);
    for (const char* part :
         {"A run of n rows takes", "Objective: 99 % of the answers within 100 ms",
          "Size: batches close at", "Delay: an idle instance waits", "Batches so far",
          "idle: an instance was idle", "Waiting:"})
      EXPECT_NE(text.find(part), std::string::npos) << part << " in\n" << text;
    const codec::Json json = batch_report_json(report);
    int64_t batches = 0;
    for (const auto& [name, count] : json.find("counts")->find("reasons")->members())
      batches += count.as_int();
    EXPECT_EQ(batches, report.stats.batch_count());
    EXPECT_EQ(json.find("counts")->find("rows")->as_int(), 150);
  });
}

}  // namespace
}  // namespace slip::serving
