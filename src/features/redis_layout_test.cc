#include "features/redis_layout.h"

#include <gtest/gtest.h>

#include "base/text.h"
#include "features/packed.h"
#include "features/test_features.h"
#include "test/fake/redis.h"
#include "test/gen/dice.h"

namespace slip::features {
namespace {

const FeatureField kDriver{"driver_id", {}};

// Measured with feast 0.66.
TEST(FeastSpellingTest, KeysAndFields) {
  const std::vector<FeatureField> keys = {kDriver};
  EXPECT_EQ(to_hex(feast_entity_key(keys, std::vector<Cell>{int64_t{1001}}) + "proj"),
            "0100000002000000090000006472697665725f69640400000008000000e90300000000000070726f6a");
  EXPECT_EQ(to_hex(feast_field("driver_hourly_stats", "conv_rate")), "6160e3da");
}

TEST(FeastSpellingTest, KeysAreSortedByName) {
  const std::vector<FeatureField> keys = {
      {"zone", {.type = engine::Type::kText}},
      {"at", {.type = engine::Type::kTimestampUs}},
      {"n", {.narrow = true}},
  };
  const std::string got = feast_entity_key(
      keys, std::vector<Cell>{std::string("Köln"), int64_t{-1'500'000}, int64_t{-2}});
  EXPECT_EQ(to_hex(got), concat({"03000000", "02000000", "02000000", "6174", "02000000", "01000000",
                                 "6e", "02000000", "04000000", "7a6f6e65", "08000000", "08000000",
                                 "feffffffffffffff",                  //
                                 "03000000", "04000000", "feffffff",  //
                                 "02000000", "05000000", "4bc3b66c6e"}));
}

TEST(RedisPatternTest, MatchesTheTextAlone) {
  EXPECT_EQ(redis_pattern("a*b?[c]\\-^"), "a\\*b\\?\\[c\\]\\\\\\-\\^");
}

TEST(RedisDropTest, ConcernsKeysOfTheProjectAlone) {
  const std::vector<FeatureField> keys = {kDriver};
  const std::string key = feast_entity_key(keys, std::vector<Cell>{int64_t{7}});
  RedisDrop drop;
  drop.head = key.substr(0, key.size() - 16);
  drop.values = 1;
  drop.project = "proj";
  EXPECT_TRUE(drop.concerns(key + "proj"));
  EXPECT_FALSE(drop.concerns(key + "xproj"));
  EXPECT_FALSE(drop.concerns(key));
  EXPECT_FALSE(drop.concerns(drop.head));
}

// Rows of several servers, in any order, some twice: what is read is the newest that is due, by
// event time, created, number and server.
struct PackedTest : FeaturesTest {};
INSTANTIATE_TEST_SUITE_P(Redis, PackedTest, testing::ValuesIn(test::db_kinds("sqlite")));

struct Sent {
  OnlineRow row;
  uint64_t writer = 0;
  auto rank() const { return std::tie(row.event_us, row.created_us, row.seq, writer); }
};

TEST_P(PackedTest, OrderAndRepetitionDoNotMatter) {
  define();
  const ViewPtr view = features->catalog().shelf("default")->view("last_txn");
  std::string key;
  append_key(&key, Cell(int64_t{1}));
  for (uint64_t seed = 1; seed <= 300; ++seed) {
    gen::Dice dice = gen::Dice::seeded(seed);
    test::FakeRedis fake;
    store::Redis redis({fake, clock}, {.url = store::parse_redis_url("redis://h").value()});
    std::vector<Sent> sent;
    for (int64_t i = dice.between(1, 12); i > 0; --i) {
      Sent& s = sent.emplace_back();
      s.writer = static_cast<uint64_t>(dice.between(1, 3));
      s.row.event_us = kStart + dice.between(-3, 2) * kMinute;
      s.row.created_us = kStart + dice.between(-1, 1);
      s.row.seq = dice.between(1, 3);
      s.row.deleted = dice.one_in(6);
      engine::Values amount{engine::Type::kDouble};
      engine::Values text{engine::Type::kText};
      amount.add_f64(static_cast<double>(sent.size()));
      text.add_text("m");
      if (!s.row.deleted) s.row.packed = pack_row({amount.view(), text.view(), amount.view()}, 0);
      const auto same = [&](const Sent& o) { return &o != &s && o.rank() == s.rank(); };
      if (std::any_of(sent.begin(), sent.end(), same)) sent.pop_back();  // One row, one meaning.
    }
    std::vector<Sent> order = sent;
    for (int64_t i = dice.between(0, 5); i > 0; --i)
      order.push_back(sent[static_cast<size_t>(dice.between(0, int64_t(sent.size()) - 1))]);
    for (size_t i = order.size(); i > 1; --i)
      std::swap(order[i - 1], order[static_cast<size_t>(dice.between(0, int64_t(i) - 1))]);
    for (const Sent& s : order) {
      const auto layout = packed_layout(s.writer);
      Online::State state;
      state.rows.push_back(s.row);
      const RedisPut put{.view = view.get(),
                         .key = key,
                         .state = &state,
                         .replaced = false,
                         .now_us = kStart,
                         .held = nullptr};
      store::RedisCommands look;
      layout->look(put, &look);
      const auto there = redis.run(look).value();
      store::RedisCommands exchange;
      if (!layout->exchange(put, there[0], &exchange).value()) continue;
      EXPECT_EQ(redis.run(exchange).value()[0].integer, 1);
    }
    for (const int64_t now_us : {kStart, kStart + kMinute, kStart + 3 * kMinute}) {
      const OnlineRow* want = nullptr;
      std::sort(sent.begin(), sent.end(),
                [](const Sent& a, const Sent& b) { return a.rank() < b.rank(); });
      for (const Sent& s : sent)
        if (s.row.event_us <= now_us) want = &s.row;
      const std::vector<size_t> which = {0};
      const RedisAsk ask{view.get(), key, {which, now_us, true}};
      store::RedisCommands commands;
      packed_layout(9)->ask({&ask, 1}, &commands);
      EntityRead got;
      packed_layout(9)->answer(ask, redis.run(commands).value()[0], &got).value();
      EntityRead expected;
      if (want == nullptr)
        read_absent(ask.want, ReadStatus::kNotFound, &expected);
      else
        read_row(*view, *want, ask.want, &expected);
      ASSERT_EQ(got.cells, expected.cells) << "seed " << seed;
      ASSERT_EQ(got.statuses, expected.statuses) << "seed " << seed;
    }
  }
}

TEST_P(PackedTest, DamageIsTold) {
  define();
  const ViewPtr view = features->catalog().shelf("default")->view("last_txn");
  const std::vector<size_t> which = {0};
  const RedisAsk ask{view.get(), "k", {which, kStart, true}};
  const auto layout = packed_layout(1);
  for (const std::string bytes : {"", "x", "\x01\x00\x00\x00\x00\x00\x00\x00\x00zzz"}) {
    store::RedisReply reply;
    reply.kind = store::RedisReply::Kind::kText;
    reply.text = bytes;
    EntityRead got;
    const Status done = layout->answer(ask, reply, &got);
    ASSERT_FALSE(done.ok());
    EXPECT_EQ(done.error().reason, "feature.redis_value");
  }
}

}  // namespace
}  // namespace slip::features
