#include "serving/local_models.h"

#include <gtest/gtest.h>

#include "base/budget.h"
#include "serving/serving.h"
#include "sys/clock.h"
#include "sys/log.h"
#include "sys/sim/sim_fs.h"
#include "test/onnx/onnx_bytes.h"

namespace slip::serving {
namespace {

class LocalModelsTest : public testing::Test {
 protected:
  void put(const std::string& path, std::string_view bytes) {
    fs.make_dirs(parent_dir(path)).value();
    write_file_atomic(fs, path, bytes).value();
  }
  // x + v on [-1, 3] floats.
  std::string adds(float v) { return test::onnx_add(v, v, v); }
  LocalModels make() { return LocalModels({fs, budget, real_clock(), null_log()}); }
  static const Route& route_of(const LocalModels& models, std::string_view name) {
    for (const auto& route : models.routes())
      if (route->name == name) return *route;
    CHECK(false);
  }
  static double ask(const Arm& arm) {
    Tensor x;
    x.name = "x";
    x.shape = {1, 3};
    x.data.assign(12, '\0');
    const Tensor inputs[] = {x};
    return arm.model->run(inputs, {}).value()[0].number(0);
  }
  static std::string index_text(const LocalModels& models, bool ready = false) {
    std::string out;
    for (const LocalVersion& v : models.index(ready))
      out += v.model + "/" + std::to_string(v.version) + " " + v.state +
             (v.reason.empty() ? "" : " (" + v.reason.substr(0, 40) + ")") + "\n";
    return out;
  }

