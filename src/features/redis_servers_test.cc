#include "features/redis_servers.h"

#include "features/test_redis.h"

// Several servers on one Redis, and what one of them does to the others' part of it.
namespace slip::features {
namespace {

class RedisServersTest : public RedisMirrorTest {
 protected:
  Erasing erasing(int64_t user) {
    Erasing out;
    out.keys.emplace_back("user_id", codec::Json(user));
    return out;
  }
  static std::string user_key(int64_t user) {
    std::string out;
    append_key(&out, Cell(user));
    return out;
  }
  // Of one entity of last_txn, whose rows several servers may write.
  std::string place_of(int64_t user) {
    for (const auto& [key, value] : redis.texts)
      if (key.find("last_txn") != std::string::npos && key.ends_with(user_key(user))) return key;
    return "";
  }
  bool holds(int64_t user) {
    for (const auto& [key, value] : redis.texts)
      if (key.ends_with(user_key(user))) return true;
    return false;
  }
  void push_last(OtherServer& to, int64_t user, double amount) {
    Batch b = batch_of({{.user = user, .ts_us = kStart - kMinute, .amount = amount}});
    to.features->push(ctx, std::move(b)).value();
  }
  // On the other one no view has windows, which are one server's.
  std::unique_ptr<OtherServer> join_in() {
    auto out = std::make_unique<OtherServer>(another(), redis, clock);
    out->features->apply(ctx, parse_definitions(kRowsOnly).value()).value();
    out->mirror().tend().value();
    return out;
  }
  void tend_all(OtherServer& other) {
    for (int i = 0; i < 3; ++i) {
      tend();
      other.mirror().tend().value();
    }
  }
  std::map<std::string, std::string>& servers() { return redis.hashes["slipway:servers:packed"]; }

