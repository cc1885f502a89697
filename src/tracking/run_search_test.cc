#include <algorithm>
#include <cmath>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <tuple>

#include <gtest/gtest.h>

#include "base/text.h"
#include "test/gen/dice.h"
#include "test/tracking/world.h"

// Searches and histories against brute force over the same things in memory.
namespace slip::tracking {
namespace {

using gen::Dice;

constexpr int kRuns = 160;  // More than a plan looks at before it walks by time.
constexpr double kValues[] = {0, 0.25, 0.5, 1, 2, -1, 1e300};

struct Known {
  std::string name;
  int64_t experiment = 0;
  int64_t start_ms = 0;
  std::map<std::string, double> metrics;
  std::map<std::string, std::string> params;
};
using Check = std::function<bool(const Known&)>;
struct Condition {
  std::string text;
  Check test;
};

class SearchPropertyTest : public test::DbTest {
 protected:
  void SetUp() override {
    migrated(test::tracking_steps());
    tracking = std::make_unique<Tracking>(Deps{db(), *blobs, *events(), clock, real_rng()});
  }
  ledger::Ledger* events() {
    if (!events_)
      events_ = std::make_unique<ledger::Ledger>(ledger::Ledger::Deps{db(), clock, real_rng()});
    return events_.get();
  }

  void fill(Dice& dice) {
    for (int e = 0; e < 3; ++e)
      experiments.push_back(
          tracking->experiments.create(ctx, {"e" + std::to_string(e), "", {}}).value().id);
    for (int i = 0; i < kRuns; ++i) make_run(dice, i);
  }

  void make_run(Dice& dice, int i) {
    Known known;
    known.name = "r" + std::to_string(i);
    known.experiment = dice.pick(experiments);
    known.start_ms = static_cast<int64_t>(dice.below(40));
    NewRun wanted;
    wanted.experiment_id = known.experiment;
    wanted.name = known.name;
    wanted.start_ms = known.start_ms;
    const std::string id = tracking->runs.create(ctx, wanted).value().id;
    Batch batch;
    for (const char* key : {"a", "b"}) {
      if (dice.one_in(4)) continue;
      double value = dice.pick(kValues);
      if (dice.one_in(8)) value = std::nan("");
      if (dice.one_in(9)) value = HUGE_VAL;
      known.metrics[key] = value;
      Metric m;
      m.key = key;
      m.value = value;
      batch.metrics.push_back(m);
    }
    if (dice.below(2) == 0) {
      known.params["p"] = std::string(1, static_cast<char>('x' + dice.below(3)));
      batch.params.push_back({"p", known.params["p"]});
    }
    ASSERT_TRUE(tracking->runs.log(ctx, id, std::move(batch)).ok());
    runs[id] = known;
  }

  static Condition metric_test(Dice& dice) {
    constexpr const char* kOps[] = {"<", "<=", ">", ">=", "=", "!="};
    const std::string key = dice.below(10) == 0 ? "none" : dice.below(2) ? "a" : "b";
    const size_t op = dice.below(std::size(kOps));
    const double value = dice.pick(kValues);
    const auto test = [=](const Known& run) {
      const auto at = run.metrics.find(key);
      if (at == run.metrics.end()) return false;
      const double v = at->second;
      const bool all[] = {v<value, v <= value, v> value, v >= value, v == value, v != value};
      return all[op];
    };
    return {concat({"metrics.", key, " ", kOps[op], " ", format_double(value)}), test};
  }

  static Condition param_test(Dice& dice) {
    const std::string value(1, static_cast<char>('x' + dice.below(3)));
    if (dice.below(3) == 0)
      return {"params.p IS NULL", [](const Known& run) { return !run.params.contains("p"); }};
    return {concat({"params.p = '", value, "'"}), [=](const Known& run) {
              return run.params.contains("p") && run.params.at("p") == value;
            }};
  }

  static Condition condition(Dice& dice, int depth) {
    if (depth == 0 || dice.below(3) == 0)
      return dice.below(4) == 0 ? param_test(dice) : metric_test(dice);
    const Condition a = condition(dice, depth - 1);
    if (dice.below(4) == 0)
      return {concat({"NOT (", a.text, ")"}), [a](const Known& r) { return !a.test(r); }};
    const Condition b = condition(dice, depth - 1);
    if (dice.below(2) == 0)
      return {concat({"(", a.text, " OR ", b.text, ")"}),
              [a, b](const Known& r) { return a.test(r) || b.test(r); }};
    return {concat({a.text, " AND ", b.text}),
            [a, b](const Known& r) { return a.test(r) && b.test(r); }};
  }

  std::vector<std::string> expected(const RunQuery& query, const Check& test) const {
    std::vector<std::pair<int64_t, std::string>> found;
    for (const auto& [id, run] : runs)
      if (std::ranges::count(query.experiment_ids, run.experiment) > 0 && test(run))
        found.emplace_back(-run.start_ms, id);
    std::ranges::sort(found);
    std::vector<std::string> out;
    for (const auto& [start, id] : found) out.push_back(id);
    return out;
  }

