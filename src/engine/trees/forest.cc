#include "engine/trees/forest.h"

#include <algorithm>
#include <cmath>

#include "base/text.h"

namespace slip::trees {
namespace {

Error bad(size_t tree, std::string_view what) {
  return invalid("trees.bad_model", concat({"tree ", std::to_string(tree), ": ", what}));
}
Error bad_node(size_t tree, size_t node, std::string_view what) {
  return bad(tree, concat({"node ", std::to_string(node), ": ", what}));
}
Error too_large(std::string_view what) { return exhausted("trees.too_large", std::string(what)); }

bool good_set(const Set& set) {
  if (set.rule >= SetRule::kExact)
    return set.rule <= SetRule::kWhole && set.bits.empty() &&
           std::is_sorted(set.members.begin(), set.members.end()) &&
           std::none_of(set.members.begin(), set.members.end(),
                        [](double x) { return std::isnan(x); });
  return set.members.empty() && set.bits.size() <= kCategoryMax / 32;
}

Status check_node(const Forest& f, size_t tree, size_t index) {
  const Node& node = f.nodes[f.trees[tree].node + index];
  if (node.feature < 0 || static_cast<uint32_t>(node.feature) >= f.features)
    return bad_node(tree, index, "its feature isn't one of the model");
  if (node.test > Test::kInSet || node.missing > Missing::kNone)
    return bad_node(tree, index, "an unknown test");
  if (node.test == Test::kInSet && node.set >= f.sets.size())
    return bad_node(tree, index, "its set isn't there");
  if (node.test != Test::kInSet && std::isnan(node.threshold))
    return bad_node(tree, index, "its threshold is not a number");
  return {};
}

// Preorder, leaves from left to right: every index is what a walk over the tree would give it.
Status check_shape(const Forest& f, size_t number) {
  const Tree& tree = f.trees[number];
  if (tree.leaves != tree.nodes + 1) return bad(number, "it must have a leaf more than nodes");
  std::vector<std::pair<int32_t, size_t>> open;  // What must come next, and its depth.
  open.emplace_back(tree.nodes == 0 ? ~0 : 0, 0);
  int32_t next_node = 0, next_leaf = 0;
  while (!open.empty()) {
    const auto [at, depth] = open.back();
    open.pop_back();
    if (depth > kDepthMax) return bad(number, "it is too deep");
    if (at < 0) {
      if (~at != next_leaf++) return bad(number, "its leaves are out of order");
      continue;
    }
    if (at != next_node++ || static_cast<uint32_t>(at) >= tree.nodes)
      return bad_node(number, static_cast<size_t>(at), "out of order");
    const auto index = static_cast<size_t>(at);
    TRY(check_node(f, number, index));
    const Node& node = f.nodes[tree.node + index];
    open.emplace_back(node.right, depth + 1);
    open.emplace_back(node.left, depth + 1);
  }
  if (static_cast<uint32_t>(next_node) != tree.nodes) return bad(number, "it has loose nodes");
  return {};
}

Status check_trees(const Forest& f) {
  size_t node = 0, leaf = 0;
  for (size_t t = 0; t < f.trees.size(); ++t) {
    const Tree& tree = f.trees[t];
    if (tree.node != node || tree.leaf != leaf) return bad(t, "it doesn't follow the one before");
    node += tree.nodes;
    leaf += tree.leaves;
    if (node > f.nodes.size() || leaf > f.leaves.size()) return bad(t, "its nodes aren't there");
    if (tree.output >= f.outputs) return bad(t, "its output isn't one of the model");
    TRY(check_shape(f, t));
  }
  const size_t width = f.vector_leaves ? f.outputs : 1;
  if (node != f.nodes.size() || leaf * width != f.leaves.size())
    return invalid("trees.bad_model", "nodes or leaves that belong to no tree");
  if (!f.linear_leaves.empty() && (f.linear_leaves.size() != leaf || f.vector_leaves))
    return invalid("trees.bad_model", "linear leaves must be one a leaf");
  for (const LinearLeaf& l : f.linear_leaves)
    for (const auto& term : l.terms)
      if (term.first >= f.features)
        return invalid("trees.bad_model",
                       "a linear leaf has a feature that isn't one of the model");
  return {};
}

Status check_sizes(const Forest& f) {
  if (f.trees.size() > kTreesMax) return too_large("too many trees");
  if (f.nodes.size() > kNodesMax) return too_large("too many nodes");
  if (f.leaves.size() > kLeafValuesMax) return too_large("too many leaves");
  if (f.features > kFeaturesMax) return too_large("too many features");
  if (f.outputs == 0 || f.outputs > kOutputsMax)
    return invalid("trees.bad_model", "a model has 1 to 65536 outputs");
  return {};
}

bool needs_one(Link link) {
  return link == Link::kOneSigmoid || link == Link::kOneComplement || link == Link::kOneNegated;
}

Status check_answer(const Forest& f) {
  if (!f.base.empty() && f.base.size() != f.outputs)
    return invalid("trees.bad_model", "a base score must be given for each output");
  if (f.link > Link::kOneNegated || (needs_one(f.link) && f.outputs != 1))
    return invalid("trees.bad_model", "the link doesn't fit the outputs");
  if (f.aggregate != Aggregate::kSum && (!f.vector_leaves || !f.linear_leaves.empty()))
    return invalid("trees.bad_model", "minimum and maximum are taken of vectors");
  if (!f.weights.empty() &&
      (!f.trees.empty() || f.weights.size() != size_t{f.outputs} * f.features))
    return invalid("trees.bad_model", "weights must be one for each output and feature");
  for (const std::vector<double>* of : {&f.offsets, &f.scales})
    if (!of->empty() && (of->size() != f.features || f.weights.empty()))
      return invalid("trees.bad_model", "offsets and scales are one for each feature of weights");
  if (!f.feature_names.empty() && f.feature_names.size() != f.features)
    return invalid("trees.bad_model", "feature names must be one for each feature");
  return {};
}

class Builder {
 public:
  Builder(Forest& forest, std::span<const RawNode> nodes)
      : forest_(forest), raw_(nodes), seen_(nodes.size()) {
    tree_.node = static_cast<uint32_t>(forest.nodes.size());
  }