  // Without the windows.
  static constexpr std::string_view kRowsOnly =
      kDefinitions.substr(0, kDefinitions.find("---\nkind: FeatureView\nname: spend"));
};
SLIP_EVERY_DB(RedisServersTest);

// Both have lost a removal, so both wipe: what one of them has written meanwhile is written again.
TEST_P(RedisServersTest, WhoWipesTakesNothingThatIsNotWrittenAgain) {
  define();
  const auto other = join_in();
  push({{.user = 1, .ts_us = kStart - kMinute, .amount = 1.0},
        {.user = 9, .ts_us = kStart - kMinute, .amount = 9.0}});
  push_last(*other, 2, 2.0);
  push_last(*other, 8, 8.0);
  tend_all(*other);
  const test::FakeRedis::Held older = redis.save();
  features->erase(ctx, erasing(9)).value();
  other->features->erase(ctx, erasing(8)).value();
  tend_all(*other);
  redis.restore(older);
  EXPECT_EQ(reason(), "redis.filling");
  // While this one looks for what is to go, the other wipes and fills, wholly.
  bool once = true;
  redis.on_write = [&](std::string_view bytes) {
    if (bytes.find("SCAN") == bytes.npos || !std::exchange(once, false)) return;
    for (int i = 0; i < 3; ++i) other->mirror().tend().value();
  };
  clock.advance_ms(1000);
  mirror->tend().value();
  EXPECT_FALSE(once);
  // From here on an answer is the right one.
  for (int i = 0; i < 6; ++i) {
    if (const auto got = try_read({1, 2, 8, 9}); got.ok()) {
      EXPECT_EQ(got->values[0], (std::vector<Cell>{1.0, 2.0, {}, {}})) << i;
    }
    (i % 2 == 0 ? other->mirror() : *mirror).tend().value();
    clock.advance_ms(600);
  }
  EXPECT_EQ(read({1, 2, 8, 9}).values[0], (std::vector<Cell>{1.0, 2.0, {}, {}}));
  EXPECT_FALSE(holds(8));
  EXPECT_FALSE(holds(9));
  const int64_t refills = mirror->facts().refills;
  tend_all(*other);
  EXPECT_EQ(mirror->facts().refills, refills);  // And that is the end of it.
}

// Whatever command's reply is the last that isn't heard, and Redis then is the older one.
TEST_P(RedisServersTest, ARemovalWhoseReplyWasLostIsNotForgotten) {
  define();
  for (int cut = 1; cut <= 40; ++cut) {
    const int64_t user = 100 + cut;
    push({{.user = user, .ts_us = clock.now_us() - kMinute, .amount = 1.0}});
    tend();
    const test::FakeRedis::Held older = redis.save();
    redis.cut_after(cut, true);
    const bool erased = features->erase(ctx, erasing(user)).ok();
    redis.cut_after(0);
    if (!erased) {  // It is finished when Redis is back.
      redis.set_up(true);
      for (int i = 0; i < 3; ++i) tend();
      features->tidy().value();
    }
    redis.set_up(true);
    EXPECT_FALSE(holds(user)) << cut;
    restart();
    redis.restore(older);
    for (int i = 0; i < 3; ++i) tend();
    EXPECT_FALSE(holds(user)) << cut;
    EXPECT_EQ(read({user}).statuses[0][0], ReadStatus::kNotFound) << cut;
  }
}

TEST_P(RedisServersTest, ARemovedViewDoesNotComeBackWithAnOlderOne) {
  define();
  push({{.ts_us = kStart - kMinute, .amount = 1.0}});
  tend();
  const test::FakeRedis::Held older = redis.save();
  features->catalog().remove(ctx, Kind::kService, "fraud").value();
  features->catalog().remove(ctx, Kind::kView, "last_txn").value();
  push({{.ts_us = kStart, .amount = 2.0}});
  tend();
  EXPECT_EQ(place_of(1), "");
  restart();
  redis.restore(older);
  for (int i = 0; i < 3; ++i) tend();
  EXPECT_EQ(place_of(1), "");
}

TEST_P(RedisServersTest, RebuildingWaitsForWhoIsStillFilling) {
  define();
  push({{.ts_us = kStart - kMinute, .amount = 1.0}});
  servers()["beef"] = "2 filling";
  tend();
  EXPECT_EQ(reason(), "redis.filling");
  mirror->rebuild().value();
  EXPECT_EQ(reason(), "redis.filling");  // Its rows aren't there yet, and it may be at it.
  servers()["beef"] = "3 filling";       // It is.
  clock.advance_ms(60'000);
  tend();
  EXPECT_EQ(reason(), "redis.filling");
  servers()["beef"] = "3 ready";
  EXPECT_EQ(reason(), "");
}

// It ends in the middle, anywhere: what says that Redis isn't whole is there until it is.
TEST_P(RedisServersTest, ARebuildingThatIsCutShortLeavesItsTraces) {
  define();
  push({{.ts_us = kStart - kMinute, .amount = 1.0}});
  const auto other = join_in();
  push_last(*other, 2, 2.0);
  tend_all(*other);
  for (int cut = 1; cut <= 30; ++cut) {
    const auto before = servers();
    redis.cut_after(cut, true);
    const bool done = mirror->rebuild().ok();
    redis.cut_after(0);
    redis.set_up(true);
    const auto& now = servers();
    ASSERT_EQ(now.size(), 2u) << cut;
    bool ready = true;
    for (const auto& [writer, state] : now) ready = ready && is_ready(state);
    EXPECT_TRUE(now == before || !ready) << cut << (done ? " done" : "");
    restart();
    tend_all(*other);
    clock.advance_ms(5000);
    tend_all(*other);
    EXPECT_EQ(read({1, 2}).values[0], (std::vector<Cell>{1.0, 2.0})) << cut;
  }
}

TEST_P(RedisServersTest, WhoIsForgottenMayComeBack) {
  define();
  push({{.ts_us = kStart - kMinute, .amount = 1.0}});
  auto other = join_in();
  push_last(*other, 2, 2.0);
  tend_all(*other);
  redis.flush();
  tend();
  EXPECT_EQ(reason(), "redis.filling");
  mirror->rebuild().value();
  clock.advance_ms(6000);
  tend();
  EXPECT_EQ(read({1, 2}).values[0], (std::vector<Cell>{1.0, {}}));
  tend_all(*other);
  EXPECT_EQ(read({1, 2}).values[0], (std::vector<Cell>{1.0, 2.0}));
}

// A value that can't be read, of an entity that another server knows, or nobody.
TEST_P(RedisServersTest, WhatNobodyCanReadIsMendedOrGoes) {
  define();
  auto other = join_in();
  push({{.ts_us = kStart - kMinute, .amount = 1.0}});
  push_last(*other, 2, 2.0);
  tend_all(*other);
  ASSERT_NE(place_of(2), "");
  redis.texts[place_of(2)] = "rubbish";
  EXPECT_EQ(try_read({2}).error().reason, "feature.redis_value");
  tend_all(*other);
  EXPECT_EQ(read({1, 2}).values[0], (std::vector<Cell>{1.0, 2.0}));  // It was the other's.
  // Nobody's: it goes when both have said so, and not before.
  const std::string nobodys =
      place_of(2).substr(0, place_of(2).size() - user_key(2).size()) + user_key(7);
  redis.texts[nobodys] = "rubbish";
  EXPECT_EQ(try_read({7}).error().reason, "feature.redis_value");
  for (int i = 0; i < 3; ++i) tend();
  EXPECT_EQ(try_read({7}).error().reason, "feature.redis_value");
  tend_all(*other);
  EXPECT_EQ(read({7}).statuses[0][0], ReadStatus::kNotFound);
  EXPECT_EQ(read({1, 2}).values[0], (std::vector<Cell>{1.0, 2.0}));
  EXPECT_FALSE(redis.hashes.contains("slipway:servers:packed:unreadable"));
  // A server that is gone may know it, until it is given up by hand.
  redis.texts[nobodys] = "rubbish";
  EXPECT_EQ(try_read({7}).error().reason, "feature.redis_value");
  mirror->rebuild().value();
  clock.advance_ms(6000);
  for (int i = 0; i < 3; ++i) tend();
  EXPECT_EQ(read({7}).statuses[0][0], ReadStatus::kNotFound);
}

}  // namespace
}  // namespace slip::features
