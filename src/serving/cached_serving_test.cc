#include <atomic>
#include <cstring>

#include <gtest/gtest.h>

#include "base/budget.h"
#include "core/ledger/ledger.h"
#include "serving/batching.h"
#include "serving/response_cache.h"
#include "serving/serving.h"
#include "sys/clock.h"
#include "sys/executor.h"
#include "sys/log.h"
#include "sys/rng.h"
#include "sys/sim/sim_fs.h"
#include "test/onnx/onnx_bytes.h"
#include "test/store/dbs.h"

// Answers given again, seen from where requests come in.
namespace slip::serving {
namespace {

// Version v of any model adds v, and in the project "other" v + 100.
class FakeSource final : public ModelSource {
 public:
  Result<int64_t> resolve(const Ctx&, const std::string&, const std::string& target) override {
    return std::stoll(target);
  }
  Result<Files> fetch(const Ctx& ctx, const std::string&, int64_t version) override {
    const auto v = static_cast<float>(version + (ctx.project.text == "other" ? 100 : 0));
    return Files{test::onnx_add(v, v, v), "sha256:" + std::to_string(version)};
  }
};

class CachedServingTest : public testing::Test {
 protected:
  CachedServingTest() {
    std::vector<store::Migration> steps;
    for (const auto& all : {ledger::migrations(), migrations()})
      steps.insert(steps.end(), all.begin(), all.end());
    store::migrate(*db, steps).value();
    log =
        store::open_segment_log({fs, real_clock(), real_executor(), null_log()}, "/p", {}).value();
    fs.make_dirs("/r").value();
    local.add_repository("/r").value();
    serving = std::make_unique<Serving>(Serving::Deps{*db, events, source, *log, budget,
                                                      real_clock(), real_rng(), null_log(), local,
                                                      &batching, nullptr, &cache});
    serving->refresh(ctx).value();
    other.project.text = "other";
  }
  void deploy(const Ctx& whose, const std::string& version, int64_t ttl_ms = 1'000'000,
              const std::string& name = "d") {
    serving->deploy(whose, {.name = name, .model = "m", .target = version, .cache_ttl_ms = ttl_ms})
        .value();
  }
  void put_model(const std::string& name, float adds, const std::string& config) {
    fs.make_dirs("/r/" + name + "/1").value();
    write_file_atomic(fs, "/r/" + name + "/1/model.onnx", test::onnx_add(adds, adds, adds)).value();
    write_file_atomic(fs, "/r/" + name + "/config.pbtxt", config).value();
    serving->load_local(ctx, name, {}).value();
  }
  std::shared_ptr<const Route> route(const Ctx& whose, const std::string& name = "d") {
    return serving->table().load()->hold(whose.project.text, name);
  }
  static Serving::Ask asking(float x, const std::string& input = "x") {
    Serving::Ask a;
    a.inputs.resize(1);
    a.inputs[0].name = input;
    a.inputs[0].shape = {1, 3};
    a.inputs[0].data.resize(12);
    for (size_t i = 0; i < 3; ++i) std::memcpy(a.inputs[0].data.data() + 4 * i, &x, 4);
    return a;
  }
  double ask(const Ctx& whose, float x, const std::string& name = "d",
             const std::string& input = "x") {
    const Prediction p = serving->predict(whose, route(whose, name), asking(x, input)).value();
    return p.outputs[0].number(0);
  }
  const ArmStats& stats(const Ctx& whose, const std::string& name = "d") {
    held_ = route(whose, name);
    return *held_->arms.front().stats;
  }
  size_t logged() {
    size_t out = 0;
    for (const store::LogSegment& s : log->segments())
      log->read(s.number, 0,
                [&](std::string_view, int64_t) -> Result<bool> {
                  ++out;
                  return true;
                })
          .value();
    return out;
  }

