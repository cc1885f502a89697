#include "serving/serving.h"

#include <algorithm>
#include <atomic>
#include <cstring>

#include <gtest/gtest.h>

#include "base/budget.h"
#include "core/ledger/ledger.h"
#include "serving/batching.h"
#include "serving/feature_lookup.h"
#include "sys/clock.h"
#include "sys/executor.h"
#include "sys/log.h"
#include "sys/rng.h"
#include "sys/sim/sim_fs.h"
#include "test/onnx/onnx_bytes.h"
#include "test/store/dbs.h"

namespace slip::serving {
namespace {

// A registry of one model "m": version v adds v to everything; version 13 is damaged.
class FakeSource final : public ModelSource {
 public:
  int64_t champion = 1;

  Result<int64_t> resolve(const Ctx&, const std::string& model,
                          const std::string& target) override {
    if (model != "m") return not_found("model.not_found", "no model " + model);
    if (target == "@champion") return champion;
    const int64_t version = std::stoll(target);
    if (version > 20) return not_found("model_version.not_found", "no version");
    return version;
  }
  Result<Files> fetch(const Ctx&, const std::string&, int64_t version) override {
    ++fetched;
    if (version == 13) return Files{"damaged", "sha256:13"};
    const auto v = static_cast<float>(version);
    return Files{test::onnx_add(v, v, v), "sha256:" + std::to_string(version)};
  }
  Result<std::map<std::string, std::string>> parameters(const Ctx&, const std::string&,
                                                        int64_t) override {
    return said;
  }
  int fetched = 0;
  std::map<std::string, std::string> said;
};

// A service "known": to `who` belong a, b and c, ten times who.
class FakeLookups final : public FeatureLookups, public FeatureLookup {
 public:
  Result<std::shared_ptr<const FeatureLookup>> open(const std::string&, const std::string& service,
                                                    int64_t) override {
    if (service != "known") return not_found("feature_service.not_found", "no such service");
    return std::shared_ptr<const FeatureLookup>(std::shared_ptr<const FeatureLookup>(), this);
  }
  const std::vector<TensorSpec>& asks() const override { return asks_; }
  const std::vector<codec::Field>& gives() const override { return gives_; }
  bool waits() const override { return false; }
  Result<Found> find(std::span<const Tensor* const> asked, int64_t rows, bool) const override {
    Found out{.rows = codec::make_table(gives_), .states = {}};
    out.rows.rows = rows;
    out.states.assign(3, std::vector<FeatureState>(static_cast<size_t>(rows)));
    for (codec::Column& c : out.rows.columns)
      for (int64_t i = 0; i < rows; ++i)
        c.add_f64(10 * static_cast<double>(asked[0]->integer(i)));
    return out;
  }

 private:
  std::vector<TensorSpec> asks_ = {{.name = "who", .type = DataType::kInt64, .shape = {-1}}};
  std::vector<codec::Field> gives_ = {codec::make_field("a", codec::ColumnType::kDouble),
                                      codec::make_field("b", codec::ColumnType::kDouble),
                                      codec::make_field("c", codec::ColumnType::kDouble)};
};

class ServingTest : public test::DbTest {
 protected:
  void SetUp() override {
    std::vector<store::Migration> steps;
    for (const auto& all : {ledger::migrations(), migrations()})
      steps.insert(steps.end(), all.begin(), all.end());
    migrated(steps);
    events = std::make_unique<ledger::Ledger>(ledger::Ledger::Deps{db(), real_clock(), real_rng()});
    log = store::open_segment_log({fs, real_clock(), real_executor(), null_log()}, "/p",
                                  {.segment_bytes = 1 << 20, .limit_bytes = 1 << 16})
              .value();
    start();
  }
  void start() {
    serving =
        std::make_unique<Serving>(Serving::Deps{db(), *events, source, *log, budget, real_clock(),
                                                real_rng(), null_log(), local, &batching, &lookups});
    serving->refresh(ctx).value();
  }
  DeploySpec spec(const std::string& target) {
    return {.name = "d", .model = "m", .target = target, .log_ack = Ack::kKernel};
  }
  Result<Prediction> ask(int64_t version = 0, const std::string& client_ref = "") {
    Tensor x;
    x.name = "x";
    x.shape = {1, 3};
    x.data.assign(12, '\0');
    Serving::Ask a;
    a.inputs = {x};
    a.client_ref = client_ref;
    a.version = version;
    const auto route = serving->table().load()->hold("default", "d");
    CHECK(route);
    return serving->predict(ctx, route, std::move(a));
  }
  std::vector<PredictionRecord> logged() {
    std::vector<PredictionRecord> out;
    for (const store::LogSegment& s : log->segments())
      log->read(s.number, 0,
                [&](std::string_view r, int64_t) -> Result<bool> {
                  out.push_back(TRY(decode_prediction(r)));
                  return true;
                })
          .value();
    return out;
  }
  size_t event_count(const std::string& verb = {}) {
    while (events->number_pending().value() > 0) {  // On PostgreSQL nobody reads them before.
    }
    return events->list({.verb = verb, .limit = 1000}).value().size();
  }