  std::vector<std::string> found(RunQuery query) {
    std::vector<std::string> out;
    do {
      const auto page = tracking->runs.search(ctx, query);
      EXPECT_TRUE(page.ok()) << page.error().text;
      if (!page.ok()) return out;
      for (const auto& run : page->items) {
        out.push_back(run.id);
        check_content(run);
      }
      query.page_token = page->next_page_token;
    } while (!query.page_token.empty());
    return out;
  }

  void check_content(const slip::tracking::Run& run) const {
    const Known& known = runs.at(run.id);
    EXPECT_EQ(run.name, known.name);
    EXPECT_EQ(run.experiment_id, known.experiment);
    ASSERT_EQ(run.metrics.size(), known.metrics.size());
    size_t i = 0;
    for (const auto& [key, value] : known.metrics) {
      EXPECT_EQ(run.metrics[i].key, key);
      EXPECT_TRUE(run.metrics[i].value == value || std::isnan(value));
      ++i;
    }
    EXPECT_EQ(run.params.size(), known.params.size());
    EXPECT_EQ(run.tags, (std::vector<Tag>{{"mlflow.runName", known.name}}));
  }

  sim::SimFs fs{1};
  test::FakeClock clock;
  Ctx ctx;
  std::unique_ptr<store::Blobs> blobs =
      store::open_blobs({fs, clock, real_executor(), null_log()}, "/blobs").value();
  std::unique_ptr<ledger::Ledger> events_;
  std::unique_ptr<Tracking> tracking;
  std::vector<int64_t> experiments;
  std::map<std::string, Known> runs;
};
SLIP_EVERY_DB(SearchPropertyTest);

TEST_P(SearchPropertyTest, FindsWhatBruteForceFinds) {
  constexpr uint64_t kSeed = 20261126;
  Dice dice = Dice::seeded(kSeed);
  fill(dice);
  constexpr int64_t kPages[] = {1, 7, 40, 1000};
  size_t total = 0;
  for (int round = 0; round < 120; ++round) {
    RunQuery query;
    query.experiment_ids = experiments;
    query.experiment_ids.resize(1 + dice.below(3));
    query.max_results = dice.one_in(8) ? kPages[0] : kPages[1 + dice.below(3)];
    const Condition c = round == 0 ? Condition{"", [](const Known&) { return true; }}
                                   : condition(dice, static_cast<int>(dice.below(4)));
    query.filter = c.text;
    SCOPED_TRACE("seed " + std::to_string(kSeed) + ", round " + std::to_string(round) + ": " +
                 c.text);
    const auto want = expected(query, c.test);
    EXPECT_EQ(found(query), want);
    total += want.size();
  }
  EXPECT_GT(total, 1000U);  // The filters aren't all empty.
}

TEST_P(SearchPropertyTest, HistoriesPageAsIfSorted) {
  Dice dice = Dice::seeded(7);
  const std::string id = tracking->runs.create(ctx, {}).value().id;
  using Key = std::tuple<int64_t, int64_t, double>;
  std::set<Key> want;
  for (int round = 0; round < 3; ++round) {
    Batch batch;
    for (int i = 0; i < 200; ++i) {
      Metric m;
      m.key = "m";
      m.timestamp_ms = static_cast<int64_t>(dice.below(30));
      m.step = dice.between(-5, 60);
      m.value = dice.pick(kValues);
      batch.metrics.push_back(m);
      want.emplace(m.timestamp_ms, m.step, m.value);
    }
    ASSERT_TRUE(tracking->runs.log(ctx, id, std::move(batch)).ok());
  }
  for (const int64_t page_size : {1, 13, 100, 5000}) {
    HistoryQuery query;
    query.run_id = id;
    query.key = "m";
    query.max_results = page_size;
    query.whole = page_size == 5000;
    std::vector<Key> got;
    do {
      const auto page = tracking->runs.history(ctx, query).value();
      for (const Point& p : page.items) got.emplace_back(p.timestamp_ms, p.step, p.value);
      query.page_token = page.next_page_token;
    } while (!query.page_token.empty());
    EXPECT_EQ(got, std::vector<Key>(want.begin(), want.end())) << page_size;
  }
}

class RunNumbersTest : public test::DbTest {};
SLIP_EVERY_DB(RunNumbersTest);

TEST_P(RunNumbersTest, MigratesFromEveryVersion) {
  test::expect_migrates_from_every_version(*this, test::tracking_steps());
}

// What the steps before this one hold, as their code wrote it.
constexpr const char* kOldRows[] = {
    "INSERT INTO experiment VALUES ('default', 0, 'Default', 'mlflow-artifacts:/0', 0, 'a', 1, 1)",
    "INSERT INTO run VALUES ('default', 'r1', 0, 'one', 'u', 1, 5, NULL, 0, 'x', 'a', 1, NULL)",
    "INSERT INTO run VALUES ('default', 'r2', 0, 'two', 'u', 3, 6, 9, 0, 'x', 'a', 2, NULL)",
    "INSERT INTO run VALUES ('other', 'r1', 0, 'far', 'u', 1, 7, NULL, 1, 'x', 'a', 3, 8)",
    "INSERT INTO run_tag VALUES ('default', 'r1', 't', 'tag')",
    "INSERT INTO run_param VALUES ('default', 'r2', 'p', '1')",
    "INSERT INTO run_metric VALUES ('default', 'r1', 'm', 0, 10, 0.5, 0)",
    "INSERT INTO run_metric VALUES ('default', 'r1', 'm', 1, 11, 0, 1)",
    "INSERT INTO run_metric VALUES ('other', 'r1', 'm', 0, 10, 2.5, 0)",
    "INSERT INTO run_metric_latest VALUES ('default', 'r1', 'm', 1, 11, 0, 1)",
    "INSERT INTO run_metric_latest VALUES ('other', 'r1', 'm', 0, 10, 2.5, 0)",
    "INSERT INTO dataset_seen VALUES ('default', 0, 'd', 'x', 's', 's', NULL, NULL)",
    "INSERT INTO run_input VALUES ('default', 'r1', 'd', 'x')",
    "INSERT INTO run_input_tag VALUES ('default', 'r1', 'd', 'x', 'mlflow.data.context', 'train')",
    "INSERT INTO run_model_input VALUES ('default', 'r1', 'm-1')",
    "INSERT INTO run_model_output VALUES ('default', 'r1', 'm-2', 4)",
    "INSERT INTO ledger_count VALUES ('default', 'a', 'run.metrics_logged', 'r1', 0, 'user', 'run',"
    " '', '', 2, 'sha256:1')",
};

TEST_P(RunNumbersTest, EverythingMovesOver) {
  std::vector<store::Migration> old = {ledger::migrations()[0]};
  std::vector<store::Migration> all(ledger::migrations().begin(), ledger::migrations().end());
  for (const store::Migration& step : migrations()) {
    if (step.number < 4 && step.module != "tracking.inputs" && step.module != "tracking.children")
      old.push_back(step);
    all.push_back(step);
  }
  ASSERT_TRUE(store::migrate(db(), old).ok());
  ASSERT_TRUE(db().write([](store::Tx& tx) -> Status {
                    for (const char* row : kOldRows) TRY(tx.exec(row, {}));
                    return {};
                  })
                  .ok());
  const Status moved = store::migrate(db(), all);
  ASSERT_TRUE(moved.ok()) << moved.error().text;

  sim::SimFs fs{1};
  test::FakeClock clock;
  ledger::Ledger events({db(), clock, real_rng()});
  const auto blobs = store::open_blobs({fs, clock, real_executor(), null_log()}, "/blobs").value();
  Tracking tracking({db(), *blobs, events, clock, real_rng()});
  Ctx ctx;
  const auto one = tracking.runs.get(ctx, "r1").value();
  EXPECT_EQ(one.name, "one");
  EXPECT_EQ(one.tags, (std::vector<Tag>{{"t", "tag"}}));
  ASSERT_EQ(one.metrics.size(), 1U);
  EXPECT_TRUE(std::isnan(one.metrics[0].value));
  ASSERT_EQ(one.dataset_inputs.size(), 1U);
  EXPECT_EQ(one.dataset_inputs[0].tags.size(), 1U);
  EXPECT_EQ(one.model_inputs, (std::vector<std::string>{"m-1"}));
  ASSERT_EQ(one.model_outputs.size(), 1U);
  EXPECT_EQ(one.model_outputs[0].step, 4);
  EXPECT_EQ(tracking.runs.get(ctx, "r2")->params, (std::vector<Tag>{{"p", "1"}}));
  HistoryQuery query;
  query.run_id = "r1";
  query.key = "m";
  EXPECT_EQ(tracking.runs.history(ctx, query)->items.size(), 2U);
  Ctx other = ctx;
  other.project.text = "other";
  EXPECT_EQ(*tracking.runs.latest(other, "r1", "m").value(), 2.5);
  EXPECT_EQ(tracking.runs.get(other, "r1")->lifecycle, Lifecycle::kDeleted);
  // New ones go on counting, and the ledger still tells of the old minute.
  const std::string id = tracking.runs.create(ctx, {}).value().id;
  EXPECT_EQ(tracking.runs.get(ctx, id)->run_n, 4);
  clock.advance_ms(120'000);
  EXPECT_EQ(events.flush_counted().value(), 1);
}

}  // namespace
}  // namespace slip::tracking
