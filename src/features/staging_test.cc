#include "features/staging.h"

#include <algorithm>
#include <atomic>
#include <functional>
#include <map>
#include <tuple>

#include "base/text.h"
#include "features/files.h"
#include "features/test_features.h"
#include "sys/sim/sim_rng.h"

namespace slip::features {
namespace {

constexpr int64_t kHour = 60 * kMinute;

class StagingTest : public FeaturesTest {
 protected:
  void SetUp() override {
    FeaturesTest::SetUp();
    make();
  }
  void make() {
    staging = std::make_unique<Staging>(
        Staging::Deps{*features, db(), fs, *time, real_executor(), null_log(), "/staging"});
    files = std::make_unique<SourceFiles>(
        SourceFiles::Deps{*features, db(), fs, null_log(), {}, {}, staging.get()});
  }
  Status refresh(const std::string& source = "hourly") { return files->refresh(ctx, {source}); }
  void fresh(const std::string& source = "hourly") {
    const Status done = refresh(source);
    ASSERT_TRUE(done.ok()) << done.error().reason << " " << done.error().text;
  }
  void pay(int64_t user, int64_t ts_us, double amount, bool deleted = false) {
    push({{.user = user, .ts_us = ts_us, .amount = amount, .deleted = deleted}});
  }
  // Everything that arrived at the source, in the order of its numbers.
  struct Row {
    int64_t event_us = 0;
    std::vector<Cell> cells;
    bool deleted = false;
  };
  std::vector<Row> arrived(const std::string& source) {
    std::map<int64_t, Row> out;
    const Source of = features->source_for(ctx, source, "").value();
    const History::View rows =
        features->history().read({.project = ctx.project.text, .source = source}).value();
    rows.visit([&](const History::Chunk& chunk) -> Status {
          const auto columns = columns_as(chunk.batch, of.columns);
          for (int64_t i = 0; i < chunk.batch.rows(); ++i) {
            Row& row = out[chunk.batch.seq(i)];
            row.event_us = chunk.batch.event.view().i64(i);
            row.deleted = chunk.batch.is_deleted(i);
            for (const engine::Values& c : columns) row.cells.push_back(cell_at(c.view(), i));
          }
          return {};
        })
        .value();
    std::vector<Row> list;
    for (auto& [seq, row] : out) list.push_back(std::move(row));
    return list;
  }
  // What no tombstone took back, as "ts,user,amount" counted from kStart.
  std::multiset<std::string> result(const std::string& source = "hourly") {
    std::vector<Row> left;
    for (Row& row : arrived(source)) {
      if (!row.deleted) {
        left.push_back(std::move(row));
        continue;
      }
      std::erase_if(left, [&](const Row& r) {
        if (r.event_us != row.event_us) return false;
        for (size_t c = 0; c < r.cells.size(); ++c)
          if (!is_null(row.cells[c]) && row.cells[c] != r.cells[c]) return false;
        return true;
      });
    }
    std::multiset<std::string> out;
    for (const Row& r : left) {
      std::string line = std::to_string((r.event_us - kStart) / kMinute);
      for (const Cell& c : r.cells)
        line += concat({",", is_null(c) ? "null"
                             : std::holds_alternative<int64_t>(c)
                                 ? std::to_string(std::get<int64_t>(c))
                                 : format_double(std::get<double>(c))});
      out.insert(std::move(line));
    }
    return out;
  }
  using Lines = std::multiset<std::string>;

  static constexpr std::string_view kHourly = R"yaml(
kind: Source
name: hourly
columns: {user_id: int64, total: float64}
event_time: hour
sql: |
  SELECT user_id, date_trunc('hour', ts) AS hour, sum(amount) AS total
  FROM txn WHERE NOT _deleted GROUP BY ALL   -- a comment; at the end
inputs: [txn]
---
kind: FeatureView
name: hours
entity: {user_id: int64}
source: hourly
aggregate: [{op: sum, of: total, windows: [1d], as: day}]
late: {allowed: 90d}
---
kind: FeatureView
name: newest
entity: {user_id: int64}
source: hourly
features: [total]
---
kind: FeatureService
name: fraud
features: ["hours:day_1d", "newest:total"]
)yaml";
  Clock* time = &clock;
  std::unique_ptr<Staging> staging;
  std::unique_ptr<SourceFiles> files;
};

SLIP_EVERY_DB(StagingTest);

constexpr std::string_view kTxn = R"yaml(
kind: Source
name: txn
columns: {user_id: int64, amount: float64, merchant: string}
event_time: ts
)yaml";