  Ctx ctx, other;
  test::TempDb db;
  sim::SimFs fs{1};
  Budget budget{1 << 30};
  FakeSource source;
  ledger::Ledger events{{*db, real_clock(), real_rng()}};
  std::unique_ptr<store::SegmentLog> log;
  Batching batching{real_executor(), real_clock(), {}};
  ResponseCache cache{{budget, real_clock(), real_rng()}, 8 << 20};
  LocalModels local{
      {fs, budget, real_clock(), null_log(), Ack::kKernel, &batching, nullptr, &cache}};
  std::unique_ptr<Serving> serving;
  std::shared_ptr<const Route> held_;
};

TEST_F(CachedServingTest, ARequestIsAnsweredAgainAndStillAPrediction) {
  deploy(ctx, "3");
  const Prediction first = serving->predict(ctx, route(ctx), asking(1)).value();
  const Prediction again = serving->predict(ctx, route(ctx), asking(1)).value();
  EXPECT_EQ(first.outputs[0].data, again.outputs[0].data);
  EXPECT_NE(first.id, again.id);
  EXPECT_EQ(logged(), 2U);
  const auto by_run = serving->run(ctx, *route(ctx), asking(1)).value();
  EXPECT_EQ(by_run.prediction.outputs[0].data, first.outputs[0].data);
  const ArmStats& s = stats(ctx);
  EXPECT_EQ(s.executions, 1);
  EXPECT_EQ(s.rows, 1);  // Of what the model answered.
  EXPECT_EQ(s.successes, 3);
  EXPECT_EQ(s.cache_hits, 2);
  EXPECT_EQ(s.cache_misses, 1);
  EXPECT_GT(s.cache_hit_ns, 0);
  EXPECT_EQ(ask(ctx, 2), 5);
  EXPECT_EQ(s.cache_misses, 2);
}

TEST_F(CachedServingTest, OnlyWhereItIsAskedFor) {
  deploy(ctx, "3", 0);
  ask(ctx, 1);
  ask(ctx, 1);
  EXPECT_EQ(stats(ctx).executions, 2);
  EXPECT_EQ(stats(ctx).cache_misses, 0);
  EXPECT_EQ(serving->find(ctx, "d").value().cache_ttl_ms, 0);
  deploy(ctx, "3", 50'000);
  EXPECT_EQ(serving->find(ctx, "d").value().cache_ttl_ms, 50'000);
  ask(ctx, 1);
  ask(ctx, 1);
  EXPECT_EQ(stats(ctx).executions, 3);
  for (const int64_t wrong : {int64_t{-1}, kCacheTtlMsMax + 1})
    EXPECT_EQ(
        serving->deploy(ctx, {.name = "d", .model = "m", .target = "3", .cache_ttl_ms = wrong})
            .error()
            .reason,
        "deployment.cache_ttl_ms");
}

TEST_F(CachedServingTest, AnotherVersionAnswersForItself) {
  deploy(ctx, "3");
  EXPECT_EQ(ask(ctx, 1), 4);
  deploy(ctx, "5");
  EXPECT_EQ(ask(ctx, 1), 6);
  serving->roll_back(ctx, "d", "").value();
  EXPECT_EQ(ask(ctx, 1), 4);
  // A canary changes nothing for what is stable, and has answers of its own.
  serving->start_canary(ctx, "d", {.version = 7, .weight = 0.5}).value();
  for (int i = 0; i < 40; ++i) {
    Serving::Ask a = asking(1);
    a.client_ref = std::to_string(i % 20);
    const Prediction p = serving->predict(ctx, route(ctx), a).value();
    EXPECT_EQ(p.outputs[0].number(0), p.model_version == 7 ? 8 : 4);
  }
  EXPECT_EQ(route(ctx)->arm_of(7)->stats->executions, 1);
  serving->promote_canary(ctx, "d").value();
  EXPECT_EQ(ask(ctx, 1), 8);
}

// The same name, model, version and numbers: another project's deployment, another deployment.
TEST_F(CachedServingTest, NeverAcrossTenants) {
  deploy(ctx, "3");
  deploy(other, "3");
  deploy(ctx, "3", 1'000'000, "e");
  EXPECT_EQ(ask(ctx, 1), 4);
  EXPECT_EQ(ask(other, 1), 104);
  EXPECT_EQ(ask(ctx, 1), 4);
  EXPECT_EQ(ask(ctx, 1, "e"), 4);
  EXPECT_EQ(stats(ctx, "e").cache_hits, 0);
  serving->remove(ctx, "d").value();
  deploy(ctx, "3");
  ask(ctx, 1);
  EXPECT_EQ(stats(ctx).cache_hits, 0);
}

TEST_F(CachedServingTest, FailuresAreAnsweredAnew) {
  deploy(ctx, "3");
  for (int i = 0; i < 2; ++i) {
    Serving::Ask bad = asking(1);
    bad.inputs[0].shape = {1, 2};
    EXPECT_EQ(serving->predict(ctx, route(ctx), bad).error().reason, "tensor.shape");
  }
  EXPECT_EQ(stats(ctx).cache_misses, 2);
  EXPECT_EQ(cache.stats().entries, 0);
}

TEST_F(CachedServingTest, TritonsWordTurnsItOnForAFile) {
  put_model("m", 2, "max_batch_size: 8 dynamic_batching {} response_cache { enable: true }");
  EXPECT_EQ(ask(ctx, 1, "m"), 3);
  EXPECT_EQ(ask(ctx, 1, "m"), 3);
  EXPECT_EQ(stats(ctx, "m").executions, 1);
  EXPECT_EQ(stats(ctx, "m").cache_hits, 1);
  // The same version of the same name, another file.
  put_model("m", 5, "max_batch_size: 8 dynamic_batching {} response_cache { enable: true }");
  EXPECT_EQ(ask(ctx, 1, "m"), 6);
  put_model("m", 2, "max_batch_size: 8 dynamic_batching {}");
  ask(ctx, 1, "m");
  ask(ctx, 1, "m");
  EXPECT_EQ(stats(ctx, "m").executions, 4);
}

TEST_F(CachedServingTest, NotWithAFeatureService) {
  fs.make_dirs("/r/m/1").value();
  write_file_atomic(fs, "/r/m/1/model.onnx", test::onnx_add(1, 1, 1)).value();
  write_file_atomic(fs, "/r/m/config.pbtxt",
                    "response_cache { enable: true }"
                    " parameters { key: 'feature_service' value { string_value: 'f@1' } }")
      .value();
  const Status loaded = serving->load_local(ctx, "m", {});
  EXPECT_EQ(loaded.error().reason, "model_config.field");
  EXPECT_NE(loaded.error().text.find("response_cache"), std::string::npos);
}

std::string two_steps(bool cached) {
  return std::string(cached ? "response_cache { enable: true }" : "") +
         "platform: 'ensemble' max_batch_size: 8"
         " input { name: 'in' data_type: TYPE_FP32 dims: [3] }"
         " output { name: 'out' data_type: TYPE_FP32 dims: [3] } ensemble_scheduling {"
         " step { model_name: 'a' model_version: -1"
         "  input_map { key: 'x' value: 'in' } output_map { key: 'y' value: 'between' } }"
         " step { model_name: 'b' model_version: -1"
         "  input_map { key: 'x' value: 'between' } output_map { key: 'y' value: 'out' } } }";
}

TEST_F(CachedServingTest, AnEnsemblesAnswerIsOfItsMembers) {
  const std::string plain = "max_batch_size: 8";
  put_model("a", 1, plain);
  put_model("b", 10, plain);
  fs.make_dirs("/r/both").value();
  write_file_atomic(fs, "/r/both/config.pbtxt", two_steps(true)).value();
  serving->load_local(ctx, "both", {}).value();
  EXPECT_EQ(ask(ctx, 0, "both", "in"), 11);
  EXPECT_EQ(ask(ctx, 0, "both", "in"), 11);
  EXPECT_EQ(stats(ctx, "both").executions, 1);
  put_model("b", 20, plain);
  EXPECT_EQ(ask(ctx, 0, "both", "in"), 21);
  serving->unload_local(ctx, "b", false).value();
  EXPECT_EQ(serving->predict(ctx, route(ctx, "both"), asking(0, "in")).error().reason,
            "ensemble.member");
}

TEST_F(CachedServingTest, AMemberKeepsItsOwnAnswers) {
  put_model("a", 1, "max_batch_size: 8 response_cache { enable: true }");
  put_model("b", 10, "max_batch_size: 8");
  fs.make_dirs("/r/both").value();
  write_file_atomic(fs, "/r/both/config.pbtxt", two_steps(false)).value();
  serving->load_local(ctx, "both", {}).value();
  const auto runs = [&](const std::string& name) { return stats(ctx, name).executions.load(); };
  const int64_t a = runs("a"), b = runs("b"), hits = stats(ctx, "a").cache_hits;  // Warm-ups.
  EXPECT_EQ(ask(ctx, 5, "a"), 6);
  EXPECT_EQ(ask(ctx, 5, "both", "in"), 16);  // It names the output, another question.
  EXPECT_EQ(ask(ctx, 5, "both", "in"), 16);
  EXPECT_EQ(ask(ctx, 5, "a"), 6);
  EXPECT_EQ(runs("both"), 2);
  EXPECT_EQ(runs("b"), b + 2);
  EXPECT_EQ(runs("a"), a + 2);
  EXPECT_EQ(stats(ctx, "a").cache_hits, hits + 2);
}

// Many ask for few things while versions change below them: every answer is one of the version that
// it names.
TEST_F(CachedServingTest, ThreadsAndSwaps) {
  deploy(ctx, "1");
  put_model("together", 2, "max_batch_size: 8 dynamic_batching {} response_cache { enable: true }");
  std::atomic<bool> stop{false};
  std::atomic<int> wrong{0}, asked{0};
  std::vector<std::unique_ptr<Task>> tasks;
  for (int t = 0; t < 6; ++t)
    tasks.push_back(real_executor().spawn("ask", [&, t] {
      for (int i = 0; !stop; ++i) {
        const auto x = static_cast<float>(i % 5);
        const bool local_one = (i + t) % 2 == 0;
        const auto got = serving->predict(ctx, route(ctx, local_one ? "together" : "d"), asking(x));
        ++asked;
        if (!got.ok()) {
          ++wrong;
          continue;
        }
        const double adds = local_one ? 2 : static_cast<double>(got->model_version);
        if (got->outputs[0].number(0) != static_cast<double>(x) + adds) ++wrong;
      }
    }));
  for (int swap = 0; swap < 30 || asked < 3000; ++swap) deploy(ctx, std::to_string(1 + swap % 3));
  stop = true;
  for (const auto& task : tasks) task->join();
  EXPECT_EQ(wrong, 0);
  EXPECT_GT(stats(ctx, "together").cache_hits, 0);
  EXPECT_EQ(logged(), static_cast<size_t>(asked));
}

}  // namespace
}  // namespace slip::serving
