#include "features/redis_mirror.h"

#include "features/test_redis.h"
#include "test/gen/dice.h"

namespace slip::features {
namespace {

SLIP_EVERY_DB(RedisMirrorTest);

TEST_P(RedisMirrorTest, WhatIsPushedIsReadFromThere) {
  define();
  push({{.user = 1, .ts_us = kStart - kMinute, .amount = 5.0}});
  EXPECT_EQ(read({1}).values[0][0], Cell(5.0));
  EXPECT_EQ(read({2}).statuses[0][0], ReadStatus::kNotFound);
  EXPECT_TRUE(mirror->settled());
  redis.texts.clear();  // Behind our back, one by one: they are gone, and nobody noticed.
  EXPECT_EQ(read({1}).statuses[0][0], ReadStatus::kNotFound);
}

TEST_P(RedisMirrorTest, AnswersAreThoseOfTheTableInMemory) {
  define();
  for (uint64_t seed = 1; seed <= 60; ++seed) {
    gen::Dice dice = gen::Dice::seeded(seed);
    for (int i = 0; i < 6; ++i) {
      clock.advance_ms(dice.between(1, 400'000));
      std::vector<Txn> rows;
      for (int64_t n = dice.between(0, 4); n > 0; --n) {
        Txn& row = rows.emplace_back();
        row.user = dice.between(1, 4);
        row.ts_us = clock.now_us() - dice.between(-3, 90) * kMinute;
        if (!dice.one_in(6)) row.amount = dice.unit() * 100;
        row.merchant = dice.one_in(2) ? "x" : "y";
        row.deleted = dice.one_in(9);
      }
      if (!rows.empty()) push(rows);
      if (dice.one_in(8)) redis.cut_connections();
      if (dice.one_in(10)) redis.cut_after(dice.between(1, 20));
      if (dice.one_in(15)) restart();
      if (dice.one_in(25)) redis.flush();
      if (dice.one_in(20)) features->tidy().value();
      for (int n = 0; n < 5 && !mirror->settled(); ++n) tend();
      if (!try_read({1}).ok()) tend();  // That it was emptied was found out by reading.
      tend();
      expect_as_in_memory({1, 2, 3, 4, 5}, seed);
    }
  }
}

TEST_P(RedisMirrorTest, WhatIsTakenWhileItIsGoneComesLater) {
  define();
  push({{.ts_us = kStart - 2 * kMinute, .amount = 1.0}});
  redis.set_up(false);
  push({{.ts_us = kStart - kMinute, .amount = 2.0}});  // Acknowledged.
  EXPECT_EQ(reason(), "redis.behind");
  EXPECT_GT(mirror->facts().pending, 0);
  restart();  // And nothing is forgotten by that.
  EXPECT_EQ(reason(), "redis.behind");
  redis.set_up(true);
  tend();
  EXPECT_EQ(read({1}).values[0][0], Cell(2.0));
  EXPECT_EQ(mirror->facts().pending, 0);
}

TEST_P(RedisMirrorTest, WhoIsGreetedBeforeTheDoorsOpenAnswersAtOnce) {
  define();
  push({{.ts_us = kStart - kMinute, .amount = 1.0}});
  redis.flush();
  restart();
  mirror->greet(2000).value();
  EXPECT_EQ(read({1}).values[0][0], Cell(1.0));
  redis.set_up(false);
  restart();
  mirror->greet(2000).value();  // The server starts all the same.
  EXPECT_EQ(reason(), "redis.behind");
}

TEST_P(RedisMirrorTest, AnEmptiedOneAnswersNothingUntilItIsFull) {
  define();
  push({{.ts_us = kStart - kMinute, .amount = 1.0}});
  redis.flush();
  EXPECT_EQ(reason(), "redis.filling");  // Not: there is no such entity.
  push({{.user = 2, .ts_us = kStart - kMinute, .amount = 2.0}});
  EXPECT_EQ(reason(), "redis.filling");
  tend();
  EXPECT_EQ(read({1, 2}).values[0], (std::vector<Cell>{1.0, 2.0}));
  EXPECT_EQ(mirror->facts().refills, 2);  // The first time it was new.
}

// A snapshot from before comes back, and whoever looks first finds it out: a reader, a writer, or
// the server after a restart.
TEST_P(RedisMirrorTest, OneThatGoesBackInTimeIsFilledAgain) {
  define();
  push({{.user = 1, .ts_us = kStart - 2 * kMinute, .amount = 1.0}});
  double newest = 1;
  for (const bool restarted : {false, true}) {
    for (const bool written : {false, true}) {
      const test::FakeRedis::Held older = redis.save();
      push({{.user = 1, .ts_us = kStart - kMinute, .amount = ++newest},
            {.user = 2, .ts_us = kStart - kMinute, .amount = newest}});
      ASSERT_EQ(read({1}).values[0][0], Cell(newest));
      tend();
      redis.restore(older);
      if (restarted) restart();
      const int64_t refills = mirror->facts().refills;
      if (written) push({{.user = 3, .ts_us = kStart - kMinute, .amount = newest}});
      EXPECT_EQ(reason(), "redis.filling");
      tend();
      EXPECT_EQ(read({1, 2}).values[0], (std::vector<Cell>{newest, newest}));
      if (written) {
        EXPECT_EQ(read({3}).values[0][0], Cell(newest));
      }
      EXPECT_EQ(mirror->facts().refills, refills + 1);
      EXPECT_EQ(mirror->facts().returns, restarted ? 1 : (written ? 2 : 1));
      if (restarted) restart();
      tend();
    }
  }
}

TEST_P(RedisMirrorTest, WhatWasErasedDoesNotComeBackWithAnOlderOne) {
  define();
  push({{.user = 1, .ts_us = kStart - kMinute, .amount = 1.0},
        {.user = 2, .ts_us = kStart - kMinute, .amount = 2.0}});
  const test::FakeRedis::Held older = redis.save();
  Erasing what;
  what.keys.emplace_back("user_id", codec::Json(int64_t{1}));
  features->erase(ctx, what).value();
  redis.restore(older);
  EXPECT_EQ(reason(), "redis.filling");
  tend();
  EXPECT_EQ(read({1, 2}).statuses[0][0], ReadStatus::kNotFound);
  EXPECT_EQ(read({1, 2}).values[0][1], Cell(2.0));
  std::string user;
  append_key(&user, Cell(int64_t{1}));
  for (const auto& [key, value] : redis.texts) EXPECT_FALSE(key.ends_with(user));
  tend();
  EXPECT_EQ(mirror->facts().refills, 2);  // And that is the end of it.
}

TEST_P(RedisMirrorTest, FlushesOfOthersAreWaitedForOnceSeen) {
  define();
  auto& flushes = redis.hashes["slipway:servers:packed:flushes"];
  redis.hashes["slipway:servers:packed"]["beef"] = "1 ready";
  flushes["beef"] = "9";
  EXPECT_EQ(reason(), "");
  flushes["beef"] = "8";
  EXPECT_EQ(reason(), "redis.filling");
  flushes["beef"] = "10";
  EXPECT_EQ(reason(), "");
  mirror->leave().value();
  restart();
  tend();
  EXPECT_EQ(reason(), "");
  flushes["beef"] = "9";
  EXPECT_EQ(reason(), "redis.filling");
  mirror->rebuild().value();  // It never comes again.
  EXPECT_EQ(reason(), "redis.filling");
  clock.advance_ms(5000);
  tend();
  EXPECT_EQ(reason(), "");
}

// Another server may have seen numbers that the note doesn't know after a crash.
TEST_P(RedisMirrorTest, ARunOfTheServerHasGreaterNumbersThanTheLast) {
  define();
  const auto flushes = [&] {
    return std::stoll(redis.hashes["slipway:servers:packed:flushes"].begin()->second);
  };
  push({{.ts_us = kStart - kMinute, .amount = 1.0}});
  const int64_t before = flushes();
  for (int i = 0; i < 3; ++i) {
    push({{.ts_us = kStart - kMinute, .amount = 2.0 + i}});
    EXPECT_EQ(flushes(), before + i + 1);
  }
  restart();
  tend();
  EXPECT_GT(flushes(), before + 1000);
}

TEST_P(RedisMirrorTest, ACleanRestartWritesNothingAgain) {
  define();
  push({{.ts_us = kStart - kMinute, .amount = 1.0}});
  tend();
  restart();
  tend();
  EXPECT_EQ(mirror->facts().written, 0);
  EXPECT_EQ(read({1}).values[0][0], Cell(1.0));
}

TEST_P(RedisMirrorTest, TheRestOfALogIsWrittenAfterACrash) {
  define();
  push({{.ts_us = kStart - kMinute, .amount = 1.0}});
  restart();  // Without a last look around: the cursor is older than the row.
  redis.texts.clear();
  tend();
  EXPECT_EQ(read({1}).values[0][0], Cell(1.0));
}

// Something else has written under the key of one entity: who asks for that is told, nobody else.
TEST_P(RedisMirrorTest, AKeyOfAnotherTypeIsOneEntitysTrouble) {
  define();
  push({{.user = 1, .ts_us = kStart - kMinute, .amount = 1.0},
        {.user = 2, .ts_us = kStart - kMinute, .amount = 2.0}});
  std::string user;
  append_key(&user, Cell(int64_t{1}));
  const auto spoil = [&] {
    std::vector<std::string> keys;
    for (const auto& [key, value] : redis.texts)
      if (key.ends_with(user)) keys.push_back(key);
    for (const std::string& key : keys) {
      redis.texts.erase(key);
      redis.hashes[key]["x"] = "y";
    }
    return keys.size();
  };
  EXPECT_EQ(spoil(), 2u);  // Of both views.
  EXPECT_EQ(reason(), "feature.redis_value");
  EXPECT_EQ(read({2}).values[0][0], Cell(2.0));
  EXPECT_EQ(mirror->facts().damaged, 2);
  tend();  // It is known here, and written again.
  EXPECT_EQ(read({1, 2}).values[0], (std::vector<Cell>{1.0, 2.0}));
  spoil();
  push({{.user = 1, .ts_us = kStart - kMinute, .amount = 3.0}});  // Writing doesn't mind.
  EXPECT_EQ(read({1, 2}).values[0], (std::vector<Cell>{3.0, 2.0}));
  EXPECT_TRUE(mirror->settled());
  // What nobody knows goes: this server is the only one.
  std::string other;
  append_key(&other, Cell(int64_t{7}));
  for (const auto& [key, value] : std::map(redis.texts))
    if (key.ends_with(user))
      redis.hashes[key.substr(0, key.size() - user.size()) + other]["x"] = "";
  EXPECT_EQ(try_read({7}).error().reason, "feature.redis_value");
  tend();
  EXPECT_EQ(read({7}).statuses[0][0], ReadStatus::kNotFound);
  EXPECT_EQ(read({1, 2}).values[0], (std::vector<Cell>{3.0, 2.0}));
}

TEST_P(RedisMirrorTest, AnErasureWaitsForIt) {
  define();
  push({{.user = 1, .ts_us = kStart - kMinute, .amount = 1.0},
        {.user = 2, .ts_us = kStart - kMinute, .amount = 2.0}});
  redis.set_up(false);
  Erasing what;
  what.keys.emplace_back("user_id", codec::Json(int64_t{1}));
  const auto erased = features->erase(ctx, what);
  ASSERT_FALSE(erased.ok());  // What still lies in Redis hasn't gone.
  EXPECT_EQ(erased.error().code, Code::kUnavailable);
  restart();
  redis.set_up(true);
  tend();
  features->tidy().value();
  EXPECT_EQ(read({1, 2}).statuses[0][0], ReadStatus::kNotFound);
  EXPECT_EQ(read({1, 2}).values[0][1], Cell(2.0));
  size_t holding = 0;
  for (const auto& [key, value] : redis.texts) holding += value.find("m") != std::string::npos;
  for (const auto& [key, value] : redis.texts) {
    std::string user;
    append_key(&user, Cell(int64_t{1}));
    EXPECT_FALSE(key.ends_with(user));
  }
}

TEST_P(RedisMirrorTest, ARemovedViewLeaves) {
  define();
  push({{.ts_us = kStart - kMinute, .amount = 1.0}});
  const auto rows_of = [&](std::string_view view) {
    int n = 0;
    for (const auto& [key, value] : redis.texts) n += key.find(view) != std::string::npos ? 1 : 0;
    return n;
  };
  EXPECT_EQ(rows_of("last_txn"), 1);
  features->catalog().remove(ctx, Kind::kService, "fraud").value();
  features->catalog().remove(ctx, Kind::kView, "last_txn").value();
  mirror->rebuild().value();
  EXPECT_EQ(rows_of("last_txn"), 0);
  EXPECT_EQ(rows_of("spend"), 2);  // An entity, and whose windows they are.
}

TEST_P(RedisMirrorTest, WindowsAreOneServers) {
  define();
  const ViewPtr view = features->catalog().shelf("default")->view("spend");
  push({{.ts_us = kStart - kMinute, .amount = 1.0}});
  for (auto& [key, value] : redis.texts)
    if (key.ends_with("owner")) value = "another";
  clock.advance_ms(10'000);
  tend();  // Another took them over.
  const auto refused = features->push(ctx, batch_of({{.ts_us = kStart, .amount = 1.0}}));
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().reason, "feature.redis_writer");
  mirror->rebuild().value();
  push({{.ts_us = kStart, .amount = 1.0}});
}

TEST_P(RedisMirrorTest, OthersThatWriteThereAreWaitedFor) {
  define();
  redis.hashes["slipway:servers:packed"]["beef"] = "1 ready";
  tend();
  EXPECT_EQ(reason(), "");
  redis.hashes["slipway:servers:packed"]["beef"] = "2 filling";
  EXPECT_EQ(reason(), "redis.filling");
  redis.flush();
  tend();
  EXPECT_EQ(reason(), "redis.filling");  // Its rows aren't there yet.
  mirror->rebuild().value();             // It never comes again:
  EXPECT_EQ(reason(), "redis.filling");  // nobody knows that yet.
  clock.advance_ms(5000);
  tend();
  EXPECT_EQ(reason(), "");
  restart();
  tend();
  EXPECT_EQ(reason(), "");
}

}  // namespace
}  // namespace slip::features
