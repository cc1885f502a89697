#include "serving/response_cache.h"

#include <array>
#include <atomic>
#include <cstring>

#include <gtest/gtest.h>

#include "base/budget.h"
#include "serving/routing.h"
#include "sys/executor.h"
#include "sys/sim/sim_rng.h"
#include "test/fake/clock.h"

namespace slip::serving {
namespace {

constexpr int64_t kTtlNs = 1'000'000'000;

Tensor number(std::string name, int64_t n, size_t more = 0) {
  Tensor t;
  t.name = std::move(name);
  t.type = DataType::kInt64;
  t.shape = {1};
  t.data.resize(8 + more);
  std::memcpy(t.data.data(), &n, 8);
  return t;
}

class ResponseCacheTest : public testing::Test {
 protected:
  ResponseCache make(int64_t bytes_max = 1 << 20) {
    return ResponseCache({budget, clock, rng}, bytes_max);
  }
  static ResponseCache::Looked look(ResponseCache& cache, int64_t n, ResponseCache::May may = {},
                                    int64_t ttl_ns = kTtlNs, size_t more = 0) {
    const std::vector<Tensor> inputs = {number("x", n, more)};
    return cache.look(CacheQuestion("s", inputs, {}, cache.seed()), ttl_ns, may);
  }
  static void keep(ResponseCache& cache, int64_t n, int64_t answer) {
    look(cache, n).turn.keep({number("y", answer)});
  }
  static int64_t answer_of(const CacheOutputs& outputs) {
    int64_t out = 0;
    std::memcpy(&out, outputs->at(0).data.data(), 8);
    return out;
  }

