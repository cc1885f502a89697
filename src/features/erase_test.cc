#include "features/test_features.h"
#include "test/gen/dice.h"

namespace slip::features {
namespace {

using codec::Json;

constexpr std::string_view kPerMerchant = R"yaml(
kind: FeatureView
name: by_merchant
entity: {merchant: string}
source: txn
aggregate:
  - {op: sum, of: amount, windows: [1h], as: takings}
  - {op: max, of: amount, windows: [1h], as: top}
---
kind: FeatureView
name: last_at
entity: {merchant: string}
source: txn
features: [amount, user_id]
---
kind: FeatureService
name: logged
features: ["last_txn:amount", "spend:*", "ratio:share"]
log: {sample_by_key: 1}
)yaml";

class EraseTest : public FeaturesTest {
 protected:
  void SetUp() override {
    FeaturesTest::SetUp();
    define();
    define(kPerMerchant);
  }
  std::vector<Txn> random_rows(gen::Dice& dice, int n) {
    std::vector<Txn> out;
    for (int i = 0; i < n; ++i) {
      Txn& row = out.emplace_back();
      row.user = dice.between(1, 4);
      row.ts_us = clock.now_us() - dice.between(0, 50) * kMinute;
      row.amount = dice.unit() * 100;
      row.merchant = dice.one_in(2) ? "x" : "y";
    }
    return out;
  }
  // Everything that is served, of both kinds of entity; `suffix` names the twins.
  std::vector<std::vector<Cell>> all_served(const std::string& suffix = "") {
    const auto shelf = features->catalog().shelf("default");
    const auto read_all = [&](const std::vector<std::string>& views, const RequestColumns& r) {
      std::vector<std::string> refs;
      for (const std::string& view : views) refs.push_back(view + suffix + ":*");
      const ReadPlan p = plan_read(*shelf, items_of(refs).value(), false).value();
      OnlineReply got;
      features->read(p, r, {}, &got).value();
      return got.values.lists();
    };
    std::vector<std::vector<Cell>> out = read_all({"last_txn", "spend"}, request({1, 2, 3, 4}));
    RequestColumns r;
    r.rows = 2;
    r.columns["merchant"] = {Cell(std::string("x")), Cell(std::string("y"))};
    for (std::vector<Cell>& v : read_all({"by_merchant", "last_at"}, r))
      out.push_back(std::move(v));
    return out;
  }
  // The same views over a second source.
  void define_twins() {
    std::string yaml(kDefinitions.substr(0, kDefinitions.find("---\nkind: OnDemand")));
    yaml += "---";
    yaml += kPerMerchant.substr(0, kPerMerchant.find("---\nkind: FeatureService"));
    for (const std::string name : {"name: txn\n", "name: last_txn\n", "name: spend\n",
                                   "name: by_merchant\n", "name: last_at\n", "source: txn\n"})
      for (size_t at = yaml.find(name); at != yaml.npos; at = yaml.find(name, at + name.size()))
        yaml.insert(at + name.size() - 1, "_b");
    define(yaml);
  }
  Erased erase(int64_t user, bool dry_run = false) {
    return features
        ->erase(ctx, {.keys = {{"user_id", Json(user)}}, .reason = "asked", .dry_run = dry_run})
        .value();
  }
};
SLIP_EVERY_DB(EraseTest);

// What is served is what a twin serves that never saw the entity.
TEST_P(EraseTest, NothingRemainsOfAnEntity) {
  define_twins();
  gen::Dice dice = gen::Dice::seeded(11);
  int64_t of_two = 0;
  for (int i = 0; i < 40; ++i) {
    clock.advance_ms(dice.between(1, 30'000));
    std::vector<Txn> rows = random_rows(dice, 3);
    push(rows);
    of_two += static_cast<int64_t>(std::erase_if(rows, [](const Txn& t) { return t.user == 2; }));
    if (!rows.empty()) {
      Batch b = batch_of(rows);
      b.source = "txn_b";
      features->push(ctx, std::move(b)).value();
    }
    if (i % 11 == 5) features->history().rotate().value();
    if (i % 13 == 7) features->tidy().value();
  }
  OnlineReply logged;
  features->serve(ctx, plan("logged"), request({1, 2, 3, 4}), &logged).value();
  const auto before = all_served();
  EXPECT_NE(before, all_served("_b"));
  EXPECT_EQ(erase(2, true).rows, of_two);
  EXPECT_EQ(all_served(), before);  // Counting changed nothing.

  const Erased erased = erase(2);
  EXPECT_EQ(erased.rows, of_two);
  EXPECT_EQ(erased.sources, std::vector<std::string>{"txn"});
  EXPECT_EQ(erased.vectors, 1);
  EXPECT_EQ(all_served(), all_served("_b"));
  open();
  EXPECT_EQ(all_served(), all_served("_b"));
  EXPECT_EQ(erase(2).rows, 0);
  const auto joined = join({1, 2}, {clock.now_us(), clock.now_us()}, JoinMode::kAsOf).values;
  EXPECT_TRUE(is_null(joined[0][1]));
  push({{.user = 2, .ts_us = clock.now_us(), .amount = 3.0}});  // And begins anew.
  clock.advance_ms(1);
  EXPECT_EQ(read({2}).values[2][0], Cell(3.0));
}

TEST_P(EraseTest, WhatIsHeldOrOfAnotherTypeStays) {
  push({{.user = 2, .ts_us = kStart, .amount = 1.0}});
  const auto text =
      features->erase(ctx, {.keys = {{"user_id", Json("two")}}, .reason = "", .dry_run = false});
  ASSERT_FALSE(text.ok());
  EXPECT_EQ(text.error().reason, "feature.erase");
  EXPECT_FALSE(features->erase(ctx, {}).ok());
  db().write([&](store::Tx& tx) -> Status {
        TRY(
            tx.exec("INSERT INTO legal_hold (project, uid, kind, object_uid, name, reason, actor,"
                    " created_ms, released_ms, released_by, release_reason) VALUES"
                    " ('default', 'h', 'feature_source', 'txn', 'txn', 'r', 'a', 1, NULL, '', '')",
                    {}));
        return {};
      })
      .value();
  const auto held =
      features->erase(ctx, {.keys = {{"user_id", Json(2)}}, .reason = "", .dry_run = false});
  ASSERT_FALSE(held.ok());
  EXPECT_EQ(held.error().reason, "hold.held");
  EXPECT_EQ(read({2}).values[0][0], Cell(1.0));
}

// What was begun is finished at the next start.
TEST_P(EraseTest, ACrashInTheMiddleIsFinished) {
  push({{.user = 1, .ts_us = kStart, .amount = 1.0}, {.user = 2, .ts_us = kStart, .amount = 2.0}});
  features->tidy().value();
  db().write([&](store::Tx& tx) -> Status {
        TRY(
            tx.exec("INSERT INTO feature_erasure (project, uid, actor_uid, actor_kind, keys_json,"
                    " reason, begin_us, done_us, through_seq, rows_count) VALUES"
                    " ('default', 'e', 'ann', 'user', '{\"user_id\":2}', 'asked', 1, 0, ?, 0)",
                    {features->applied_seq()}));
        return {};
      })
      .value();
  push({{.user = 2, .ts_us = kStart - kMinute, .amount = 5.0}});  // After it was asked for.
  open();
  EXPECT_EQ(read({2}).values[0][0], Cell(5.0));
  EXPECT_EQ(read({1}).values[0][0], Cell(1.0));
  std::string keys = "?";
  db().read([&](store::Tx& tx) -> Status {
        TRY(tx.first("SELECT keys_json FROM feature_erasure", {},
                     [&](const store::Row& row) { keys = row.str(0); }));
        return {};
      })
      .value();
  EXPECT_EQ(keys, "");
}

TEST_P(EraseTest, OldRowsLeaveAndSmallSegmentsMerge) {
  define(
      "kind: Source\nname: txn\ncolumns: {user_id: int64, amount: float64, merchant: string}\n"
      "event_time: ts\nretention: 2h\n");
  for (int i = 0; i < 6; ++i) {
    push({{.user = 1, .ts_us = clock.now_us(), .amount = double(i)}});
    clock.advance_ms(3'600'000);
    features->history().rotate().value();
    features->snapshot().value();
    features->history().archive(features->applied_seq()).value();
  }
  ASSERT_EQ(features->history().segments("default", "txn").value().size(), 6u);
  const auto times = std::vector<int64_t>{clock.now_us() - 3'600'000'000};
  const auto before = join({1}, times, JoinMode::kAsOf).values;
  EXPECT_EQ(features->retain().value(), 4);
  EXPECT_EQ(features->history().segments("default", "txn").value().size(), 1u);
  EXPECT_EQ(join({1}, times, JoinMode::kAsOf).values, before);
  const int64_t seq = features->applied_seq();
  open();
  EXPECT_EQ(features->applied_seq(), seq);
}

}  // namespace
}  // namespace slip::features
