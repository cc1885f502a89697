#include <cmath>
#include <cstring>

#include <gtest/gtest.h>

#include "model/test_models.h"
#include "serving/model.h"

namespace slip::serving {
namespace {

Tensor rows(const std::vector<float>& values, int64_t width) {
  Tensor t;
  t.name = "input";
  t.shape = {static_cast<int64_t>(values.size()) / width, width};
  t.data.resize(values.size() * sizeof(float));
  std::memcpy(t.data.data(), values.data(), t.data.size());
  return t;
}

// Two classes by one test: x < 0.5 ? -1 : 2, through a sigmoid.
std::string binary_xgboost() {
  return R"({"learner":{"attributes":{},"feature_names":[],"feature_types":[],)"
         R"("gradient_booster":{"model":{"gbtree_model_param":{"num_parallel_tree":"1",)"
         R"("num_trees":"1"},"iteration_indptr":[0,1],"tree_info":[0],"trees":[{)"
         R"("base_weights":[0,-1,2],"categories":[],"categories_nodes":[],)"
         R"("categories_segments":[],"categories_sizes":[],"default_left":[1,0,0],)"
         R"("left_children":[1,-1,-1],"right_children":[2,-1,-1],)"
         R"("split_conditions":[0.5,-1,2],"split_indices":[0,0,0],)"
         R"("split_type":[0,0,0],"tree_param":{"num_nodes":"3","size_leaf_vector":"1"}}]},)"
         R"("name":"gbtree"},"learner_model_param":{"base_score":"[5E-1]","num_class":"0",)"
         R"("num_feature":"1","num_target":"1"},"objective":{"name":"binary:logistic",)"
         R"("reg_loss_param":{"scale_pos_weight":"1"}}},"version":[3,2,0]})";
}

TEST(TreeModel, AnswersARegression) {
  const auto model = load_model(model::test::xgboost_json()).value();
  const Signature& s = model->signature();
  EXPECT_EQ(s.platform, "xgboost");
  ASSERT_EQ(s.inputs.size(), 1U);
  EXPECT_EQ(s.inputs[0].name, "input");
  EXPECT_EQ(s.inputs[0].shape, (std::vector<int64_t>{-1, 2}));
  ASSERT_EQ(s.outputs.size(), 1U);
  EXPECT_EQ(s.outputs[0].shape, (std::vector<int64_t>{-1, 1}));
  const Tensor in[] = {rows({0, 0, 1, 1, 1, 2, std::nanf(""), 3}, 2)};
  const std::vector<Tensor> out = model->run(in, {}).value();
  ASSERT_EQ(out.size(), 1U);
  EXPECT_EQ(out[0].shape, (std::vector<int64_t>{4, 1}));
  const double want[] = {1.5, 4.5, 2.5, 1.5};
  for (int i = 0; i < 4; ++i) EXPECT_EQ(out[0].number(i), want[i]) << i;
}

TEST(TreeModel, LabelsClasses) {
  const auto model = load_trees(binary_xgboost()).value();
  ASSERT_EQ(model->signature().outputs.size(), 2U);
  EXPECT_EQ(model->signature().outputs[1].name, "label");
  EXPECT_EQ(model->signature().outputs[1].shape, (std::vector<int64_t>{-1}));
  const Tensor in[] = {rows({0, 1}, 1)};
  const std::vector<Tensor> out = model->run(in, {}).value();
  EXPECT_NEAR(out[0].number(0), 1 / (1 + std::exp(1.0)), 1e-6);
  EXPECT_NEAR(out[0].number(1), 1 / (1 + std::exp(-2.0)), 1e-6);
  EXPECT_EQ(out[1].shape, (std::vector<int64_t>{2}));
  EXPECT_EQ(out[1].number(0), 0);
  EXPECT_EQ(out[1].number(1), 1);
  const std::string wanted[] = {"label"};
  const std::vector<Tensor> only = model->run(in, wanted).value();
  ASSERT_EQ(only.size(), 1U);
  EXPECT_EQ(only[0].name, "label");
}

TEST(TreeModel, AnswersAsFilDoes) {
  const Tensor in[] = {rows({0, 1}, 1)};
  TreeOptions options;
  options.label.clear();
  options.as = TreeOutput::kProbabilities;
  const auto both = load_trees(binary_xgboost(), options).value()->run(in, {}).value();
  EXPECT_EQ(both[0].shape, (std::vector<int64_t>{2, 2}));
  EXPECT_NEAR(both[0].number(0) + both[0].number(1), 1, 1e-6);
  EXPECT_NEAR(both[0].number(3), 1 / (1 + std::exp(-2.0)), 1e-6);
  options.as = TreeOutput::kClass;
  const auto classes = load_trees(binary_xgboost(), options).value()->run(in, {}).value();
  EXPECT_EQ(classes[0].shape, (std::vector<int64_t>{2, 1}));
  EXPECT_EQ(classes[0].number(0), 0);
  EXPECT_EQ(classes[0].number(1), 1);
  EXPECT_EQ(load_trees(model::test::lightgbm_text(), options).error().reason, "model.field");
}

TEST(TreeModel, RefusesWhatDoesNotFit) {
  const auto model = load_model(model::test::lightgbm_text()).value();
  EXPECT_EQ(model->signature().platform, "lightgbm");
  const Tensor good = rows({0, 0}, 2);
  Tensor other = good, wide = rows({0, 0, 0}, 3), typed = good, short_of = good;
  other.name = "x";
  typed.type = DataType::kInt32;
  short_of.data.resize(4);
  const auto reason = [&](std::span<const Tensor> in) { return model->run(in, {}).error().reason; };
  EXPECT_EQ(reason(std::vector{other}), "tensor.unknown_input");
  EXPECT_EQ(reason(std::vector{wide}), "tensor.shape");
  EXPECT_EQ(reason(std::vector{typed}), "tensor.datatype");
  EXPECT_EQ(reason(std::vector{short_of}), "tensor.size");
  EXPECT_EQ(reason(std::vector{good, good}), "tensor.duplicate");
  EXPECT_EQ(reason(std::vector<Tensor>()), "tensor.missing_input");
  const std::string none[] = {"none"};
  EXPECT_EQ(model->run(std::vector{good}, none).error().reason, "tensor.unknown_output");
  Tensor nobody = good;
  nobody.shape = {0, 2};
  nobody.data.clear();
  EXPECT_EQ(model->run(std::vector{nobody}, {}).value()[0].shape, (std::vector<int64_t>{0, 1}));
}

}  // namespace
}  // namespace slip::serving
