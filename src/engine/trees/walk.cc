#include <algorithm>

#include "engine/trees/kernel.h"

// Without vectors: eight walks at a time hide the loads of each other. The number of steps is the
// tree's depth; leaves lead to themselves, so nothing is asked on the way.
namespace slip::trees {
namespace {

constexpr size_t kWalks = 8;
constexpr uint32_t kLookEvery = 8;  // Steps, until it is seen whether all walks have ended.

uint32_t step(const WalkNode* nodes, uint32_t at, const float* columns, size_t stride) {
  const WalkNode& node = nodes[at];
  const float x = columns[node.column * stride];
  const uint32_t nan = static_cast<uint32_t>(x != x) & node.nan_right;
  return node.left + (static_cast<uint32_t>(x > node.threshold) | nan);
}

bool ended(const WalkNode* nodes, const uint32_t* at) {
  bool all = true;
  for (size_t i = 0; i < kWalks; ++i) all &= nodes[at[i]].left == at[i];
  return all;
}

// Eight rows through one tree.
void descend_rows(const WalkNode* nodes, const WalkTree& tree, const float* columns, uint32_t* at) {
  std::fill_n(at, kWalks, tree.root);
  for (uint32_t depth = 0; depth < tree.depth; ++depth) {
    for (size_t i = 0; i < kWalks; ++i) at[i] = step(nodes, at[i], columns + i, kTileRows);
    if (depth % kLookEvery == kLookEvery - 1 && ended(nodes, at)) return;
  }
}

template <class T>
void add(const TileWork& work, size_t first, size_t last, const T* leaves, T* sums) {
  uint32_t leaf[kTileRows];
  for (size_t t = first; t < last; ++t) {
    walk_leaves(work, t, leaf);
    const T* values = leaves + work.layout.walk.trees[t].leaf;
    for (size_t r = 0; r < kTileRows; ++r) sums[r] += values[leaf[r]];
  }
}

}  // namespace

void walk_leaves(const TileWork& work, size_t tree, uint32_t* leaves) {
  const Walk& walk = work.layout.walk;
  for (size_t r = 0; r < kTileRows; r += kWalks) {
    uint32_t at[kWalks];
    descend_rows(walk.nodes.data(), walk.trees[tree], work.columns + r, at);
    for (size_t i = 0; i < kWalks; ++i) leaves[r + i] = walk.leaf[at[i]];
  }
}

void walk_add(const TileWork& work, size_t first, size_t last, double* sums) {
  add(work, first, last, work.forest.leaves.data(), sums);
}
void walk_add(const TileWork& work, size_t first, size_t last, float* sums) {
  add(work, first, last, work.layout.float_leaves.data(), sums);
}

void walk_row(const Walk& walk, const float* columns, uint32_t* leaves) {
  const WalkNode* nodes = walk.nodes.data();
  const size_t count = walk.trees.size();
  for (size_t t = 0; t < count; t += kWalks) {
    uint32_t at[kWalks];
    uint32_t deepest = 0;
    for (size_t i = 0; i < kWalks; ++i) {
      const WalkTree& tree = walk.trees[std::min(t + i, count - 1)];
      at[i] = tree.root;
      deepest = std::max(deepest, tree.depth);
    }
    for (uint32_t depth = 0; depth < deepest; ++depth) {
      for (size_t i = 0; i < kWalks; ++i) at[i] = step(nodes, at[i], columns, 1);
      if (depth % kLookEvery == kLookEvery - 1 && ended(nodes, at)) break;
    }
    for (size_t i = 0; i < std::min(kWalks, count - t); ++i) leaves[t + i] = walk.leaf[at[i]];
  }
}

}  // namespace slip::trees
