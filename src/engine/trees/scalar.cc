#include "engine/trees/scalar.h"

#include <algorithm>
#include <limits>

namespace slip::trees {
namespace {

double added(const Forest& f, double sum, double leaf) {
  return f.float_sum ? static_cast<double>(static_cast<float>(sum) + static_cast<float>(leaf))
                     : sum + leaf;
}

void add_vector(const Forest& f, size_t leaf, std::span<double> sums) {
  const std::span<const double> values = std::span(f.leaves).subspan(leaf * f.outputs, f.outputs);
  for (size_t k = 0; k < sums.size(); ++k) {
    if (f.aggregate == Aggregate::kSum) {
      sums[k] = added(f, sums[k], values[k]);
      continue;
    }
    const double x = f.float_sum ? static_cast<double>(static_cast<float>(values[k])) : values[k];
    const bool better = f.aggregate == Aggregate::kMin ? x < sums[k] : x > sums[k];
    if (better || (std::isnan(sums[k]) && !std::isnan(x))) sums[k] = x;
  }
}

double linear_value(const Forest& f, size_t leaf, std::span<const double> row) {
  const LinearLeaf& l = f.linear_leaves[leaf];
  double out = l.constant;
  for (const auto& [feature, weight] : l.terms) {
    const double x = prepared(f, row[feature]);
    if (std::isnan(x)) return f.leaves[leaf];
    out += weight * x;
  }
  return out;
}

double scaled(const Forest& f, size_t i, double x) {
  if (!f.offsets.empty())
    x = static_cast<double>(static_cast<float>(x) - static_cast<float>(f.offsets[i]));
  if (!f.scales.empty())
    x = static_cast<double>(static_cast<float>(x) * static_cast<float>(f.scales[i]));
  return x;
}

void add_weights(const Forest& f, std::span<const double> row, std::span<double> sums) {
  for (size_t k = 0; k < sums.size(); ++k) {
    const double* weights = f.weights.data() + k * f.features;
    for (size_t i = 0; i < f.features; ++i) {
      const double x = scaled(f, i, prepared(f, row[i]));
      if (f.missing_skips && std::isnan(x)) continue;
      const double term =
          f.float_sum ? static_cast<double>(static_cast<float>(x) * static_cast<float>(weights[i]))
                      : x * weights[i];
      sums[k] = added(f, sums[k], term);
    }
  }
}

}  // namespace

bool goes_left(const Forest& f, const Node& node, std::span<const double> row) {
  const double x = with_missing(node.missing, prepared(f, row[static_cast<size_t>(node.feature)]));
  if (std::isnan(x)) return node.default_left;
  if (node.test == Test::kInSet) return f.sets[node.set].has(x);
  return node.test == Test::kLess ? x < node.threshold : x <= node.threshold;
}

uint32_t find_leaf(const Forest& f, const Tree& tree, std::span<const double> row) {
  if (tree.nodes == 0) return 0;
  int32_t at = 0;
  while (at >= 0) {
    const Node& node = f.nodes[tree.node + static_cast<uint32_t>(at)];
    at = goes_left(f, node, row) ? node.left : node.right;
  }
  return static_cast<uint32_t>(~at);
}

void add_leaf(const Forest& f, const Tree& tree, uint32_t leaf, std::span<const double> row,
              std::span<double> sums) {
  const size_t index = tree.leaf + leaf;
  if (f.vector_leaves) return add_vector(f, index, sums);
  double& sum = sums[tree.output];
  sum = added(f, sum, f.linear_leaves.empty() ? f.leaves[index] : linear_value(f, index, row));
}

void start_sums(const Forest& f, std::span<double> sums) {
  if (f.aggregate != Aggregate::kSum)
    std::fill(sums.begin(), sums.end(), std::numeric_limits<double>::quiet_NaN());
  else if (f.base_first && !f.base.empty())
    std::copy(f.base.begin(), f.base.end(), sums.begin());
  else
    std::fill(sums.begin(), sums.end(), 0.0);
}

void scalar_sums(const Forest& f, std::span<const double> row, std::span<double> sums) {
  start_sums(f, sums);
  for (const Tree& tree : f.trees) add_leaf(f, tree, find_leaf(f, tree, row), row, sums);
  if (!f.weights.empty()) add_weights(f, row, sums);
  if (f.aggregate != Aggregate::kSum)
    for (double& sum : sums)
      if (std::isnan(sum)) sum = 0;
}

}  // namespace slip::trees
