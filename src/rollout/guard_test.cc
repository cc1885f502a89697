#include "rollout/guard.h"

#include <gtest/gtest.h>

#include "base/budget.h"
#include "core/ledger/ledger.h"
#include "serving/serving.h"
#include "sys/clock.h"
#include "sys/executor.h"
#include "sys/log.h"
#include "sys/rng.h"
#include "sys/sim/sim_fs.h"
#include "test/onnx/onnx_bytes.h"
#include "test/store/dbs.h"

namespace slip::rollout {
namespace {

Outcome outcome(int64_t i, bool on_canary, bool correct, double weight = 0.2) {
  Outcome o;
  o.prediction_id = "p" + std::to_string(i);
  o.model_version = on_canary ? 2 : 1;
  o.on_canary = on_canary;
  o.canary_weight = weight;
  o.correct = correct;
  return o;
}

TEST(GuardState, RemembersExactlyWhatItKnew) {
  GuardState whole;
  GuardState restored;
  for (int64_t i = 0; i < 200; ++i) {
    const Outcome o = outcome(i, i % 5 == 0, i % 3 == 0, i < 100 ? 0.2 : 0.4);
    whole.add(o);
    restored.add(o);
    const std::string text = codec::to_json(restored.to_json());
    restored = GuardState::from_json(codec::parse_json(text).value()).value();
  }
  EXPECT_NEAR(whole.e_value(), restored.e_value(), 1e-9 * whole.e_value());
  EXPECT_EQ(whole.verdict(0.01).find("data_digest")->as_string(),
            restored.verdict(0.01).find("data_digest")->as_string());
  EXPECT_FALSE(GuardState::from_json(codec::Json::object()).ok());
}

TEST(GuardState, TheDigestDependsOnEveryOutcomeAndTheirOrder) {
  const auto digest = [](std::initializer_list<Outcome> outcomes) {
    GuardState s;
    for (const Outcome& o : outcomes) s.add(o);
    return s.verdict(0.01).find("data_digest")->as_string();
  };
  const Outcome a = outcome(1, true, true);
  const Outcome b = outcome(2, false, true);
  EXPECT_EQ(digest({a, b}), digest({a, b}));
  EXPECT_NE(digest({a, b}), digest({b, a}));
  EXPECT_NE(digest({a}), digest({a, b}));
  EXPECT_NE(digest({a}), digest({outcome(1, true, false)}));
}

TEST(SimulateAa, EquallyGoodCanariesStay) {
  for (const uint64_t seed : {1U, 2U, 3U}) {
    const AaResult r = simulate_aa({.seed = seed});
    EXPECT_EQ(r.runs, 200);
    EXPECT_LE(r.rolled_back, 2) << seed;  // At most 1 % of 200.
  }
}

class GuardTest : public test::DbTest, public serving::ModelSource {
 protected:
  void SetUp() override {
    std::vector<store::Migration> steps;
    for (const auto& all : {ledger::migrations(), serving::migrations(), migrations()})
      steps.insert(steps.end(), all.begin(), all.end());
    migrated(steps);
    events = std::make_unique<ledger::Ledger>(ledger::Ledger::Deps{db(), real_clock(), real_rng()});
    log =
        store::open_segment_log({fs, real_clock(), real_executor(), null_log()}, "/p", {}).value();
    serving = std::make_unique<serving::Serving>(serving::Serving::Deps{
        db(), *events, *this, *log, budget, real_clock(), real_rng(), null_log(), local});
    guard = std::make_unique<Guard>(Guard::Deps{*serving});
    uid = serving->deploy(ctx, {.name = "d", .model = "m", .target = "1"}).value().uid;
  }
  Result<int64_t> resolve(const Ctx&, const std::string&, const std::string& target) override {
    return std::stoll(target);
  }
  Result<Files> fetch(const Ctx&, const std::string&, int64_t) override {
    return Files{test::onnx_add(0, 0, 0), "d"};
  }
  bool take(const std::vector<Outcome>& outcomes) {
    bool rolled = false;
    db().write([&](store::Tx& tx) -> Status {
          rolled = TRY(guard->on_outcomes(tx, ctx, uid, outcomes));
          return {};
        })
        .value();
    return rolled;
  }

