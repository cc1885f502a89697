#include "model/model.h"

#include <cmath>

#include <gtest/gtest.h>

#include "base/text.h"
#include "engine/trees/executor.h"
#include "model/test_models.h"
#include "test/gen/dice.h"

namespace slip::model {
namespace {

using trees::Executor;
using trees::Output;

const double kNan = std::nan("");

std::vector<double> answers(const Model& m, const std::vector<double>& rows,
                            Output output = Output::kAnswer) {
  const Executor e = Executor::make(m.forest).value();
  trees::Scratch scratch;
  std::vector<double> out(rows.size() / m.forest.features * e.answers(output));
  e.predict(std::span<const double>(rows), out, scratch, output);
  return out;
}

std::string replaced(std::string text, std::string_view from, std::string_view to) {
  const size_t at = text.find(from);
  EXPECT_NE(at, text.npos) << from;
  if (at != text.npos) text.replace(at, from.size(), to);
  return text;
}

struct Bad {
  const char* from;
  const char* to;
  const char* reason;
  const char* text;
};
template <size_t kCount>
void refuse(const std::string& good, const Bad (&rows)[kCount]) {
  EXPECT_TRUE(read_model(good).ok());
  for (const Bad& row : rows) {
    const Result<Model> m = read_model(replaced(good, row.from, row.to));
    ASSERT_FALSE(m.ok()) << row.to;
    EXPECT_EQ(m.error().reason, row.reason) << m.error().text;
    EXPECT_NE(m.error().text.find(row.text), std::string::npos) << m.error().text;
  }
}

// ---- LightGBM

TEST(Models, Lightgbm) {
  const Model m = read_model(test::lightgbm_text()).value();
  EXPECT_EQ(m.library, Library::kLightgbm);
  EXPECT_EQ(m.objective, "regression");
  EXPECT_EQ(m.forest.feature_names, (std::vector<std::string>{"age", "city"}));
  EXPECT_EQ(answers(m, {0.5, 0, 0.6, 1, 0.6, 3.7, 0.6, 2, 0.6, kNan, kNan, 1}),
            (std::vector<double>{11, 12, 22, 24, 14, 12}));
}

TEST(Models, LightgbmMissing) {
  struct Row {
    const char* decision;
    double x, leaf;
  };
  const Row rows[] = {
      {"0", kNan, 10},     {"0", 2, 20},
      {"2", 0, 10},  // None: NaN is zero.
      {"4", 0, 20},        {"4", kNan, 20},
      {"4", 1e-36, 20},  // Zero goes to the right,
      {"6", 0, 10},        {"6", kNan, 10},
      {"6", 1, 10},  // or to the left.
      {"8", kNan, 20},     {"10", kNan, 10},
      {"8", 0, 10},  // NaN alone.
      {"8", 1.5, 10},      {"8", std::nextafter(1.5, 2), 20},
      {"8", HUGE_VAL, 20},
  };
  for (const Row& row : rows) {
    const std::string text = replaced(test::lightgbm_text(), "decision_type=10",
                                      concat({"decision_type=", row.decision}));
    const Model m = read_model(text).value();
    EXPECT_EQ(answers(m, {0, row.x}).front(), row.leaf + 1) << row.decision << " " << row.x;
  }
}

TEST(Models, LightgbmObjectives) {
  struct Row {
    const char* objective;
    trees::Link link;
    double answer;
  };
  const Row rows[] = {
      {"binary sigmoid:0.5", trees::Link::kSigmoid, 1 / (1 + std::exp(-5.5))},
      {"poisson", trees::Link::kExp, std::exp(11.0)},
      {"regression sqrt", trees::Link::kSquare, 121},
      {"cross_entropy_lambda", trees::Link::kLog1pExp, std::log1p(std::exp(11.0))},
      {"lambdarank", trees::Link::kIdentity, 11},
  };
  for (const Row& row : rows) {
    const Model m =
        read_model(replaced(test::lightgbm_text(), "=regression", concat({"=", row.objective})))
            .value();
    EXPECT_EQ(m.forest.link, row.link);
    EXPECT_EQ(answers(m, {0, 0}).front(), row.answer) << row.objective;
    EXPECT_EQ(answers(m, {0, 0}, Output::kRaw).front(), 11);
  }
  const Model average =
      read_model(replaced(test::lightgbm_text(), "objective", "average_output\nobjective")).value();
  EXPECT_EQ(answers(average, {0, 0}).front(), 5.5);
  EXPECT_EQ(answers(average, {0, 0}, Output::kRaw).front(), 11);
}

TEST(Models, LightgbmLinearLeaves) {
  const std::string text =
      replaced(test::lightgbm_text(), "leaf_value=10 20\nis_linear=0",
               "leaf_value=10 20\nis_linear=1\nleaf_const=5 6\nnum_features=1 2\n"
               "leaf_features=0 0 1\nleaf_coeff=2 1 -1");
  const Model m = read_model(text).value();
  EXPECT_EQ(answers(m, {0, 0, 0.25, 2, kNan, 2}), (std::vector<double>{6, 5.25, 24}));
}

TEST(Models, BadLightgbm) {
  const Bad rows[] = {
      {"max_feature_idx=1\n", "", "model.field", "header: max_feature_idx is missing"},
      {"max_feature_idx=1", "max_feature_idx=-7", "model.field", "out of range"},
      {"max_feature_idx=1", "max_feature_idx=0", "model.field",
       "feature_names has 2 values, not 1"},
      {"num_tree_per_iteration=1", "num_tree_per_iteration=0", "model.field", "out of range"},
      {"objective=regression", "objective=guess", "model.unsupported", "objective is 'guess'"},
      {"num_leaves=3", "num_leaves=4", "model.field", "Tree=0 (line 11): leaf_value has 3 values"},
      {"num_leaves=3", "num_leaves=999999999999", "model.field", "num_leaves"},
      {"threshold=0.5 0", "threshold=0.5 x", "model.field", "threshold has 'x'"},
      {"threshold=0.5 0", "threshold=nan 0", "model.field", "threshold is not a number"},
      {"threshold=0.5 0", "threshold=0.5 1", "model.field", "names no set"},
      {"threshold=0.5 0", "threshold=0.5", "model.field", "threshold has 1 values, not 2"},
      {"split_feature=0 1", "split_feature=0 2", "model.field", "beyond max_feature_idx"},
      {"left_child=-1 -2", "left_child=-1 7", "model.field", "left_child leads nowhere"},
      {"left_child=-1 -2", "left_child=-1 -9", "model.field", "left_child leads nowhere"},
      {"left_child=-1 -2", "left_child=-1 0", "trees.bad_model", "two ways"},
      {"right_child=1 -3", "right_child=1 -2", "trees.bad_model", "two ways"},
      {"decision_type=8 1", "decision_type=12 1", "model.field", "decision_type is unknown"},
      {"cat_boundaries=0 1", "cat_boundaries=0 2", "model.field", "leaves cat_threshold"},
      {"cat_boundaries=0 1", "cat_boundaries=0", "model.field", "a value more"},
      {"end of trees", "", "model.syntax", "ends early"},
  };
  refuse(test::lightgbm_text(), rows);
}

// ---- XGBoost

TEST(Models, Xgboost) {
  const Model m = read_model(test::xgboost_json()).value();
  EXPECT_EQ(m.library, Library::kXgboost);
  EXPECT_EQ(answers(m, {0.4, 0, 0.5, 1, 0.5, 3.5, 0.5, 2, 0.5, -0.5, 0.5, kNan, kNan, 9, 0.5, 1e9}),
            (std::vector<double>{1.5, 4.5, 4.5, 2.5, 2.5, 4.5, 1.5, 2.5}));
  // 0.1 is rounded to a float, which is more.
  const Model tenth = read_model(replaced(test::xgboost_json(), "[0.5,1", "[0.1,1")).value();
  EXPECT_EQ(answers(tenth, {0.1, 2, 0.0999999999, 2}), (std::vector<double>{2.5, 2.5}));
}

TEST(Models, XgboostUbjson) {
  const Model m = read_model(test::xgboost_ubj()).value();
  const std::vector<double> got = answers(m, {0, 1, kNan});
  EXPECT_NEAR(got[0], 1 / (1 + std::exp(-1)), 1e-7);
  EXPECT_NEAR(got[1], 1 / (1 + std::exp(-2)), 1e-7);
  EXPECT_EQ(answers(m, {0, 1}, Output::kRaw), (std::vector<double>{1, 2}));
  EXPECT_EQ(answers(m, {0, 1}, Output::kLabel), (std::vector<double>{1, 1}));
}

TEST(Models, XgboostIterations) {
  std::string two = test::xgboost_json();
  const size_t begin = two.find("\"trees\":[") + 9;
  const size_t end = two.find("]},\"name\":\"gbtree\"");
  two.insert(end, "," + two.substr(begin, end - begin));
  two = replaced(replaced(two, "\"tree_info\":[0]", "\"tree_info\":[0,0]"), "[0,1],", "[0,1,2],");
  EXPECT_EQ(answers(read_model(two).value(), {0, 0}).front(), 2.5);
  const std::string best = replaced(two, "{}", R"({"best_iteration":"0"})");
  EXPECT_EQ(answers(read_model(best).value(), {0, 0}).front(), 1.5);
  EXPECT_EQ(answers(read_model(best, {true}).value(), {0, 0}).front(), 2.5);
  const std::string older = replaced(best, "\"iteration_indptr\":[0,1,2],", "");
  EXPECT_EQ(answers(read_model(older).value(), {0, 0}).front(), 1.5);
  const std::string dart = replaced(
      replaced(replaced(two, "\"gradient_booster\":{", "\"gradient_booster\":{\"gbtree\":{"),
               "\"name\":\"gbtree\"}",
               "\"name\":\"gbtree\"},\"name\":\"dart\",\"weight_drop\":[2,0.5]}"),
      "\"gbtree_model_param\"", "\"gbtree_model_param\"");
  EXPECT_EQ(answers(read_model(dart).value(), {0, 0}).front(), 3);
}

TEST(Models, BadXgboost) {
  const Bad rows[] = {
      {"\"learner\"", "\"teacher\"", "model.field", "learner is missing"},
      {"{\"learner\"", "{\"learner", "model.syntax", "byte"},
      {"\"num_feature\":\"2\"", "\"num_feature\":\"x\"", "model.field",
       "num_feature must be a number"},
      {"\"num_feature\":\"2\"", "\"num_feature\":\"9999999999\"", "model.field", "whole number"},
      {"\"num_feature\":\"2\"", "\"num_feature\":\"1\"", "trees.bad_model", "feature"},
      {"reg:squarederror", "reg:guess", "model.unsupported", "'reg:guess'"},
      {"\"gbtree\"}", "\"forest\"}", "model.unsupported", "'forest'"},
      {"[5E-1]", "[5E-1,1]", "model.field", "base_score"},
      {"\"tree_info\":[0]", "\"tree_info\":[1]", "model.field", "tree_info"},
      {"\"tree_info\":[0]", "\"tree_info\":[]", "model.field", "one length"},
      {"[1,-1,3,-1,-1]", "[1,-1,0,-1,-1]", "trees.bad_model", "two ways"},
      {"[1,-1,3,-1,-1]", "[1,-1,9,-1,-1]", "trees.bad_model", "isn't there"},
      {"[1,-1,3,-1,-1]", "[1,-1,3,-1]", "model.field", "different lengths"},
      {"[1,-1,3,-1,-1]", "[1.5,-1,3,-1,-1]", "model.field", "left_children has no index"},
      {"[1,-1,3,-1,-1]", "[1,-1,\"3\",-1,-1]", "model.field", "must be a list of numbers"},
      {"\"categories_sizes\":[2]", "\"categories_sizes\":[3]", "model.field", "outside"},
      {"\"categories\":[1,3]", "\"categories\":[1,-3]", "model.field", "2^24"},
      {"\"categories_nodes\":[2]", "\"categories_nodes\":[1]", "model.field",
       "lacks a categorical"},
      {"\"size_leaf_vector\":\"1\"", "\"size_leaf_vector\":\"2\"", "model.field",
       "size_leaf_vector"},
      {"\"split_conditions\":[0.5", "\"split_conditions\":[1e999", "model.syntax", "no double"},
      {"\"split_conditions\":[0.5", "\"split_conditions\":[NaN", "trees.bad_model", "not a number"},
  };
  refuse(test::xgboost_json(), rows);
}

// ---- ONNX

TEST(Models, OnnxTrees) {
  const Model m = read_model(test::onnx_regressor()).value();
  EXPECT_EQ(m.library, Library::kOnnx);
  EXPECT_EQ(answers(m, {0.6, 0, 0.5, 3, 0.5, 2, kNan, 3, 0, kNan}),
            (std::vector<double>{1.5, 2.5, 4.5, 2.5, 4.5}));
  const Model five = read_model(test::onnx_ensemble_5()).value();
  EXPECT_EQ(answers(five, {2, 4, 3, 2.5, kNan}), (std::vector<double>{7, 7, 8, 8, 8}));
}

TEST(Models, OnnxLinear) {
  const Model m = read_model(test::onnx_classifier()).value();
  EXPECT_EQ(m.forest.class_names, (std::vector<std::string>{"no", "yes"}));
  const std::vector<double> got = answers(m, {1, 1});
  ASSERT_EQ(got.size(), 2U);
  EXPECT_NEAR(got[1], 1 / (1 + std::exp(-2)), 1e-6);
  EXPECT_NEAR(got[0] + got[1], 1, 1e-6);
  EXPECT_EQ(answers(m, {1, 1, 0, 0}, Output::kLabel), (std::vector<double>{1, 0}));
}

TEST(Models, OnnxAround) {
  const std::string after = test::node("Identity", "y", "z", "");
  EXPECT_TRUE(read_model(test::onnx(test::onnx_regressor_nodes() + after, 2)).ok());
  const auto reason = [](const std::string& nodes) {
    const Result<Model> m = read_model(test::onnx(nodes, 2));
    return m.ok() ? std::string("ok") : m.error().reason + ": " + m.error().text;
  };
  EXPECT_EQ(reason(test::onnx_regressor_nodes() + test::node("Relu", "y", "z", "")),
            "model.unsupported: operator Relu behind the model");
  EXPECT_EQ(reason(test::onnx_regressor_nodes() + test::onnx_regressor_nodes()),
            "model.unsupported: the graph has several models");
  EXPECT_EQ(reason(test::node("Relu", "x", "y", "")),
            "model.unsupported: the graph has no model of trees and no linear one");
}

TEST(Models, BadOnnx) {
  const Bad rows[] = {
      {"BRANCH_GT", "BRANCH_XX", "model.field", "nodes_modes has an unknown mode"},
      {"nodes_values", "nodes_valuez", "model.field", "different lengths"},
      {"nodes_nodeids", "nodes_nodeidz", "model.field", "different lengths"},
      {"target_weights", "target_weightz", "model.field", "target_* have different lengths"},
      {"base_values", "base_valuez", "ok", ""},
  };
  for (const Bad& row : rows) {
    const Result<Model> m = read_model(replaced(test::onnx_regressor(), row.from, row.to));
    EXPECT_EQ(m.ok() ? "ok" : m.error().reason, row.reason) << row.from;
    const std::string said = m.ok() ? "" : m.error().text;
    EXPECT_NE(said.find(row.text), std::string::npos) << said;
  }
  EXPECT_EQ(read_model("").error().reason, "model.format");
  EXPECT_EQ(read_model("pickle").error().reason, "model.syntax");
  EXPECT_EQ(read_model("PAR1").error().reason, "model.syntax");
}

// ---- anything: no bytes make a reader or a kernel misbehave

TEST(Models, CutShort) {
  for (const std::string& good : {test::lightgbm_text(), test::xgboost_json(), test::xgboost_ubj(),
                                  test::onnx_regressor(), test::onnx_ensemble_5()}) {
    for (size_t n = 0; n < good.size(); ++n) {
      const Result<Model> m = read_model(std::string_view(good).substr(0, n));
      EXPECT_TRUE(!m.ok() || trees::check(m->forest).ok());
    }
  }
}

TEST(Models, ChangedBytes) {
  const std::string all[] = {test::lightgbm_text(),   test::xgboost_json(),
                             test::xgboost_ubj(),     test::onnx_regressor(),
                             test::onnx_ensemble_5(), test::onnx_classifier()};
  size_t read = 0;
  for (uint64_t seed = 0; seed < 3000; ++seed) {
    gen::Dice dice = gen::Dice::seeded(seed);
    std::string bytes = all[seed % std::size(all)];
    for (uint64_t i = 0; i <= dice.below(3); ++i)
      bytes[dice.below(bytes.size())] = static_cast<char>(dice.below(256));
    const Result<Model> m = read_model(bytes);
    if (!m.ok() || m->forest.features == 0 || m->forest.features > 1000) continue;
    ++read;
    std::vector<double> rows(20 * m->forest.features);
    for (double& x : rows) x = dice.one_in(5) ? kNan : dice.unit() * 5;
    answers(*m, rows);
  }
  EXPECT_GT(read, 200U);
}

}  // namespace
}  // namespace slip::model
