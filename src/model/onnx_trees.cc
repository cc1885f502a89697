#include <algorithm>
#include <cmath>
#include <map>

#include "base/text.h"
#include "model/onnx_internal.h"

// TreeEnsembleRegressor, TreeEnsembleClassifier (ai.onnx.ml 1 to 3) and TreeEnsemble (5). A true
// test leads to the true branch, NaN too where missing_value_tracks_true. Tests are turned into <,
// <= and sets: x >= t is a false x < t, so its branches change places.
namespace slip::model {
namespace {

using trees::Aggregate;
using trees::Forest;
using trees::Link;
using trees::RawNode;

enum class Mode : uint8_t { kLeq, kLt, kGte, kGt, kEq, kNeq, kMember, kLeaf };
constexpr std::string_view kModes[] = {"BRANCH_LEQ", "BRANCH_LT",  "BRANCH_GTE",    "BRANCH_GT",
                                       "BRANCH_EQ",  "BRANCH_NEQ", "BRANCH_MEMBER", "LEAF"};

// What a leaf says: numbers to add, by target.
using Votes = std::vector<std::pair<uint32_t, double>>;

struct Branches {
  int32_t true_node = -1, false_node = -1;
};

// A test into `out`; its set into the forest.
void put_test(Forest& f, Mode mode, double value, bool tracks_true, RawNode& out) {
  trees::Node& n = out.split;
  n.threshold = value;
  n.default_left = tracks_true;
  n.test = mode == Mode::kLt || mode == Mode::kGte ? trees::Test::kLess : trees::Test::kLessEqual;
  if (mode == Mode::kEq || mode == Mode::kNeq) {
    n.test = trees::Test::kInSet;
    n.set = static_cast<uint32_t>(f.sets.size());
    trees::Set set;
    set.rule = trees::SetRule::kExact;
    if (!std::isnan(value)) set.members.push_back(value);
    f.sets.push_back(std::move(set));
    n.threshold = 0;
  }
  if (mode == Mode::kGte || mode == Mode::kGt || mode == Mode::kNeq) {
    std::swap(out.left, out.right);
    n.default_left = mode == Mode::kNeq ? false : !tracks_true;  // NaN != t is true.
  }
}

// Leaves of all trees, as the forest keeps them.
class LeafWriter {
 public:
  LeafWriter(Forest& forest, std::vector<Votes> votes)
      : forest_(forest), votes_(std::move(votes)) {}

  // Trees whose leaves speak of one target have a number a leaf; else all leaves are vectors.
  void choose(const std::vector<std::vector<uint32_t>>& leaves_of_trees) {
    forest_.vector_leaves = forest_.aggregate != Aggregate::kSum;
    for (const std::vector<uint32_t>& leaves : leaves_of_trees)
      if (!one_target(leaves)) forest_.vector_leaves = true;
    if (forest_.outputs == 1 && forest_.aggregate == Aggregate::kSum) forest_.vector_leaves = false;
  }
  Status write(size_t tree, const std::vector<uint32_t>& leaves) {
    const size_t width = forest_.vector_leaves ? forest_.outputs : 1;
    if (leaves.size() > (trees::kLeafValuesMax - forest_.leaves.size()) / width)
      return exhausted("trees.too_large", "too many leaves");
    for (const uint32_t leaf : leaves) {
      const Votes& votes = votes_[leaf];
      if (forest_.vector_leaves) {
        put_vector(votes);
        continue;
      }
      if (!votes.empty()) forest_.trees[tree].output = votes.front().first;
      forest_.leaves.push_back(total(votes));
    }
    return {};
  }

