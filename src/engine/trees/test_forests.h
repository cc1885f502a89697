#pragma once

#include <cmath>
#include <limits>
#include <vector>

#include "engine/trees/forest.h"
#include "test/gen/dice.h"

// Random forests of every kind, and rows that lie on their thresholds, one ulp beside them and
// where numbers are odd. One thread.
namespace slip::trees::test {

struct Shape {
  uint32_t features = 5;
  uint32_t outputs = 1;
  size_t trees = 10;
  size_t leaves = 31;  // At most, a tree.
  bool sets = false;
  bool coarse = false;  // Few different thresholds, some doubles side by side.
};

inline double number(gen::Dice& dice, bool coarse) {
  const double x = dice.unit() * 4 - 2;
  if (!coarse) return x;
  const double round = std::round(x * 4) / 4;
  switch (dice.below(6)) {
    case 0:
      return std::nextafter(round, 3.0);
    case 1:
      return std::nextafter(std::nextafter(round, -3.0), -3.0);
    case 2:
      return dice.one_in(4) ? 1e300 : 1e-300;
    case 3:
      return dice.one_in(8) ? -std::numeric_limits<double>::infinity() : kZeroThreshold;
    default:
      return round;
  }
}

inline Node random_node(gen::Dice& dice, const Forest& f, const Shape& shape) {
  Node n;
  n.feature = static_cast<int32_t>(dice.below(f.features));
  n.missing = static_cast<Missing>(dice.below(3));
  n.default_left = dice.one_in(2);
  n.test = dice.one_in(2) ? Test::kLess : Test::kLessEqual;
  n.threshold = number(dice, shape.coarse);
  if (f.float_compare) n.threshold = static_cast<double>(static_cast<float>(n.threshold));
  if (shape.sets && dice.one_in(3)) {
    n.test = Test::kInSet;
    n.set = static_cast<uint32_t>(dice.below(f.sets.size()));
  }
  return n;
}

inline std::vector<RawNode> random_tree(gen::Dice& dice, const Forest& f, const Shape& shape) {
  std::vector<RawNode> nodes(1);
  nodes[0].leaf = true;
  const size_t leaves = 1 + dice.below(shape.leaves);
  std::vector<size_t> open = {0};
  const bool chain = dice.one_in(5);
  while (open.size() < leaves) {
    const size_t at = chain ? open.size() - 1 : static_cast<size_t>(dice.below(open.size()));
    RawNode& n = nodes[open[at]];
    n.leaf = false;
    n.left = static_cast<int32_t>(nodes.size());
    n.right = n.left + 1;
    n.split = random_node(dice, f, shape);
    open[at] = nodes.size();
    open.push_back(nodes.size() + 1);
    nodes.resize(nodes.size() + 2);
    nodes[nodes.size() - 1].leaf = nodes[nodes.size() - 2].leaf = true;
  }
  return nodes;
}

inline Forest random_forest(gen::Dice& dice, const Shape& shape) {
  Forest f;
  f.features = shape.features;
  f.outputs = shape.outputs;
  f.float_compare = dice.one_in(2);
  f.float_sum = dice.one_in(2);
  f.tiny_is_zero = dice.one_in(2);
  f.vector_leaves = shape.outputs > 1 && dice.one_in(2);
  for (int i = 0; i < 4; ++i) {
    Set set;
    set.rule = static_cast<SetRule>(i % 3);
    if (set.rule == SetRule::kExact)
      set.members = {-1.5, 0, 0.25, 3};
    else
      set.bits = {static_cast<uint32_t>(dice.below(uint64_t{1} << 32)),
                  static_cast<uint32_t>(dice.below(uint64_t{1} << 32))};
    f.sets.push_back(set);
  }
  for (size_t t = 0; t < shape.trees; ++t) {
    const std::vector<RawNode> raw = random_tree(dice, f, shape);
    const size_t leaves = append_tree(f, raw, 0).value().size();
    for (size_t i = 0; i < leaves * (f.vector_leaves ? f.outputs : 1); ++i)
      f.leaves.push_back(dice.unit() - 0.5);
    f.trees.back().output = f.vector_leaves ? 0 : static_cast<uint32_t>(t % f.outputs);
  }
  if (dice.one_in(2)) {
    f.base.assign(f.outputs, 0.125);
    f.base_first = dice.one_in(2);
  }
  if (dice.one_in(3)) f.divisor = static_cast<double>(shape.trees);
  return f;
}

// A value for feature `i` of `f`: a threshold of it, a neighbour, a category, an odd number, any.
inline double value_for(gen::Dice& dice, const Forest& f, uint32_t i) {
  constexpr double kInf = std::numeric_limits<double>::infinity();
  const double odd[] = {
      std::nan(""), kInf,         -kInf, 0.0,    -0.0,           1e-35,
      -1e-36,       5e-324,       1e308, -1e308, kZeroThreshold, std::nextafter(kZeroThreshold, 1),
      1e-45,        2147483648.0, -0.5,  -1.0,   16777216.0};
  switch (dice.below(6)) {
    case 0:
      return dice.pick(odd);
    case 1:
      return static_cast<double>(dice.between(-2, 66));
    case 2:
      return dice.unit() * 4 - 2;
    default:
      break;
  }
  double t = 0;
  for (int tries = 0; tries < 20 && !f.nodes.empty(); ++tries) {
    const Node& n = dice.pick(f.nodes);
    t = n.threshold;
    if (static_cast<uint32_t>(n.feature) == i) break;
  }
  const bool floats = dice.one_in(2);
  const double way = dice.one_in(2) ? kInf : -kInf;
  if (dice.one_in(3)) return t;
  if (!floats) return std::nextafter(t, way);
  return static_cast<double>(std::nextafter(static_cast<float>(t), static_cast<float>(way)));
}

inline std::vector<double> random_rows(gen::Dice& dice, const Forest& f, size_t rows) {
  std::vector<double> out(rows * f.features);
  const bool tame = dice.one_in(3);  // No NaN: kernels have a way for that.
  for (size_t i = 0; i < out.size(); ++i) {
    out[i] = value_for(dice, f, static_cast<uint32_t>(i % f.features));
    if (tame && std::isnan(out[i])) out[i] = 1;
  }
  return out;
}

}  // namespace slip::trees::test