  sim::SimFs fs{1};
  Budget budget{1 << 30};
};

TEST_F(LocalModelsTest, ServesAFileUnderItsName) {
  put("/m/a.onnx", adds(2));
  LocalModels models = make();
  models.add_file("a", "/m/a.onnx").value();
  EXPECT_EQ(models.add_file("a", "/m/b.onnx").error().reason, "local_model.twice");
  EXPECT_EQ(models.add_file("../a", "/m/b.onnx").error().reason, "local_model.name");
  models.open().value();
  const Route& route = route_of(models, "a");
  EXPECT_TRUE(route.local);
  ASSERT_EQ(route.arms.size(), 1U);
  EXPECT_EQ(route.arms[0].version, 1);
  EXPECT_EQ(ask(route.arms[0]), 2);
  EXPECT_EQ(route.arms[0].model->signature().max_batch, kDefaultMaxBatch);
  EXPECT_EQ(index_text(models), "a/1 READY\n");
  EXPECT_TRUE(models.ready());
}

TEST_F(LocalModelsTest, VersionsAreChosenByThePolicy) {
  for (const int v : {1, 2, 10}) {
    put("/r/all/" + std::to_string(v) + "/model.onnx", adds(static_cast<float>(v)));
    put("/r/latest/" + std::to_string(v) + "/model.onnx", adds(static_cast<float>(v)));
    put("/r/some/" + std::to_string(v) + "/model.onnx", adds(static_cast<float>(v)));
  }
  put("/r/all/config.pbtxt", "name: \"all\" version_policy: { all {} }");
  put("/r/some/config.pbtxt", "version_policy: { specific { versions: [1, 2] } }");
  put("/r/all/not_a_version/model.onnx", "rubbish");
  LocalModels models = make();
  models.add_repository("/r").value();
  models.open().value();
  EXPECT_EQ(
      index_text(models),
      "all/1 READY\nall/2 READY\nall/10 READY\nlatest/10 READY\nsome/1 READY\nsome/2 READY\n");
  const Route& all = route_of(models, "all");
  EXPECT_EQ(all.arms.front().version, 10);
  EXPECT_EQ(ask(all.choose(0.99)), 10);
  EXPECT_EQ(ask(*all.arm_of(2)), 2);
}

TEST_F(LocalModelsTest, WhatDoesNotLoadReplacesNothing) {
  put("/r/m/1/model.onnx", adds(1));
  put("/r/broken/1/model.onnx", "rubbish");
  LocalModels models = make();
  models.add_repository("/r").value();
  models.open().value();
  EXPECT_FALSE(models.ready());
  EXPECT_EQ(index_text(models, true), "m/1 READY\n");
  EXPECT_NE(index_text(models).find("broken/0 UNAVAILABLE"), std::string::npos);
  put("/r/m/1/model.onnx", "rubbish");
  EXPECT_FALSE(models.load("m", {}).ok());
  EXPECT_EQ(ask(route_of(models, "m").arms[0]), 1);
  put("/r/m/1/model.onnx", adds(7));
  models.load("m", {}).value();
  EXPECT_EQ(ask(route_of(models, "m").arms[0]), 7);
  EXPECT_EQ(models.load("none", {}).error().reason, "local_model.not_found");
  EXPECT_EQ(models.load("../r/m", {}).error().reason, "local_model.not_found");
}

TEST_F(LocalModelsTest, UnloadedIsGoneUntilItIsLoaded) {
  put("/r/m/3/model.onnx", adds(3));
  LocalModels models = make();
  models.add_repository("/r").value();
  models.open().value();
  const auto held = models.routes().front();
  models.unload("m", false).value();
  EXPECT_TRUE(models.routes().empty());
  EXPECT_TRUE(models.ready());
  EXPECT_EQ(index_text(models), "m/3 UNAVAILABLE (unloaded)\n");
  EXPECT_EQ(ask(held->arms[0]), 3);  // Whoever has begun ends on it.
  EXPECT_EQ(models.unload("none", false).error().reason, "local_model.not_found");
  models.load("m", {}).value();
  EXPECT_EQ(index_text(models), "m/3 READY\n");
}

TEST_F(LocalModelsTest, ALoadBringsItsOwnFiles) {
  fs.make_dirs("/r").value();
  LocalModels models = make();
  models.add_repository("/r").value();
  models.open().value();
  LocalModels::Parts parts;
  parts.files["4/model.onnx"] = adds(4);
  EXPECT_EQ(models.load("m", parts).error().reason, "local_model.parts");
  parts.config_json = R"({"name": "m", "max_batch_size": 8})";
  models.load("m", parts).value();
  EXPECT_EQ(index_text(models), "m/4 READY\n");
  EXPECT_EQ(route_of(models, "m").arms[0].model->signature().max_batch, 8);
  for (const char* path : {"model.onnx", "x/model.onnx", "1/../model.onnx", "1/a/model.onnx", ""}) {
    LocalModels::Parts bad{parts.config_json, {{path, adds(1)}}};
    EXPECT_EQ(models.load("m", bad).error().reason, "local_model.parts") << path;
  }
}

std::string two_steps(std::string_view second) {
  return "platform: 'ensemble' max_batch_size: 8"
         " input { name: 'in' data_type: TYPE_FP32 dims: [3] }"
         " output { name: 'out' data_type: TYPE_FP32 dims: [3] }"
         " ensemble_scheduling {"
         // Out of order on purpose.
         " step { model_name: '" +
         std::string(second) +
         "' model_version: -1"
         "  input_map { key: 'x' value: 'between' } output_map { key: 'y' value: 'out' } }"
         " step { model_name: 'a' model_version: -1"
         "  input_map { key: 'x' value: 'in' } output_map { key: 'y' value: 'between' } } }";
}

TEST_F(LocalModelsTest, EnsemblesRunTheirSteps) {
  put("/r/a/1/model.onnx", adds(1));
  put("/r/b/1/model.onnx", adds(10));
  put("/r/_both/config.pbtxt", two_steps("b"));
  LocalModels models = make();
  models.add_repository("/r").value();
  models.open().value();
  EXPECT_EQ(index_text(models), "_both/1 READY\na/1 READY\nb/1 READY\n");
  const auto answer = [&](const Arm& arm) {
    Tensor x;
    x.name = "in";
    x.shape = {2, 3};
    x.data.assign(24, '\0');
    return arm.model->run(std::vector{x}, {});
  };
  const std::shared_ptr<const Route> both = models.routes().front();
  ASSERT_EQ(both->name, "_both");
  const auto out = answer(both->arms[0]).value();
  ASSERT_EQ(out.size(), 1U);
  EXPECT_EQ(out[0].name, "out");
  EXPECT_EQ(out[0].shape, (std::vector<int64_t>{2, 3}));
  EXPECT_EQ(out[0].number(5), 11);
  // A member may be replaced below it.
  put("/r/b/1/model.onnx", adds(20));
  models.load("b", {}).value();
  EXPECT_EQ(answer(both->arms[0]).value()[0].number(0), 21);
  models.unload("b", false).value();
  EXPECT_EQ(answer(both->arms[0]).error().reason, "ensemble.member");
  models.load("_both", {}).value();  // Brings what it needs.
  EXPECT_EQ(answer(both->arms[0]).value()[0].number(0), 21);
  models.unload("_both", true).value();
  EXPECT_EQ(index_text(models, true), "");
}

TEST_F(LocalModelsTest, EnsemblesAreChecked) {
  put("/r/a/1/model.onnx", adds(1));
  put("/r/self/config.pbtxt", two_steps("self"));
  put("/r/none/config.pbtxt", two_steps("nobody"));
  put("/r/round/config.pbtxt",
      "platform: 'ensemble' input { name: 'in' data_type: TYPE_FP32 dims: [-1, 3] }"
      " output { name: 'out' data_type: TYPE_FP32 dims: [-1, 3] } ensemble_scheduling {"
      " step { model_name: 'a' input_map { key: 'x' value: 'p' }"
      "  output_map { key: 'y' value: 'out' } }"
      " step { model_name: 'a' input_map { key: 'x' value: 'out' }"
      "  output_map { key: 'y' value: 'p' } } }");
  put("/r/types/config.pbtxt",
      "platform: 'ensemble' input { name: 'in' data_type: TYPE_INT32 dims: [-1, 3] }"
      " output { name: 'out' data_type: TYPE_FP32 dims: [-1, 3] } ensemble_scheduling {"
      " step { model_name: 'a' input_map { key: 'x' value: 'in' }"
      "  output_map { key: 'y' value: 'out' } } }");
  LocalModels models = make();
  models.add_repository("/r").value();
  models.open().value();
  EXPECT_EQ(index_text(models, true), "a/1 READY\n");
  const auto why = [&](std::string_view name) {
    for (const LocalVersion& v : models.index(false))
      if (v.model == name) return v.reason;
    return std::string();
  };
  EXPECT_NE(why("self").find("step of itself"), std::string::npos) << why("self");
  // Nor in a roundabout way, by a change of what serves.
  put("/r/top/config.pbtxt", two_steps("a"));
  models.load("top", {}).value();
  put("/r/a/config.pbtxt", two_steps("top"));
  EXPECT_EQ(models.load("a", {}).error().reason, "model_config.field");
  EXPECT_EQ(index_text(models, true), "a/1 READY\ntop/1 READY\n");
  EXPECT_NE(why("none").find("`nobody` isn't served"), std::string::npos) << why("none");
  EXPECT_NE(why("round").find("nothing that can run before it"), std::string::npos) << why("round");
  EXPECT_NE(why("types").find("FP32"), std::string::npos) << why("types");
}

TEST_F(LocalModelsTest, LabelsStandBesideTheConfiguration) {
  put("/r/m/1/model.onnx", adds(1));
  put("/r/m/names.txt", "cat\r\ndog\n\nowl\n\n");
  put("/r/m/config.pbtxt",
      "max_batch_size: 4 output { name: \"y\" label_filename: \"names.txt\" }");
  LocalModels models = make();
  models.add_repository("/r").value();
  models.open().value();
  const ModelConfig& config = *route_of(models, "m").arms[0].config;
  EXPECT_EQ(config.labels.at("y"), (std::vector<std::string>{"cat", "dog", "", "owl"}));
}

}  // namespace
}  // namespace slip::serving