 private:
  bool one_target(const std::vector<uint32_t>& leaves) const {
    const uint32_t* target = nullptr;
    for (const uint32_t leaf : leaves)
      for (const auto& vote : votes_[leaf]) {
        if (target != nullptr && *target != vote.first) return false;
        target = &vote.first;
      }
    return true;
  }
  double added(double a, double b) const {
    return forest_.float_sum ? static_cast<double>(static_cast<float>(a) + static_cast<float>(b))
                             : a + b;
  }
  double total(const Votes& votes) const {
    double sum = 0;
    for (const auto& vote : votes) sum = added(sum, vote.second);
    return sum;
  }
  void put_vector(const Votes& votes) {
    const bool sum = forest_.aggregate == Aggregate::kSum;
    const size_t at = forest_.leaves.size();
    forest_.leaves.resize(at + forest_.outputs, sum ? 0 : std::nan(""));
    for (const auto& [target, weight] : votes) {
      double& x = forest_.leaves[at + target];
      if (sum)
        x = added(x, weight);
      else if (std::isnan(x) || (forest_.aggregate == Aggregate::kMin ? weight < x : weight > x))
        x = weight;
    }
  }

  Forest& forest_;
  std::vector<Votes> votes_;
};

Status finish_trees(const OnnxNode& node, const std::vector<std::vector<uint32_t>>& leaves,
                    std::vector<Votes> votes, Forest& f) {
  if (f.trees.empty()) return onnx_error(node, "nodes", "are missing");
  LeafWriter writer(f, std::move(votes));
  writer.choose(leaves);
  for (size_t t = 0; t < leaves.size(); ++t) TRY(writer.write(t, leaves[t]));
  size_t leaf = 0;
  for (trees::Tree& tree : f.trees) tree.leaf = static_cast<uint32_t>(leaf), leaf += tree.leaves;
  return {};
}

Status put_aggregate(const OnnxNode& node, std::string_view name, Forest& f) {
  if (name == "MIN" || name == "MAX")
    f.aggregate = name == "MIN" ? Aggregate::kMin : Aggregate::kMax;
  else if (name == "AVERAGE")
    f.divisor = static_cast<double>(f.trees.size());
  else if (name != "SUM")
    return onnx_error(node, "aggregate_function", "is unknown");
  return {};
}

// The features that are looked at, where the input doesn't say how many it has.
Status widen(const OnnxNode& node, int64_t feature, bool open, Forest& f) {
  if (feature < 0 || feature >= static_cast<int64_t>(trees::kFeaturesMax))
    return onnx_error(node, "nodes_featureids", "is out of range");
  if (open) f.features = std::max(f.features, static_cast<uint32_t>(feature) + 1);
  if (feature >= static_cast<int64_t>(f.features))
    return onnx_error(node, "nodes_featureids", "names a feature that the input hasn't");
  return {};
}

// ---- ai.onnx.ml 1 to 3

class Ensemble1 {
 public:
  Ensemble1(const OnnxNode& node, bool classifier, Model& out)
      : node_(node), classifier_(classifier), out_(out), f_(out.forest), open_(f_.features == 0) {}

  Status read() {
    TRY(columns());
    TRY(targets());
    TRY(index());
    TRY(votes());
    std::vector<std::vector<uint32_t>> leaves;
    for (size_t begin = 0; begin < size();) {
      size_t end = begin;
      while (end < size() && (*trees_)[end] == (*trees_)[begin]) ++end;
      std::vector<uint32_t> of_tree = TRY(tree(begin, end));
      leaves.push_back(std::move(of_tree));
      begin = end;
    }
    std::string aggregate = text_of(node_, "aggregate_function", "SUM");
    TRY(put_aggregate(node_, aggregate, f_));
    TRY(finish_trees(node_, leaves, votes_, f_));
    TRY(set_transform(node_, text_of(node_, "post_transform", "NONE"), out_));
    return classifier_ ? classes() : base();
  }

 private:
  size_t size() const { return modes_->texts.size(); }

