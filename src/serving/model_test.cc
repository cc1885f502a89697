#include "serving/model.h"

#include <cmath>
#include <cstring>

#include <gtest/gtest.h>

#include "serving/prediction.h"
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
  EXPECT_EQ(reason_of(echo->run(std::span(&nul, 1), {})), "tensor.nul");
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
  EXPECT_EQ(back.rows(), 2);
  PredictionRecord odd = sample();
  odd.outputs[0].shape = {3, 2};
  EXPECT_EQ(odd.rows(), 1);
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
  route.arms = {{Role::kStable, 1, 0.75, model, stats}, {Role::kCanary, 2, 0.25, model, stats}};
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