  test::FakeClock clock;
  sim::SimRng rng{1};
  Budget budget{1 << 30};
};

TEST_F(ResponseCacheTest, GivesAnAnswerAgainUntilItIsOld) {
  ResponseCache cache = make();
  EXPECT_FALSE(look(cache, 1).hit);  // The turn went unused:
  keep(cache, 1, 10);                // the next may compute.
  EXPECT_EQ(answer_of(look(cache, 1).hit), 10);
  EXPECT_FALSE(look(cache, 2).hit);
  clock.advance_ms(999);
  EXPECT_EQ(answer_of(look(cache, 1).hit), 10);
  clock.advance_ms(1);
  EXPECT_FALSE(look(cache, 1).hit);
  EXPECT_EQ(cache.stats().entries, 0);
  // Whoever asks for fresher ones gets none that is older.
  keep(cache, 1, 11);
  clock.advance_ms(500);
  EXPECT_FALSE(look(cache, 1, {}, kTtlNs / 2).hit);
}

TEST_F(ResponseCacheTest, IsOffWithoutRoomOrTime) {
  ResponseCache none = make(0);
  keep(none, 1, 10);
  EXPECT_FALSE(look(none, 1).hit);
  ResponseCache cache = make();
  look(cache, 1, {}, 0).turn.keep({number("y", 1)});
  EXPECT_FALSE(look(cache, 1).hit);
}

TEST_F(ResponseCacheTest, TheMemoryIsTheBudgets) {
  const int64_t limit = budget.limit(Share::kCaches);
  {
    ResponseCache cache = make();
    for (int64_t n = 0; n < 10'000; ++n) keep(cache, n, n);
    EXPECT_LE(cache.stats().bytes, 1 << 20);
    EXPECT_GT(cache.stats().evicted, 1000);
    EXPECT_EQ(budget.used(Share::kCaches), cache.stats().bytes);
    const auto turn = look(cache, 123'456, {}, kTtlNs, 10'000).turn;
    EXPECT_GT(budget.used(Share::kCaches), cache.stats().bytes + 10'000);
  }
  EXPECT_EQ(budget.used(Share::kCaches), 0);
  // Others have all of the share: nothing is kept, and nothing breaks.
  Budget::Lease others = budget.reserve(Share::kCaches, limit).value();
  ResponseCache cache = make();
  keep(cache, 1, 1);
  EXPECT_FALSE(look(cache, 1).hit);
  others.release();
  keep(cache, 1, 1);
  EXPECT_TRUE(look(cache, 1).hit);
  // What comes now is worth more than what is there.
  others = budget.reserve(Share::kCaches, limit - cache.stats().bytes - 700).value();
  for (int64_t n = 2; n < 50; ++n) keep(cache, n, n);
  EXPECT_GE(cache.stats().entries, 1);
  EXPECT_TRUE(look(cache, 49).hit);
}

TEST_F(ResponseCacheTest, WhatIsTooLargeIsNotKept) {
  ResponseCache cache = make(100'000);
  ResponseCache::Looked large = look(cache, 1, {}, kTtlNs, 60'000);
  large.turn.keep({number("y", 1)});
  EXPECT_FALSE(look(cache, 1, {}, kTtlNs, 60'000).hit);
  look(cache, 2).turn.keep({number("y", 1, 60'000)});
  EXPECT_FALSE(look(cache, 2).hit);
}

TEST_F(ResponseCacheTest, OneComputesTheOthersWaitOrDoNot) {
  ResponseCache cache = make();
  ResponseCache::Looked first = look(cache, 1);
  // Who may not wait runs by himself and keeps nothing.
  ResponseCache::Looked hasty = look(cache, 1);
  EXPECT_FALSE(hasty.hit || hasty.other);
  hasty.turn.keep({number("y", 66)});
  EXPECT_FALSE(look(cache, 1).hit);
  EXPECT_FALSE(look(cache, 1, {.wait = true, .priority = 1}).other);
  EXPECT_FALSE(look(cache, 2, {.wait = true}).other);
  const std::shared_ptr<CacheFlight> other = look(cache, 1, {.wait = true}).other;
  ASSERT_TRUE(other);
  EXPECT_TRUE(other->wait(0).late);
  first.turn.keep({number("y", 5)});
  EXPECT_EQ(answer_of(other->wait(INT64_MAX).outputs), 5);
  EXPECT_EQ(answer_of(look(cache, 1).hit), 5);
}

TEST_F(ResponseCacheTest, AFailureIsNotKept) {
  ResponseCache cache = make();
  struct Case {
    Error error;
    bool shared;
  };
  const std::vector<Case> cases = {{invalid("tensor.shape", "wrong"), true},
                                   {unavailable("batch.deadline", "late"), false},
                                   {internal("model.failed", "broken"), false}};
  for (const Case& c : cases) {
    ResponseCache::Looked first = look(cache, 1);
    const std::shared_ptr<CacheFlight> other = look(cache, 1, {.wait = true}).other;
    first.turn.fail(c.error);
    const CacheFlight::Outcome got = other->wait(INT64_MAX);
    EXPECT_FALSE(got.outputs || got.late);
    EXPECT_EQ(got.error.has_value(), c.shared) << c.error.reason;
    EXPECT_FALSE(look(cache, 1).hit);
  }
  std::shared_ptr<CacheFlight> other;
  {
    const ResponseCache::Looked first = look(cache, 1);
    other = look(cache, 1, {.wait = true}).other;
  }
  const CacheFlight::Outcome got = other->wait(INT64_MAX);
  EXPECT_FALSE(got.outputs || got.error || got.late);
}

// Threads ask for numbers; each gets its own one's answer, no number is computed twice at once, and
// no answer is of another moment than its own time to live allows.
TEST_F(ResponseCacheTest, ManyThreads) {
  ResponseCache cache = make(64 << 10);
  constexpr int kThreads = 8, kAsks = 3000, kNumbers = 100;
  std::array<std::atomic<int>, kNumbers> computing{};
  std::atomic<int> wrong{0}, twice{0}, hits{0}, joined{0};
  std::vector<std::unique_ptr<Task>> tasks;
  for (int t = 0; t < kThreads; ++t)
    tasks.push_back(real_executor().spawn("ask", [&, t] {
      sim::SimRng own(static_cast<uint64_t>(t) + 100);
      for (int i = 0; i < kAsks; ++i) {
        // Some are asked for often.
        const auto n = static_cast<int64_t>(std::min(own.below(kNumbers), own.below(kNumbers)));
        ResponseCache::Looked looked = look(cache, n, {.wait = own.one_in(2)});
        CacheOutputs got = looked.hit;
        if (got) ++hits;
        if (looked.other) {
          got = looked.other->wait(INT64_MAX).outputs;
          if (got) ++joined;
        }
        if (got) {
          if (answer_of(got) != n * 3) ++wrong;
          continue;
        }
        std::atomic<int>& mine = computing[static_cast<size_t>(n)];
        const bool leads = looked.turn.holds();
        if (leads && mine.fetch_add(1) != 0) ++twice;
        if (leads) mine.fetch_sub(1);
        if (own.one_in(10))
          looked.turn.fail(unavailable("x", "x"));
        else
          looked.turn.keep({number("y", n * 3)});
      }
    }));
  for (const auto& task : tasks) task->join();
  EXPECT_EQ(wrong, 0);
  EXPECT_EQ(twice, 0);
  EXPECT_GT(hits, kThreads * kAsks / 4);
  EXPECT_EQ(budget.used(Share::kCaches), cache.stats().bytes);
}

class FakeModel final : public Model {
 public:
  const Signature& signature() const override { return told; }
  bool repeats() const override { return same; }
  Result<std::vector<Tensor>> run(std::span<const Tensor>,
                                  std::span<const std::string>) const override {
    return internal("test", "never runs");
  }
  Signature told;
  bool same = true;
};

// What is looked up changes, and answers with it.
TEST_F(ResponseCacheTest, NotWhereFeaturesAreLookedUp) {
  ResponseCache cache = make();
  const auto model = std::make_shared<FakeModel>();
  Arm arm;
  arm.model = model;
  arm.stats = std::make_shared<ArmStats>();
  const auto kept = cache_for(&cache, {}, arm, nullptr, 1000);
  ASSERT_TRUE(kept);
  EXPECT_FALSE(cache_for(&cache, {}, arm, nullptr, 0));
  EXPECT_FALSE(cache_for(nullptr, {}, arm, nullptr, 1000));
  model->told.looked_up = {"spend"};
  EXPECT_FALSE(cache_for(&cache, {}, arm, nullptr, 1000));
  // Of an ensemble, what its members do now counts.
  ArmCache both = *kept;
  both.ensemble = model;
  const std::vector<Tensor> inputs = {number("x", 1)};
  both.look({inputs, {}}, arm.stats, {}).turn.keep({number("y", 2)});
  EXPECT_TRUE(both.look({inputs, {}}, arm.stats, {}).hit);
  model->same = false;
  const ResponseCache::Looked changed = both.look({inputs, {}}, arm.stats, {});
  EXPECT_FALSE(changed.hit || changed.turn.holds() || changed.other);
}

}  // namespace
}  // namespace slip::serving
