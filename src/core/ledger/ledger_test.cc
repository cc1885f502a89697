#include "core/ledger/ledger.h"

#include <set>

#include <gtest/gtest.h>

#include "codec/hash.h"
#include "sys/executor.h"
#include "sys/sim/sim_rng.h"
#include "test/fake/clock.h"
#include "test/gen/dice.h"
#include "test/store/dbs.h"

namespace slip::ledger {
namespace {

Ctx actor(std::string uid, std::string project = "default") {
  Ctx ctx;
  ctx.actor_uid = std::move(uid);
  ctx.actor_kind = "user";
  ctx.project.text = std::move(project);
  ctx.request_id = "req-1";
  return ctx;
}

Draft draft(std::string verb, std::string uid = "u1") {
  Draft d;
  d.verb = std::move(verb);
  d.subject.kind = "model_version";
  d.subject.uid = std::move(uid);
  return d;
}

class LedgerTest : public test::DbTest {
 protected:
  LedgerTest() : ledger({migrated(migrations()), clock, rng}) {}

  Status put(const Ctx& ctx, const Draft& d) {
    return db().write([&](store::Tx& tx) { return ledger.append(tx, ctx, d); });
  }
  std::vector<Event> all(Filter filter = {}) {
    filter.limit = kListMax;
    while (ledger.number_pending().value() > 0) {}
    return ledger.list(filter).value();
  }

