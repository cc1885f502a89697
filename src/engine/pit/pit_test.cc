#include "engine/pit/pit.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <string>
#include <tuple>

#include <gtest/gtest.h>

#include "test/engine/threads.h"
#include "test/gen/dice.h"

namespace slip::engine {
namespace {

constexpr int64_t kMin = std::numeric_limits<int64_t>::min();
constexpr int64_t kMax = std::numeric_limits<int64_t>::max();
using Winners = std::vector<int64_t>;

Values numbers(std::vector<std::optional<int64_t>> from, Type type = Type::kInt64) {
  Values out(type);
  for (const auto& v : from) v ? out.add_i64(*v) : out.add_null();
  return out;
}
Values times(std::vector<std::optional<int64_t>> from) {
  return numbers(std::move(from), Type::kTimestampUs);
}
Values texts(const std::vector<const char*>& from) {
  Values out(Type::kText);
  for (const char* v : from) v ? out.add_text(v) : out.add_null();
  return out;
}
Values bools(const std::vector<bool>& from) {
  Values out(Type::kBool);
  for (const bool v : from) out.add_bool(v);
  return out;
}

// Entity rows of key 1 at `at`, source rows of key 1.
struct Case {
  const char* name;
  std::vector<std::optional<int64_t>> at;
  Look look;
  std::vector<std::optional<int64_t>> event;
  std::vector<std::optional<int64_t>> created;
  std::vector<bool> gone;
  Winners want;
};

TEST(Pit, Rules) {
  const std::vector<Case> cases = {
      {"newest at or before", {5, 10, 20}, {}, {10, 15}, {0, 0}, {false, false}, {-1, 0, 1}},
      {"strict", {10, 11}, {false, true, {}}, {10}, {0}, {false}, {-1, 0}},
      {"ttl, both ends belong", {10, 15, 16}, {false, false, 5}, {10}, {0}, {false}, {0, 0, -1}},
      {"ttl 0", {10, 11}, {false, false, 0}, {10}, {0}, {false}, {0, -1}},
      {"tie: later created", {10}, {}, {10, 10}, {7, 3}, {false, false}, {0}},
      {"tie: later row", {10}, {}, {10, 10}, {7, 7}, {false, false}, {1}},
      {"created null is oldest", {10}, {}, {10, 10}, {0, {}}, {false, false}, {0}},
      {"tombstone wins as null",
       {9, 10, 12},
       {},
       {8, 10, 12},
       {0, 0, 0},
       {false, true, false},
       {0, -1, 2}},
      {"late row unseen before",
       {10, 20},
       {true, false, {}},
       {5, 3},
       {15, 4},
       {false, false},
       {1, 0}},
      {"known before its event", {4, 5}, {true, false, {}}, {5}, {1}, {false}, {-1, 0}},
      {"as_known, no created", {9}, {true, false, {}}, {5}, {{}}, {false}, {-1}},
      {"duplicates, unsorted", {20, 10, 20}, {}, {15, 5}, {0, 0}, {false, false}, {0, 1, 0}},
      {"nulls", {{}, 10}, {}, {{}, 5}, {0, 0}, {false, false}, {-1, 1}},
      {"ends of time",
       {kMin, kMax},
       {false, false, kMax},
       {kMin, kMax},
       {0, 0},
       {false, false},
       {0, 1}},
      {"years 0 and 9999",
       {-62167219200000000, 253402300799999999},
       {},
       {-62167219200000000, 253402300799999999},
       {0, 0},
       {false, false},
       {0, 1}},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.name);
    const Values key = numbers(std::vector<std::optional<int64_t>>(c.at.size(), 1));
    const Values source = numbers(std::vector<std::optional<int64_t>>(c.event.size(), 1));
    const Values at = times(c.at), event = times(c.event), created = times(c.created);
    const Values gone = bools(c.gone);
    const std::vector<Column> keys = {key.view()};
    Workers one;
    Result<PitJoin> join = PitJoin::make(keys, at.view(), {c.look}, one);
    ASSERT_TRUE(join.ok());
    ASSERT_TRUE(
        join->add({{source.view()}, event.view(), created.view(), {}, gone.view(), 0}).ok());
    EXPECT_EQ(join->winners(0), c.want);
  }
}

Winners join_keys(const std::vector<Column>& entities, const std::vector<Column>& source) {
  const Values at =
      times(std::vector<std::optional<int64_t>>(static_cast<size_t>(entities[0].n), 1));
  const Values event =
      times(std::vector<std::optional<int64_t>>(static_cast<size_t>(source[0].n), 1));
  Workers one;
  Result<PitJoin> join = PitJoin::make(entities, at.view(), {{}}, one);
  EXPECT_TRUE(join.ok());
  EXPECT_TRUE(join->add({source, event.view(), {}, {}, {}, 0}).ok());
  return join->winners(0);
}

TEST(Pit, KeysAreTypedTuples) {
  const Values a = texts({"1", "12", nullptr, ""}), b = texts({"23", "3", "x", ""});
  const Values x = texts({"12", "1", nullptr}), y = texts({"3", "23", "x"});
  EXPECT_EQ(join_keys({a.view(), b.view()}, {x.view(), y.view()}), (Winners{1, 0, -1, -1}));

  Values d(Type::kDouble), e(Type::kDouble);
  for (const double v : {double{NAN}, 0.0, 1.5}) d.add_f64(v);
  for (const double v : {1.5, -0.0, -double{NAN}}) e.add_f64(v);
  EXPECT_EQ(join_keys({d.view()}, {e.view()}), (Winners{2, 1, 0}));

  const Values yes = bools({true, false});
  EXPECT_EQ(join_keys({yes.view()}, {yes.view()}), (Winners{0, 1}));
  const Values n = numbers({0, {}, -1}), m = numbers({{}, -1, 0});
  EXPECT_EQ(join_keys({n.view()}, {m.view()}), (Winners{2, -1, 1}));
}

TEST(Pit, WithoutKeysAllRowsAreOfOneEntity) {
  const Values at = times({5, {}, 20, 10}), event = times({10, 4, 15});
  Workers one;
  Result<PitJoin> join = PitJoin::make({}, at.view(), {{}}, one);
  ASSERT_TRUE(join.ok());
  ASSERT_TRUE(join->add({{}, event.view(), {}, {}, {}, 0}).ok());
  EXPECT_EQ(join->add({{at.view()}, at.view(), {}, {}, {}, 0}).error().reason, "pit.key_type");
  EXPECT_EQ(join->winners(0), (Winners{1, -1, 2, 0}));
}

TEST(Pit, RefusesWhatDoesNotFit) {
  const Values n = numbers({1}), t = times({1}), text = texts({"1"}), two = times({1, 2});
  const std::vector<Column> keys = {n.view()};
  Workers one;
  EXPECT_EQ(PitJoin::make(keys, text.view(), {{}}, one).error().reason, "pit.time_type");
  EXPECT_EQ(PitJoin::make(keys, two.view(), {{}}, one).error().reason, "pit.length");
  EXPECT_EQ(PitJoin::make(keys, t.view(), {{false, false, -1}}, one).error().reason, "pit.ttl");
  Result<PitJoin> join = PitJoin::make(keys, t.view(), {{true, false, {}}}, one);
  ASSERT_TRUE(join.ok());
  const auto why = [&](const SourceRows& rows) { return join->add(rows).error().reason; };
  EXPECT_EQ(why({{text.view()}, t.view(), t.view(), {}, {}, 0}), "pit.key_type");
  EXPECT_EQ(why({{n.view()}, t.view(), {}, {}, {}, 0}), "pit.no_created");
  EXPECT_EQ(why({{n.view()}, text.view(), t.view(), {}, {}, 0}), "pit.time_type");
  EXPECT_EQ(why({{n.view()}, t.view(), two.view(), {}, {}, 0}), "pit.length");
  EXPECT_EQ(join->winners(0), Winners{-1});
}

TEST(Pit, RangeCountsTheLongestTtl) {
  const Values key = numbers({1, 1, {}}), at = times({10, 30, 99});
  const std::vector<Column> keys = {key.view()};
  Workers one;
  const PitJoin join =
      PitJoin::make(keys, at.view(), {{false, false, 2}, {false, false, 5}}, one).value();
  EXPECT_EQ(join.range()->min, 5);
  EXPECT_EQ(join.range()->max, 30);
  EXPECT_EQ(PitJoin::make(keys, at.view(), {{}}, one)->range()->min, kMin);
}

// ---- against brute force, on generated histories

struct Row {
  std::optional<int64_t> key, event, created;
  int64_t sequence = 0;
  bool gone = false;
};
struct Entity {
  std::optional<int64_t> key, at;
};
struct History {
  std::vector<Entity> entities;
  std::vector<Row> rows;
};
struct Kinds {
  int ties = 0, late = 0, tombstones = 0, boundary = 0;
};

History generate(gen::Dice& dice) {
  const auto below = [&](uint64_t n) { return static_cast<int64_t>(dice.below(n)); };
  const auto rare = [&] { return dice.one_in(20); };
  History out;
  const uint64_t keys = 1 + dice.below(4);
  for (int64_t n = below(9); n >= 0; --n) {
    Entity e{below(keys), below(24)};
    if (rare()) e.key.reset();
    if (rare()) e.at.reset();
    out.entities.push_back(e);
  }
  for (int64_t n = below(24); n > 0; --n) {
    Row r{below(keys), below(24), {}, static_cast<int64_t>(out.rows.size()), below(6) == 0};
    r.created = *r.event + (below(3) == 0 ? below(12) : below(3) - 1);
    if (rare()) r.key.reset();
    if (rare()) r.event.reset();
    if (rare()) r.created.reset();
    out.rows.push_back(r);
  }
  return out;
}

bool visible(const Row& r, const Entity& e, const Look& look) {
  if (!r.key || !r.event || !e.key || !e.at || r.key != e.key) return false;
  if (look.as_known && !r.created) return false;
  const int64_t at = look.as_known ? std::max(*r.event, *r.created) : *r.event;
  return look.strict ? at < *e.at : at <= *e.at;
}

// Sequence numbers of the winners.
Winners brute(const History& h, const Look& look) {
  Winners out;
  for (const Entity& e : h.entities) {
    const Row* best = nullptr;
    const auto rank = [](const Row& r) {
      return std::tuple(*r.event, r.created.value_or(kMin), r.sequence);
    };
    for (const Row& r : h.rows)
      if (visible(r, e, look) && (best == nullptr || rank(r) > rank(*best))) best = &r;
    const bool counts =
        best != nullptr && !best->gone && (!look.ttl || *best->event >= *e.at - *look.ttl);
    out.push_back(counts ? best->sequence : -1);
  }
  return out;
}

void count(const History& h, Kinds* kinds) {
  bool tie = false, late = false, gone = false, boundary = false;
  for (const Row& a : h.rows) {
    for (const Row& b : h.rows)
      tie = tie || (&a != &b && a.key && a.event && a.key == b.key && a.event == b.event);
    gone = gone || a.gone;
    for (const Entity& e : h.entities) {
      if (!a.key || a.key != e.key || !a.event || !e.at) continue;
      boundary = boundary || a.event == e.at || *a.event == *e.at - 5;
      late = late || (a.created && *a.event <= *e.at && *a.created > *e.at);
    }
  }
  kinds->ties += tie;
  kinds->late += late;
  kinds->tombstones += gone;
  kinds->boundary += boundary;
}

// A time as a third of it and what is left over.
struct Split {
  Values time{Type::kTimestampUs};
  std::vector<int16_t> rest;
  void add(std::optional<int64_t> t, int64_t unit) {
    t ? time.add_i64(*t / unit) : time.add_null();
    rest.push_back(static_cast<int16_t>(t.value_or(0) % unit));
  }
};

// Rows arrive in the order of h.rows, `batch` at a time; winners by sequence number. With a unit
// beyond 1 times have rests (which not all three columns need have), and a ttl counts units.
struct Unit {
  int64_t size = 1;
  bool whole_events = false;
};
std::vector<Winners> run(const History& h, const std::vector<Look>& looks, size_t batch,
                         Workers& workers, Unit unit = {}) {
  Values key(Type::kInt64);
  Split at;
  for (const Entity& e : h.entities) {
    e.key ? key.add_i64(*e.key) : key.add_null();
    at.add(e.at, unit.size);
  }
  const std::vector<Column> keys = {key.view()};
  PitJoin join =
      PitJoin::make(keys, at.time.view(), looks, workers, unit.size > 1 ? at.rest.data() : nullptr)
          .value();
  for (size_t from = 0; from < h.rows.size(); from += batch) {
    Values k(Type::kInt64), sequence(Type::kInt64), gone(Type::kBool);
    Split event, created;
    for (size_t i = from; i < std::min(from + batch, h.rows.size()); ++i) {
      const Row& r = h.rows[i];
      r.key ? k.add_i64(*r.key) : k.add_null();
      event.add(r.event, unit.size);
      created.add(r.created, unit.size);
      sequence.add_i64(r.sequence);
      gone.add_bool(r.gone);
    }
    SourceRows rows{{k.view()},      event.time.view(), created.time.view(),
                    sequence.view(), gone.view(),       static_cast<int64_t>(from)};
    if (unit.size > 1 && !unit.whole_events) rows.event_rest = event.rest.data();
    if (unit.size > 1) rows.created_rest = created.rest.data();
    EXPECT_TRUE(join.add(rows).ok());
  }
  std::vector<Winners> out;
  for (size_t look = 0; look < looks.size(); ++look) {
    out.push_back(join.winners(look));
    for (int64_t& row : out.back())
      if (row != kNoRow) row = h.rows[static_cast<size_t>(row)].sequence;
  }
  return out;
}

TEST(Pit, EqualsBruteForceInAnyOrderBatchAndThreads) {
  const std::vector<Look> looks = {{false, false, {}}, {false, false, 5}, {true, false, {}},
                                   {true, true, 5},    {false, true, 0},  {true, false, 0}};
  constexpr int kHistories = 10'000;
  gen::Dice dice = gen::Dice::seeded(20261126);
  Workers one;
  test::Threads two(2);
  Kinds kinds;
  for (int n = 0; n < kHistories; ++n) {
    SCOPED_TRACE(n);
    History h = generate(dice);
    count(h, &kinds);
    std::vector<Winners> want;
    for (const Look& look : looks) want.push_back(brute(h, look));
    ASSERT_EQ(run(h, looks, 1000, one), want);
    for (size_t i = h.rows.size(); i > 1; --i) std::swap(h.rows[i - 1], h.rows[dice.below(i)]);
    ASSERT_EQ(run(h, looks, 1 + dice.below(7), one), want);
    if (n % 16 == 0) {
      ASSERT_EQ(run(h, looks, 1 + dice.below(7), two), want);
    }
  }
  for (const int seen : {kinds.ties, kinds.late, kinds.tombstones, kinds.boundary})
    EXPECT_GE(seen, kHistories / 5);
}

TEST(Pit, RestsDecideBetweenEqualTimes) {
  const std::vector<Look> coarse = {{false, false, {}}, {false, false, 2}, {true, false, 1},
                                    {true, true, {}},   {false, true, 0},  {true, true, 3}};
  std::vector<Look> fine = coarse;
  for (Look& look : fine)
    if (look.ttl) *look.ttl *= 3;
  gen::Dice dice = gen::Dice::seeded(3);
  Workers one;
  test::Threads two(2);
  for (int n = 0; n < 3000; ++n) {
    SCOPED_TRACE(n);
    History h = generate(dice);
    for (Row& r : h.rows)  // Negative times have no rest here.
      if (r.created && *r.created < 0) r.created.reset();
    const bool whole_events = dice.one_in(3);
    for (Row& r : h.rows)
      if (whole_events && r.event) *r.event -= *r.event % 3;
    std::vector<Winners> want;
    for (const Look& look : fine) want.push_back(brute(h, look));
    Workers& workers = n % 8 == 0 ? static_cast<Workers&>(two) : one;
    ASSERT_EQ(run(h, coarse, 1 + dice.below(9), workers, {3, whole_events}), want);
  }
}

TEST(Pit, ManyKeysManyMorsels) {
  gen::Dice dice = gen::Dice::seeded(7);
  Values key(Type::kText), at(Type::kTimestampUs), k(Type::kText), event(Type::kTimestampUs);
  for (int i = 0; i < 5000; ++i) {
    key.add_text("user-" + std::to_string(dice.below(3000)));
    at.add_i64(dice.between(0, 999));
  }
  for (int i = 0; i < 100'000; ++i) {
    k.add_text("user-" + std::to_string(dice.below(3000)));
    event.add_i64(dice.between(0, 999));
  }
  const std::vector<Column> keys = {key.view()};
  Workers one;
  test::Threads two(2);
  std::vector<Winners> got;
  for (Workers* workers : {&one, static_cast<Workers*>(&two)}) {
    PitJoin join = PitJoin::make(keys, at.view(), {{false, false, 50}}, *workers).value();
    ASSERT_TRUE(join.add({{k.view()}, event.view(), {}, {}, {}, 0}).ok());
    got.push_back(join.winners(0));
  }
  EXPECT_EQ(got[0], got[1]);
  // Each winner is of its entity's key, not after it and within the ttl.
  int64_t found = 0;
  for (int64_t i = 0; i < 5000; ++i) {
    const int64_t row = got[0][static_cast<size_t>(i)];
    if (row == kNoRow) continue;
    ++found;
    EXPECT_EQ(k.view().text(row), key.view().text(i));
    EXPECT_LE(event.view().i64(row), at.view().i64(i));
    EXPECT_GE(event.view().i64(row), at.view().i64(i) - 50);
  }
  EXPECT_GT(found, 3000);
}

}  // namespace
}  // namespace slip::engine
