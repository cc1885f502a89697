#include <bit>
#include <cmath>
#include <cstring>
#include <limits>
#include <memory>
#include <string>
#include <vector>

#include <dlfcn.h>
#include <gtest/gtest.h>

#include "model/test_models.h"
#include "rt/slipway_rt.h"
#include "serving/model.h"
#include "sys/executor.h"
#include "test/gen/dice.h"

// The C library as its users have it: opened by name, asked through its functions alone.
namespace slip::rt {
namespace {

using gen::Dice;

struct Library {
  void* at = dlopen("libslipway_rt.so", RTLD_NOW | RTLD_LOCAL);  // Beside the program.
  template <class F>
  F* find(const char* name) const {
    void* const found = at == nullptr ? nullptr : dlsym(at, name);
    EXPECT_NE(found, nullptr) << name;
    return std::bit_cast<F*>(found);
  }
};
const Library& library() {
  static const Library one;
  return one;
}
#define RT(name) library().find<decltype(slipway_rt_##name)>("slipway_rt_" #name)

struct FreeModel {
  void operator()(slipway_rt_model* m) const { RT(model_free)(m); }
};
using ModelPtr = std::unique_ptr<slipway_rt_model, FreeModel>;
struct FreeTransform {
  void operator()(slipway_rt_transform* t) const { RT(transform_free)(t); }
};
using TransformPtr = std::unique_ptr<slipway_rt_transform, FreeTransform>;
struct FreeValues {
  void operator()(slipway_rt_values* v) const { RT(values_free)(v); }
};
using ValuesPtr = std::unique_ptr<slipway_rt_values, FreeValues>;

ModelPtr load(std::string_view bytes) {
  slipway_rt_model* out = nullptr;
  EXPECT_EQ(RT(model_load)(bytes.data(), bytes.size(), &out), SLIPWAY_RT_OK) << RT(error)();
  return ModelPtr(out);
}
TransformPtr compile(const char* text, const std::vector<slipway_rt_column>& schema) {
  slipway_rt_transform* out = nullptr;
  EXPECT_EQ(RT(transform_compile)(text, schema.data(), schema.size(), nullptr, &out), SLIPWAY_RT_OK)
      << RT(error)();
  return TransformPtr(out);
}
std::string reason() { return RT(error_reason)(); }

std::vector<float> odd_rows(size_t count) {
  Dice dice = Dice::seeded(7);
  std::vector<float> out(count);
  constexpr float kOdd[] = {0.5F, 0, -0.0F, 1, 3, 1.5F, 1e-36F, 1e30F};
  for (float& x : out) {
    const size_t pick = dice.below(10);
    x = pick < 8    ? kOdd[pick]
        : pick == 8 ? std::nanf("")
                    : std::nextafterf(0.5F, dice.one_in(2) ? 1.0F : 0.0F);
  }
  return out;
}

std::vector<float> served(const std::string& bytes, const std::vector<float>& rows, int64_t width) {
  const auto model = serving::load_trees(bytes).value();
  serving::Tensor t;
  t.name = "input";
  t.shape = {static_cast<int64_t>(rows.size()) / width, width};
  t.data.resize(rows.size() * sizeof(float));
  std::memcpy(t.data.data(), rows.data(), t.data.size());
  const std::vector<serving::Tensor> out = model->run(std::span(&t, 1), {}).value();
  std::vector<float> answers(out[0].data.size() / sizeof(float));
  std::memcpy(answers.data(), out[0].data.data(), out[0].data.size());
  return answers;
}

TEST(RtModel, AnswersTheServersBits) {
  const std::string models[] = {model::test::lightgbm_text(),   model::test::xgboost_json(),
                                model::test::xgboost_ubj(),     model::test::onnx_regressor(),
                                model::test::onnx_ensemble_5(), model::test::onnx_classifier()};
  for (const std::string& bytes : models) {
    const ModelPtr model = load(bytes);
    ASSERT_NE(model, nullptr);
    const size_t width = RT(model_features)(model.get());
    const std::vector<float> rows = odd_rows(300 * width);
    const size_t outputs = RT(model_outputs)(model.get(), SLIPWAY_RT_ANSWER);
    std::vector<float> out(300 * outputs);
    const slipway_rt_ask_f32 ask = {SLIPWAY_RT_ANSWER, rows.data(), 300, width,
                                    out.data(),        out.size()};
    ASSERT_EQ(RT(predict_f32)(model.get(), &ask), SLIPWAY_RT_OK) << RT(error)();
    const std::vector<float> want = served(bytes, rows, static_cast<int64_t>(width));
    ASSERT_EQ(out.size(), want.size());
    for (size_t i = 0; i < out.size(); ++i)
      EXPECT_EQ(std::bit_cast<uint32_t>(out[i]), std::bit_cast<uint32_t>(want[i])) << i;
  }
}

TEST(RtModel, SaysWhatItIs) {
  const ModelPtr model = load(model::test::lightgbm_text());
  EXPECT_EQ(RT(abi)(), static_cast<uint32_t>(SLIPWAY_RT_ABI));
  EXPECT_STREQ(RT(model_library)(model.get()), "lightgbm");
  EXPECT_STREQ(RT(model_objective)(model.get()), "regression");
  EXPECT_STRNE(RT(model_kernel)(model.get()), "");
  EXPECT_STREQ(RT(model_feature_name)(model.get(), 1), "city");
  EXPECT_STREQ(RT(model_feature_name)(model.get(), 2), "");
  EXPECT_EQ(RT(model_is_classifier)(model.get()), 0);
  const double row[] = {0, 5};
  double out = 0;
  const slipway_rt_ask_f64 ask = {SLIPWAY_RT_RAW, row, 1, 2, &out, 1};
  ASSERT_EQ(RT(predict_f64)(model.get(), &ask), SLIPWAY_RT_OK);
  EXPECT_EQ(out, 21);  // 1 and 20.
  const slipway_rt_ask_f64 label = {SLIPWAY_RT_LABEL, row, 1, 2, &out, 1};
  EXPECT_EQ(RT(predict_f64)(model.get(), &label), SLIPWAY_RT_INVALID);
  EXPECT_EQ(reason(), "rt.output");
}

TEST(RtModel, RefusesWhatIsNoModel) {
  const std::string models[] = {model::test::lightgbm_text(), model::test::xgboost_json(),
                                model::test::xgboost_ubj(), model::test::onnx_regressor()};
  for (const std::string& whole : models) {
    for (size_t size = 0; size < whole.size(); ++size) {
      slipway_rt_model* out = nullptr;
      const slipway_rt_status done = RT(model_load)(whole.data(), size, &out);
      EXPECT_EQ(done == SLIPWAY_RT_OK, out != nullptr);
      if (done != SLIPWAY_RT_OK) {
        EXPECT_STRNE(RT(error)(), "") << size;
      }
      RT(model_free)(out);  // A text without its last lines is a model all the same.
    }
  }
  slipway_rt_model* out = nullptr;
  EXPECT_EQ(RT(model_load)(nullptr, 5, &out), SLIPWAY_RT_INVALID);
  EXPECT_EQ(reason(), "rt.null");
  EXPECT_EQ(RT(model_load)("x", 1, nullptr), SLIPWAY_RT_INVALID);
  EXPECT_EQ(out, nullptr);
}

TEST(RtModel, RefusesWrongShapes) {
  const ModelPtr model = load(model::test::lightgbm_text());
  const float rows[] = {1, 2, 3, 4};
  float out[2] = {-7, -7};
  constexpr size_t kHuge = std::numeric_limits<size_t>::max();
  const slipway_rt_ask_f32 bad[] = {{SLIPWAY_RT_ANSWER, rows, 2, 3, out, 2},
                                    {SLIPWAY_RT_ANSWER, rows, 2, 2, out, 1},
                                    {SLIPWAY_RT_ANSWER, rows, kHuge, 2, out, kHuge},
                                    {SLIPWAY_RT_ANSWER, rows, kHuge / 8, 2, out, 2},
                                    {SLIPWAY_RT_ANSWER, nullptr, 2, 2, out, 2},
                                    {SLIPWAY_RT_ANSWER, rows, 2, 2, nullptr, 2},
                                    {3, rows, 2, 2, out, 2}};
  for (const slipway_rt_ask_f32& ask : bad) {
    EXPECT_NE(RT(predict_f32)(model.get(), &ask), SLIPWAY_RT_OK);
    EXPECT_STRNE(RT(error)(), "");
    EXPECT_EQ(out[0], -7);
  }
  const slipway_rt_ask_f32 none = {SLIPWAY_RT_ANSWER, nullptr, 0, 2, nullptr, 0};
  EXPECT_EQ(RT(predict_f32)(model.get(), &none), SLIPWAY_RT_OK);
  EXPECT_EQ(RT(predict_f32)(nullptr, &none), SLIPWAY_RT_INVALID);
  EXPECT_EQ(RT(predict_f32)(model.get(), nullptr), SLIPWAY_RT_INVALID);
  EXPECT_EQ(RT(model_features)(nullptr), 0U);
  EXPECT_STREQ(RT(model_objective)(nullptr), "");
}

TEST(RtModel, AnswersManyThreadsAtOnce) {
  const ModelPtr model = load(model::test::xgboost_json());
  const std::vector<float> rows = odd_rows(2000);
  const std::vector<float> want = served(model::test::xgboost_json(), rows, 2);
  std::vector<std::unique_ptr<Task>> tasks;
  std::vector<int> equal(8);
  for (int& good : equal)
    tasks.push_back(real_executor().spawn("rt", [&] {
      for (int turn = 0; turn < 20; ++turn) {
        std::vector<float> out(1000);
        const slipway_rt_ask_f32 ask = {SLIPWAY_RT_ANSWER, rows.data(), 1000, 2, out.data(), 1000};
        good += RT(predict_f32)(model.get(), &ask) == SLIPWAY_RT_OK && out == want;
      }
    }));
  for (const auto& task : tasks) task->join();
  for (const int good : equal) EXPECT_EQ(good, 20);
}

// ---- expressions

slipway_rt_column column(const char* name, slipway_rt_type type) {
  slipway_rt_column out = {};
  out.name = name;
  out.type = type;
  return out;
}
slipway_rt_column doubles(const char* name, const std::vector<double>& values) {
  slipway_rt_column out = column(name, SLIPWAY_RT_DOUBLE);
  out.rows = static_cast<int64_t>(values.size());
  out.data = values.data();
  out.data_bytes = values.size() * sizeof(double);
  return out;
}

TEST(RtTransform, ComputesRowsByName) {
  const TransformPtr ratio =
      compile("amount / greatest(mean, 1.0)",
              {column("amount", SLIPWAY_RT_DOUBLE), column("mean", SLIPWAY_RT_DOUBLE),
               column("other", SLIPWAY_RT_TEXT)});
  ASSERT_NE(ratio, nullptr);
  ASSERT_EQ(RT(transform_inputs)(ratio.get()), 2U);
  EXPECT_STREQ(RT(transform_input_name)(ratio.get(), 0), "amount");
  EXPECT_EQ(RT(transform_input_type)(ratio.get(), 1), SLIPWAY_RT_DOUBLE);
  EXPECT_EQ(RT(transform_output_type)(ratio.get()), SLIPWAY_RT_DOUBLE);
  EXPECT_EQ(std::strlen(RT(transform_hash)(ratio.get())), 64U);
  const std::vector<double> mean = {2, 0.5, 4}, amount = {3, 7, std::nan("")};
  const uint8_t valid[] = {0b101};
  slipway_rt_column in[] = {doubles("mean", mean), doubles("amount", amount)};
  in[0].validity = valid;
  slipway_rt_values* made = nullptr;
  ASSERT_EQ(RT(evaluate)(ratio.get(), in, 2, 3, &made), SLIPWAY_RT_OK) << RT(error)();
  const ValuesPtr values(made);
  slipway_rt_column out = {};
  ASSERT_EQ(RT(values_column)(values.get(), &out), SLIPWAY_RT_OK);
  ASSERT_EQ(out.rows, 3);
  const auto* x = static_cast<const double*>(out.data);
  EXPECT_EQ(x[0], 1.5);
  EXPECT_TRUE(std::isnan(x[2]));
}

TEST(RtTransform, TakesTextsAndLists) {
  slipway_rt_column list = column("l", SLIPWAY_RT_LIST);
  list.item_type = SLIPWAY_RT_INT64;
  const TransformPtr lower = compile("lower(t)", {column("t", SLIPWAY_RT_TEXT), list});
  slipway_rt_column text = column("t", SLIPWAY_RT_TEXT);
  const int32_t offsets[] = {0, 2, 2, 5};
  text.rows = 3;
  text.offsets = offsets;
  text.data = "AbCDE";
  text.data_bytes = 5;
  slipway_rt_values* made = nullptr;
  ASSERT_EQ(RT(evaluate)(lower.get(), &text, 1, 3, &made), SLIPWAY_RT_OK) << RT(error)();
  const ValuesPtr values(made);
  slipway_rt_column out = {};
  ASSERT_EQ(RT(values_column)(values.get(), &out), SLIPWAY_RT_OK);
  EXPECT_EQ(std::string(static_cast<const char*>(out.data), out.data_bytes), "abcde");
  EXPECT_EQ(out.offsets[3], 5);

  const TransformPtr same = compile("l", {list});
  const std::vector<int64_t> numbers = {4, 5, 6};
  slipway_rt_column items = column("", SLIPWAY_RT_INT64);
  items.rows = 3;
  items.data = numbers.data();
  items.data_bytes = 24;
  const int32_t ends[] = {0, 1, 3};
  list.rows = 2;
  list.offsets = ends;
  list.items = &items;
  ASSERT_EQ(RT(evaluate)(same.get(), &list, 1, 2, &made), SLIPWAY_RT_OK) << RT(error)();
  const ValuesPtr lists(made);
  ASSERT_EQ(RT(values_column)(lists.get(), &out), SLIPWAY_RT_OK);
  ASSERT_EQ(out.type, SLIPWAY_RT_LIST);
  ASSERT_NE(out.items, nullptr);
  EXPECT_EQ(out.items->rows, 3);
  EXPECT_EQ(static_cast<const int64_t*>(out.items->data)[2], 6);
}

TEST(RtTransform, RefusesBadColumns) {
  const TransformPtr lower = compile("lower(t)", {column("t", SLIPWAY_RT_TEXT)});
  const int32_t fall[] = {0, 4, 2}, beyond[] = {0, 2, 9}, negative[] = {-1, 2, 3},
                good[] = {0, 2, 3};
  slipway_rt_column base = column("t", SLIPWAY_RT_TEXT);
  base.rows = 2;
  base.offsets = good;
  base.data = "abc";
  base.data_bytes = 3;
  std::vector<slipway_rt_column> bad(8, base);
  bad[0].offsets = fall;
  bad[1].offsets = beyond;
  bad[2].offsets = negative;
  bad[3].offsets = nullptr;
  bad[4].data = nullptr;
  bad[5].rows = 1;
  bad[6].type = SLIPWAY_RT_BYTES;
  bad[7].name = "u";
  slipway_rt_values* made = nullptr;
  for (const slipway_rt_column& c : bad) {
    EXPECT_EQ(RT(evaluate)(lower.get(), &c, 1, 2, &made), SLIPWAY_RT_INVALID);
    EXPECT_EQ(reason(), "rt.column");
  }
  EXPECT_EQ(RT(evaluate)(lower.get(), &base, 1, -1, &made), SLIPWAY_RT_INVALID);
  EXPECT_EQ(RT(evaluate)(lower.get(), nullptr, 1, 2, &made), SLIPWAY_RT_INVALID);
  EXPECT_EQ(RT(evaluate)(nullptr, &base, 1, 2, &made), SLIPWAY_RT_INVALID);
  EXPECT_EQ(made, nullptr);
  alignas(8) char raw[24] = {};
  slipway_rt_column odd = doubles("x", {0, 0});
  odd.data = raw + 1;
  const TransformPtr x = compile("x + 1", {column("x", SLIPWAY_RT_DOUBLE)});
  EXPECT_EQ(RT(evaluate)(x.get(), &odd, 1, 2, &made), SLIPWAY_RT_INVALID);
  odd.data = raw;
  odd.data_bytes = 15;
  EXPECT_EQ(RT(evaluate)(x.get(), &odd, 1, 2, &made), SLIPWAY_RT_INVALID);
}

TEST(RtTransform, RefusesBadTexts) {
  slipway_rt_transform* out = nullptr;
  const slipway_rt_column x = column("x", SLIPWAY_RT_DOUBLE);
  const char* const bad[] = {"", "x +", "y", "lower(x)", "x at time zone 'Europe/Berlin'", "((((("};
  for (const char* text : bad) {
    EXPECT_EQ(RT(transform_compile)(text, &x, 1, nullptr, &out), SLIPWAY_RT_INVALID) << text;
    EXPECT_NE(reason().find("expr."), std::string::npos) << reason();
  }
  slipway_rt_column nameless = x, strange = x;
  nameless.name = nullptr;
  strange.type = -99;
  EXPECT_EQ(RT(transform_compile)("x", &nameless, 1, nullptr, &out), SLIPWAY_RT_INVALID);
  EXPECT_EQ(RT(transform_compile)("x", &strange, 1, nullptr, &out), SLIPWAY_RT_INVALID);
  EXPECT_EQ(RT(transform_compile)(nullptr, &x, 1, nullptr, &out), SLIPWAY_RT_INVALID);
  EXPECT_EQ(RT(transform_compile)("x", nullptr, 1, nullptr, &out), SLIPWAY_RT_INVALID);
  EXPECT_EQ(out, nullptr);
}

}  // namespace
}  // namespace slip::rt