TEST_P(StagingTest, TheHistoryFollowsTheResult) {
  define(concat({kTxn, "---", kHourly}));
  const int64_t hour = kStart / kHour * kHour - 5 * kHour;
  const std::string h0 = std::to_string((hour - kStart) / kMinute);
  pay(1, hour, 10);
  pay(1, hour + kMinute, 5);
  pay(2, hour, 7);
  fresh();
  EXPECT_EQ(result(), (Lines{h0 + ",1,15", h0 + ",2,7"}));
  EXPECT_EQ(arrived("hourly").size(), 2u);
  fresh();  // Nothing has changed.
  EXPECT_EQ(staging->runs(ctx, "hourly", 9).value().size(), 1u);

  features->materialize(ctx, {}).value();
  EXPECT_EQ(read({1, 2}).values[0], cells({15, 7}, 0));
  pay(1, hour + 2 * kMinute, 1);  // The hour's total is another one.
  fresh();
  EXPECT_EQ(result(), (Lines{h0 + ",1,16", h0 + ",2,7"}));
  features->materialize(ctx, {}).value();
  EXPECT_EQ(read({1, 2}).values[0], cells({16, 7}, 0));
  EXPECT_EQ(read({1, 2}).values[1], cells({16, 7}, 0));

  const std::vector<Staging::Run> runs = staging->runs(ctx, "hourly", 9).value();
  ASSERT_EQ(runs.size(), 2u);
  EXPECT_EQ(runs[0].number, 2);
  EXPECT_EQ(std::tuple(runs[0].added, runs[0].taken_back), std::tuple(1, 1));
  EXPECT_EQ(std::tuple(runs[1].added, runs[1].taken_back), std::tuple(2, 0));
  EXPECT_EQ(runs[0].inputs,
            (std::vector<Staging::Input>{{"txn", "txn", runs[0].inputs[0].through_seq, 4}}));
  // Each result is still there: a join of rows up to the first run's reads that one.
  const Features::Joined then =
      features
          ->join("default", plan(), request({1}), {kStart},
                 {.mode = JoinMode::kAsOf, .max_seq = runs[1].through_seq})
          .value();
  EXPECT_EQ(then.values[0], cells({15}, 0));
  // So is what could be known: nothing before the first run.
  EXPECT_EQ(join({1}, {hour + 2 * kHour}, JoinMode::kAsKnown).values[1], cells({}, 1));
}

TEST_P(StagingTest, AnotherQueryMeansOtherRows) {
  define(concat({kTxn, "---", kHourly}));
  const int64_t hour = kStart / kHour * kHour - 5 * kHour;
  const std::string h0 = std::to_string((hour - kStart) / kMinute);
  pay(1, hour, 10);
  pay(1, hour, 30);
  fresh();
  std::string other(kHourly.substr(0, kHourly.find("---")));
  other.replace(other.find("sum("), 3, "max");
  const auto changes = features->apply(ctx, parse_definitions(other).value()).value();
  ASSERT_EQ(changes[0].findings.size(), 1u);
  EXPECT_EQ(changes[0].severity, Severity::kWarn);
  EXPECT_EQ(changes[0].findings[0].readers, "FeatureView hours, FeatureView newest");
  fresh();
  EXPECT_EQ(result(), Lines{h0 + ",1,30"});
}

TEST_P(StagingTest, RowsComeFromTheQueryAlone) {
  define(concat({kTxn, "---", kHourly}));
  Batch b = make_batch(features->source_for(ctx, "hourly", "").value().columns);
  b.source = "hourly";
  b.columns[0].add_i64(1);
  b.columns[1].add_f64(1);
  b.event.add_i64(kStart);
  b.created.add_null();
  EXPECT_EQ(features->push(ctx, std::move(b)).error().reason, "feature.computed");
  EXPECT_EQ(features->catalog().remove(ctx, Kind::kSource, "txn").error().reason, "feature.in_use");
}

