#include "features/features.h"

#include "features/test_features.h"
#include "test/gen/dice.h"

namespace slip::features {
namespace {

SLIP_EVERY_DB(FeaturesTest);

TEST_P(FeaturesTest, APushIsServedAtOnce) {
  define();
  push({{.user = 1, .ts_us = kStart - kMinute, .amount = 5.0, .merchant = "a"},
        {.user = 1, .ts_us = kStart - 2 * kMinute, .amount = 7.0, .merchant = "b"}});
  const OnlineReply got = read({1, 2});
  const ReadPlan p = plan();
  ASSERT_EQ(p.outs.size(), 6u);
  EXPECT_EQ(p.outs[0].name, "amount");
  EXPECT_EQ(p.outs[1].name, "spend_10m");
  EXPECT_EQ(got.values[0][0], Cell(5.0));
  EXPECT_EQ(got.values[1][0], Cell(12.0));
  EXPECT_EQ(got.values[2][0], Cell(12.0));
  EXPECT_EQ(got.values[3][0], Cell(int64_t{2}));
  EXPECT_EQ(got.values[4][0], Cell(std::vector<std::string>{"a", "b"}));
  EXPECT_EQ(got.values[5][0], Cell(10.0 / 12.0));
  EXPECT_EQ(got.event_us[0][0], kStart - kMinute);
  EXPECT_EQ(got.statuses[0][1], ReadStatus::kNotFound);
  EXPECT_EQ(got.values[5][1], Cell(0.0));
}

TEST_P(FeaturesTest, OrderOfArrivalDoesNotMatter) {
  define();
  push({{.ts_us = kStart - kMinute, .amount = 1.0}});
  push({{.ts_us = kStart - 3 * kMinute, .amount = 2.0}});
  EXPECT_EQ(read({1}).values[0][0], Cell(1.0));
}

TEST_P(FeaturesTest, TooOldIsWithheldAndDeletedIsGone) {
  define();
  push({{.ts_us = kStart - 60 * kMinute, .amount = 1.0}});
  EXPECT_EQ(read({1}).statuses[0][0], ReadStatus::kPresent);  // Both ends belong.
  clock.advance_ms(1);
  EXPECT_EQ(read({1}).statuses[0][0], ReadStatus::kOutsideMaxAge);
  EXPECT_TRUE(is_null(read({1}).values[0][0]));
  push({{.ts_us = kStart, .amount = 1.0, .deleted = true}});
  EXPECT_EQ(read({1}).statuses[0][0], ReadStatus::kNotFound);
}

TEST_P(FeaturesTest, TheFutureWaits) {
  define();
  push({{.ts_us = kStart + kMinute, .amount = 9.0}, {.ts_us = kStart, .amount = 1.0}});
  EXPECT_EQ(read({1}).values[0][0], Cell(1.0));
  clock.advance_ms(60'000);
  EXPECT_EQ(read({1}).values[0][0], Cell(9.0));
}

TEST_P(FeaturesTest, BadPushesChangeNothing) {
  define();
  push({{.ts_us = kStart, .amount = 1.0}});
  struct Case {
    const char* reason;
    std::function<void(Batch&)> spoil;
  };
  const Case cases[] = {
      {"feature_source.not_found", [](Batch& b) { b.source = "nope"; }},
      {"feature_view.not_found", [](Batch& b) { b.view = "nope"; }},
      {"feature.column", [](Batch& b) { b.schema[1].name = "nope"; }},
      {"feature.missing_key",
       [](Batch& b) {
         b.schema.erase(b.schema.begin());
         b.columns.erase(b.columns.begin());
       }},
      {"feature.null_key",
       [](Batch& b) {
         b.columns[0].clear();
         b.columns[0].add_null();
       }},
      {"feature.time",
       [](Batch& b) {
         b.event.clear();
         b.event.add_null();
       }},
      {"feature.time",
       [](Batch& b) {
         b.event.clear();
         b.event.add_i64(INT64_MAX);
       }},
  };
  for (const Case& c : cases) {
    Batch b = batch_of({{.ts_us = kStart + 1, .amount = 2.0}});
    c.spoil(b);
    const auto done = features->push(ctx, std::move(b));
    ASSERT_FALSE(done.ok()) << c.reason;
    EXPECT_EQ(done.error().reason, c.reason);
  }
  clock.advance_ms(1000);
  EXPECT_EQ(read({1}).values[0][0], Cell(1.0));
  EXPECT_EQ(features->applied_seq(), 1);
}

TEST_P(FeaturesTest, ARestartServesTheSame) {
  define();
  gen::Dice dice = gen::Dice::seeded(7);
  for (int i = 0; i < 60; ++i) {
    clock.advance_ms(dice.between(0, 20'000));
    Txn row;
    row.user = dice.between(1, 4);
    row.ts_us = clock.now_us() - dice.between(-10, 100) * 1'000'000;
    if (!dice.one_in(5)) row.amount = dice.unit() * 100;
    push(std::vector<Txn>(1, row));
    if (i == 20) features->snapshot().value();
    if (i == 40) features->history().rotate().value();
    if (i == 50) features->tidy().value();
  }
  const OnlineReply before = read({1, 2, 3, 4});
  open();
  const OnlineReply after = read({1, 2, 3, 4});
  EXPECT_EQ(before.values, after.values);
  EXPECT_EQ(before.statuses, after.statuses);
  EXPECT_EQ(before.event_us, after.event_us);
  EXPECT_EQ(features->applied_seq(), 60);
}

// What was served at a moment is what as_known joins for that moment later, to the bit.
TEST_P(FeaturesTest, ServedIsWhatHistoryKnew) {
  define();
  for (uint64_t seed = 1; seed <= 5; ++seed) {
    gen::Dice dice = gen::Dice::seeded(seed);
    std::vector<int64_t> users;
    std::vector<int64_t> times;
    std::vector<OnlineReply> served;
    for (int i = 0; i < 80; ++i) {
      clock.advance_ms(dice.between(1, 400'000));
      std::vector<Txn> rows;
      for (int64_t n = dice.between(0, 3); n > 0; --n) {
        Txn& row = rows.emplace_back();
        row.user = dice.between(1, 3);
        row.ts_us = clock.now_us() - dice.between(-2, 90) * kMinute;
        if (!dice.one_in(6)) row.amount = (dice.unit() - 0.2) * 1e3;
        row.merchant = dice.one_in(2) ? "x" : "y";
        row.deleted = dice.one_in(9);
      }
      if (!rows.empty()) push(rows);
      if (dice.one_in(20)) features->history().rotate().value();
      if (dice.one_in(20)) features->tidy().value();
      clock.advance_ms(1);
      const int64_t user = dice.between(1, 4);  // Nobody hears of the last one.
      users.push_back(user);
      times.push_back(clock.now_us());
      served.push_back(read({user}));
    }
    const Features::Joined joined = join(users, times, JoinMode::kAsKnown);
    for (size_t o = 0; o < joined.values.size(); ++o)
      for (size_t i = 0; i < users.size(); ++i)
        ASSERT_EQ(joined.values[o][i], served[i].values[o][0])
            << "seed " << seed << " feature " << o << " row " << i;
  }
}

TEST_P(FeaturesTest, HindsightSeesLateRowsAndKeepsTheRequestsOrder) {
  define();
  push({{.ts_us = kStart - 10 * kMinute, .amount = 1.0}});
  clock.advance_ms(60'000);
  push({{.ts_us = kStart - 5 * kMinute, .amount = 2.0}});
  const std::vector<int64_t> times = {kStart, kStart - 10 * kMinute, kStart - 11 * kMinute, kStart};
  const auto as_of = join({1, 1, 1, 2}, times, JoinMode::kAsOf);
  EXPECT_EQ(as_of.values[0], cells({2, 1}, 2));
  const auto known = join({1, 1, 1, 2}, times, JoinMode::kAsKnown);
  EXPECT_EQ(known.values[0], cells({1}, 3));
}

TEST_P(FeaturesTest, ANewViewReadsTheHistory) {
  define(kDefinitions.substr(0, kDefinitions.find("---")));
  define("kind: FeatureView\nname: a\nentity: {user_id: int64}\nsource: txn\nfeatures: [amount]\n");
  push({{.ts_us = kStart - kMinute, .amount = 4.0}}, To::kOffline);
  define(
      "kind: FeatureView\nname: late\nentity: {user_id: int64}\nsource: txn\n"
      "aggregate: [{op: sum, of: amount, windows: [1h], as: s}]\n");
  const auto shelf = features->catalog().shelf("default");
  const std::vector<std::string> refs = {"a:amount", "late:s_1h"};
  const ReadPlan p = plan_read(*shelf, items_of(refs).value(), false).value();
  OnlineReply got;
  features->read(p, request({1}), {}, &got).value();
  EXPECT_EQ(got.statuses[0][0], ReadStatus::kNotFound);  // Offline rows wait to be materialised.
  EXPECT_EQ(got.values[1][0], Cell(4.0));
  features->materialize(ctx, {.views = {"a"}, .start_us = {}, .end_us = kStart}).value();
  features->read(p, request({1}), {}, &got).value();
  EXPECT_EQ(got.values[0][0], Cell(4.0));
}

TEST_P(FeaturesTest, MaterialisingTakesWhatArrivedLate) {
  define();
  push({{.ts_us = kStart - kMinute, .amount = 4.0}}, To::kOffline);
  EXPECT_EQ(
      features->materialize(ctx, {.views = {"last_txn"}, .start_us = {}, .end_us = kStart}).value(),
      1);
  push({{.user = 2, .ts_us = kStart - 9 * kMinute, .amount = 5.0}}, To::kOffline);
  EXPECT_EQ(
      features->materialize(ctx, {.views = {"last_txn"}, .start_us = {}, .end_us = kStart}).value(),
      1);
  EXPECT_EQ(read({2}).values[0][0], Cell(5.0));
  open();
  EXPECT_EQ(read({2}).values[0][0], Cell(5.0));
}

constexpr std::string_view kContract = R"yaml(
apiVersion: v3.1.0
kind: DataContract
id: payments
version: 1.0.0
status: active
schema:
  - name: txn
    properties:
      - name: user_id
        logicalType: integer
        required: true
      - name: ts
        logicalType: timestamp
      - name: amount
        logicalType: number
        logicalTypeOptions: {minimum: 0}
        customProperties: [{property: slipway.onViolation, value: ACTION}]
      - name: merchant
        logicalType: string
        logicalTypeOptions: {maxLength: 3}
---
kind: Source
name: txn
columns: {user_id: int64, amount: float64, merchant: string}
event_time: ts
contract: payments#txn
---
kind: FeatureView
name: v
entity: {user_id: int64}
source: txn
features: [amount]
)yaml";

std::string contract_that(std::string_view action) {
  std::string out(kContract);
  out.replace(out.find("ACTION"), 6, action);
  return out;
}

TEST_P(FeaturesTest, AContractStandsAtTheDoor) {
  struct Case {
    const char* action;
    int64_t rows;
    int64_t apart;
    size_t warnings;
  };
  const Case cases[] = {{"quarantine", 1, 1, 0}, {"null_out", 2, 0, 1}, {"warn", 2, 0, 1}};
  const std::vector<Txn> rows = {{.user = 1, .ts_us = kStart, .amount = 1.0},
                                 {.user = 2, .ts_us = kStart, .amount = -1.0}};
  for (const Case& c : cases) {
    define(contract_that(c.action));
    const Features::Pushed got = features->push(ctx, batch_of(rows)).value();
    EXPECT_EQ(got.rows, c.rows) << c.action;
    EXPECT_EQ(got.quarantined, c.apart) << c.action;
    EXPECT_EQ(got.warnings.size(), c.warnings) << c.action;
  }
  const auto apart = features->quarantine().list(ctx, "txn", "", 10).value();
  ASSERT_EQ(apart.size(), 1u);
  EXPECT_NE(apart[0].reason.find("amount"), std::string::npos) << apart[0].reason;
  EXPECT_NE(apart[0].record.find("\"amount\":-1"), std::string::npos) << apart[0].record;
  EXPECT_EQ(features->quarantine().release(ctx, "txn", {apart[0].uid, "nope"}).value(), 1);

  define(contract_that("reject") + "---\nkind: FeatureService\nname: s\nfeatures: [\"v:*\"]\n");
  const int64_t before = features->applied_seq();
  const auto refused = features->push(ctx, batch_of(rows));
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().reason, "contract.violation");
  EXPECT_NE(refused.error().text.find("row 1"), std::string::npos) << refused.error().text;
  EXPECT_EQ(features->applied_seq(), before);
  EXPECT_EQ(features->catalog().remove(ctx, Kind::kContract, "payments").error().reason,
            "feature.in_use");
}

TEST_P(FeaturesTest, AllOfItComesInOneApply) {
  define(contract_that("reject") + "---\nkind: FeatureService\nname: s\nfeatures: [\"v:*\"]\n");
  EXPECT_EQ(plan("s").outs.size(), 1u);
}

TEST_P(FeaturesTest, ADefinitionNeverChangesItsMeaning) {
  define();
  auto changed = parse_definitions(
                     "kind: FeatureView\nname: last_txn\nentity: {user_id: int64}\nsource: txn\n"
                     "features: [merchant]\nttl: 1h\n")
                     .value();
  const auto planned = features->catalog().plan(ctx, changed).value();
  ASSERT_EQ(planned.size(), 1u);
  EXPECT_EQ(planned[0].action, "new_version");
  EXPECT_EQ(planned[0].version, 2);
  EXPECT_EQ(planned[0].severity, Severity::kBreaking);  // The service reads `amount`.
  EXPECT_EQ(features->catalog().apply(ctx, changed, Severity::kWarn).error().reason,
            "feature.breaking");
  features->apply(ctx, changed).value();
  push({{.ts_us = kStart, .amount = 3.0}});
  EXPECT_EQ(read({1}).values[0][0], Cell(3.0));  // The service reads version 1 as before.
  changed[0].version = 1;
  changed[0].view.ttl_us = 5;
  EXPECT_EQ(features->catalog().apply(ctx, changed).error().reason, "feature.immutable");
  EXPECT_EQ(features->catalog().remove(ctx, Kind::kSource, "txn").error().reason, "feature.in_use");
}

}  // namespace
}  // namespace slip::features
