#include "model/onnx_write.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <map>
#include <utility>

#include "base/text.h"
#include "model/onnx_build.h"

namespace slip::model {
namespace {

using trees::Forest;
using trees::Link;
using trees::Missing;
using trees::Node;
using trees::Set;
using trees::SetRule;
using trees::Test;
using Graph = OnnxGraphWriter;

constexpr size_t kFileBytesMax = (size_t{1} << 31) - 1;  // Of a message of protobuf.

Error refused(std::string_view what, std::string text) {
  return unsupported(concat({"export.", what}), std::move(text));
}

// Which features have a set, a zero that is missing: each such is a column behind the features.
struct Extra {
  std::vector<int64_t> zeros;                      // Features, in the order of their columns.
  std::map<uint32_t, size_t> zero_at;              // Feature -> its column.
  std::map<uint32_t, std::vector<uint32_t>> sets;  // Feature -> its sets.
  std::map<std::pair<uint32_t, uint32_t>, size_t> set_at;
};

class Writer {
 public:
  explicit Writer(const Model& model)
      : model_(model), f_(model.forest), doubles_(!f_.float_sum || !f_.float_compare) {}

  Result<std::string> run() {
    TRY(sayable());
    graph_.input("input", OnnxType::kFloat, {-1, f_.features});
    std::string rows = "input";
    if (doubles_) rows = cast(rows, OnnxType::kDouble);
    if (!f_.nodes.empty()) rows = TRY(add_columns(rows));
    std::string sums = f_.weights.empty() ? trees(rows) : weights(rows);
    sums = finish_sums(std::move(sums));
    if (f_.classifier) label(sums);
    const int64_t width = answer(sums);
    graph_.output("output", OnnxType::kFloat, {-1, width});
    if (f_.classifier) graph_.output("label", OnnxType::kInt64, {-1});
    std::vector<std::pair<std::string, std::string>> described = {
        {"slipway.library", std::string(library_name(model_.library))},
        {"slipway.objective", model_.objective}};
    std::string names;
    for (const std::string& name : given_names(f_))
      names += concat({names.empty() ? "" : "\n", name});
    if (!names.empty()) described.emplace_back("slipway.features", names);
    std::string out = graph_.finish(described);
    if (out.size() > kFileBytesMax)
      return refused("too_large", "the graph is larger than the 2 GiB that ONNX has for a file");
    return out;
  }

 private:
  Status sayable() const {
    if (!f_.linear_leaves.empty())
      return refused("linear_leaves", "leaves that are linear models (linear_tree) have no ONNX");
    constexpr std::array kKnown = {Link::kIdentity, Link::kSigmoid, Link::kSoftmax,  Link::kExp,
                                   Link::kHinge,    Link::kSquare,  Link::kLog1pExp, Link::kArgmax};
    if (std::find(kKnown.begin(), kKnown.end(), f_.link) == kKnown.end() || f_.normalize)
      return refused("link", concat({"the link '", trees::link_name(f_.link),
                                     f_.normalize ? ", normalized" : "", "' isn't written"}));
    if (f_.aggregate != trees::Aggregate::kSum)
      return refused("link", "trees whose least or greatest leaf counts aren't written");
    if (!f_.offsets.empty() || !f_.scales.empty())
      return refused("link", "a scaler before the model isn't written");
    for (const Set& s : f_.sets)
      if (s.rule == SetRule::kExact || s.rule == SetRule::kWhole)
        return refused("sets", "sets of numbers that are no categories aren't written");
    return {};
  }

  // ---- small steps

  std::string op(std::string_view name, std::vector<std::string> inputs,
                 OnnxAttributes attributes = {}) {
    return graph_.node(
        {.op = name, .inputs = std::move(inputs), .attributes = std::move(attributes)});
  }
  std::string cast(const std::string& x, OnnxType to) {
    return op("Cast", {x}, OnnxAttributes().integer("to", static_cast<int64_t>(to)));
  }
  std::string number(double x) { return graph_.number(x, doubles_); }
  std::string columns_of(const std::string& rows, std::span<const int64_t> features) {
    const auto count = static_cast<int64_t>(features.size());
    return op("Gather", {rows, graph_.integers(features, {count})},
              OnnxAttributes().integer("axis", 1));
  }