TEST_P(StagingTest, DefinitionsThatCannotBe) {
  define(kTxn);
  const std::pair<std::string_view, std::string_view> rows[] = {
      {"sql: SELECT 1\nfile: /x.csv", "sql: rows come from a query or from files, not from both"},
      {"inputs: [txn]", "sql: a query is wanted"},
      {"every: 1h", "sql: a query is wanted"},
      {"sql: SELECT 1\ninputs: [other]", "Source s: no Source 'other'"},
      {"sql: SELECT 1\ninputs: [s]", "Source s is computed from itself"},
      {"sql: SELECT 1\ninputs: {_slipway_history: txn}",
       "inputs: such a table is the server's own"},
      {"sql: SELECT 1\ninputs: txn", "inputs: names of sources are wanted"},
      {"sql: SELECT 1\ncreated_time: c", "computed rows are known from when they were computed"},
      {"sql: SELECT 1\nevery: 0s", "every: a time is wanted"},
      {"sql: SELECT 1\nevery: soon", "'soon' is no duration"},
  };
  for (const auto& [text, want] : rows) {
    const std::string yaml =
        concat({"kind: Source\nname: s\ncolumns: {a: int64}\nevent_time: t\n", text, "\n"});
    const auto parsed = parse_definitions(yaml);
    const Error error = parsed.ok() ? features->plan(ctx, *parsed).error() : parsed.error();
    EXPECT_NE(error.text.find(want), std::string::npos) << text << ": " << error.text;
  }
}

TEST_P(StagingTest, WhatGoesWrongIsSaidAndChangesNothing) {
  const std::pair<std::string_view, std::string_view> rows[] = {
      {"SELECT user_id, ts FROM nothing", "sql.query"},
      {"SELECT ts FROM txn; DROP TABLE txn", "sql.query"},
      {"SELECT * FROM txn", "feature.column"},  // _deleted among them.
      {"SELECT user_id, 'x' AS total, ts AS hour FROM txn", "feature.value"},
      {"SELECT user_id, amount AS Total, ts AS hour FROM txn", "feature.column"},
      {"SELECT user_id, amount AS total FROM txn", "feature.time"},  // No time.
      {"SELECT user_id, amount AS total, NULL::TIMESTAMP AS hour FROM txn", "feature.time"},
      {"SELECT user_id, amount AS total, 'infinity'::TIMESTAMP AS hour FROM txn", "sql.range"},
  };
  define(kTxn);
  pay(1, kStart, 10);
  for (const auto& [query, reason] : rows) {
    define(concat({"kind: Source\nname: hourly\ncolumns: {user_id: int64, total: float64}\n",
                   "event_time: hour\ninputs: [txn]\nsql: \"", query, "\"\n"}));
    for (int i = 0; i < 2; ++i) {  // The second time without running it.
      const Status said = refresh();
      ASSERT_FALSE(said.ok()) << query;
      EXPECT_EQ(said.error().reason, reason) << query << ": " << said.error().text;
    }
    EXPECT_TRUE(arrived("hourly").empty());
  }
}

// Something happens when the time is asked for first: after a query's inputs were read.
class Meanwhile final : public Clock {
 public:
  Meanwhile(Clock& real, std::function<void()> happens)
      : real_(real), happens_(std::move(happens)) {}
  int64_t now_us() override { return real_.now_us(); }
  int64_t steady_ns() override {
    if (!happened_.exchange(true)) happens_();
    return real_.steady_ns();
  }
  bool happened() const { return happened_; }

 private:
  Clock& real_;
  const std::function<void()> happens_;
  std::atomic<bool> happened_{false};
};

