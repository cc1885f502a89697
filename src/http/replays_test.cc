#include "http/replays.h"

#include <atomic>

#include <gtest/gtest.h>

#include "base/text.h"
#include "test/fake/clock.h"
#include "test/http/world.h"
#include "test/store/dbs.h"

namespace slip::http {
namespace {

class ReplaysTest : public slip::test::DbTest {
 protected:
  ReplaysTest() : replays(make_replays(migrated(replay_migrations()), clock)) {}

  // "new", the kept body, or the reason of a refusal.
  std::string begun(std::string_view key, std::string_view fingerprint, const Ctx& ctx = {}) {
    const auto kept = replays->begin(ctx, {key, fingerprint});
    if (!kept) return kept.error().reason;
    return *kept ? (*kept)->body : "new";
  }

  slip::test::FakeClock clock;
  std::unique_ptr<Replays> replays;
};

SLIP_EVERY_DB(ReplaysTest);

TEST_P(ReplaysTest, TheFirstAnswerIsKeptForADay) {
  EXPECT_EQ(begun("k", "f"), "new");
  EXPECT_EQ(begun("k", "f"), "idempotency.in_progress");
  ASSERT_TRUE(replays->keep({}, {"k", "f"}, {201, "text/plain", "made"}).ok());
  EXPECT_EQ(begun("k", "f"), "made");
  EXPECT_EQ(begun("k", "other"), "idempotency.key_reused");
  Ctx bob;
  bob.actor_uid = "bob";
  EXPECT_EQ(begun("k", "f", bob), "new");
  Ctx blue;
  blue.project = {"blue"};
  EXPECT_EQ(begun("k", "f", blue), "new");
  clock.advance_ms(kReplayKeptMs - 1);
  EXPECT_EQ(begun("k", "f"), "made");
  clock.advance_ms(2);
  EXPECT_EQ(begun("k", "f"), "new");
}

TEST_P(ReplaysTest, AFailedOrLostAttemptFreesItsKey) {
  EXPECT_EQ(begun("k", "f"), "new");
  ASSERT_TRUE(replays->forget({}, {"k", "f"}).ok());
  EXPECT_EQ(begun("k", "f"), "new");
  clock.advance_ms(kReplayRunningMs + 1);
  EXPECT_EQ(begun("k", "f"), "new");
  ASSERT_TRUE(replays->keep({}, {"k", "f"}, {200, "", "x"}).ok());
  ASSERT_TRUE(replays->forget({}, {"k", "f"}).ok());
  EXPECT_EQ(begun("k", "f"), "x");
}

TEST_P(ReplaysTest, MigratesFromEveryVersion) {
  slip::test::expect_migrates_from_every_version(*this, replay_migrations());
}

TEST(Replays, ARepeatedWriteHasOneEffect) {
  slip::test::TempDb db;
  ASSERT_TRUE(store::migrate(*db, replay_migrations()).ok());
  slip::test::FakeClock clock;
  const auto replays = make_replays(*db, clock);
  std::atomic<int> effects = 0;
  Route row = testing::public_row(
      Method::kPost, "/things",
      [&](const Ctx&, Request& request) -> Result<Reply> {
        const int n = ++effects;
        if (request.body == "fail") return unavailable("test.down", "down");
        if (request.body == "bad") return invalid("test.bad", "bad");
        Reply reply;
        reply.status = 201;
        reply.body = concat({"effect ", std::to_string(n)});
        return reply;
      },
      memory(1000));
  row.permission = {Right::kEdit, "thing"};
  testing::World world({row}, {.replays = replays.get()});
  testing::RawClient client = world.client();
  const auto post = [&](std::string_view key, std::string_view body) {
    client.send(
        concat({"POST /things HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer good\r\n", key,
                "Content-Length: ", std::to_string(body.size()), "\r\n\r\n", body}));
    return client.reply();
  };
  EXPECT_EQ(post("Idempotency-Key: a\r\n", "x").body, "effect 1");
  const auto again = post("Idempotency-Key: a\r\n", "x");
  EXPECT_EQ(again.status, 201);
  EXPECT_EQ(again.body, "effect 1");
  EXPECT_EQ(again.header("idempotency-replayed"), "true");
  EXPECT_EQ(post("Idempotency-Key: a\r\n", "y").status, 400);
  EXPECT_EQ(post("Idempotency-Key: b\r\n", "x").body, "effect 2");
  EXPECT_EQ(post("", "x").body, "effect 3");
  EXPECT_EQ(post("Idempotency-Key: c\r\n", "fail").status, 503);
  EXPECT_EQ(post("Idempotency-Key: c\r\n", "fail").status, 503);
  EXPECT_EQ(effects, 5);
  EXPECT_EQ(post("Idempotency-Key: d\r\n", "bad").status, 400);
  EXPECT_EQ(post("Idempotency-Key: d\r\n", "bad").status, 400);
  EXPECT_EQ(effects, 6);
  EXPECT_EQ(post(concat({"Idempotency-Key: ", std::string(256, 'k'), "\r\n"}), "x").status, 400);
  EXPECT_EQ(effects, 6);
}

}  // namespace
}  // namespace slip::http