  const std::vector<double>& doubles(std::string_view name) {
    const Attribute* tensor = node_.find(concat({name, "_as_tensor"}));
    return tensor != nullptr ? tensor->numbers : numbers_of(node_, name);
  }
  Status columns() {
    modes_ = node_.find("nodes_modes");
    if (modes_ == nullptr) return onnx_error(node_, "nodes_modes", "is missing");
    trees_ = &integers_of(node_, "nodes_treeids");
    ids_ = &integers_of(node_, "nodes_nodeids");
    features_ = &integers_of(node_, "nodes_featureids");
    true_ = &integers_of(node_, "nodes_truenodeids");
    false_ = &integers_of(node_, "nodes_falsenodeids");
    values_ = &doubles("nodes_values");
    tracks_ = &integers_of(node_, "nodes_missing_value_tracks_true");
    for (const auto* column : {trees_, ids_, features_, true_, false_})
      if (column->size() != size()) return onnx_error(node_, "nodes_*", "have different lengths");
    if (values_->size() != size() || (!tracks_->empty() && tracks_->size() != size()))
      return onnx_error(node_, "nodes_*", "have different lengths");
    return {};
  }

  Status targets() {
    int64_t outputs = integer_of(node_, "n_targets", 1);
    if (classifier_) {
      f_.class_names = labels_of(node_, "classlabels_int64s", "classlabels_strings");
      outputs = static_cast<int64_t>(f_.class_names.size());
      out_.forest.classifier = true;
    }
    if (outputs < 1 || outputs > static_cast<int64_t>(trees::kOutputsMax))
      return onnx_error(node_, classifier_ ? "classlabels" : "n_targets", "is out of range");
    f_.outputs = static_cast<uint32_t>(outputs);
    return {};
  }

  Status index() {
    for (size_t i = 0; i < size(); ++i)
      if (!index_.try_emplace({(*trees_)[i], (*ids_)[i]}, i).second)
        return onnx_error(node_, "nodes_nodeids", "has a node twice");
    return {};
  }

  Status votes() {
    const std::string prefix = classifier_ ? "class_" : "target_";
    const std::vector<int64_t>& trees = integers_of(node_, prefix + "treeids");
    const std::vector<int64_t>& nodes = integers_of(node_, prefix + "nodeids");
    const std::vector<int64_t>& ids = integers_of(node_, prefix + "ids");
    const std::vector<double>& weights = doubles(prefix + "weights");
    if (nodes.size() != trees.size() || ids.size() != trees.size() ||
        weights.size() != trees.size())
      return onnx_error(node_, prefix + "*", "have different lengths");
    votes_.resize(size());
    for (size_t i = 0; i < trees.size(); ++i) {
      const auto at = index_.find({trees[i], nodes[i]});
      if (at == index_.end()) return onnx_error(node_, prefix + "nodeids", "names no node");
      if (ids[i] < 0 || ids[i] >= static_cast<int64_t>(f_.outputs))
        return onnx_error(node_, prefix + "ids", "names no output");
      votes_[at->second].emplace_back(static_cast<uint32_t>(ids[i]), weights[i]);
      ids_seen_.push_back(ids[i]);
      negative_ = negative_ || weights[i] < 0;
    }
    return {};
  }

  Result<int32_t> child(size_t begin, size_t end, int64_t id) {
    const auto at = index_.find({(*trees_)[begin], id});
    if (at == index_.end() || at->second < begin || at->second >= end)
      return onnx_error(node_, "nodes_truenodeids", "leads nowhere");
    return static_cast<int32_t>(at->second - begin);
  }