TEST_P(StagingTest, WhatIsErasedMeanwhileDoesNotComeBack) {
  define(concat({kTxn, "---", kHourly}));
  const int64_t hour = kStart / kHour * kHour - 5 * kHour;
  const std::string h0 = std::to_string((hour - kStart) / kMinute);
  pay(1, hour, 10);
  pay(2, hour, 7);
  Meanwhile meanwhile(clock, [&] {
    Erasing what;
    what.keys.emplace_back("user_id", codec::Json(int64_t{2}));
    features->erase(ctx, what).value();
  });
  time = &meanwhile;
  make();
  fresh();
  EXPECT_TRUE(meanwhile.happened());
  EXPECT_EQ(result(), Lines{h0 + ",1,10"});
  EXPECT_EQ(arrived("hourly").size(), 1u);  // Nor is it there behind a tombstone.
  EXPECT_EQ(staging->runs(ctx, "hourly", 9).value().size(), 1u);
}

TEST(ErasuresTest, AStateHoldsUntilTheNextOneBegins) {
  Erasures erasures;
  const int64_t before = erasures.state("p").value();
  EXPECT_TRUE(erasures.check("p", before).ok());
  erasures.begin("p");
  EXPECT_EQ(erasures.check("p", before).error().reason, "feature.erasing");
  EXPECT_TRUE(erasures.check("q", erasures.state("q").value()).ok());
  erasures.end("p", false);  // It failed, and is owed.
  EXPECT_EQ(erasures.state("p").error().code, Code::kUnavailable);
  erasures.begin("p");
  erasures.end("p", true);
  EXPECT_FALSE(erasures.state("p").ok());  // That one still is.
  erasures.begin("p", true);
  erasures.end("p", true);
  EXPECT_FALSE(erasures.check("p", before).ok());
  EXPECT_TRUE(erasures.check("p", erasures.state("p").value()).ok());
}

TEST_P(StagingTest, OldResultsAreComputedAgain) {
  define(concat({kTxn, "---", kHourly.substr(0, kHourly.find("---")), "every: 1h\n"}));
  pay(1, kStart, 10);
  fresh();
  clock.advance_ms(kHour / 1000 - 1000);
  fresh();
  EXPECT_EQ(staging->runs(ctx, "hourly", 9).value().size(), 1u);
  clock.advance_ms(2000);
  fresh();
  EXPECT_EQ(staging->runs(ctx, "hourly", 9).value().size(), 2u);
  EXPECT_EQ(arrived("hourly").size(), 1u);
}