  // ---- columns beside the features

  Result<std::string> add_columns(const std::string& rows) {
    size_t cells = 0;
    for (const Node& n : f_.nodes) {
      const auto feature = static_cast<uint32_t>(n.feature);
      if (n.test == Test::kInSet) {
        if (!extra_.set_at.try_emplace({feature, n.set}, 0).second) continue;
        extra_.sets[feature].push_back(n.set);
      } else if (n.missing == Missing::kZero && extra_.zero_at.try_emplace(feature, 0).second) {
        extra_.zeros.push_back(feature);
      }
    }
    std::vector<std::string> parts = {rows};
    size_t next = f_.features;
    if (!extra_.zeros.empty()) {
      for (const int64_t feature : extra_.zeros)
        extra_.zero_at[static_cast<uint32_t>(feature)] = next++;
      parts.push_back(zeros_missing(rows));
    }
    for (const auto& [feature, sets] : extra_.sets) {
      for (const uint32_t set : sets) extra_.set_at[{feature, set}] = next++;
      cells += sets.size() * (categories(sets) + 2);
      if (cells > kCategoryCellsMax)
        return refused(
            "categories_too_wide",
            concat({"the sets of categories of feature ", std::to_string(feature),
                    " need a table of more than ", std::to_string(kCategoryCellsMax), " cells"}));
      parts.push_back(members(rows, feature, sets));
    }
    if (parts.size() == 1) return rows;
    return op("Concat", std::move(parts), OnnxAttributes().integer("axis", 1));
  }

  // NaN where the feature is zero, or as good as zero.
  std::string zeros_missing(const std::string& rows) {
    const std::string x = columns_of(rows, extra_.zeros);
    const double edge = f_.tiny_is_zero ? trees::kZeroThreshold : 0;
    const std::string zero = op("LessOrEqual", {op("Abs", {x}), number(edge)});
    return op("Where", {zero, number(std::nan("")), x});
  }

  size_t categories(std::span<const uint32_t> sets) const {
    size_t most = 0;
    for (const uint32_t s : sets) most = std::max(most, f_.sets[s].bits.size() * 32);
    return most;
  }

  // A row's cells out of a table: of its category; of none (row `most`); NaN of a NaN (the last).
  std::string members(const std::string& rows, uint32_t feature, std::span<const uint32_t> sets) {
    const size_t most = categories(sets);
    std::vector<double> table((most + 2) * sets.size());
    for (size_t s = 0; s < sets.size(); ++s) {
      const std::vector<uint32_t>& bits = f_.sets[sets[s]].bits;
      for (size_t c = 0; c < bits.size() * 32; ++c)
        table[c * sets.size() + s] = bits[c / 32] >> (c % 32) & 1;
      table[(most + 1) * sets.size() + s] = std::nan("");
    }
    const int64_t at[] = {feature};
    const std::string x = op("Squeeze", {columns_of(rows, at), graph_.integers(kOne, {1})});
    // LightGBM's -0.5 is category 0, XGBoost's is none.
    const bool whole = f_.sets[sets.front()].rule == SetRule::kTruncate;
    const std::string low =
        whole ? op("Greater", {x, number(-1)}) : op("GreaterOrEqual", {x, number(0)});
    const std::string high = op("Less", {x, number(static_cast<double>(most))});
    const std::string known = op("And", {low, high});
    const std::string safe = op("Where", {known, x, number(static_cast<double>(most))});
    const std::string nan = op("IsNaN", {x});
    const int64_t last[] = {static_cast<int64_t>(most) + 1};
    const std::string index =
        op("Where", {nan, graph_.integers(last, {1}), cast(safe, OnnxType::kInt64)});
    const std::string cells = graph_.floats(
        table, {static_cast<int64_t>(most) + 2, static_cast<int64_t>(sets.size())}, doubles_);
    return op("Gather", {cells, index}, OnnxAttributes().integer("axis", 0));
  }

  // ---- trees

  // As ONNX has it: x <= t or x < t to the true branch, NaN too where it tracks true.
  struct Branch {
    int64_t feature = 0;
    double threshold = 0;
    bool equal = true;  // <=
    bool nan_left = false;
    bool swapped = false;  // What is left here is false there.
  };

