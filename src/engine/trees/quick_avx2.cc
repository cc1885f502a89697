#include <immintrin.h>

#include "engine/trees/kernel.h"

// Eight rows a register. Leaves are looked up one by one: eight loads are no slower than a gather.
#define SLIP_AVX2 __attribute__((target("avx2,lzcnt"), always_inline)) inline
#define SLIP_UNROLL _Pragma("GCC unroll 8")
#define SLIP_AVX2_CALL __attribute__((target("avx2,lzcnt")))

namespace slip::trees {
namespace {

constexpr int kSets = kTileRows / 8;

struct Tile {
  __m256i word[kSets];
};

template <int kPredicate>
SLIP_AVX2 void take_away(const QuickNode* node, const QuickNode* end, const float* columns,
                         Tile& tile) {
  for (; node != end; ++node) {
    const float* x = columns + node->column;
    const __m256 threshold = _mm256_set1_ps(node->threshold);
    const __m256i gone = _mm256_set1_epi32(static_cast<int>(~node->keep));
    SLIP_UNROLL for (int i = 0; i < kSets; ++i) {
      const __m256 right = _mm256_cmp_ps(_mm256_loadu_ps(x + i * 8), threshold, kPredicate);
      tile.word[i] =
          _mm256_andnot_si256(_mm256_and_si256(_mm256_castps_si256(right), gone), tile.word[i]);
    }
  }
}

SLIP_AVX2 void left_leaves(const TileWork& work, const QuickWord& word, uint32_t* left) {
  Tile tile;
  SLIP_UNROLL for (__m256i& w : tile.word) w = _mm256_set1_epi32(-1);
  const QuickNode* nodes = work.layout.quick.nodes.data();
  if (!work.nan) {
    take_away<_CMP_GT_OQ>(nodes + word.begin, nodes + word.end, work.columns, tile);
  } else {
    take_away<_CMP_GT_OQ>(nodes + word.begin, nodes + word.middle, work.columns, tile);
    take_away<_CMP_NLE_UQ>(nodes + word.middle, nodes + word.end, work.columns, tile);
  }
  SLIP_UNROLL for (int i = 0; i < kSets; ++i)
      _mm256_storeu_si256(reinterpret_cast<__m256i*>(left + i * 8), tile.word[i]);
}

// The first leaf of the first word that has one; words from last to first.
SLIP_AVX2 void leaves_of(const TileWork& work, const QuickTree& tree, uint32_t* leaves) {
  const QuickWord* words = work.layout.quick.words.data() + tree.word;
  alignas(64) uint32_t left[kTileRows];
  for (uint32_t w = tree.words; w-- > 0;) {
    left_leaves(work, words[w], left);
    for (size_t r = 0; r < kTileRows; ++r)
      leaves[r] = left[r] != 0 ? words[w].first_leaf + _lzcnt_u32(left[r]) : leaves[r];
  }
}

template <class T>
SLIP_AVX2 void add(const TileWork& work, size_t first, size_t last, const T* leaves, T* sums) {
  const Quick& q = work.layout.quick;
  alignas(64) uint32_t leaf[kTileRows] = {};
  for (size_t t = first; t < last; ++t) {
    const QuickTree& tree = q.trees[t];
    const T* values = leaves + tree.leaf;
    if (tree.words == 1) {
      left_leaves(work, q.words[tree.word], leaf);
      for (size_t r = 0; r < kTileRows; ++r) sums[r] += values[_lzcnt_u32(leaf[r])];
    } else {
      leaves_of(work, tree, leaf);
      for (size_t r = 0; r < kTileRows; ++r) sums[r] += values[leaf[r]];
    }
  }
}

}  // namespace

bool has_avx2() {
  return __builtin_cpu_supports("avx2") != 0 && __builtin_cpu_supports("lzcnt") != 0;
}

SLIP_AVX2_CALL void avx2_add(const TileWork& work, size_t first, size_t last, double* sums) {
  add(work, first, last, work.forest.leaves.data(), sums);
}
SLIP_AVX2_CALL void avx2_add(const TileWork& work, size_t first, size_t last, float* sums) {
  add(work, first, last, work.layout.float_leaves.data(), sums);
}
SLIP_AVX2_CALL void avx2_leaves(const TileWork& work, size_t tree, uint32_t* leaves) {
  leaves_of(work, work.layout.quick.trees[tree], leaves);
}

}  // namespace slip::trees