  Result<std::vector<uint32_t>> run(size_t root) {
    open_.push_back({root, 0, -1, false});
    while (!open_.empty()) {
      const Open o = open_.back();
      open_.pop_back();
      TRY(visit(o));
    }
    tree_.leaves = static_cast<uint32_t>(values_.size());
    const Tree* last = forest_.trees.empty() ? nullptr : &forest_.trees.back();
    tree_.leaf = last == nullptr ? 0 : last->leaf + last->leaves;
    forest_.trees.push_back(tree_);
    return std::move(values_);
  }

 private:
  struct Open {
    size_t raw;
    size_t depth;
    int32_t parent;  // Of this tree; -1: it is the root.
    bool right;
  };

  Status visit(const Open& o) {
    const size_t number = forest_.trees.size();
    if (o.raw >= raw_.size()) return bad(number, "a child isn't there");
    if (seen_[o.raw]) return bad_node(number, o.raw, "two ways lead to it");
    if (o.depth > kDepthMax) return bad(number, "it is too deep");
    seen_[o.raw] = true;
    const RawNode& raw = raw_[o.raw];
    if (raw.leaf) {
      link(o, ~static_cast<int32_t>(values_.size()));
      values_.push_back(raw.value);
      return {};
    }
    if (raw.left < 0 || raw.right < 0) return bad_node(number, o.raw, "a child isn't there");
    if (forest_.nodes.size() >= kNodesMax) return too_large("too many nodes");
    const auto mine = static_cast<int32_t>(tree_.nodes++);
    link(o, mine);
    forest_.nodes.push_back(raw.split);
    open_.push_back({static_cast<size_t>(raw.right), o.depth + 1, mine, true});
    open_.push_back({static_cast<size_t>(raw.left), o.depth + 1, mine, false});
    return {};
  }
  void link(const Open& o, int32_t to) {
    if (o.parent < 0) return;
    Node& parent = forest_.nodes[tree_.node + static_cast<uint32_t>(o.parent)];
    (o.right ? parent.right : parent.left) = to;
  }

  Forest& forest_;
  std::span<const RawNode> raw_;
  std::vector<bool> seen_;
  std::vector<Open> open_;
  std::vector<uint32_t> values_;
  Tree tree_;
};

}  // namespace

bool Set::has(double x) const {
  if (rule == SetRule::kExact)
    return !std::isnan(x) && std::binary_search(members.begin(), members.end(), x);
  if (rule == SetRule::kWhole)
    return std::fabs(x) < 2147483648.0 &&
           std::binary_search(members.begin(), members.end(), std::trunc(x));
  // NaN compares as false; what an int32 doesn't hold is beyond any set.
  const double least = rule == SetRule::kTruncate ? -1.0 : 0.0;
  if (!(x > least || (x == 0.0)) || !(x < static_cast<double>(kCategoryMax))) return false;
  const auto category = static_cast<uint32_t>(static_cast<int32_t>(x));
  return category / 32 < bits.size() && (bits[category / 32] >> (category % 32) & 1) != 0;
}

std::string_view link_name(Link link) {
  constexpr std::string_view kNames[] = {
      "identity", "sigmoid",  "softmax", "softmax_zero", "probit",         "exp",        "hinge",
      "square",   "log1pexp", "argmax",  "one_sigmoid",  "one_complement", "one_negated"};
  return kNames[static_cast<size_t>(link)];
}

uint32_t Forest::answers(Output output) const {
  if (output == Output::kRaw) return outputs;
  if (output == Output::kLabel || link == Link::kArgmax) return 1;
  return needs_one(link) ? 2 : outputs;
}

Status check(const Forest& forest) {
  TRY(check_sizes(forest));
  for (const Set& set : forest.sets)
    if (!good_set(set)) return invalid("trees.bad_model", "a set of categories is no set");
  TRY(check_trees(forest));
  return check_answer(forest);
}

Result<std::vector<uint32_t>> append_tree(Forest& forest, std::span<const RawNode> nodes,
                                          size_t root) {
  return Builder(forest, nodes).run(root);
}

}  // namespace slip::trees