  Branch branch_of(const Node& n) const {
    Branch out{.feature = n.feature, .threshold = n.threshold, .equal = n.test == Test::kLessEqual};
    const auto feature = static_cast<uint32_t>(n.feature);
    if (n.test == Test::kInSet) {
      out = {.feature = static_cast<int64_t>(extra_.set_at.at({feature, n.set})),
             .threshold = 0.5,
             .equal = !f_.float_compare,  // One kind of test in all nodes is what runtimes do best.
             .nan_left = !n.default_left,
             .swapped = true};
      if (n.missing == Missing::kNone) out.nan_left = !has_zero(n);
      return out;
    }
    const bool zero_left = out.equal ? 0 <= n.threshold : 0 < n.threshold;
    out.nan_left = n.missing == Missing::kNone ? zero_left : n.default_left;
    if (n.missing == Missing::kZero) out.feature = static_cast<int64_t>(extra_.zero_at.at(feature));
    // All that is as good as zero lies on zero's side.
    if (f_.tiny_is_zero && std::fabs(n.threshold) <= trees::kZeroThreshold) {
      out.threshold =
          zero_left ? trees::kZeroThreshold : std::nextafter(-trees::kZeroThreshold, -HUGE_VAL);
      out.equal = true;
    }
    return out;
  }
  bool has_zero(const Node& n) const { return f_.sets[n.set].has(0); }

  struct Columns {
    std::vector<int64_t> trees, nodes, features, yes, no, tracks;
    std::vector<std::string_view> modes;
    std::vector<double> values;
    std::vector<int64_t> leaf_trees, leaf_nodes, targets;
    std::vector<double> weights;

    void node(int64_t tree, int64_t at, std::string_view mode) {
      trees.push_back(tree);
      nodes.push_back(at);
      modes.push_back(mode);
      features.push_back(0);
      values.push_back(0);
      yes.push_back(0);
      no.push_back(0);
      tracks.push_back(0);
    }
    void weight(int64_t tree, int64_t at, int64_t target, double x) {
      leaf_trees.push_back(tree);
      leaf_nodes.push_back(at);
      targets.push_back(target);
      weights.push_back(x);
    }
  };

  void leaf(Columns& c, const trees::Tree& t, uint32_t number, int64_t tree) const {
    const int64_t at = t.nodes + number;
    c.node(tree, at, "LEAF");
    const size_t leaf = t.leaf + number;
    if (!f_.vector_leaves) {
      c.weight(tree, at, t.output, f_.leaves[leaf]);
      return;
    }
    for (uint32_t k = 0; k < f_.outputs; ++k)
      c.weight(tree, at, k, f_.leaves[leaf * f_.outputs + k]);
  }

  std::string trees(const std::string& rows) {
    Columns c;
    int64_t tree = 0;
    if (f_.base_first)  // Sums begin with them: a tree that is a leaf.
      for (size_t k = 0; k < f_.base.size(); ++k, ++tree) {
        c.node(tree, 0, "LEAF");
        c.weight(tree, 0, static_cast<int64_t>(k), f_.base[k]);
      }
    const auto child = [](const trees::Tree& t, int32_t at) -> int64_t {
      return at >= 0 ? at : static_cast<int64_t>(t.nodes) + ~at;
    };
    for (const trees::Tree& t : f_.trees) {
      for (uint32_t i = 0; i < t.nodes; ++i) {
        const Node& n = f_.nodes[t.node + i];
        const Branch b = branch_of(n);
        c.node(tree, i, b.equal ? "BRANCH_LEQ" : "BRANCH_LT");
        c.features.back() = b.feature;
        c.values.back() = b.threshold;
        c.yes.back() = child(t, b.swapped ? n.right : n.left);
        c.no.back() = child(t, b.swapped ? n.left : n.right);
        c.tracks.back() = b.nan_left ? 1 : 0;
      }
      for (uint32_t i = 0; i < t.leaves; ++i) leaf(c, t, i, tree);
      ++tree;
    }
    return ensemble(rows, c);
  }

