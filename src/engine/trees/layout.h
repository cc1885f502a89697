#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "engine/trees/columns.h"
#include "engine/trees/forest.h"

// What kernels read, made of a forest once. Two forms of the same trees:
//   words  QuickScorer (C. Lucchese et al., SIGIR 2015; vectorised: TOIS 2016): each node that
//   sends a
//          row to the right takes the leaves of its left subtree away, and the first leaf that is
//          left is the row's. No branch, no dependent load. Leaves stand in words of 32 bits, the
//          first one in the highest; a tree of more leaves is several words, each with the nodes
//          that touch it.
//   walk   nodes of 16 bytes, siblings side by side, leaves that lead to themselves: a fixed number
//   of
//          steps without a branch, many walks at a time.
// Immutable once made; any thread.
namespace slip::trees {

inline constexpr size_t kTileRows = 64;
inline constexpr size_t kWordLeaves = 32;
inline constexpr size_t kLanes = 16;

struct QuickNode {
  float threshold = 0;
  uint32_t column = 0;  // Times kTileRows.
  uint32_t keep = 0;    // Leaves that stay when the row goes to the right.
};
struct QuickWord {
  uint32_t begin = 0;   // QuickNodes: [begin, middle) send NaN to the left,
  uint32_t middle = 0;  // [middle, end) to the right.
  uint32_t end = 0;
  uint32_t first_leaf = 0;  // Of the tree.
};
struct QuickTree {
  uint32_t word = 0, words = 0;
  uint32_t leaf = 0;
  uint32_t output = 0;
};
// 16 words side by side, for one row.
struct QuickLanes {
  uint32_t begin = 0, end = 0;  // Steps.
  uint32_t word[kLanes] = {};   // The word in each lane; ~0: none.
};
struct alignas(16) LaneStep {  // Small: a row reads all of them, from the second cache.
  float threshold[kLanes];
  uint32_t keep[kLanes];
  uint8_t column[kLanes];
};

struct Quick {
  std::vector<QuickNode> nodes;
  std::vector<QuickWord> words;
  std::vector<QuickTree> trees;
  // A leaf table of 32 entries for each tree of one word (at its number of such trees): the low and
  // high halves of doubles, or floats.
  std::vector<uint32_t> table;
  std::vector<uint32_t> table_at;  // A tree.
  std::vector<QuickLanes> lanes;   // Empty: rows are walked.
  std::vector<LaneStep> steps;
  std::vector<uint32_t> nan_right;  // A step: bits of lanes.
  bool tree_a_lane = false;         // Every tree is one word, and lanes are in the order of trees.
};

struct WalkNode {
  float threshold = 0;
  uint32_t left = 0;  // The right child is the next one. A leaf: itself.
  uint32_t column = 0;
  uint32_t nan_right = 0;
};
struct WalkTree {
  uint32_t root = 0;
  uint32_t depth = 0;
  uint32_t leaf = 0;  // In Forest::leaves.
  uint32_t output = 0;
};
struct Walk {
  std::vector<WalkNode> nodes;
  std::vector<uint32_t> leaf;  // Of a tree; at a leaf's node.
  std::vector<WalkTree> trees;
};

struct Layout {
  Columns columns;
  Quick quick;
  Walk walk;
  std::vector<float> float_leaves;  // Of forests that add floats.
};

// What a row costs by either form, in about cycles of a core; the smaller one is made.
struct Costs {
  double quick = 0, walk = 0, scalar = 0;
};
Costs costs_of(const Forest& forest);

Quick make_quick(const Forest& forest, const Columns& columns);
Walk make_walk(const Forest& forest, const Columns& columns);

}  // namespace slip::trees
