#include "serving/model.h"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstring>
#include <memory>

#include <gtest/gtest.h>

#include "serving/prediction.h"
#include "sys/executor.h"
#include "test/gen/dice.h"
#include "test/onnx/onnx_bytes.h"

namespace slip::serving {
namespace {

Tensor floats(const std::string& name, std::vector<int64_t> shape, const std::vector<float>& v) {
  Tensor t;
  t.name = name;
  t.shape = std::move(shape);
  t.data.assign(reinterpret_cast<const char*>(v.data()), v.size() * sizeof(float));
  return t;
}

Tensor texts(const std::string& name, const std::vector<std::string>& v) {
  Tensor t;
  t.name = name;
  t.type = DataType::kBytes;
  t.shape = {static_cast<int64_t>(v.size()), 1};
  t.strings = v;
  return t;
}

std::string reason_of(const Result<std::vector<Tensor>>& r) {
  return r.ok() ? "" : r.error().reason;
}

TEST(OnnxModel, RunsNumbersAndTexts) {
  const std::unique_ptr<Model> add = load_onnx(test::onnx_add(1, 20, 300), {}).value();
  ASSERT_EQ(add->signature().inputs.size(), 1U);
  EXPECT_EQ(add->signature().inputs[0].shape, (std::vector<int64_t>{-1, 3}));
  ASSERT_TRUE(warm_up(*add).ok());
  const Tensor x = floats("x", {2, 3}, {0.5F, 0, -1, 1, 2, 3});
  const std::vector<Tensor> y = add->run(std::span(&x, 1), {}).value();
  ASSERT_EQ(y.size(), 1U);
  EXPECT_EQ(y[0].shape, (std::vector<int64_t>{2, 3}));
  EXPECT_EQ(y[0].number(0), 1.5);
  EXPECT_EQ(y[0].number(5), 303);

  const std::unique_ptr<Model> echo = load_onnx(test::onnx_echo(), {}).value();
  ASSERT_TRUE(warm_up(*echo).ok());
  const Tensor in = texts("text", {"", "gr\xc3\xbc\xc3\x9f"});
  EXPECT_EQ(echo->run(std::span(&in, 1), {}).value()[0].strings, in.strings);
}

// Runs of a shape that came before use buffers that are kept; nobody must notice.
TEST(OnnxModel, RepeatedShapesGiveEachRunItsOwnAnswer) {
  const std::unique_ptr<Model> add = load_onnx(test::onnx_add(1, 20, 300), {}).value();
  const auto ask = [&](int64_t rows, float first) {
    std::vector<float> values(static_cast<size_t>(rows) * 3, first);
    const Tensor x = floats("x", {rows, 3}, values);
    return add->run(std::span(&x, 1), {}).value().at(0);
  };
  const Tensor kept = ask(1, 5);
  for (int round = 0; round < 3; ++round)
    for (int64_t rows = 1; rows <= 40; ++rows) {  // More shapes than are kept.
      const Tensor y = ask(rows, static_cast<float>(rows));
      EXPECT_EQ(y.shape, (std::vector<int64_t>{rows, 3}));
      EXPECT_EQ(y.number(0), static_cast<double>(rows) + 1);
      EXPECT_EQ(y.number(rows * 3 - 1), static_cast<double>(rows) + 300);
    }
  EXPECT_EQ(kept.number(0), 6);
  std::vector<std::unique_ptr<Task>> tasks;
  std::atomic<int> wrong{0};
  for (int t = 0; t < 4; ++t)
    tasks.push_back(real_executor().spawn("asks", [&, t] {
      for (int i = 0; i < 200; ++i) {
        const auto value = static_cast<float>(1000 * t + i);
        wrong += ask(1, value).number(1) != static_cast<double>(value) + 20;
      }
    }));
  tasks.clear();
  EXPECT_EQ(wrong, 0);
}

TEST(OnnxModel, AnAnswersShapeMayDependOnTheValues) {
  const std::unique_ptr<Model> model = load_onnx(test::onnx_non_zero(4), {}).value();
  for (int round = 0; round < 3; ++round)
    for (const std::vector<float>& v :
         std::vector<std::vector<float>>{{1, 0, 2, 0}, {1, 1, 1, 1}, {0, 0, 0, 0}, {0, 0, 0, 9}}) {
      const Tensor x = floats("x", {1, 4}, v);
      const Tensor y = model->run(std::span(&x, 1), {}).value().at(0);
      const auto columns = static_cast<int64_t>(4 - std::count(v.begin(), v.end(), 0.0F));
      EXPECT_EQ(y.shape, (std::vector<int64_t>{2, columns}));
      EXPECT_EQ(y.data.size(), static_cast<size_t>(columns) * 16);
    }
}

TEST(OnnxModel, RefusesWhatDoesNotFit) {
  const std::unique_ptr<Model> add = load_onnx(test::onnx_add(1, 2, 3), {}).value();
  const Tensor good = floats("x", {1, 3}, {1, 2, 3});
  Tensor wrong_type = good;
  wrong_type.type = DataType::kInt32;
  Tensor wrong_size = good;
  wrong_size.data.pop_back();
  Tensor nul = texts("x", {std::string("a\0b", 3)});
  struct Case {
    const char* name;
    std::vector<Tensor> inputs;
    std::vector<std::string> outputs;
    const char* reason;
  };
  const Case cases[] = {
      {"as it should be", {good}, {"y"}, ""},
      {"no input", {}, {}, "tensor.missing_input"},
      {"an unknown input", {floats("z", {1, 3}, {1, 2, 3})}, {}, "tensor.unknown_input"},
      {"the same input twice", {good, good}, {}, "tensor.duplicate"},
      {"an unknown output", {good}, {"z"}, "tensor.unknown_output"},
      {"wrong type", {wrong_type}, {}, "tensor.datatype"},
      {"wrong rank", {floats("x", {3}, {1, 2, 3})}, {}, "tensor.shape"},
      {"wrong width", {floats("x", {1, 2}, {1, 2})}, {}, "tensor.shape"},
      {"negative", {floats("x", {-1, 3}, {1, 2, 3})}, {}, "tensor.shape"},
      {"overflow", {floats("x", {INT64_MAX, 3}, {1, 2, 3})}, {}, "tensor.shape"},
      {"less data than shape", {wrong_size}, {}, "tensor.size"},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.name);
    EXPECT_EQ(reason_of(add->run(c.inputs, c.outputs)), c.reason);
  }
  const std::unique_ptr<Model> echo = load_onnx(test::onnx_echo(), {}).value();
  nul.name = "text";
  EXPECT_EQ(echo->run(std::span(&nul, 1), {}).value().at(0).strings, nul.strings);  // NUL and all.
}

TEST(OnnxModel, RefusesDamagedFiles) {
  const std::string good = test::onnx_add(1, 2, 3);
  EXPECT_EQ(load_onnx("", {}).error().code, Code::kInvalid);
  EXPECT_EQ(load_onnx("not a model", {}).error().code, Code::kInvalid);
  for (size_t cut = 1; cut < good.size(); cut += 3) {
    const Result<std::unique_ptr<Model>> m = load_onnx(good.substr(0, cut), {});
    EXPECT_TRUE(m.ok() || m.error().code == Code::kInvalid) << cut;
  }
}

TEST(Tensor, NumbersOfEveryTypeRead) {
  Tensor t;
  t.type = DataType::kFp16;
  t.shape = {4};
  const uint16_t halves[] = {0x3c00, 0xc000, 0x0001, 0x7c00};
  t.data.assign(reinterpret_cast<const char*>(halves), sizeof halves);
  EXPECT_EQ(t.number(0), 1);
  EXPECT_EQ(t.number(1), -2);
  EXPECT_EQ(t.number(2), 0x1p-24);
  EXPECT_EQ(t.number(3), HUGE_VAL);
  t.type = DataType::kBf16;
  const uint16_t brains[] = {0x3f80, 0xc000};
  t.shape = {2};
  t.data.assign(reinterpret_cast<const char*>(brains), sizeof brains);
  EXPECT_EQ(t.number(0), 1);
  EXPECT_EQ(t.number(1), -2);
  for (int i = 0; i < kDataTypeCount; ++i) {
    const auto type = static_cast<DataType>(i);
    EXPECT_EQ(parse_data_type(data_type_name(type)), type);
  }
  EXPECT_FALSE(parse_data_type("fp32"));
}

PredictionRecord sample() {
  PredictionRecord r;
  r.project = "default";
  r.deployment = "docs";
  r.deployment_uid = "u";
  r.id = make_uuid7(5, 6, 7);
  r.ts_us = 1;
  r.model_version = 3;
  r.role = Role::kCanary;
  r.canary_weight = 0.25;
  r.latency_us = 99;
  r.client_ref = "order 7";
  r.actor_uid = "ann";
  r.actor_kind = "user";
  r.inputs = {texts("text", {"a", ""})};
  r.outputs = {floats("p", {2, 3}, {1, 2, 3, 4, 5, 6}), texts("label", {"x", "y"})};
  return r;
}

TEST(PredictionRecord, RoundTrips) {
  const PredictionRecord r = sample();
  const std::string bytes = encode_prediction(r);
  const PredictionRecord back = decode_prediction(bytes).value();
  EXPECT_EQ(encode_prediction(back), bytes);
  EXPECT_EQ(back.id, r.id);
  EXPECT_EQ(back.client_ref, "order 7");
  EXPECT_EQ(back.actor_uid, "ann");
  EXPECT_EQ(back.rows(), 2);
  PredictionRecord odd = sample();
  odd.outputs[0].shape = {3, 2};
  EXPECT_EQ(odd.rows(), 1);
}

TEST(PredictionRecord, Format1IsRead) {
  PredictionRecord r = sample();
  const auto at = encode_prediction(r).find("ann") - sizeof(uint32_t);
  r.actor_uid = r.actor_kind = "";
  std::string bytes = encode_prediction(r);  // Format 1 is format 2 without the two texts.
  bytes.erase(at, 2 * sizeof(uint32_t));
  bytes[0] = 1;
  EXPECT_EQ(encode_prediction(decode_prediction(bytes).value()), encode_prediction(r));
}

TEST(PredictionRecord, AnyDamageIsRefusedOrHarmless) {
  const std::string bytes = encode_prediction(sample());
  for (size_t cut = 0; cut < bytes.size(); ++cut)
    EXPECT_EQ(decode_prediction(bytes.substr(0, cut)).error().reason, "prediction.corrupt");
  gen::Dice dice = gen::Dice::seeded(1);
  for (int i = 0; i < 2000; ++i) {
    std::string damaged = bytes;
    damaged[dice.below(damaged.size())] = static_cast<char>(dice.below(256));
    const Result<PredictionRecord> r = decode_prediction(damaged);  // No crash; asan is watching.
    EXPECT_TRUE(r.ok() || r.error().reason == "prediction.corrupt");
  }
}

TEST(Routing, WeightsAreRespectedAndUnreadyArmsPassedOver) {
  Route route;
  const std::shared_ptr<const Model> model = load_onnx(test::onnx_add(0, 0, 0), {}).value();
  const auto stats = std::make_shared<ArmStats>();
  route.arms = {{Role::kStable, 1, 0.75, model, nullptr, stats},
                {Role::kCanary, 2, 0.25, model, nullptr, stats}};
  EXPECT_EQ(route.choose(0).version, 1);
  EXPECT_EQ(route.choose(0.7499).version, 1);
  EXPECT_EQ(route.choose(0.7501).version, 2);
  EXPECT_EQ(route.choose(0.9999).version, 2);
  route.arms[1].model = nullptr;
  EXPECT_EQ(route.choose(0.9999).version, 1);
  route.arms[1].model = model;
  route.arms[0].model = nullptr;
  EXPECT_EQ(route.choose(0).version, 2);
}

TEST(Routing, ReferencesFallEvenlyAndAnewForEachCanary) {
  Route route;
  route.draw_seed = draw_seed_of("default", "d", 2);
  Route other;
  other.draw_seed = draw_seed_of("default", "d", 3);
  int below = 0;
  int both = 0;
  for (int i = 0; i < 10'000; ++i) {
    const std::string ref = "user " + std::to_string(i);
    const double draw = route.draw_of(ref);
    ASSERT_TRUE(draw >= 0 && draw < 1);
    EXPECT_EQ(route.draw_of(ref), draw);
    below += draw < 0.2 ? 1 : 0;
    both += draw < 0.2 && other.draw_of(ref) < 0.2 ? 1 : 0;
  }
  EXPECT_NEAR(below, 2000, 160);  // Four standard deviations.
  EXPECT_NEAR(both, 400, 80);     // As two independent draws.
}

TEST(LatencyHistogram, QuantilesAreWithinABucket) {
  LatencyHistogram h;
  EXPECT_EQ(h.quantile_us(0.5), 0);
  for (int us = 1; us <= 1000; ++us) h.add(us * 1000);
  EXPECT_NEAR(h.quantile_us(0.5), 500, 500 * 0.19);
  EXPECT_NEAR(h.quantile_us(0.99), 990, 990 * 0.19);
  h.add(INT64_MAX);
}

}  // namespace
}  // namespace slip::serving