  Ctx ctx;
  sim::SimFs fs{1};
  Budget budget{1 << 30};
  std::unique_ptr<ledger::Ledger> events;
  std::unique_ptr<store::SegmentLog> log;
  serving::LocalModels local{{fs, budget, real_clock(), null_log()}};
  std::unique_ptr<serving::Serving> serving;
  std::unique_ptr<Guard> guard;
  std::string uid;
};
SLIP_EVERY_DB(GuardTest);

TEST_P(GuardTest, TakesABadCanaryBackWithItsEvidence) {
  EXPECT_FALSE(take({outcome(0, false, false)}));  // No canary: nobody to judge.
  serving->start_canary(ctx, "d", {.version = 2, .weight = 0.2, .alpha = 0.01}).value();
  EXPECT_FALSE(take({outcome(0, false, false, 0)}));  // From before the canary.
  int64_t n = 0;
  bool rolled = false;
  for (; n < 500 && !rolled; ++n) rolled = take({outcome(n, n % 5 == 0, n % 5 != 0)});
  ASSERT_TRUE(rolled);  // Every error on the canary.
  const serving::Canary canary = *serving->find(ctx, "d").value().canary;
  EXPECT_EQ(canary.state, "rolled_back");
  EXPECT_EQ(canary.verdict.find("n")->as_int(), n);
  EXPECT_GE(canary.verdict.find("e_value")->as_double(), 100);
  while (events->number_pending().value() > 0) {  // On PostgreSQL nobody reads them before.
  }
  const auto told = events->list({.verb = "canary.rolled_back", .limit = 5}).value();
  ASSERT_EQ(told.size(), 1U);
  EXPECT_EQ(*told[0].body->find("verdict"), canary.verdict);
  EXPECT_FALSE(take({outcome(n, true, false)}));  // It is over.
}

TEST_P(GuardTest, EvidenceCanBeLookedAtWhileTheCanaryRuns) {
  serving->start_canary(ctx, "d", {.version = 2, .weight = 0.2, .alpha = 0.01}).value();
  const serving::Canary canary = *serving->find(ctx, "d").value().canary;
  const auto look = [&] {
    codec::Json out;
    db().read([&](store::Tx& tx) -> Status {
          out = TRY(guard->evidence(tx, ctx, uid, canary));
          return {};
        })
        .value();
    return out;
  };
  EXPECT_EQ(look().find("n")->as_int(), 0);
  EXPECT_DOUBLE_EQ(look().find("e_value")->as_double(), 1);
  for (int64_t n = 0; n < 3; ++n) EXPECT_FALSE(take({outcome(n, true, false)}));
  const codec::Json so_far = look();
  EXPECT_EQ(so_far.find("n")->as_int(), 3);
  EXPECT_GT(so_far.find("e_value")->as_double(), 1);
  EXPECT_EQ(so_far.find("decision")->as_string(), "continue");
  EXPECT_EQ(look(), so_far);  // Looking changes nothing.
}

TEST_P(GuardTest, ADrawIsEvidenceOnce) {
  serving->start_canary(ctx, "d", {.version = 2, .weight = 0.2, .alpha = 0.01}).value();
  const auto evidence = [&] {
    const serving::Canary canary = *serving->find(ctx, "d").value().canary;
    codec::Json out;
    db().read([&](store::Tx& tx) -> Status {
          out = TRY(guard->evidence(tx, ctx, uid, canary));
          return {};
        })
        .value();
    return out;
  };
  const auto forget = [&] {
    int64_t n = 0;
    db().write([&](store::Tx& tx) -> Status {
          n = TRY(guard->forget_draws(tx));
          return {};
        })
        .value();
    return n;
  };
  // One user, on the canary by one draw, unlucky again and again: no reason to take it back.
  for (int64_t n = 0; n < 300; ++n) {
    Outcome o = outcome(n, true, false);
    o.client_ref = "user 7";
    EXPECT_FALSE(take({o}));
  }
  EXPECT_EQ(evidence().find("n")->as_int(), 1);
  EXPECT_EQ(evidence().find("n_repeated")->as_int(), 299);
  Outcome other = outcome(300, true, false);
  other.client_ref = "user 8";
  EXPECT_FALSE(take({other}));
  EXPECT_EQ(evidence().find("n")->as_int(), 2);
  for (int64_t row = 0; row < 3; ++row) {  // One request of three rows.
    Outcome o = outcome(301, false, false);
    o.row = row;
    EXPECT_FALSE(take({o}));
  }
  EXPECT_EQ(evidence().find("n")->as_int(), 3);
  EXPECT_EQ(forget(), 0);  // It runs.
  serving->roll_back(ctx, "d", "enough").value();
  EXPECT_EQ(forget(), 3);
  EXPECT_EQ(forget(), 0);
  serving->start_canary(ctx, "d", {.version = 3, .weight = 0.2, .alpha = 0.01}).value();
  other.model_version = 3;
  EXPECT_FALSE(take({other}));
  EXPECT_EQ(evidence().find("n")->as_int(), 1);  // Another canary, another draw.
}

TEST_P(GuardTest, AGoodCanaryStaysAndOneWithoutAGuardToo) {
  serving->start_canary(ctx, "d", {.version = 2, .weight = 0.5, .alpha = 0.01}).value();
  for (int64_t n = 0; n < 200; ++n) EXPECT_FALSE(take({outcome(n, n % 2 == 0, n % 4 >= 2, 0.5)}));
  serving->roll_back(ctx, "d", "next").value();
  serving->start_canary(ctx, "d", {.version = 3, .weight = 0.2, .alpha = 0}).value();
  for (int64_t n = 0; n < 200; ++n) EXPECT_FALSE(take({outcome(n, true, false)}));
}

class GuardStoreTest : public test::DbTest {};
SLIP_EVERY_DB(GuardStoreTest);
TEST_P(GuardStoreTest, MigratesFromEveryVersion) {
  expect_migrates_from_every_version(*this, migrations());
}

}  // namespace
}  // namespace slip::rollout
