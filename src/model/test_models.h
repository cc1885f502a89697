#pragma once

#include <bit>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

// Small models for tests, written out by hand. One thread.
namespace slip::model::test {

// x0 <= 0.5 ? 1 : (x1 in {1, 3} ? 2 : 4), then x1 missing to the left ? 10 : 20; two iterations.
inline std::string lightgbm_text() {
  return "tree\nversion=v4\nnum_class=1\nnum_tree_per_iteration=1\nlabel_index=0\n"
         "max_feature_idx=1\nobjective=regression\nfeature_names=age city\n"
         "feature_infos=[0:1] 1:3\n\n"
         "Tree=0\nnum_leaves=3\nnum_cat=1\nsplit_feature=0 1\nthreshold=0.5 0\n"
         "decision_type=8 1\nleft_child=-1 -2\nright_child=1 -3\nleaf_value=1 2 4\n"
         "cat_boundaries=0 1\ncat_threshold=10\nis_linear=0\nshrinkage=1\n\n"
         "Tree=1\nnum_leaves=2\nnum_cat=0\nsplit_feature=1\nthreshold=1.5\ndecision_type=10\n"
         "left_child=-1\nright_child=-2\nleaf_value=10 20\nis_linear=0\nshrinkage=1\n\n"
         "end of trees\n\nfeature_importances:\nage=1\n";
}

// The same two tests as trees of XGBoost, in floats: x0 < 0.5 ? 1 : (x1 in {1, 3} ? 4 : 2), base
// 0.5.
inline std::string xgboost_json() {
  return R"({"learner":{"attributes":{},"feature_names":["age","city"],"feature_types":[],)"
         R"("gradient_booster":{"model":{"gbtree_model_param":{"num_parallel_tree":"1",)"
         R"("num_trees":"1"},"iteration_indptr":[0,1],"tree_info":[0],"trees":[{)"
         R"("base_weights":[0,1,0,2,4],"categories":[1,3],"categories_nodes":[2],)"
         R"("categories_segments":[0],"categories_sizes":[2],"default_left":[1,0,0,0,0],)"
         R"("left_children":[1,-1,3,-1,-1],"right_children":[2,-1,4,-1,-1],)"
         R"("split_conditions":[0.5,1,0,2,4],"split_indices":[0,0,1,0,0],)"
         R"("split_type":[0,0,1,0,0],"tree_param":{"num_nodes":"5","size_leaf_vector":"1"}}]},)"
         R"("name":"gbtree"},"learner_model_param":{"base_score":"[5E-1]","num_class":"0",)"
         R"("num_feature":"2","num_target":"1"},"objective":{"name":"reg:squarederror"}},)"
         R"("version":[3,2,0]})";
}

// ---- protobuf, field by field

inline std::string varint(uint64_t value) {
  std::string out;
  for (; value > 127; value >>= 7) out.push_back(static_cast<char>(value | 0x80));
  out.push_back(static_cast<char>(value));
  return out;
}
inline std::string number(uint32_t field, int64_t value) {
  return varint(field << 3) + varint(static_cast<uint64_t>(value));
}
inline std::string bytes(uint32_t field, std::string_view value) {
  return varint(field << 3 | 2) + varint(value.size()) + std::string(value);
}
inline std::string floats_of(const std::vector<float>& values) {
  std::string out;
  for (const float x : values) {
    const auto bits = std::bit_cast<uint32_t>(x);
    for (int i = 0; i < 4; ++i) out.push_back(static_cast<char>(bits >> (8 * i)));
  }
  return out;
}
inline std::string ints(std::string_view name, const std::vector<int64_t>& values) {
  std::string out = bytes(1, name) + number(20, 7);
  for (const int64_t x : values) out += number(8, x);
  return bytes(5, out);
}
inline std::string floats(std::string_view name, const std::vector<float>& values) {
  return bytes(5, bytes(1, name) + number(20, 6) + bytes(7, floats_of(values)));
}
inline std::string text(std::string_view name, std::string_view value) {
  return bytes(5, bytes(1, name) + number(20, 3) + bytes(4, value));
}
inline std::string texts(std::string_view name, const std::vector<std::string>& values) {
  std::string out = bytes(1, name) + number(20, 8);
  for (const std::string& x : values) out += bytes(9, x);
  return bytes(5, out);
}
inline std::string integer(std::string_view name, int64_t value) {
  return bytes(5, bytes(1, name) + number(20, 2) + number(3, value));
}
// A tensor of floats (1) or bytes (2).
inline std::string tensor(std::string_view name, int64_t type, std::string_view raw) {
  return bytes(5, bytes(1, name) + number(20, 4) + bytes(5, number(2, type) + bytes(9, raw)));
}
inline std::string node(std::string_view op, std::string_view in, std::string_view out,
                        std::string_view attributes) {
  return bytes(1, bytes(1, in) + bytes(2, out) + bytes(4, op) + std::string(attributes) +
                      bytes(7, "ai.onnx.ml"));
}
// A graph of `nodes` with one float input x[n, width].
inline std::string onnx(std::string_view nodes, int64_t width) {
  const std::string shape = bytes(1, bytes(3, "n")) + bytes(1, number(1, width));
  const std::string type = bytes(1, number(1, 1) + bytes(2, shape));
  const std::string graph = std::string(nodes) + bytes(11, bytes(1, "x") + bytes(2, type));
  return number(1, 9) + bytes(7, graph);
}

// x0 > 0.5 ? 1 : (x1 == 3 ? 2 : 4), plus 0.5.
inline std::string onnx_regressor_nodes() {
  return node("TreeEnsembleRegressor", "x", "y",
              ints("nodes_treeids", {0, 0, 0, 0, 0}) + ints("nodes_nodeids", {0, 1, 2, 3, 4}) +
                  ints("nodes_featureids", {0, 0, 1, 0, 0}) +
                  texts("nodes_modes", {"BRANCH_GT", "LEAF", "BRANCH_EQ", "LEAF", "LEAF"}) +
                  floats("nodes_values", {0.5F, 0, 3, 0, 0}) +
                  ints("nodes_truenodeids", {1, 0, 3, 0, 0}) +
                  ints("nodes_falsenodeids", {2, 0, 4, 0, 0}) + ints("target_treeids", {0, 0, 0}) +
                  ints("target_nodeids", {1, 3, 4}) + ints("target_ids", {0, 0, 0}) +
                  floats("target_weights", {1, 2, 4}) + integer("n_targets", 1) +
                  floats("base_values", {0.5F}));
}
inline std::string onnx_regressor() { return onnx(onnx_regressor_nodes(), 2); }

// x0 in {2, 4} ? 7 : 8
inline std::string onnx_ensemble_5() {
  const std::string attributes =
      ints("nodes_featureids", {0}) + ints("nodes_truenodeids", {0}) +
      ints("nodes_falsenodeids", {1}) + ints("nodes_trueleafs", {1}) +
      ints("nodes_falseleafs", {1}) + ints("tree_roots", {0}) + ints("leaf_targetids", {0, 0}) +
      integer("n_targets", 1) + tensor("nodes_modes", 2, std::string(1, '\6')) +
      tensor("nodes_splits", 1, floats_of({0})) + tensor("leaf_weights", 1, floats_of({7, 8})) +
      tensor("membership_values", 1, floats_of({2, 4, std::bit_cast<float>(0x7fc00000)}));
  return onnx(node("TreeEnsemble", "x", "y", attributes), 1);
}

// Two classes by x0 + 2 x1 - 1, as a probability.
inline std::string onnx_classifier() {
  return onnx(
      node("LinearClassifier", "x", "label",
           floats("coefficients", {1, 2}) + floats("intercepts", {-1}) +
               texts("classlabels_strings", {"no", "yes"}) + text("post_transform", "LOGISTIC")),
      2);
}

// ---- UBJSON

inline std::string ubj_length(size_t n) {
  std::string out = "L";
  for (int i = 7; i >= 0; --i)
    out.push_back(static_cast<char>(static_cast<uint64_t>(n) >> (8 * i)));
  return out;
}
inline std::string ubj_name(std::string_view name) {
  return ubj_length(name.size()) + std::string(name);
}
inline std::string ubj_text(std::string_view text) { return "S" + ubj_name(text); }
inline std::string ubj_ints(const std::vector<int32_t>& values) {  // As XGBoost writes a list.
  std::string out = "[$l#" + ubj_length(values.size());
  for (const int32_t x : values)
    for (int i = 3; i >= 0; --i)
      out.push_back(static_cast<char>(static_cast<uint32_t>(x) >> (8 * i)));
  return out;
}
inline std::string ubj_floats(const std::vector<float>& values) {
  std::string out = "[$d#" + ubj_length(values.size());
  for (const float x : values)
    for (int i = 3; i >= 0; --i)
      out.push_back(static_cast<char>(std::bit_cast<uint32_t>(x) >> (8 * i)));
  return out;
}
// x0 < 0.5 ? 1 : 2 of a logistic, base 0.5.
inline std::string xgboost_ubj() {
  const std::string tree =
      "{" + ubj_name("default_left") + ubj_ints({0, 0, 0}) + ubj_name("left_children") +
      ubj_ints({1, -1, -1}) + ubj_name("right_children") + ubj_ints({2, -1, -1}) +
      ubj_name("split_conditions") + ubj_floats({0.5F, 1, 2}) + ubj_name("split_indices") +
      ubj_ints({0, 0, 0}) + ubj_name("tree_param") + "{" + ubj_name("size_leaf_vector") +
      ubj_text("1") + "}}";
  const std::string model = "{" + ubj_name("tree_info") + ubj_ints({0}) + ubj_name("trees") + "[#" +
                            ubj_length(1) + tree + "}";
  return "{" + ubj_name("learner") + "{" + ubj_name("gradient_booster") + "{" + ubj_name("model") +
         model + ubj_name("name") + ubj_text("gbtree") + "}" + ubj_name("learner_model_param") +
         "{" + ubj_name("base_score") + ubj_text("5E-1") + ubj_name("num_class") + ubj_text("0") +
         ubj_name("num_feature") + ubj_text("1") + "}" + ubj_name("objective") + "{" +
         ubj_name("name") + ubj_text("binary:logistic") + "}}}";
}

}  // namespace slip::model::test