  Result<std::vector<uint32_t>> tree(size_t begin, size_t end) {
    std::vector<RawNode> raw(end - begin);
    for (size_t i = begin; i < end; ++i) {
      RawNode& r = raw[i - begin];
      const auto* mode = std::find(std::begin(kModes), std::end(kModes), modes_->texts[i]);
      if (mode == std::end(kModes)) return onnx_error(node_, "nodes_modes", "has an unknown mode");
      const auto which = static_cast<Mode>(mode - std::begin(kModes));
      if (which == Mode::kMember) return onnx_error(node_, "nodes_modes", "has an unknown mode");
      r.value = static_cast<uint32_t>(i);
      r.leaf = which == Mode::kLeaf;
      if (r.leaf) continue;
      TRY(widen(node_, (*features_)[i], open_, f_));
      r.split.feature = static_cast<int32_t>((*features_)[i]);
      r.left = TRY(child(begin, end, (*true_)[i]));
      r.right = TRY(child(begin, end, (*false_)[i]));
      put_test(f_, which, (*values_)[i], !tracks_->empty() && (*tracks_)[i] != 0, r);
    }
    return trees::append_tree(f_, raw, 0);
  }

  // Whether every row gets a vote for output k: some tree's leaves all have one.
  bool always_voted(uint32_t k) const {
    for (size_t begin = 0; begin < size();) {
      size_t end = begin;
      bool all = true;
      for (; end < size() && (*trees_)[end] == (*trees_)[begin]; ++end) {
        const Votes& votes = votes_[end];
        all = all && (modes_->texts[end] != "LEAF" ||
                      std::any_of(votes.begin(), votes.end(),
                                  [&](const auto& v) { return v.first == k; }));
      }
      if (all) return true;
      begin = end;
    }
    return false;
  }

  Status base() {
    f_.base = doubles("base_values");
    if (f_.base.empty()) return {};
    if (f_.base.size() != f_.outputs)
      return onnx_error(node_, "base_values", "must be one for each output");
    for (uint32_t k = 0; k < f_.outputs; ++k)  // ONNX Runtime answers 0 without a vote.
      if (f_.outputs > 1 && !always_voted(k))
        return unsupported("model.unsupported",
                           concat({node_.op, ": base_values, and rows without a vote"}));
    return {};
  }

  // With two classes ONNX Runtime takes the second sum for the negative of the first when there are
  // base values, and when a row has no vote for it. Of more, one without a vote isn't meant even if
  // all others are negative.
  bool odd_votes() const {
    if (f_.outputs == 2) return !f_.base.empty() || !always_voted(1);
    if (!f_.base.empty()) return f_.base.size() != f_.outputs;
    for (uint32_t k = 0; negative_ && k < f_.outputs; ++k)
      if (!always_voted(k)) return true;
    return false;
  }

  // As ONNX Runtime has it: two classes with votes for one of them alone are one sum.
  Status classes() {
    f_.base = doubles("base_values");
    const bool first = std::find(ids_seen_.begin(), ids_seen_.end(), 0) != ids_seen_.end();
    const bool second = std::find(ids_seen_.begin(), ids_seen_.end(), 1) != ids_seen_.end();
    if (f_.outputs != 2 || (first && second)) {
      if (odd_votes())
        return unsupported("model.unsupported", concat({node_.op, ": classes in an unusual way"}));
      return {};
    }
    if (f_.base.size() > 1 || second || f_.vector_leaves || f_.link == Link::kProbit)
      return unsupported("model.unsupported", concat({node_.op, ": classes in an unusual way"}));
    f_.outputs = 1;
    f_.positive_above = negative_ ? 0 : 0.5;
    if (f_.link == Link::kSigmoid)
      f_.link = Link::kOneSigmoid;
    else
      f_.link = negative_ ? Link::kOneNegated : Link::kOneComplement;
    return {};
  }

  const OnnxNode& node_;
  bool classifier_;
  Model& out_;
  Forest& f_;
  bool open_;
  const Attribute* modes_ = nullptr;
  const std::vector<int64_t>* trees_ = nullptr;
  const std::vector<int64_t>* ids_ = nullptr;
  const std::vector<int64_t>* features_ = nullptr;
  const std::vector<int64_t>* true_ = nullptr;
  const std::vector<int64_t>* false_ = nullptr;
  const std::vector<int64_t>* tracks_ = nullptr;
  const std::vector<double>* values_ = nullptr;
  std::map<std::pair<int64_t, int64_t>, size_t> index_;
  std::vector<Votes> votes_;  // By node.
  std::vector<int64_t> ids_seen_;
  bool negative_ = false;
};

// ---- ai.onnx.ml 5

class Ensemble5 {
 public:
  Ensemble5(const OnnxNode& node, Model& out)
      : node_(node), out_(out), f_(out.forest), open_(f_.features == 0) {}