  std::string ensemble(const std::string& rows, Columns& c) {
    if (c.trees.empty()) {  // No trees at all: zeros.
      c.node(0, 0, "LEAF");
      c.weight(0, 0, 0, 0);
    }
    OnnxAttributes a;
    a.integer("n_targets", f_.outputs)
        .integers("nodes_treeids", c.trees)
        .integers("nodes_nodeids", c.nodes)
        .integers("nodes_featureids", c.features)
        .integers("nodes_truenodeids", c.yes)
        .integers("nodes_falsenodeids", c.no)
        .integers("nodes_missing_value_tracks_true", c.tracks)
        .texts("nodes_modes", c.modes)
        .numbers("nodes_values", c.values, doubles_)
        .integers("target_treeids", c.leaf_trees)
        .integers("target_nodeids", c.leaf_nodes)
        .integers("target_ids", c.targets)
        .numbers("target_weights", c.weights, doubles_);
    return graph_.node(
        {.op = "TreeEnsembleRegressor", .inputs = {rows}, .attributes = std::move(a), .ml = true});
  }

  // ---- what isn't trees

  std::string weights(std::string rows) {
    if (f_.missing_skips) rows = op("Where", {op("IsNaN", {rows}), number(0), rows});
    std::vector<double> across(f_.weights.size());  // [features, outputs]
    for (size_t k = 0; k < f_.outputs; ++k)
      for (size_t i = 0; i < f_.features; ++i)
        across[i * f_.outputs + k] = f_.weights[k * f_.features + i];
    std::string sums =
        op("MatMul", {rows, graph_.floats(across, {f_.features, f_.outputs}, doubles_)});
    if (f_.base_first && !f_.base.empty())
      sums = op("Add", {sums, graph_.floats(f_.base, {f_.outputs}, doubles_)});
    return doubles_ ? cast(sums, OnnxType::kFloat) : sums;
  }

  // Floats from here on.
  std::string finish_sums(std::string sums) {
    if (f_.divisor != 1) sums = op("Div", {sums, graph_.number(f_.divisor, false)});
    if (!f_.base.empty() && !f_.base_first)
      sums = op("Add", {sums, graph_.floats(f_.base, {f_.outputs}, false)});
    return sums;
  }

  void label(const std::string& sums) {
    if (f_.outputs == 1) {
      const std::string above = op("Greater", {sums, graph_.number(f_.positive_above, false)});
      const std::string whole = cast(above, OnnxType::kInt64);
      graph_.node(
          {.op = "Squeeze", .inputs = {whole, graph_.integers(kOne, {1})}, .output = "label"});
      return;
    }
    graph_.node({.op = "ArgMax",
                 .inputs = {sums},
                 .attributes = OnnxAttributes().integer("axis", 1).integer("keepdims", 0),
                 .output = "label"});
  }

  // The node whose output is the answer; how wide it is.
  int64_t answer(const std::string& sums) {
    const auto last = [&](std::string_view name, std::vector<std::string> inputs,
                          OnnxAttributes attributes = {}) {
      graph_.node({.op = name,
                   .inputs = std::move(inputs),
                   .attributes = std::move(attributes),
                   .output = "output"});
      return static_cast<int64_t>(f_.outputs);
    };
    const auto to_float = OnnxAttributes().integer("to", static_cast<int64_t>(OnnxType::kFloat));
    switch (f_.link) {
      case Link::kSigmoid:
        return last(
            "Sigmoid",
            {f_.link_scale == 1 ? sums : op("Mul", {sums, graph_.number(f_.link_scale, false)})});
      case Link::kSoftmax:
        return last("Softmax", {sums}, OnnxAttributes().integer("axis", 1));
      case Link::kExp:
        return last("Exp", {sums});
      case Link::kHinge:
        return last("Cast", {op("Greater", {sums, graph_.number(0, false)})}, to_float);
      case Link::kSquare:
        return last("Mul", {sums, op("Abs", {sums})});
      case Link::kLog1pExp:
        return last("Softplus", {sums});
      case Link::kArgmax:
        last("Cast",
             {op("ArgMax", {sums}, OnnxAttributes().integer("axis", 1).integer("keepdims", 1))},
             to_float);
        return 1;
      default:
        return last("Identity", {sums});
    }
  }

  static constexpr int64_t kOne[] = {1};

  const Model& model_;
  const Forest& f_;
  const bool doubles_;
  Graph graph_;
  Extra extra_;
};

}  // namespace

Result<std::string> write_onnx(const Model& model) { return Writer(model).run(); }

}  // namespace slip::model
