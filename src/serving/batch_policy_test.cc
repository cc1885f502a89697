#include "serving/batch_policy.h"

#include <algorithm>
#include <numeric>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "serving/test_batch_world.h"
#include "test/gen/dice.h"

namespace slip::serving {
namespace {

constexpr int64_t kMs = 1'000'000;

BatchWorld::Cost line(int64_t row_ns, int64_t run_ns) {
  return [=](int64_t rows) { return run_ns + rows * row_ns; };
}

std::string reasons(const BatchWorld& world) {
  std::string out;
  for (const BatchWorld::Launch& l : world.launches)
    out += std::to_string(l.rows) + std::string(batch_reason_name(l.why)) + " ";
  return out;
}

std::vector<uint64_t> ids(const BatchWorld::Launch& launch) {
  std::vector<uint64_t> out;
  for (const BatchPart& part : launch.parts) out.push_back(part.id);
  return out;
}

// Enough runs of all sizes that the cost is known: a ms a row, b ms a run.
void teach(BatchWorld* world) {
  int64_t at_ns = 0;
  const int64_t max = world->policy().settings().max_batch_size;
  for (int i = 0; i < 40; ++i) {
    at_ns += 10'000 * kMs;
    world->arrive(at_ns, {.rows = 1 + i * (max - 1) / 39});
  }
  world->run_all();
  world->launches.clear();
}

TEST(BatchPolicy, AnIdleInstanceRunsAtOnceABusyOneGathers) {
  BatchWorld world({.max_batch_size = 4}, line(0, 10 * kMs));
  world.arrive(0, {});
  for (int i = 1; i <= 6; ++i) world.arrive(i, {});
  world.run_all();
  EXPECT_EQ(reasons(world), "1idle 4full 2idle ");
  EXPECT_EQ(world.launches[1].at_ns, 10 * kMs);
  EXPECT_TRUE(world.broken.empty());
}

TEST(BatchPolicy, SeveralInstances) {
  BatchWorld world({.max_batch_size = 4, .instances = 2}, line(0, 10 * kMs));
  for (int i = 0; i < 4; ++i) world.arrive(i, {});
  world.run_all();
  EXPECT_EQ(reasons(world), "1idle 1idle 2idle ");
}

TEST(BatchPolicy, ADelayGathersWhileIdle) {
  BatchWorld world({.max_batch_size = 4, .max_queue_delay_us = 1000}, line(0, kMs));
  world.arrive(0, {});
  world.arrive(kMs / 2, {});
  world.run_until(kMs - 1);
  EXPECT_TRUE(world.launches.empty());
  world.run_all();
  ASSERT_EQ(world.launches.size(), 1U);
  EXPECT_EQ(world.launches[0].at_ns, kMs);
  for (int i = 0; i < 4; ++i) world.arrive(10 * kMs + i, {});
  EXPECT_EQ(world.launches.size(), 1U);
  world.run_all();
  EXPECT_EQ(reasons(world), "2delay 4full ");
  EXPECT_TRUE(world.broken.empty());
}

TEST(BatchPolicy, PreferredSizesEndADelayAndNothingElse) {
  BatchWorld world(
      {.max_batch_size = 8, .preferred_batch_size = {2, 4}, .max_queue_delay_us = 100'000},
      line(0, 10 * kMs));
  for (int i = 0; i < 7; ++i) world.arrive(i, {});
  world.run_until(5 * kMs);
  EXPECT_EQ(reasons(world), "2preferred ");
  world.run_until(15 * kMs);
  EXPECT_EQ(reasons(world), "2preferred 4preferred ");
  world.run_all();
  EXPECT_EQ(reasons(world), "2preferred 4preferred 1delay ");
  EXPECT_EQ(ids(world.launches[1]), (std::vector<uint64_t>{3, 4, 5, 6}));
}

TEST(BatchPolicy, ShapesFormTheirOwnBatchesAndTakeTurns) {
  BatchWorld world({.max_batch_size = 4}, line(0, 10 * kMs));
  world.arrive(0, {.shape = 1});
  for (int i = 1; i <= 6; ++i) world.arrive(i, {.shape = static_cast<uint64_t>(1 + i % 2)});
  world.run_all();
  EXPECT_EQ(reasons(world), "1idle 3shape 3idle ");
  EXPECT_TRUE(world.broken.empty());
}

TEST(BatchPolicy, WhatIsLargerThanABatchRunsInPiecesInOrder) {
  BatchWorld world({.max_batch_size = 4, .instances = 2}, line(0, 10 * kMs));
  world.arrive(0, {.rows = 11});
  world.run_all();
  ASSERT_EQ(world.launches.size(), 3U);
  for (size_t i = 0; i < 3; ++i) {
    EXPECT_EQ(world.launches[i].parts[0].first_row, static_cast<int64_t>(4 * i));
    EXPECT_EQ(world.launches[i].rows, i == 2 ? 3 : 4);
  }
  EXPECT_EQ(world.policy().stats().split, 1);
  EXPECT_TRUE(world.broken.empty());
}

TEST(BatchPolicy, AHigherLevelTakesTheSeatsOfLowerOnes) {
  BatchWorld world({.max_batch_size = 4, .priority_levels = 3, .default_priority_level = 3},
                   line(0, 10 * kMs));
  world.arrive(0, {});
  for (int i = 1; i <= 6; ++i) world.arrive(i, {});
  for (int i = 7; i <= 9; ++i) world.arrive(i, {.priority = 1});
  world.arrive(10, {.priority = 2});
  world.run_all();
  EXPECT_EQ(ids(world.launches[1]), (std::vector<uint64_t>{8, 9, 10, 11}));
  EXPECT_EQ(ids(world.launches[2]), (std::vector<uint64_t>{2, 3, 4, 5}));
  EXPECT_EQ(world.policy().stats().displaced, 4);
}

TEST(BatchPolicy, FullQueuesRefuse) {
  BatchSettings s{.max_batch_size = 1, .priority_levels = 2};
  s.default_queue_policy.max_queue_size = 3;
  s.priority_queue_policy[2].max_queue_size = 1;
  BatchWorld world(s, line(0, 10 * kMs));
  for (int i = 0; i < 6; ++i) world.arrive(i, {});
  for (int i = 6; i < 9; ++i) world.arrive(i, {.priority = 2});
  world.run_all();
  std::string fates;
  for (const auto& [id, fate] : world.fates) fates += fate.refused ? 'x' : '.';
  EXPECT_EQ(fates, "....xx.xx");
  EXPECT_EQ(world.policy().stats().refused[static_cast<size_t>(BatchRefusal::kQueueFull)], 4);
  EXPECT_EQ(batch_refused(BatchRefusal::kQueueFull).reason, "batch.full");
}

TEST(BatchPolicy, NoMoreThanTheLimitWaits) {
  BatchWorld world({.max_batch_size = 1}, line(0, 10 * kMs));
  for (int64_t i = 0; i <= kWaitingMax + 1; ++i) world.arrive(1, {});
  EXPECT_EQ(world.policy().stats().refused[static_cast<size_t>(BatchRefusal::kQueueFull)], 1);
}

struct TimeoutRow {
  const char* name;
  QueuePolicy policy;
  int64_t timeout_us;    // The request's.
  int64_t deadline_ms;   // 0: none.
  const char* expected;  // Refusal and the millisecond of its answer.
};

TEST(BatchPolicy, TimeToWait) {
  const QueuePolicy set{.default_timeout_us = 4000};
  const QueuePolicy fixed{.default_timeout_us = 4000, .allow_timeout_override = false};
  const QueuePolicy delay{.timeout_action = TimeoutAction::kDelay, .default_timeout_us = 4000};
  const TimeoutRow rows[] = {
      {"none", {}, 0, 0, "run 20"},
      {"the queue's", set, 0, 0, "timeout 4"},
      {"the request's is shorter", set, 2000, 0, "timeout 2"},
      {"the request's is longer", set, 8000, 0, "timeout 4"},
      {"the request's alone", {}, 3000, 0, "timeout 3"},
      {"not allowed", fixed, 1000, 0, "timeout 4"},
      {"a deadline comes first", set, 0, 3, "deadline 3"},
      {"a deadline alone", {}, 0, 7, "deadline 7"},
      {"delayed, not refused", delay, 0, 0, "run 30"},
      {"delayed, then late", delay, 0, 15, "deadline 15"},
  };
  for (const TimeoutRow& row : rows) {
    SCOPED_TRACE(row.name);
    BatchSettings s{.max_batch_size = 1};
    s.default_queue_policy = row.policy;
    BatchWorld world(s, line(0, 10 * kMs));
    world.arrive(0, {});
    world.arrive(0, {.deadline_ns = row.deadline_ms * kMs, .timeout_us = row.timeout_us});
    // One that a delayed request has to let pass.
    if (row.policy.timeout_action == TimeoutAction::kDelay) world.arrive(8 * kMs, {});
    world.run_all();
    const BatchWorld::Fate& f = world.fates[2];
    const std::string got = std::string(f.refused ? batch_refusal_name(f.why) : "run") + " " +
                            std::to_string(f.answered_ns / kMs);
    EXPECT_EQ(got, row.expected);
    EXPECT_TRUE(world.broken.empty());
  }
}

TEST(BatchPolicy, WhoCannotMakeItIsRefusedOnArrival) {
  BatchWorld world({.max_batch_size = 8}, line(kMs, 2 * kMs));
  teach(&world);
  const int64_t now = world.now_ns();
  world.arrive(now, {.rows = 8});  // Until 10 ms.
  const uint64_t no = world.arrive(now, {.deadline_ns = now + 11 * kMs});
  const uint64_t yes = world.arrive(now, {.deadline_ns = now + 14 * kMs});
  EXPECT_TRUE(world.fates[no].refused);
  EXPECT_EQ(world.fates[no].answered_ns, now);
  world.run_all();
  EXPECT_FALSE(world.fates[yes].refused);
  EXPECT_EQ(batch_refused(BatchRefusal::kDeadline).reason, "batch.deadline");
}

TEST(BatchPolicy, ABatchIsCutForATightDeadlineWhenTheOthersCanWait) {
  BatchWorld world({.max_batch_size = 8}, line(kMs, 2 * kMs));
  teach(&world);
  const int64_t now = world.now_ns();
  world.arrive(now, {.rows = 8});  // Until 10 ms.
  for (int i = 0; i < 6; ++i) world.arrive(now, {});
  const uint64_t tight = world.arrive(now, {.deadline_ns = now + 16 * kMs});
  world.run_all();
  EXPECT_FALSE(world.fates[tight].refused);
  EXPECT_LE(world.fates[tight].answered_ns, now + 16 * kMs);
  EXPECT_EQ(world.launches[1].why, BatchReason::kDeadline);
  EXPECT_LT(world.launches[1].rows, 7);
  EXPECT_EQ(world.launches.size(), 3U);
}

TEST(BatchPolicy, TheLateGoWhenACutWouldCostTheOthers) {
  BatchWorld world({.max_batch_size = 8}, line(kMs / 10, 10 * kMs));
  teach(&world);
  const int64_t now = world.now_ns();
  world.arrive(now, {.rows = 8});  // Until 10.8 ms.
  const uint64_t late = world.arrive(now, {.deadline_ns = now + 21 * kMs});
  for (int i = 0; i < 7; ++i) world.arrive(now, {.deadline_ns = now + 24 * kMs});
  world.run_all();
  // Alone it would be done at 20.9 ms, the others then at 31.
  EXPECT_TRUE(world.fates[late].refused || world.fates[late].answered_ns <= now + 24 * kMs);
  int made = 0;
  for (const auto& [id, f] : world.fates)
    made += id > late && !f.refused && f.answered_ns <= now + 24 * kMs;
  EXPECT_EQ(made, 7);
}

TEST(BatchPolicy, ADelayNeverEndangersADeadline) {
  BatchWorld world({.max_batch_size = 8, .max_queue_delay_us = 50'000}, line(kMs, 2 * kMs));
  teach(&world);
  const int64_t now = world.now_ns();
  const uint64_t id = world.arrive(now, {.deadline_ns = now + 20 * kMs});
  world.run_all();
  EXPECT_EQ(world.launches[0].why, BatchReason::kDeadline);
  EXPECT_GT(world.launches[0].at_ns, now + 10 * kMs);
  EXPECT_LE(world.fates[id].answered_ns, now + 20 * kMs);
}

TEST(BatchPolicy, TheCancelledNeedNoPlace) {
  BatchWorld world({.max_batch_size = 2}, line(0, 10 * kMs));
  world.arrive(0, {});
  for (int i = 1; i <= 4; ++i) world.arrive(i, {});
  world.cancelled = {2, 3};
  world.run_all();
  ASSERT_EQ(world.launches.size(), 2U);
  EXPECT_EQ(ids(world.launches[1]), (std::vector<uint64_t>{4, 5}));
  EXPECT_EQ(world.fates[2].why, BatchRefusal::kCancelled);
}

TEST(BatchPolicy, ClosedItTakesNothingAndWaitsForNothing) {
  BatchWorld world({.max_batch_size = 8, .max_queue_delay_us = 50'000}, line(0, kMs));
  world.arrive(0, {});
  world.close();
  EXPECT_EQ(world.running(), 1U);
  world.arrive(1, {});
  EXPECT_EQ(world.fates[2].why, BatchRefusal::kStopping);
  world.run_all();
  EXPECT_EQ(world.fates[1].answered_ns, kMs);
}

TEST(BatchPolicy, WhatWaitsCanBeRefused) {
  BatchWorld world({.max_batch_size = 2}, line(0, kMs));
  for (int i = 0; i < 6; ++i) world.arrive(i, {.rows = 1 + 2 * (i % 2)});
  world.close();
  world.refuse_waiting();
  world.run_all();
  EXPECT_FALSE(world.fates[1].refused);
  for (uint64_t id = 2; id <= 6; ++id) EXPECT_EQ(world.fates[id].why, BatchRefusal::kStopping);
  EXPECT_TRUE(world.broken.empty());
}

// ---- bounds

// Rows that each tenant has been given, batch by batch, while all have rows waiting.
TEST(BatchPolicy, TenantsShareRowsFairly) {
  for (uint64_t seed = 0; seed < 100; ++seed) {
    SCOPED_TRACE(seed);
    auto dice = gen::Dice::seeded(seed);
    const int64_t max = dice.between(1, 64);
    const int64_t piece = dice.between(1, max);
    const uint64_t tenants = 2 + dice.below(4);
    BatchWorld world({.max_batch_size = max}, line(kMs, kMs));
    std::vector<int64_t> left(tenants, 0);
    for (uint64_t t = 0; t < tenants; ++t)
      while (left[t] < 40 * max) {
        const int64_t rows = dice.between(1, piece);
        const auto shape = static_cast<uint64_t>(seed % 3 == 0 ? dice.below(3) : 0);
        world.arrive(0, {.shape = shape, .tenant = t, .rows = rows});
        left[t] += rows;
      }
    world.run_all();
    EXPECT_TRUE(world.broken.empty());
    std::vector<int64_t> given(tenants, 0);
    for (const BatchWorld::Launch& l : world.launches) {
      for (const BatchPart& p : l.parts) {
        const uint64_t t = world.fates[p.id].item.tenant;
        given[t] += p.rows;
        left[t] -= p.rows;
      }
      if (std::any_of(left.begin(), left.end(), [&](int64_t n) { return n < 2 * max; })) break;
      const auto [least, most] = std::minmax_element(given.begin(), given.end());
      // The first batch of each shape was seated before the others came.
      const int64_t batches = (seed % 3 == 0 ? 3 : 1) * max;
      EXPECT_LE(*most - *least, 2 * batches + 2 * piece);
    }
  }
}

// However many of level 1 come, the overdue run within m + 1 batches (2 (m + 1) of several shapes),
// m of them being older.
TEST(BatchPolicy, NobodyStarves) {
  for (uint64_t seed = 0; seed < 60; ++seed) {
    SCOPED_TRACE(seed);
    auto dice = gen::Dice::seeded(seed);
    const int64_t max = dice.between(1, 32);
    const uint64_t shapes = seed % 2 == 0 ? 1 : 3;
    const int64_t levels = dice.between(2, 4);
    const int64_t ageing_us = dice.between(1'000, 100'000);
    BatchWorld world({.max_batch_size = max, .priority_levels = levels, .ageing_us = ageing_us},
                     line(kMs, kMs));
    const double per_ns = 2.0 * static_cast<double>(max) / static_cast<double>((max + 1) * kMs);
    double at = 0;
    for (int i = 0; i < 2'000; ++i) {  // Twice what it can do.
      at += 2 * dice.unit() / per_ns;
      const bool low = dice.one_in(40);
      world.arrive(static_cast<int64_t>(at), {.shape = dice.below(shapes),
                                              .rows = low ? dice.between(1, max) : 1,
                                              .priority = low ? dice.between(2, levels) : 1});
    }
    const int64_t flood_ends = world.now_ns();
    world.run_all();
    EXPECT_TRUE(world.broken.empty());
    const auto overdue_at = [&](const BatchWorld::Fate& f) {
      return f.arrived_ns + (f.item.priority - 1) * ageing_us * 1000;
    };
    for (const auto& [id, fate] : world.fates) {
      const int64_t since = overdue_at(fate);
      if (fate.item.priority == 1 || fate.begun_ns <= since || since > flood_ends) continue;
      size_t older = 0;
      for (const auto& [other_id, other] : world.fates)
        older += other.item.priority > 1 && overdue_at(other) <= since && other.begun_ns >= since &&
                 other_id != id;
      size_t batches = 0;
      for (const BatchWorld::Launch& l : world.launches)
        batches += l.at_ns > since && l.at_ns < fate.begun_ns;
      EXPECT_LE(batches, (older + 1) * (shapes == 1 ? 1 : 2)) << "request " << id;
    }
  }
}

TEST(BatchPolicy, LevelsAreStrictWhileNobodyIsOverdue) {
  for (uint64_t seed = 0; seed < 50; ++seed) {
    SCOPED_TRACE(seed);
    auto dice = gen::Dice::seeded(seed);
    BatchWorld world({.max_batch_size = 4, .priority_levels = 3, .ageing_us = 1'000'000'000},
                     line(kMs, kMs));
    for (int i = 0; i < 200; ++i) world.arrive(i, {.priority = dice.between(1, 3)});
    world.run_all();
    int64_t level = 1;
    for (size_t i = 1; i < world.launches.size(); ++i) {
      for (const BatchPart& p : world.launches[i].parts) EXPECT_GE(p.level, level);
      for (const BatchPart& p : world.launches[i].parts) level = std::max(level, p.level);
    }
  }
}

// ---- anything goes

BatchSettings any_settings(gen::Dice* dice) {
  BatchSettings s;
  s.max_batch_size = dice->between(1, 16);
  s.instances = dice->between(1, 3);
  s.priority_levels = dice->between(1, 3);
  s.default_priority_level = dice->between(1, s.priority_levels);
  s.ageing_us = dice->between(1, 50'000);
  if (dice->one_in(2)) s.max_queue_delay_us = dice->between(0, 20'000);
  if (dice->one_in(2)) s.objective_us = dice->between(1'000, 100'000);
  while (dice->one_in(2)) s.preferred_batch_size.push_back(dice->between(1, s.max_batch_size));
  const auto policy = [&] {
    QueuePolicy p;
    if (dice->one_in(3)) p.timeout_action = TimeoutAction::kDelay;
    if (dice->one_in(2)) p.default_timeout_us = dice->between(0, 30'000);
    p.allow_timeout_override = dice->one_in(2);
    if (dice->one_in(3)) p.max_queue_size = dice->between(1, 10);
    return p;
  };
  s.default_queue_policy = policy();
  if (dice->one_in(2)) s.priority_queue_policy[dice->between(1, s.priority_levels)] = policy();
  return s;
}

BatchItem any_item(gen::Dice* dice, int64_t max_batch, int64_t at_ns) {
  BatchItem item;
  item.shape = dice->below(3);
  item.tenant = dice->below(4);
  item.rows = dice->one_in(4) ? dice->between(1, 3 * max_batch) : dice->between(1, 2);
  item.priority = dice->between(0, 4);
  if (dice->one_in(3))
    item.deadline_ns = std::max<int64_t>(at_ns + dice->between(-kMs, 60 * kMs), 1);
  if (dice->one_in(3)) item.timeout_us = dice->between(0, 30'000);
  return item;
}

TEST(BatchPolicy, WhateverHappensEverybodyIsAnsweredOnce) {
  for (uint64_t seed = 0; seed < 3'000; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    auto dice = gen::Dice::seeded(seed);
    const BatchSettings s = any_settings(&dice);
    const int64_t row_ns = dice.between(0, kMs);
    const int64_t run_ns = dice.between(1, 5 * kMs);
    auto noise = gen::Dice::seeded(~seed);
    BatchWorld world(s, [&](int64_t rows) {
      return (run_ns + rows * row_ns) * noise.between(8, noise.one_in(20) ? 80 : 12) / 10;
    });
    world.hand_off_ns = dice.between(0, 1) * dice.between(0, 100'000);
    const int64_t gap_ns = dice.between(1, 4 * kMs);
    int64_t at_ns = 0;
    for (int i = 0; i < 60; ++i) {
      at_ns += dice.between(0, gap_ns);
      const uint64_t id = world.arrive(at_ns, any_item(&dice, s.max_batch_size, at_ns));
      if (dice.one_in(10)) world.cancelled.insert(dice.between(1, static_cast<int64_t>(id)));
    }
    if (dice.one_in(2)) world.close();
    if (dice.one_in(4)) world.refuse_waiting();
    world.run_all();
    ASSERT_TRUE(world.broken.empty()) << world.broken.front();
    int64_t rows = 0;
    for (const auto& [id, fate] : world.fates) {
      ASSERT_EQ(fate.answers, 1) << id;
      ASSERT_TRUE(fate.refused || fate.rows_run == fate.item.rows) << id;
      rows += fate.rows_run;
    }
    const BatchReport report = world.policy().report(world.now_ns());
    EXPECT_EQ(report.stats.rows, rows);
    EXPECT_EQ(report.waiting, 0);
    EXPECT_EQ(report.running, 0);
    EXPECT_EQ(static_cast<size_t>(report.stats.batch_count()), world.launches.size());
  }
}

// ---- settings

TEST(BatchSettings, AreChecked) {
  EXPECT_TRUE(check_settings({}).ok());
  struct Row {
    const char* field;
    BatchSettings settings;
  };
  BatchSettings queue;
  queue.default_queue_policy.max_queue_size = kWaitingMax + 1;
  BatchSettings level;
  level.priority_queue_policy[2] = {};
  const Row rows[] = {
      {"max_batch_size", {.max_batch_size = 0}},
      {"max_batch_size", {.max_batch_size = kBatchRowsMax + 1}},
      {"preferred_batch_size", {.max_batch_size = 4, .preferred_batch_size = {5}}},
      {"max_queue_delay_us", {.max_queue_delay_us = -1}},
      {"priority_levels", {.priority_levels = kPriorityLevelsMax + 1}},
      {"default_priority_level", {.priority_levels = 2, .default_priority_level = 3}},
      {"max_queue_size", queue},
      {"priority_queue_policy", level},
      {"objective_us", {.objective_us = -1}},
      {"ageing_us", {.ageing_us = 0}},
      {"instances", {.instances = kBatchInstancesMax + 1}},
      {"inline_below_us", {.inline_below_us = kBatchTimeMaxUs + 1}},
  };
  for (const Row& row : rows) {
    const Status status = check_settings(row.settings);
    ASSERT_FALSE(status.ok()) << row.field;
    EXPECT_EQ(status.error().reason, "batch.settings");
    EXPECT_NE(status.error().text.find(row.field), std::string::npos) << status.error().text;
  }
}

}  // namespace
}  // namespace slip::serving