  Status read() {
    TRY(columns());
    TRY(leaves());
    TRY(nodes());
    std::vector<std::vector<uint32_t>> of_trees;
    for (const int64_t root : integers_of(node_, "tree_roots")) {
      if (root < 0 || root >= static_cast<int64_t>(modes_->size()))
        return onnx_error(node_, "tree_roots", "leads nowhere");
      std::vector<uint32_t> of_tree = TRY(trees::append_tree(f_, raw_, static_cast<size_t>(root)));
      of_trees.push_back(std::move(of_tree));
    }
    constexpr std::string_view kAggregates[] = {"AVERAGE", "SUM", "MIN", "MAX"};
    // The specification numbers SOFTMAX 1 and LOGISTIC 2; ONNX Runtime (1.32) takes them the other
    // way round, and a model's answers are what it gives.
    constexpr std::string_view kTransforms[] = {"NONE", "LOGISTIC", "SOFTMAX", "SOFTMAX_ZERO",
                                                "PROBIT"};
    const int64_t aggregate = integer_of(node_, "aggregate_function", 1);
    const int64_t transform = integer_of(node_, "post_transform", 0);
    if (aggregate < 0 || aggregate > 3)
      return onnx_error(node_, "aggregate_function", "is unknown");
    if (transform < 0 || transform > 4) return onnx_error(node_, "post_transform", "is unknown");
    TRY(put_aggregate(node_, kAggregates[aggregate], f_));
    TRY(finish_trees(node_, of_trees, std::move(votes_), f_));
    return set_transform(node_, kTransforms[transform], out_);
  }

 private:
  Status columns() {
    modes_ = &numbers_of(node_, "nodes_modes");
    splits_ = &numbers_of(node_, "nodes_splits");
    features_ = &integers_of(node_, "nodes_featureids");
    true_ = &integers_of(node_, "nodes_truenodeids");
    false_ = &integers_of(node_, "nodes_falsenodeids");
    true_leaf_ = &integers_of(node_, "nodes_trueleafs");
    false_leaf_ = &integers_of(node_, "nodes_falseleafs");
    tracks_ = &integers_of(node_, "nodes_missing_value_tracks_true");
    for (const auto* column : {features_, true_, false_, true_leaf_, false_leaf_})
      if (column->size() != modes_->size())
        return onnx_error(node_, "nodes_*", "have different lengths");
    if (splits_->size() != modes_->size() ||
        (!tracks_->empty() && tracks_->size() != modes_->size()))
      return onnx_error(node_, "nodes_*", "have different lengths");
    if (modes_->size() > trees::kNodesMax / 4)
      return exhausted("trees.too_large", "too many nodes");
    return {};
  }

  Status leaves() {
    const int64_t targets = integer_of(node_, "n_targets", 1);
    if (targets < 1 || targets > static_cast<int64_t>(trees::kOutputsMax))
      return onnx_error(node_, "n_targets", "is out of range");
    f_.outputs = static_cast<uint32_t>(targets);
    const std::vector<int64_t>& ids = integers_of(node_, "leaf_targetids");
    const std::vector<double>& weights = numbers_of(node_, "leaf_weights");
    if (ids.size() != weights.size()) return onnx_error(node_, "leaf_*", "have different lengths");
    for (size_t i = 0; i < ids.size(); ++i) {
      if (ids[i] < 0 || ids[i] >= targets)
        return onnx_error(node_, "leaf_targetids", "names no target");
      votes_.push_back({{static_cast<uint32_t>(ids[i]), weights[i]}});
    }
    return {};
  }