  test::FakeClock clock;
  sim::SimRng rng{7};
  Ledger ledger;
  const Ctx ann = actor("ann");
};
SLIP_EVERY_DB(LedgerTest);

TEST_P(LedgerTest, TheLeafIsCanonicalAndHasExactlyTheListedKeys) {
  Draft d = draft("model_version.promoted");
  d.subject.name = "fraud";
  d.subject.version = "3";
  d.subject.digest = "sha256:aa";
  d.before_digest = "sha256:bb";
  d.after_digest = "sha256:cc";
  d.reason = "better";
  d.decision = "allow";
  d.body = codec::Json::object({{"stage", "Production"}, {"n", int64_t{1} << 60}});
  ASSERT_TRUE(put(ann, d).ok());
  const std::vector<Event> events = all();
  ASSERT_EQ(events.size(), 1u);
  const Event& e = events[0];
  EXPECT_EQ(e.seq, 1);
  EXPECT_EQ(e.ts_us, test::FakeClock::kStartUs);
  EXPECT_EQ(e.subject.name, "fraud");
  EXPECT_EQ(e.reason, "better");
  EXPECT_EQ(e.body->find("n")->as_int(), int64_t{1} << 60);

  const codec::Json leaf = codec::parse_json(e.leaf).value();
  EXPECT_EQ(codec::to_canonical_json(leaf).value(), e.leaf);
  std::set<std::string> keys;
  for (const auto& [key, value] : leaf.members()) keys.insert(key);
  EXPECT_EQ(keys, (std::set<std::string>{"v", "id", "ts", "actor_uid", "actor_kind", "verb",
                                         "project_uid", "kind", "uid", "version", "object_digest",
                                         "before_digest", "after_digest", "reason_digest",
                                         "decision", "request_id", "trace_id"}));
  EXPECT_EQ(leaf.find("ts")->as_string(), std::to_string(e.ts_us));
  EXPECT_EQ(leaf.find("reason_digest")->as_string().substr(0, 7), "sha256:");
  // The person's words are beside the leaf, not in it.
  EXPECT_EQ(e.leaf.find("better"), std::string::npos);
}

TEST_P(LedgerTest, ErasingABodyLeavesTheLeaf) {
  Draft d = draft("label.added");
  d.reason = "a person's words";
  ASSERT_TRUE(put(ann, d).ok());
  const std::string leaf = all()[0].leaf;
  const auto erase = [&](const Ctx& ctx, int64_t seq) {
    return db().write([&](store::Tx& tx) { return ledger.erase_body(tx, ctx, seq); });
  };
  EXPECT_EQ(erase(actor("bob", "other"), 1).error().reason, "event.not_found");
  EXPECT_EQ(erase(ann, 99).error().reason, "event.not_found");
  ASSERT_TRUE(erase(ann, 1).ok());
  ASSERT_TRUE(erase(ann, 1).ok());  // Again: nothing left to do.
  const std::vector<Event> events = all();
  ASSERT_EQ(events.size(), 2u);
  EXPECT_EQ(events[0].leaf, leaf);
  EXPECT_EQ(events[0].reason, "");
  EXPECT_FALSE(events[0].body);
  EXPECT_EQ(events[1].verb, "event.body_erased");
  EXPECT_EQ(events[1].subject.uid, events[0].id);
}

TEST_P(LedgerTest, FiltersAndPages) {
  for (int i = 0; i < 6; ++i) {
    clock.advance_ms(1);
    const Ctx ctx = actor("ann", i % 2 ? "p1" : "p0");
    const char* verbs[] = {"model.created", "model_version.promoted", "modelx"};
    ASSERT_TRUE(put(ctx, draft(verbs[i % 3], "u" + std::to_string(i % 2))).ok());
  }
  all();
  struct Case {
    const char* name;
    Filter filter;
    std::vector<int64_t> want;
  };
  const Case cases[] = {
      {"everything", {}, {1, 2, 3, 4, 5, 6}},
      {"a project", {.project = "p1"}, {2, 4, 6}},
      {"an object", {.uid = "u0"}, {1, 3, 5}},
      {"a verb", {.verb = "modelx"}, {3, 6}},
      {"verbs of a noun, and no longer noun", {.verb = "model."}, {1, 4}},
      {"a window", {.after_seq = 2, .before_seq = 5}, {3, 4}},
      {"newest first, first page", {.newest_first = true, .limit = 2}, {6, 5}},
      {"newest first, next page", {.before_seq = 5, .newest_first = true, .limit = 2}, {4, 3}},
      {"no rows", {.limit = 0}, {}},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.name);
    std::vector<int64_t> got;
    for (const Event& e : ledger.list(c.filter).value()) got.push_back(e.seq);
    EXPECT_EQ(got, c.want);
  }
}

TEST_P(LedgerTest, AnEventsNumberIsFoundByItsId) {
  Draft named = draft("a.named");
  named.id = "0190b6a0-0000-7000-8000-000000000001";
  ASSERT_TRUE(put(ann, draft("a.first")).ok());
  ASSERT_TRUE(put(ann, named).ok());
  EXPECT_EQ(put(ann, named).error().reason, "store.constraint");
  const std::vector<std::string> ids = {named.id, "unknown"};
  EXPECT_EQ(ledger.seqs_of("default", ids).value(), (std::vector<int64_t>{2, 0}));
  EXPECT_EQ(ledger.seqs_of("other", ids).value(), (std::vector<int64_t>{0, 0}));
}

TEST_P(LedgerTest, RefusesWhatIsTooLong) {
  Draft big_body = draft("a.b");
  big_body.reason = std::string(kBodyBytesMax, 'x');
  Draft long_uid = draft("a.b", std::string(kFieldBytesMax + 1, 'u'));
  Draft no_verb = draft("");
  EXPECT_EQ(put(ann, big_body).error().reason, "ledger.body_too_large");
  EXPECT_EQ(put(ann, long_uid).error().reason, "ledger.field_too_long");
  EXPECT_EQ(put(ann, no_verb).error().reason, "ledger.verb_missing");
  EXPECT_TRUE(all().empty());
  EXPECT_EQ(ledger.last_seq().value(), 0);
}

TEST_P(LedgerTest, AFailedBodyLeavesNoGap) {
  ASSERT_TRUE(put(ann, draft("a.one")).ok());
  const Status failed = db().write([&](store::Tx& tx) -> Status {
    TRY(ledger.append(tx, ann, draft("a.lost")));
    return conflict("test.no", "no");
  });
  EXPECT_EQ(failed.error().reason, "test.no");
  ASSERT_TRUE(put(ann, draft("a.two")).ok());
  const std::vector<Event> events = all();
  ASSERT_EQ(events.size(), 2u);
  EXPECT_EQ(events[1].verb, "a.two");
  EXPECT_EQ(events[1].seq, 2);
}

TEST_P(LedgerTest, TimeNeverRunsBack) {
  ASSERT_TRUE(put(ann, draft("a.one")).ok());
  all();
  clock.jump_us(-5'000'000);
  ASSERT_TRUE(put(ann, draft("a.two")).ok());
  const std::vector<Event> events = all();
  ASSERT_EQ(events.size(), 2u);
  EXPECT_EQ(events[1].ts_us, events[0].ts_us);
  EXPECT_EQ(codec::parse_json(events[1].leaf)->find("ts")->as_string(),
            std::to_string(events[1].ts_us));
}

TEST_P(LedgerTest, CountsBecomeOneEventAMinute) {
  const auto count = [&](const Ctx& ctx, const char* uid, int64_t n) {
    const Draft d = draft("run.metrics_logged", uid);
    const Ledger::Counted counted{n, {std::to_string(n)}};
    ASSERT_TRUE(db().write([&](store::Tx& tx) { return ledger.count(tx, ctx, d, counted); }).ok());
  };
  count(ann, "r1", 2);
  count(ann, "r1", 3);
  count(ann, "r2", 1);
  count(actor("bob"), "r1", 4);
  EXPECT_EQ(ledger.flush_counted().value(), 0);  // The minute isn't over.
  clock.advance_ms(60'000);
  count(ann, "r1", 7);
  EXPECT_EQ(ledger.flush_counted().value(), 3);
  EXPECT_EQ(ledger.flush_counted().value(), 0);
  clock.advance_ms(60'000);
  EXPECT_EQ(ledger.flush_counted().value(), 1);
  std::map<std::string, std::vector<int64_t>> counts;
  for (const Event& e : all()) {
    counts[e.actor_uid + "/" + e.subject.uid].push_back(e.body->find("count")->as_int());
    EXPECT_EQ(e.after_digest.substr(0, 7), "sha256:");
  }
  EXPECT_EQ(counts, (std::map<std::string, std::vector<int64_t>>{
                        {"ann/r1", {5, 7}}, {"ann/r2", {1}}, {"bob/r1", {4}}}));
  // The chain can be computed anew by whoever has the items.
  const std::string two = codec::sha256("2").text();
  for (const Event& e : all()) {
    if (e.actor_uid != "ann" || e.body->find("count")->as_int() != 5) continue;
    EXPECT_EQ(e.after_digest, codec::sha256(two + "3").text());
  }
}

TEST_P(LedgerTest, ACursorMovesWithWhatItsConsumerWrote) {
  for (int i = 0; i < 5; ++i) ASSERT_TRUE(put(ann, draft("a.v" + std::to_string(i))).ok());
  all();
  std::vector<int64_t> seen;
  const auto collect = [&](store::Tx&, const Event& e) -> Status {
    seen.push_back(e.seq);
    return {};
  };
  EXPECT_TRUE(ledger.consume("c1", 2, collect).value());
  EXPECT_EQ(seen, (std::vector<int64_t>{1, 2}));
  const Result<bool> failed = ledger.consume(
      "c1", 2, [](store::Tx&, const Event&) -> Status { return conflict("test.no", "no"); });
  EXPECT_EQ(failed.error().reason, "test.no");
  seen.clear();
  while (ledger.consume("c1", 2, collect).value()) {}
  EXPECT_EQ(seen, (std::vector<int64_t>{3, 4, 5}));
  seen.clear();
  EXPECT_TRUE(ledger.consume("c2", 100, collect).value());
  EXPECT_EQ(seen.size(), 5u);
}

// Whoever appends, in whatever order, with failing bodies between: the numbers are 1 … n, time
// doesn't run back, and a reader that follows the tail misses nothing and sees nothing twice.
TEST_P(LedgerTest, ConcurrentAppendsAreGapFreeAndOrdered) {
  constexpr int kTasks = 4;
  constexpr int kEach = 40;
  std::atomic<int> written{0};
  std::vector<std::unique_ptr<Task>> tasks;
  for (int t = 0; t < kTasks; ++t)
    tasks.push_back(real_executor().spawn("append", [&, t] {
      gen::Dice dice = gen::Dice::seeded(static_cast<uint64_t>(t) + 1);
      for (int i = 0; i < kEach; ++i) {
        const bool fails = dice.one_in(4);
        if (dice.one_in(3)) clock.jump_us(static_cast<int64_t>(dice.below(2000)) - 1000);
        const Status s = db().write([&](store::Tx& tx) -> Status {
          TRY(ledger.append(tx, ann, draft("a.b", std::to_string(t) + "/" + std::to_string(i))));
          if (fails) return conflict("test.no", "no");
          return {};
        });
        if (s.ok()) ++written;
      }
    }));
  std::vector<Event> followed;
  const auto follow = [&] {
    EXPECT_TRUE(ledger.number_pending().ok());
    Filter tail;
    tail.after_seq = followed.empty() ? 0 : followed.back().seq;
    for (Event& e : ledger.list(tail).value()) followed.push_back(std::move(e));
  };
  for (int i = 0; i < 50; ++i) follow();
  for (const auto& task : tasks) task->join();
  for (int i = 0; i < kTasks * kEach; ++i) follow();
  ASSERT_EQ(followed.size(), static_cast<size_t>(written.load()));
  std::set<std::string> ids;
  for (size_t i = 0; i < followed.size(); ++i) {
    EXPECT_EQ(followed[i].seq, static_cast<int64_t>(i) + 1);
    EXPECT_GE(followed[i].ts_us, i ? followed[i - 1].ts_us : 0);
    ids.insert(followed[i].id);
  }
  EXPECT_EQ(ids.size(), followed.size());
  EXPECT_EQ(ledger.last_seq().value(), static_cast<int64_t>(followed.size()));
}

class LedgerSchemaTest : public test::DbTest {};
SLIP_EVERY_DB(LedgerSchemaTest);
TEST_P(LedgerSchemaTest, MigratesFromEveryVersion) {
  test::expect_migrates_from_every_version(*this, migrations());
}

}  // namespace
}  // namespace slip::ledger