  Ctx ctx;
  sim::SimFs fs{1};
  Budget budget{1 << 30};
  FakeSource source;
  FakeLookups lookups;
  std::unique_ptr<ledger::Ledger> events;
  std::unique_ptr<store::SegmentLog> log;
  Batching batching{real_executor(), real_clock(), {}};
  LocalModels local{{fs, budget, real_clock(), null_log(), Ack::kKernel, &batching}};
  std::unique_ptr<Serving> serving;
};
SLIP_EVERY_DB(ServingTest);

// What was looked up is in the record and in nobody's answer; another rule loads the version anew,
// and one that can't be followed leaves what serves.
TEST_P(ServingTest, FeaturesAreLookedUpAndRecorded) {
  source.said = {{"feature_service", "known@1"}};
  serving->deploy(ctx, spec("3")).value();
  const auto asked = [&](const std::vector<std::string>& outputs) {
    Tensor who;
    who.name = "who";
    who.type = DataType::kInt64;
    who.shape = {1};
    who.data.assign("\4\0\0\0\0\0\0\0", 8);
    Serving::Ask a;
    a.inputs = {who};
    a.outputs = outputs;
    return serving->predict(ctx, serving->table().load()->hold("default", "d"), std::move(a));
  };
  const Prediction p = asked({}).value();
  ASSERT_EQ(p.outputs.size(), 2U);
  EXPECT_EQ(p.outputs[0].number(2), 43);
  EXPECT_EQ(p.outputs[1].strings, std::vector<std::string>{""});
  ASSERT_EQ(asked({"feature_status"}).value().outputs.size(), 1U);
  const std::vector<PredictionRecord> records = logged();
  ASSERT_EQ(records.size(), 2U);
  for (const PredictionRecord& r : records) {
    ASSERT_EQ(r.inputs.size(), 2U);
    EXPECT_EQ(r.inputs[0].name, "who");
    EXPECT_EQ(r.inputs[1].name, "x");
    EXPECT_EQ(r.inputs[1].number(0), 40);
  }
  const int fetched = source.fetched;
  serving->refresh(ctx).value();
  EXPECT_EQ(source.fetched, fetched);
  source.said["feature_service"] = "never@1";
  serving->refresh(ctx).value();
  EXPECT_NE(serving->table().load()->hold("default", "d")->error, "");
  EXPECT_TRUE(asked({}).ok());
  source.said.clear();
  serving->refresh(ctx).value();
  EXPECT_EQ(serving->table().load()->hold("default", "d")->error, "");
  EXPECT_EQ(asked({}).error().reason, "tensor.unknown_input");
  EXPECT_TRUE(ask().ok());
}

// Requests go together where the configuration says so, and each gets its own rows.
TEST_P(ServingTest, RequestsGoTogether) {
  serving->deploy(ctx, spec("3")).value();
  EXPECT_EQ(serving->table().load()->hold("default", "d")->arms.front().batcher, nullptr);
  fs.make_dirs("/r/together/1").value();
  write_file_atomic(fs, "/r/together/1/model.onnx", test::onnx_add(3, 3, 3)).value();
  write_file_atomic(fs, "/r/together/config.pbtxt", "max_batch_size: 8 dynamic_batching {}")
      .value();
  local.add_repository("/r").value();
  serving->load_local(ctx, "together", {}).value();
  const auto route = serving->table().load()->hold("default", "together");
  const Arm& arm = route->arms.front();
  ASSERT_NE(arm.batcher, nullptr);
  ASSERT_TRUE(arm.goes_to_batcher());
  constexpr int kAsking = 8, kEach = 20;
  std::vector<std::unique_ptr<Task>> tasks;
  std::atomic<int> wrong{0};
  for (int t = 0; t < kAsking; ++t)
    tasks.push_back(real_executor().spawn("ask", [&, t] {
      for (int i = 0; i < kEach; ++i) {
        const int64_t rows = 1 + (t * kEach + i) % 5;
        Tensor x;
        x.name = "x";
        x.shape = {rows, 3};
        x.data.resize(static_cast<size_t>(rows) * 12);
        const float mine = static_cast<float>(t * 1000 + i);
        for (int64_t k = 0; k < rows * 3; ++k)
          std::memcpy(x.data.data() + k * 4, &mine, sizeof mine);
        Serving::Ask a;
        a.inputs = {x};
        const auto got = serving->predict(ctx, route, std::move(a));
        const bool fine = got.ok() && got->outputs[0].shape == x.shape &&
                          got->outputs[0].number(0) == mine + 3 &&
                          got->outputs[0].number(rows * 3 - 1) == mine + 3;
        if (!fine) ++wrong;
      }
    }));
  for (const auto& task : tasks) task->join();
  EXPECT_EQ(wrong, 0);
  EXPECT_EQ(logged().size(), static_cast<size_t>(kAsking * kEach));
  EXPECT_EQ(arm.stats->successes, kAsking * kEach);
  EXPECT_LE(arm.stats->executions, kAsking * kEach);
  EXPECT_EQ(arm.batcher->report().stats.rows, arm.stats->rows);
  // What doesn't fit the model says so before it meets others.
  Serving::Ask bad;
  bad.inputs.resize(1);
  bad.inputs[0].name = "x";
  bad.inputs[0].shape = {1, 2};
  bad.inputs[0].data.resize(8);
  EXPECT_EQ(serving->predict(ctx, route, bad).error().reason, "tensor.shape");
  bad.outputs = {"none"};
  bad.inputs[0].shape = {1, 3};
  bad.inputs[0].data.resize(12);
  EXPECT_EQ(serving->predict(ctx, route, bad).error().reason, "tensor.unknown_output");
}

TEST_P(ServingTest, DeploysAnswersAndLogs) {
  const Deployment d = serving->deploy(ctx, spec("3")).value();
  EXPECT_EQ(d.stable_version, 3);
  const Prediction p = ask(0, "ref").value();
  EXPECT_EQ(p.model_version, 3);
  EXPECT_EQ(p.outputs[0].number(2), 3);
  const std::vector<PredictionRecord> records = logged();
  ASSERT_EQ(records.size(), 1U);
  EXPECT_EQ(records[0].id, p.id);
  EXPECT_EQ(records[0].deployment_uid, d.uid);
  EXPECT_EQ(records[0].client_ref, "ref");
  EXPECT_EQ(event_count(), 1U);
  serving->deploy(ctx, spec("3")).value();  // Asked twice: nothing new.
  EXPECT_EQ(event_count(), 1U);
  start();  // A restart serves the same.
  EXPECT_EQ(ask().value().model_version, 3);
}

TEST_P(ServingTest, ABrokenVersionNeverReplacesOneThatServes) {
  serving->deploy(ctx, spec("1")).value();
  EXPECT_EQ(serving->deploy(ctx, spec("13")).error().code, Code::kInvalid);
  EXPECT_EQ(serving->deploy(ctx, spec("21")).error().reason, "model_version.not_found");
  EXPECT_EQ(serving->start_canary(ctx, "d", {.version = 13}).error().code, Code::kInvalid);
  EXPECT_EQ(ask().value().model_version, 1);
  EXPECT_EQ(event_count(), 1U);
}

TEST_P(ServingTest, CanariesRunArePromotedAndRolledBack) {
  serving->deploy(ctx, spec("1")).value();
  EXPECT_EQ(serving->start_canary(ctx, "d", {.version = 2, .weight = 1}).error().reason,
            "canary.weight");
  EXPECT_EQ(serving->start_canary(ctx, "d", {.version = 1}).error().reason, "canary.is_stable");
  serving->start_canary(ctx, "d", {.version = 2, .weight = 0.5}).value();
  serving->start_canary(ctx, "d", {.version = 2, .weight = 0.5}).value();  // Idempotent.
  EXPECT_EQ(serving->start_canary(ctx, "d", {.version = 3, .weight = 0.5}).error().reason,
            "canary.running");
  EXPECT_EQ(serving->deploy(ctx, spec("4")).error().reason, "canary.running");
  int canary = 0;
  for (int i = 0; i < 200; ++i) canary += ask().value().model_version == 2;
  EXPECT_GT(canary, 50);
  EXPECT_LT(canary, 150);
  EXPECT_EQ(ask(2).value().model_version, 2);
  EXPECT_EQ(ask(9).error().reason, "model_version.not_served");
  size_t pinned = 0;  // No chance decided, so it is no evidence.
  for (const PredictionRecord& r : logged()) pinned += r.canary_weight == 0 ? 1 : 0;
  EXPECT_EQ(pinned, 1U);

  EXPECT_EQ(serving->promote_canary(ctx, "d").value().stable_version, 2);
  EXPECT_EQ(serving->promote_canary(ctx, "d").value().stable_version, 2);
  EXPECT_EQ(ask().value().model_version, 2);

  serving->start_canary(ctx, "d", {.version = 5, .weight = 0.5}).value();
  EXPECT_EQ(serving->roll_back(ctx, "d", "bad").value().canary->state, "rolled_back");
  for (int i = 0; i < 20; ++i) EXPECT_EQ(ask().value().model_version, 2);
  EXPECT_EQ(serving->roll_back(ctx, "d", "worse").value().stable_version, 1);
  EXPECT_EQ(ask().value().model_version, 1);
}

TEST_P(ServingTest, AReferenceMeetsTheSameArmForAsLongAsTheCanaryRuns) {
  serving->deploy(ctx, spec("1")).value();
  const auto arms = [&] {
    std::vector<int64_t> out;
    for (int i = 0; i < 40; ++i)
      out.push_back(ask(0, "user " + std::to_string(i)).value().model_version);
    return out;
  };
  serving->start_canary(ctx, "d", {.version = 2, .weight = 0.5}).value();
  const std::vector<int64_t> first = arms();
  EXPECT_NE(std::count(first.begin(), first.end(), 1), 0);
  EXPECT_NE(std::count(first.begin(), first.end(), 2), 0);
  EXPECT_EQ(arms(), first);
  start();
  EXPECT_EQ(arms(), first);
  serving->roll_back(ctx, "d", "").value();
  serving->start_canary(ctx, "d", {.version = 3, .weight = 0.5}).value();
  std::vector<int64_t> second = arms();
  for (int64_t& version : second) version = version == 3 ? 2 : version;
  EXPECT_NE(second, first);  // Not the same users again.
}

TEST_P(ServingTest, TheGuardRollsBackInItsOwnTransactionAndOnlyOnce) {
  const Deployment d = serving->deploy(ctx, spec("1")).value();
  serving->start_canary(ctx, "d", {.version = 2, .weight = 0.5}).value();
  const codec::Json verdict = codec::Json::object({{"decision", "rollback"}, {"n", 17}});
  const auto roll = [&](int64_t version) {
    bool done = false;
    db().write([&](store::Tx& tx) -> Status {
          done = TRY(serving->roll_back_canary(tx, ctx, d.uid, version, verdict));
          return {};
        })
        .value();
    return done;
  };
  EXPECT_FALSE(roll(3));
  EXPECT_TRUE(roll(2));
  EXPECT_FALSE(roll(2));
  serving->refresh(ctx).value();
  for (int i = 0; i < 20; ++i) EXPECT_EQ(ask().value().model_version, 1);
  EXPECT_EQ(serving->find(ctx, "d").value().canary->verdict, verdict);
  EXPECT_EQ(event_count("canary.rolled_back"), 1U);
}

TEST_P(ServingTest, FollowsAnAliasAndKeepsServingWhenItCannot) {
  serving->deploy(ctx, spec("@champion")).value();
  source.champion = 7;
  serving->refresh(ctx).value();
  EXPECT_EQ(ask().value().model_version, 7);
  source.champion = 13;
  serving->refresh(ctx).value();
  EXPECT_EQ(ask().value().model_version, 7);
  const int fetched = source.fetched;
  source.champion = 7;
  serving->refresh(ctx).value();
  EXPECT_EQ(source.fetched, fetched);  // What is loaded isn't loaded again.
}

TEST_P(ServingTest, AFullLogShedsInsteadOfAnsweringUnaccountably) {
  serving->deploy(ctx, spec("1")).value();
  Result<Prediction> last = ask();
  for (int i = 0; i < 2000 && last.ok(); ++i) last = ask();
  ASSERT_FALSE(last.ok());
  EXPECT_EQ(last.error().reason, "prediction_log.unavailable");
}

TEST_P(ServingTest, NamesAreChecked) {
  for (const std::string name : {"", "a b", "a/b", "\xc3\xa9"}) {
    DeploySpec s = spec("1");
    s.name = name;
    EXPECT_EQ(serving->deploy(ctx, s).error().reason, "deployment.name") << name;
  }
  DeploySpec s = spec("1");
  s.name = std::string(kNameBytesMax + 1, 'a');
  EXPECT_EQ(serving->deploy(ctx, s).error().reason, "deployment.name");
  EXPECT_EQ(serving->find(ctx, "nothing").error().reason, "deployment.not_found");
  EXPECT_EQ(serving->remove(ctx, "nothing").error().reason, "deployment.not_found");
}

class ServingStoreTest : public test::DbTest {};
SLIP_EVERY_DB(ServingStoreTest);

TEST_P(ServingStoreTest, MigratesFromEveryVersion) {
  expect_migrates_from_every_version(*this, migrations());
}

}  // namespace
}  // namespace slip::serving
