#include "store/redis.h"

#include <gtest/gtest.h>

#include "test/fake/clock.h"
#include "test/fake/redis.h"

namespace slip::store {
namespace {

using Kind = RedisReply::Kind;

struct RedisTest : testing::Test {
  Redis make(size_t connections = 2, bool ordered = false) {
    Redis::Options options;
    options.url = parse_redis_url("redis://h").value();
    options.connections = connections;
    options.ordered = ordered;
    return {{fake, clock}, options};
  }
  static RedisCommands get(std::string_view key) {
    RedisCommands out;
    out.add({"GET", key});
    return out;
  }
  static std::string reason(const Result<std::vector<RedisReply>>& r) {
    return r.ok() ? "" : r.error().reason;
  }
  test::FakeRedis fake;
  test::FakeClock clock;
};

TEST(RedisUrlTest, Forms) {
  struct Case {
    const char* url;
    const char* shown;
    const char* user;
    const char* password;
  };
  const Case cases[] = {
      {"redis://localhost", "redis://localhost:6379/0", "", ""},
      {"redis://h:1/3", "redis://h:1/3", "", ""},
      {"rediss://:se%40cret@h/", "rediss://h:6379/0", "", "se@cret"},
      {"redis://me:p:q@[::1]:7000/2", "redis://[::1]:7000/2", "me", "p:q"},
  };
  for (const Case& c : cases) {
    const RedisUrl url = parse_redis_url(c.url).value();
    EXPECT_EQ(url.shown(), c.shown);
    EXPECT_EQ(url.user, c.user);
    EXPECT_EQ(url.password, c.password);
  }
  for (const char* bad : {"", "http://h", "redis://", "redis://h:0", "redis://h:x", "redis://h/x",
                          "redis://me@h", "redis://[::1", "redis://:%zz@h", "redis://h/-1"}) {
    const auto url = parse_redis_url(bad);
    ASSERT_FALSE(url.ok()) << bad;
    EXPECT_EQ(url.error().reason, "redis.url");
  }
  EXPECT_EQ(parse_redis_url("redis://me:verysecret@h:x").error().text.find("verysecret"),
            std::string::npos);
}

TEST_F(RedisTest, RepliesComeInOrder) {
  Redis redis = make();
  RedisCommands all;
  all.add({"SET", "a", std::string_view("\0\r\n", 3)});
  all.add({"GET", "a"});
  all.add({"GET", "nothing"});
  all.add({"MGET", "a", "b"});
  all.add({"HSET", "h", "f", "v"});
  const auto got = redis.run(all).value();
  ASSERT_EQ(got.size(), 5u);
  EXPECT_EQ(got[1].text, std::string("\0\r\n", 3));
  EXPECT_EQ(got[2].kind, Kind::kNil);
  ASSERT_EQ(got[3].items.size(), 2u);
  EXPECT_TRUE(got[3].items[1].is_nil());
  EXPECT_EQ(got[4].integer, 1);
  EXPECT_EQ(fake.dials(), 1);
  EXPECT_TRUE(redis.run(RedisCommands()).value().empty());
}

TEST_F(RedisTest, AKeptConnectionThatEndedIsMadeAgain) {
  Redis redis = make();
  redis.run(get("a")).value();
  fake.cut_connections();
  redis.run(get("a")).value();
  EXPECT_EQ(fake.dials(), 2);
  EXPECT_EQ(redis.counts().failures.load(), 0);
}

TEST_F(RedisTest, WhoIsGoneIsAskedAgainAfterAPauseThatGrows) {
  Redis redis = make();
  fake.set_up(false);
  EXPECT_EQ(reason(redis.run(get("a"))), "redis.unavailable");
  EXPECT_TRUE(redis.pausing());
  EXPECT_EQ(reason(redis.run(get("a"))), "redis.unavailable");
  EXPECT_EQ(fake.dials(), 1);
  int64_t waited_ms = 0;
  for (int i = 0; i < 8; ++i) {
    while (redis.pausing()) {
      clock.advance_ms(10);
      waited_ms += 10;
    }
    EXPECT_FALSE(redis.run(get("a")).ok());
  }
  EXPECT_EQ(fake.dials(), 9);
  EXPECT_GT(waited_ms, 3000);
  fake.set_up(true);
  clock.advance_ms(1000);
  redis.run(get("a")).value();
  EXPECT_FALSE(redis.pausing());
}

TEST_F(RedisTest, ErrorRepliesFailTheWhole) {
  Redis redis = make();
  fake.refuse("OOM command not allowed when used memory > 'maxmemory'.");
  EXPECT_EQ(reason(redis.run(get("a"))), "redis.refused");
  fake.refuse("LOADING Redis is loading the dataset in memory");
  EXPECT_EQ(reason(redis.run(get("a"))), "redis.refused");
  EXPECT_TRUE(redis.pausing());
  fake.refuse("");
  clock.advance_ms(1000);
  redis.run(get("a")).value();
}

TEST_F(RedisTest, PasswordsAreAskedForAndNeverTold) {
  fake.want_password("right");
  Redis::Options options;
  options.url = parse_redis_url("redis://u:wrongpassword@h/2").value();
  const auto wrong = Redis({fake, clock}, options).run(get("a"));
  EXPECT_EQ(reason(wrong), "redis.refused");
  EXPECT_EQ(wrong.error().text.find("wrongpassword"), std::string::npos);
  options.url.password = "right";
  Redis redis({fake, clock}, options);
  redis.run(get("a")).value();
  options.url = parse_redis_url("redis://h").value();
  EXPECT_EQ(reason(Redis({fake, clock}, options).run(get("a"))), "redis.refused");
}

TEST_F(RedisTest, NonsenseIsNoReply) {
  for (const char* raw :
       {"HTTP/1.1 400 Bad Request\r\n\r\n", "$5\r\nabcdefgh\r\n", "*-7\r\n", "?\r\n"}) {
    Redis redis = make();
    fake.answer_raw("");
    redis.run(get("a")).value();
    fake.answer_raw(raw);
    EXPECT_FALSE(redis.run(get("a")).ok()) << raw;
  }
}

TEST_F(RedisTest, TheServerForgetsWhatALostConnectionHadToSay) {
  Redis redis = make(1, true);
  redis.run(get("a")).value();
  fake.cut_after(1);
  redis.run(get("a")).value();  // Repeated on a second connection.
  EXPECT_EQ(fake.killed(), std::set<std::string>{"1"});
  fake.cut_connections();
  fake.set_up(false);
  EXPECT_FALSE(redis.run(get("a")).ok());
  fake.set_up(true);
  clock.advance_ms(1000);
  redis.run(get("a")).value();
  EXPECT_EQ(fake.killed(), (std::set<std::string>{"1", "2"}));
}

}  // namespace
}  // namespace slip::store
