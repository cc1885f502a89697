#include "core/later/later.h"

#include <atomic>
#include <map>
#include <set>

#include <gtest/gtest.h>

#include "base/budget.h"
#include "core/later/message.h"
#include "core/ledger/ledger.h"
#include "sys/clock.h"
#include "sys/executor.h"
#include "sys/log.h"
#include "sys/sim/sim_rng.h"
#include "test/fake/clock.h"
#include "test/sim/faulty_db.h"
#include "test/store/dbs.h"
#include "test/store/mem_blobs.h"

namespace slip::later {
namespace {

constexpr int64_t kKeptMs = 10'000'000;

class LaterTest : public test::DbTest {
 protected:
  void SetUp() override {
    std::vector<store::Migration> steps;
    for (const auto& all : {ledger::migrations(), migrations()})
      steps.insert(steps.end(), all.begin(), all.end());
    migrated(steps);
    events = std::make_unique<ledger::Ledger>(ledger::Ledger::Deps{db(), clock, rng});
    later = make(db());
  }
  std::unique_ptr<Later> make(store::Db& on, int64_t queue_max = 1000) {
    Later::Options options;
    options.queue_max = queue_max;
    options.kept_ms = kKeptMs;
    options.is_admin = [](const Ctx& ctx) { return ctx.actor_uid == "admin"; };
    options.give_rights = [](Ctx* ctx) { ctx->request_id += "+rights"; };
    return std::make_unique<Later>(
        Later::Deps{on, blobs, *events, budget, clock, rng, real_executor(), null_log()},
        std::move(options));
  }
  static Ctx who(const std::string& actor = "ada", const std::string& project = "default") {
    Ctx ctx;
    ctx.actor_uid = actor;
    ctx.actor_kind = "user";
    ctx.credential = "tok";
    ctx.project.text = project;
    return ctx;
  }
  static Asked asked(std::string body = "body") {
    return {"POST", "/v2/models/m/infer?x=1", {{"content-type", "a/b"}}, std::move(body)};
  }
  static Answer answer(std::string body, int status = 200, bool transient = false) {
    return {status, "text/x", {{"x-odd", "\xff\x01"}}, std::move(body), transient};
  }
  Job accept(const Ctx& ctx, std::string body = "body") {
    return later->accept(ctx, asked(std::move(body)), {}).value().job;
  }
  size_t event_count(const std::string& verb) {
    while (events->number_pending().value() > 0) {}
    return events->list({.verb = verb, .limit = 1000}).value().size();
  }
  static Later::Run echo() {
    return [](const Ctx&, const Asked& a) { return answer("answer to " + a.body); };
  }

