#pragma once

#include <cmath>
#include <cstddef>
#include <span>

#include "engine/trees/forest.h"

// The plain way: one row, one tree, one node after another, in doubles. It is the oracle of every
// other kernel and what runs where no other fits. Pure; the forest has passed check().
namespace slip::trees {

// A feature's value as the model's library would look at it.
inline double prepared(const Forest& f, double x) {
  if (f.float_compare) x = static_cast<double>(static_cast<float>(x));
  if (f.tiny_is_zero && std::fabs(x) <= kZeroThreshold) x = 0;
  return x;
}
inline double with_missing(Missing missing, double x) {
  if (missing == Missing::kNone && std::isnan(x)) return 0;
  if (missing == Missing::kZero && std::fabs(x) <= kZeroThreshold) return std::nan("");
  return x;
}
bool goes_left(const Forest& forest, const Node& node, std::span<const double> row);
// The leaf of `tree` that a row falls into.
uint32_t find_leaf(const Forest& forest, const Tree& tree, std::span<const double> row);
// Adds what the leaf says to the sums (floats held as doubles when the forest adds floats).
void add_leaf(const Forest& forest, const Tree& tree, uint32_t leaf, std::span<const double> row,
              std::span<double> sums);
void start_sums(const Forest& forest, std::span<double> sums);
// The sums of the whole forest, before finish_sums().
void scalar_sums(const Forest& forest, std::span<const double> row, std::span<double> sums);

}  // namespace slip::trees