  // A child; leaves get nodes of their own behind the others, since several branches may share one.
  Result<int32_t> child(int64_t to, bool leaf, std::string_view name) {
    const auto most = static_cast<int64_t>(leaf ? votes_.size() : modes_->size());
    if (to < 0 || to >= most) return onnx_error(node_, name, "leads nowhere");
    if (!leaf) return static_cast<int32_t>(to);
    RawNode r;
    r.leaf = true;
    r.value = static_cast<uint32_t>(to);
    raw_.push_back(r);
    return static_cast<int32_t>(raw_.size() - 1);
  }

  Status nodes() {
    raw_.resize(modes_->size());
    size_t member = 0;
    for (size_t i = 0; i < modes_->size(); ++i) {
      const double mode = (*modes_)[i];
      if (!(mode >= 0 && mode <= 6)) return onnx_error(node_, "nodes_modes", "has an unknown mode");
      TRY(widen(node_, (*features_)[i], open_, f_));
      const int32_t to_true = TRY(child((*true_)[i], (*true_leaf_)[i] != 0, "nodes_truenodeids"));
      const int32_t to_false =
          TRY(child((*false_)[i], (*false_leaf_)[i] != 0, "nodes_falsenodeids"));
      RawNode& r = raw_[i];
      r.left = to_true;
      r.right = to_false;
      r.split.feature = static_cast<int32_t>((*features_)[i]);
      const auto which = static_cast<Mode>(mode);
      const bool tracks = !tracks_->empty() && (*tracks_)[i] != 0;
      put_test(f_, which, which == Mode::kMember ? 0 : (*splits_)[i], tracks, r);
      if (which == Mode::kMember) TRY(members(member, r));
    }
    return {};
  }

  // Sets stand behind each other in the order of nodes, each up to a NaN.
  Status members(size_t& at, RawNode& r) {
    const std::vector<double>& all = numbers_of(node_, "membership_values");
    trees::Set set;
    set.rule = trees::SetRule::kExact;
    while (at < all.size() && !std::isnan(all[at])) set.members.push_back(all[at++]);
    if (at >= all.size()) return onnx_error(node_, "membership_values", "lacks a set");
    ++at;
    std::sort(set.members.begin(), set.members.end());
    // ONNX Runtime (1.32) keeps such sets as integers and takes values' fractions away.
    const bool large =
        set.members.size() > 30 ||
        (!set.members.empty() && (set.members.front() < 0 || set.members.back() > 30));
    if (large) {
      set.rule = trees::SetRule::kWhole;
      for (double& x : set.members) x = std::trunc(x);
    }
    r.split.test = trees::Test::kInSet;
    r.split.set = static_cast<uint32_t>(f_.sets.size());
    f_.sets.push_back(std::move(set));
    return {};
  }

  const OnnxNode& node_;
  Model& out_;
  Forest& f_;
  bool open_;
  const std::vector<double>* modes_ = nullptr;
  const std::vector<double>* splits_ = nullptr;
  const std::vector<int64_t>* features_ = nullptr;
  const std::vector<int64_t>* true_ = nullptr;
  const std::vector<int64_t>* false_ = nullptr;
  const std::vector<int64_t>* true_leaf_ = nullptr;
  const std::vector<int64_t>* false_leaf_ = nullptr;
  const std::vector<int64_t>* tracks_ = nullptr;
  std::vector<Votes> votes_;  // By leaf.
  std::vector<RawNode> raw_;
};

}  // namespace

Status read_tree_ensemble_1(const OnnxNode& node, bool classifier, Model& out) {
  return Ensemble1(node, classifier, out).read();
}
Status read_tree_ensemble_5(const OnnxNode& node, Model& out) {
  return Ensemble5(node, out).read();
}

}  // namespace slip::model