  test::FakeClock clock;
  sim::SimRng rng{1};
  test::MemBlobs blobs;
  Budget budget{int64_t{4} << 30};
  std::unique_ptr<ledger::Ledger> events;
  std::unique_ptr<Later> later;
};
SLIP_EVERY_DB(LaterTest);

TEST_P(LaterTest, AnswersWhatItHasTaken) {
  for (const size_t size : {size_t{4}, size_t{200'000}}) {
    const std::string body(size, '\xfe');
    const Job job = accept(who(), body);
    EXPECT_EQ(later->find(who(), job.uid).value().state, State::kQueued);
    EXPECT_FALSE(later->outcome(who(), job.uid).value().answer);
    EXPECT_EQ(later->stats().value().queued, 1);
    int runs = 0;
    const auto run = [&](const Ctx& ctx, const Asked& a) {
      ++runs;
      EXPECT_EQ(ctx.actor_uid, "ada");
      EXPECT_EQ(ctx.credential, "tok");
      EXPECT_EQ(ctx.project.text, "default");
      EXPECT_EQ(ctx.request_id, job.uid + "+rights");
      EXPECT_EQ(a.target, "/v2/models/m/infer?x=1");
      EXPECT_EQ(a.headers, (Headers{{"content-type", "a/b"}}));
      EXPECT_EQ(a.body, body);
      EXPECT_EQ(later->find(who(), job.uid).value().state, State::kRunning);
      EXPECT_EQ(later->stats().value().running, 1);
      return answer(body + "!");
    };
    EXPECT_TRUE(later->run_one(run).value());
    EXPECT_FALSE(later->run_one(run).value());
    EXPECT_EQ(runs, 1);
    const Later::Outcome got = later->outcome(who(), job.uid).value();
    EXPECT_EQ(got.job.state, State::kDone);
    EXPECT_EQ(got.job.attempts, 1);
    ASSERT_TRUE(got.answer);
    EXPECT_EQ(got.answer->status, 200);
    EXPECT_EQ(got.answer->content_type, "text/x");
    EXPECT_EQ(got.answer->headers, (Headers{{"x-odd", "\xff\x01"}}));
    EXPECT_EQ(got.answer->body, body + "!");
  }
  EXPECT_EQ(later->stats().value().done, 2);
  EXPECT_EQ(event_count("async.done"), 2U);
  // What large answers lie in is kept for as long as they are; requests that are done are not.
  std::set<store::Digest> kept;
  later->each_blob([&](const store::Digest& d) { kept.insert(d); }).value();
  EXPECT_EQ(kept, std::set<store::Digest>{codec::sha256(std::string(200'000, '\xfe') + "!")});
}

TEST_P(LaterTest, AKeyIsOneRequest) {
  const auto put = [&](const Ctx& ctx, const std::string& fingerprint) {
    return later->accept(ctx, asked(), {"k", fingerprint});
  };
  const Later::Accepted first = put(who(), "f").value();
  EXPECT_FALSE(first.known);
  const Later::Accepted again = put(who(), "f").value();
  EXPECT_TRUE(again.known);
  EXPECT_EQ(again.job.uid, first.job.uid);
  EXPECT_EQ(put(who(), "g").error().reason, "idempotency.key_reused");
  EXPECT_FALSE(put(who("bob"), "g").value().known);
  EXPECT_FALSE(put(who("ada", "other"), "g").value().known);
  EXPECT_NE(accept(who()).uid, accept(who()).uid);
  while (later->run_one(echo()).value()) {}
  EXPECT_EQ(put(who(), "f").value().job.state, State::kDone);
}

TEST_P(LaterTest, TriesAgainAndGivesUp) {
  const Job job = accept(who());
  int runs = 0;
  const auto busy = [&](const Ctx&, const Asked&) {
    return answer("busy " + std::to_string(++runs), 503, true);
  };
  for (int64_t n = 1; n <= kAttemptsMax; ++n) {
    EXPECT_TRUE(later->run_one(busy).value());
    EXPECT_FALSE(later->run_one(busy).value());  // Not at once.
    EXPECT_EQ(later->find(who(), job.uid).value().attempts, n);
    clock.advance_ms(kBackoffMaxMs * 2);
    later->tend().value();
  }
  EXPECT_EQ(runs, kAttemptsMax);
  const Later::Outcome dead = later->outcome(who(), job.uid).value();
  EXPECT_EQ(dead.job.state, State::kFailed);
  EXPECT_EQ(dead.answer->body, "busy 5");
  EXPECT_EQ(dead.job.error, "answered 503");
  EXPECT_EQ(later->list(who(), {.state = State::kFailed}).value().size(), 1U);
  EXPECT_EQ(event_count("async.failed"), 1U);
  EXPECT_EQ(later->retry(who(), job.uid).value().state, State::kQueued);
  EXPECT_FALSE(later->outcome(who(), job.uid).value().answer);
  EXPECT_TRUE(later->run_one(echo()).value());
  EXPECT_EQ(later->outcome(who(), job.uid).value().answer->body, "answer to body");
  EXPECT_EQ(later->retry(who(), job.uid).error().reason, "async.not_failed");
}

TEST_P(LaterTest, WhatIsWrongWithTheRequestIsAnsweredOnce) {
  const Job job = accept(who());
  later->run_one([](const Ctx&, const Asked&) { return answer("bad shape", 400); }).value();
  const Later::Outcome got = later->outcome(who(), job.uid).value();
  EXPECT_EQ(got.job.state, State::kFailed);
  EXPECT_EQ(got.answer->status, 400);
  EXPECT_EQ(got.answer->body, "bad shape");
}

TEST_P(LaterTest, IsCancelled) {
  const Job waiting = accept(who());
  EXPECT_EQ(later->cancel(who(), waiting.uid).value().state, State::kCancelled);
  EXPECT_EQ(later->cancel(who(), waiting.uid).value().state, State::kCancelled);
  EXPECT_FALSE(later->run_one(echo()).value());
  const Job running = accept(who());
  later
      ->run_one([&](const Ctx& ctx, const Asked&) {
        EXPECT_FALSE(ctx.cancelled());
        later->cancel(who(), running.uid).value();
        EXPECT_TRUE(ctx.cancelled());
        return answer("too late");
      })
      .value();
  const Later::Outcome got = later->outcome(who(), running.uid).value();
  EXPECT_EQ(got.job.state, State::kCancelled);
  EXPECT_FALSE(got.answer);
  const Job done = accept(who());
  later->run_one(echo()).value();
  EXPECT_EQ(later->cancel(who(), done.uid).error().reason, "async.has_ended");
  EXPECT_EQ(later->outcome(who(), done.uid).value().answer->body, "answer to body");
}

TEST_P(LaterTest, OthersSeeNothing) {
  const Job job = accept(who());
  const auto reasons = [&](const Ctx& ctx) {
    return std::vector<std::string>{
        later->find(ctx, job.uid).error().reason, later->outcome(ctx, job.uid).error().reason,
        later->cancel(ctx, job.uid).error().reason, later->retry(ctx, job.uid).error().reason};
  };
  const std::vector<std::string> hidden(4, "async.not_found");
  EXPECT_EQ(reasons(who("eve")), hidden);
  EXPECT_EQ(reasons(who("ada", "other")), hidden);
  EXPECT_EQ(reasons(who("admin", "other")), hidden);
  EXPECT_TRUE(later->find(who("admin"), job.uid).ok());
  EXPECT_TRUE(later->list(who("eve"), {}).value().empty());
  EXPECT_EQ(later->list(who("eve"), {.everybodys = true}).error().reason, "async.forbidden");
  EXPECT_EQ(later->list(who("admin"), {.everybodys = true}).value().size(), 1U);
  EXPECT_TRUE(later->list(who("admin"), {}).value().empty());
}

TEST_P(LaterTest, ListsPages) {
  std::vector<std::string> made;
  for (int i = 0; i < 5; ++i) {
    made.insert(made.begin(), accept(who()).uid);
    clock.advance_ms(1);
  }
  std::vector<std::string> listed;
  std::string before;
  for (;;) {
    const std::vector<Job> page = later->list(who(), {.before = before, .limit = 2}).value();
    for (const Job& job : page) listed.push_back(job.uid);
    if (page.size() < 2) break;
    before = page.back().uid;
  }
  EXPECT_EQ(listed, made);
}

TEST_P(LaterTest, TheQueueIsBounded) {
  later = make(db(), 10);
  for (int i = 0; i < 9; ++i) accept(who());
  const auto more = [&](const Ctx& ctx) { return later->accept(ctx, asked(), {}); };
  EXPECT_EQ(more(who()).error().reason, "async.queue_full");  // One has not all of it.
  EXPECT_EQ(more(who()).error().code, Code::kExhausted);
  more(who("bob")).value();
  EXPECT_EQ(more(who("bob")).error().reason, "async.queue_full");
  later->run_one(echo()).value();
  more(who("bob")).value();
  Asked large = asked();
  large.headers.emplace_back("x", std::string(kHeadBytesMax, 'a'));
  EXPECT_EQ(later->accept(who("bob"), large, {}).error().reason, "async.too_large");
  Asked odd = asked();
  odd.target = "/\xff";
  EXPECT_EQ(later->accept(who("bob"), odd, {}).error().reason, "async.target");
}

TEST_P(LaterTest, TenantsTakeTurns) {
  for (int i = 0; i < 6; ++i) accept(who("ada"), "a");
  for (int i = 0; i < 2; ++i) accept(who("bob"), "b");
  accept(who("ada", "other"), "o");
  std::string order;
  while (later
             ->run_one([&](const Ctx&, const Asked& a) {
               order += a.body;
               return answer("");
             })
             .value()) {}
  EXPECT_EQ(order.size(), 9U);
  EXPECT_EQ(std::count(order.begin(), order.begin() + 3, 'a'), 1) << order;
  EXPECT_EQ(order.find('o') < 3 && order.find('b') < 3, true) << order;
  EXPECT_LT(order.rfind('b'), 6U) << order;
}

// A process that is taken for dead while another answers: the other's answer stands.
TEST_P(LaterTest, AnAnswerIsRecordedOnce) {
  const Job job = accept(who());
  const auto second = make(db());
  later
      ->run_one([&](const Ctx&, const Asked&) {
        clock.advance_ms(kLeaseMs - 1);
        second->tend().value();
        EXPECT_FALSE(second->run_one(echo()).value());  // The lease holds.
        later->heartbeat().value();
        clock.advance_ms(kLeaseMs - 1);
        second->tend().value();
        EXPECT_FALSE(second->run_one(echo()).value());
        clock.advance_ms(1);
        second->tend().value();
        EXPECT_TRUE(
            second->run_one([](const Ctx&, const Asked&) { return answer("second"); }).value());
        later->heartbeat().value();
        return answer("first");
      })
      .value();
  EXPECT_EQ(later->outcome(who(), job.uid).value().answer->body, "second");
  EXPECT_EQ(later->find(who(), job.uid).value().attempts, 2);
  EXPECT_EQ(event_count("async.done"), 1U);
  EXPECT_EQ(later->stats().value().done, 0);
}

// Whatever kills its process each time is not tried for ever.
TEST_P(LaterTest, ADeadlyRequestFails) {
  const Job job = accept(who());
  for (int64_t n = 1; n <= kAttemptsMax; ++n) {
    const auto next = make(db());
    later
        ->run_one([&](const Ctx&, const Asked&) {
          next->adopt().value();  // The process ends here, and another starts.
          return answer("never seen");
        })
        .value();
  }
  const Later::Outcome got = later->outcome(who(), job.uid).value();
  EXPECT_EQ(got.job.state, State::kFailed);
  EXPECT_FALSE(got.answer);
  EXPECT_NE(got.job.error.find("async.lost"), std::string::npos);
  EXPECT_EQ(event_count("async.failed"), 1U);
}

TEST_P(LaterTest, AnswersGoAfterTheirTime) {
  const Job done = accept(who());
  later->run_one(echo()).value();
  const Job waiting = accept(who());
  clock.advance_ms(kKeptMs - 1);
  later->tend().value();
  EXPECT_TRUE(later->outcome(who(), done.uid).value().answer);
  clock.advance_ms(1);
  later->tend().value();
  for (const Job& job : {done, waiting}) {
    const Later::Outcome got = later->outcome(who(), job.uid).value();
    EXPECT_EQ(got.job.state, State::kExpired);
    EXPECT_FALSE(got.answer);
  }
  EXPECT_FALSE(later->run_one(echo()).value());
  clock.advance_ms(kRememberedMs);
  later->tend().value();
  EXPECT_EQ(later->find(who(), done.uid).error().reason, "async.not_found");
}

TEST_P(LaterTest, WithoutMemoryItWaits) {
  const Job job = accept(who(), std::string(100'000, 'x'));
  Budget::Lease all = budget.reserve(Share::kJobs, budget.limit(Share::kJobs)).value();
  for (int i = 0; i < 20; ++i) {
    EXPECT_TRUE(later->run_one(echo()).value());
    clock.advance_ms(1000);
  }
  EXPECT_EQ(later->find(who(), job.uid).value().attempts, 0);
  all.release();
  EXPECT_TRUE(later->run_one(echo()).value());
  EXPECT_EQ(later->find(who(), job.uid).value().state, State::kDone);
}

// Writes fail before, in and after their commits. Whatever was acknowledged is answered, once, and
// an answer that was seen never changes.
TEST_P(LaterTest, NothingIsLostOnABadDay) {
  int64_t seen_runs = 0;
  for (uint64_t seed = 1; seed <= 6; ++seed) {
    test::FaultyDb bad(db(), gen::Dice::seeded(seed), 5);
    std::unique_ptr<Later> mine = make(bad);
    const Ctx ctx = who("u" + std::to_string(seed));
    std::set<std::string> taken;
    std::map<std::string, std::string> seen;
    int64_t runs = 0;
    const auto run = [&](const Ctx&, const Asked& a) {
      return answer(a.body + " at run " + std::to_string(++runs));
    };
    for (int step = 0; step < 400; ++step) {
      if (step < 60 && step % 3 == 0) {
        const Later::Key key{"k" + std::to_string(step), "f"};
        for (;;) {  // As a client does that got no reply.
          const auto got = mine->accept(ctx, asked(std::to_string(step)), key);
          if (!got.ok()) continue;
          taken.insert(got->job.uid);
          break;
        }
      }
      ignore(mine->run_one(run), "the next one may do better");
      if (step % 7 == 0) ignore(mine->tend(), "likewise");
      if (step % 40 == 39) mine = make(bad);  // A crash.
      clock.advance_ms(kLeaseMs / 4);
      for (const std::string& uid : taken) {
        const auto got = mine->outcome(ctx, uid);
        if (!got.ok() || !got->answer) continue;
        const auto known = seen.emplace(uid, got->answer->body);
        EXPECT_EQ(known.first->second, got->answer->body) << "seed " << seed;
      }
    }
    EXPECT_EQ(taken.size(), 20U);
    EXPECT_EQ(seen.size(), taken.size()) << "seed " << seed;
    seen_runs += runs;
  }
  EXPECT_EQ(event_count("async.done"), 6U * 20U);
  EXPECT_GE(seen_runs, 6 * 20);
}

TEST_P(LaterTest, RunnersAnswerAndWaitersHearOfIt) {
  const Later::Deps deps{db(),         blobs, *events,         budget,
                         real_clock(), rng,   real_executor(), null_log()};
  Later live(deps, {});
  std::atomic<int> runs{0};
  const std::vector<std::string> made = [&] {
    std::vector<std::string> out;
    for (int i = 0; i < 50; ++i)
      out.push_back(live.accept(who("u" + std::to_string(i % 7)), asked(std::to_string(i)), {})
                        .value()
                        .job.uid);
    return out;
  }();
  EXPECT_FALSE(live.on());
  live.start(4, [&](const Ctx&, const Asked& a) {
    ++runs;
    return answer(a.body);
  });
  EXPECT_TRUE(live.on());
  for (int i = 0; i < 50; ++i) {
    const Ctx ctx = who("u" + std::to_string(i % 7));
    const std::string& uid = made[static_cast<size_t>(i)];
    EXPECT_EQ(live.wait(ctx, uid, INT64_MAX).value().state, State::kDone);
    EXPECT_EQ(live.outcome(ctx, uid).value().answer->body, std::to_string(i));
  }
  EXPECT_EQ(runs, 50);
  live.stop();
  const Job late = live.accept(who(), asked(), {}).value().job;
  EXPECT_EQ(live.wait(who(), late.uid, real_clock().steady_ns() + 1).value().state, State::kQueued);
}

class LaterStoreTest : public test::DbTest {};
SLIP_EVERY_DB(LaterStoreTest);

TEST_P(LaterStoreTest, MigratesFromEveryVersion) {
  expect_migrates_from_every_version(*this, migrations());
}

TEST(LaterMessage, KeepsAnyBytes) {
  for (const Head& head : {Head{}, Head{"a/b", {}},
                           Head{"", {{"a", ""}, {"", "b"}, {"\xff", std::string("\0", 1)}}}}) {
    const Head got = decode_head(encode_head(head)).value();
    EXPECT_EQ(got.first, head.first);
    EXPECT_EQ(got.headers, head.headers);
  }
  const std::string good = encode_head({"type", {{"name", "value"}}});
  for (size_t n = 0; n < good.size(); ++n) {
    const auto cut = decode_head(std::string_view(good).substr(0, n));
    if (!cut.ok()) {
      EXPECT_EQ(cut.error().reason, "async.corrupt");
      continue;
    }
    EXPECT_TRUE(cut->headers.empty());  // Cut between two headers.
  }
  EXPECT_EQ(decode_head("\2....").error().reason, "async.corrupt");
}

}  // namespace
}  // namespace slip::later