TEST_P(StagingTest, OneAfterTheOther) {
  define(concat({kTxn, "---", kHourly, R"yaml(
---
kind: Source
name: best
columns: {user_id: int64, total: float64}
event_time: hour
sql: SELECT user_id, max(total) AS total, max(hour) AS hour FROM h WHERE NOT _deleted GROUP BY ALL
inputs: {h: hourly}
)yaml"}));
  const int64_t hour = kStart / kHour * kHour - 5 * kHour;
  pay(1, hour, 10);
  pay(1, hour + kHour, 4);
  fresh("best");
  EXPECT_EQ(result("best"),
            Lines{concat({std::to_string((hour + kHour - kStart) / kMinute), ",1,10"})});
}

// Each look at it is two seconds later.
class Passing final : public Clock {
 public:
  explicit Passing(Clock& real) : real_(real) {}
  int64_t now_us() override { return real_.now_us() + (passed_us_ += 2'000'000); }
  int64_t steady_ns() override { return real_.steady_ns(); }

 private:
  Clock& real_;
  int64_t passed_us_ = 0;
};

TEST_P(StagingTest, EachSourceOnceHoweverManyAreComputedFromIt) {
  std::string yaml = concat({kTxn, "---", kHourly.substr(0, kHourly.find("---")), "every: 1s\n"});
  const std::string_view below[][3] = {{"a", "hourly", ""},
                                       {"b", "hourly", ""},
                                       {"c", "a", ", b"},
                                       {"d", "a", ", c"},
                                       {"e", "d", ", c"}};
  for (const auto& [name, one, other] : below)
    yaml += concat({"---\nkind: Source\nname: ", name, "\nevent_time: hour\nevery: 1s\n",
                    "columns: {user_id: int64, total: float64}\ninputs: [", one, other,
                    "]\nsql: SELECT user_id, total, hour FROM ", one, " WHERE NOT _deleted\n"});
  define(yaml);
  Passing passing(clock);
  time = &passing;
  make();
  pay(1, kStart - kHour, 10);
  for (size_t refreshes = 1; refreshes <= 2; ++refreshes) {
    ASSERT_TRUE(files->refresh(ctx, {"e", "a", "hourly"}).ok());
    for (const char* name : {"hourly", "a", "b", "c", "d", "e"})
      EXPECT_EQ(staging->runs(ctx, name, 99).value().size(), refreshes) << name;
  }
  EXPECT_EQ(result("e"), result("hourly"));
}

TEST_P(StagingTest, ContractsAreAskedOnce) {
  define(concat({R"yaml(
kind: DataContract
apiVersion: v3.1.0
id: totals
version: 1.0.0
status: active
schema:
  - name: totals
    properties:
      - {name: total, logicalType: number, logicalTypeOptions: {maximum: 100}}
---)yaml",
                 kTxn, "---", kHourly.substr(0, kHourly.find("---")), "contract: totals\n"}));
  pay(1, kStart - kHour, 10);
  fresh();
  pay(2, kStart - kHour, 1000);
  const Status said = refresh();
  if (said.ok()) {  // Kept apart, once.
    pay(3, kStart - kHour, 10);
    fresh();
    EXPECT_EQ(features->quarantine().list(ctx, "hourly", "", 9).value().size(), 1u);
    EXPECT_EQ(result().size(), 2u);
  } else {
    EXPECT_EQ(said.error().reason, "contract.violation");
    EXPECT_EQ(result().size(), 1u);
  }
}

// Random inputs with duplicates and nulls; rows of users come and go as a whole.
TEST_P(StagingTest, AnyHistoryOfResults) {
  define(concat({kTxn, "---", R"yaml(
kind: Source
name: hourly
columns: {user_id: int64, total: float64, note: float64}
event_time: hour
sql: |
  SELECT user_id, date_trunc('hour', ts) AS hour, round(amount / 25) AS total,
         CASE WHEN amount > 50 THEN NULL ELSE round(amount / 25) END AS note
  FROM txn WHERE NOT _deleted QUALIFY count(*) OVER (PARTITION BY user_id) % 3 <> 0
inputs: [txn]
---
kind: FeatureView
name: hours
entity: {user_id: int64}
source: hourly
aggregate: [{op: sum, of: total, windows: [1d], as: day}]
late: {allowed: 90d}
---
kind: FeatureService
name: fraud
features: ["hours:day_1d"]
)yaml"}));
  sim::SimRng rng(7);
  const int64_t hour = kStart / kHour * kHour;
  struct Paid {
    int64_t user, hour;
    double amount;
  };
  std::vector<Paid> paid;
  for (int round = 0; round < 12; ++round) {
    for (uint64_t i = 0, n = rng.below(4) + 1; i < n; ++i) {
      const Paid p{static_cast<int64_t>(rng.below(3)) + 1,
                   hour - static_cast<int64_t>(rng.below(3) + 1) * kHour,
                   static_cast<double>(rng.below(4) * 25)};
      pay(p.user, p.hour + static_cast<int64_t>(rng.below(60)) * kMinute, p.amount);
      paid.push_back(p);
    }
    if (rng.below(5) == 0) {
      open();  // A restart.
      make();
    }
    fresh();
    std::map<int64_t, int64_t> n;
    for (const Paid& p : paid) ++n[p.user];
    Lines want;
    std::map<int64_t, double> sums;
    for (const Paid& p : paid) {
      if (n[p.user] % 3 == 0) continue;
      const double total = p.amount / 25;
      want.insert(
          concat({std::to_string((p.hour - kStart) / kMinute), ",", std::to_string(p.user), ",",
                  format_double(total), ",", p.amount > 50 ? "null" : format_double(total)}));
      sums[p.user] += total;
    }
    ASSERT_EQ(result(), want) << "round " << round;
    features->materialize(ctx, {}).value();
    for (const auto& [user, count] : n) {
      const Cell got = read({user}).values[0][0];
      const double sum = is_null(got) ? 0 : std::get<double>(got);
      ASSERT_EQ(sum, sums[user]) << "round " << round << " user " << user;
    }
  }
}

}  // namespace
}  // namespace slip::features
