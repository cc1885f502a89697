#include <limits>

#include <immintrin.h>

#include "engine/trees/kernel.h"

// Sixteen rows a register, or sixteen words of one row. A comparison makes a mask of rows, the mask
// takes leaves away; the leaf's value comes out of a table in registers, doubles as two halves.
#define SLIP_AVX512 __attribute__((target("avx512f,avx512cd"), always_inline)) inline
// Arrays of registers stay in registers only when their loops are unrolled.
#define SLIP_UNROLL _Pragma("GCC unroll 8")
#define SLIP_AVX512_CALL __attribute__((target("avx512f,avx512cd")))

namespace slip::trees {
namespace {

constexpr int kSets = kTileRows / kLanes;

struct Tile {
  __m512i word[kSets];
};

template <int kPredicate>
SLIP_AVX512 __m512i less(__m512i word, const float* x, __m512 threshold, __m512i keep) {
  const __mmask16 right = _mm512_cmp_ps_mask(_mm512_loadu_ps(x), threshold, kPredicate);
  return _mm512_mask_and_epi32(word, right, word, keep);
}

template <int kPredicate>
SLIP_AVX512 void take_away(const QuickNode* node, const QuickNode* end, const float* columns,
                           Tile& tile) {
  __m512i a = tile.word[0], b = tile.word[1], c = tile.word[2], d = tile.word[3];
  for (; node != end; ++node) {
    const float* x = columns + node->column;
    const __m512 threshold = _mm512_set1_ps(node->threshold);
    const __m512i keep = _mm512_set1_epi32(static_cast<int>(node->keep));
    a = less<kPredicate>(a, x, threshold, keep);
    b = less<kPredicate>(b, x + 16, threshold, keep);
    c = less<kPredicate>(c, x + 32, threshold, keep);
    d = less<kPredicate>(d, x + 48, threshold, keep);
  }
  tile.word[0] = a, tile.word[1] = b, tile.word[2] = c, tile.word[3] = d;
}

SLIP_AVX512 Tile left_leaves(const TileWork& work, const QuickWord& word) {
  Tile tile;
  SLIP_UNROLL for (__m512i& w : tile.word) w = _mm512_set1_epi32(-1);
  const QuickNode* nodes = work.layout.quick.nodes.data();
  if (!work.nan) {
    take_away<_CMP_GT_OQ>(nodes + word.begin, nodes + word.end, work.columns, tile);
  } else {
    take_away<_CMP_GT_OQ>(nodes + word.begin, nodes + word.middle, work.columns, tile);
    take_away<_CMP_NLE_UQ>(nodes + word.middle, nodes + word.end, work.columns, tile);
  }
  return tile;
}

// The first leaf of the first word that has one; words from last to first.
SLIP_AVX512 Tile leaves_of(const TileWork& work, const QuickTree& tree) {
  const QuickWord* words = work.layout.quick.words.data() + tree.word;
  Tile out;
  SLIP_UNROLL for (__m512i& w : out.word) w = _mm512_setzero_si512();
  for (uint32_t w = tree.words; w-- > 0;) {
    const Tile left = left_leaves(work, words[w]);
    const __m512i base = _mm512_set1_epi32(static_cast<int>(words[w].first_leaf));
    SLIP_UNROLL for (int i = 0; i < kSets; ++i) {
      const __mmask16 some = _mm512_test_epi32_mask(left.word[i], left.word[i]);
      out.word[i] =
          _mm512_mask_add_epi32(out.word[i], some, base, _mm512_lzcnt_epi32(left.word[i]));
    }
  }
  return out;
}

// Rows of 16 as two registers of doubles, in the order that unpacking halves gives.
struct Pair {
  __m512d low, high;
};
SLIP_AVX512 Pair load_pair(const double* sums) {
  const __m512d a = _mm512_loadu_pd(sums), b = _mm512_loadu_pd(sums + 8);
  const __m512i low = _mm512_setr_epi64(0, 1, 4, 5, 8, 9, 12, 13);
  const __m512i high = _mm512_setr_epi64(2, 3, 6, 7, 10, 11, 14, 15);
  return {_mm512_permutex2var_pd(a, low, b), _mm512_permutex2var_pd(a, high, b)};
}
SLIP_AVX512 void store_pair(const Pair& pair, double* sums) {
  const __m512i first = _mm512_setr_epi64(0, 1, 8, 9, 2, 3, 10, 11);
  const __m512i second = _mm512_setr_epi64(4, 5, 12, 13, 6, 7, 14, 15);
  _mm512_storeu_pd(sums, _mm512_permutex2var_pd(pair.low, first, pair.high));
  _mm512_storeu_pd(sums + 8, _mm512_permutex2var_pd(pair.low, second, pair.high));
}

SLIP_AVX512 void add_table(const uint32_t* table, const Tile& leaf, Pair* sums) {
  const __m512i l0 = _mm512_loadu_si512(table), l1 = _mm512_loadu_si512(table + 16);
  const __m512i h0 = _mm512_loadu_si512(table + 32), h1 = _mm512_loadu_si512(table + 48);
  SLIP_UNROLL for (int i = 0; i < kSets; ++i) {
    const __m512i low = _mm512_permutex2var_epi32(l0, leaf.word[i], l1);
    const __m512i high = _mm512_permutex2var_epi32(h0, leaf.word[i], h1);
    sums[i].low = _mm512_add_pd(
        sums[i].low, _mm512_castsi512_pd(_mm512_maskz_unpacklo_epi32(0xffff, low, high)));
    sums[i].high = _mm512_add_pd(
        sums[i].high, _mm512_castsi512_pd(_mm512_maskz_unpackhi_epi32(0xffff, low, high)));
  }
}

SLIP_AVX512 void add_gathered(const double* leaves, const Tile& leaf, Pair* sums) {
  const __m512i order = _mm512_setr_epi32(0, 1, 4, 5, 8, 9, 12, 13, 2, 3, 6, 7, 10, 11, 14, 15);
  const __m512d none = _mm512_setzero_pd();
  SLIP_UNROLL for (int i = 0; i < kSets; ++i) {
    const __m512i at = _mm512_maskz_permutexvar_epi32(0xffff, order, leaf.word[i]);
    const __m256i low = _mm512_maskz_extracti64x4_epi64(0xff, at, 0);
    const __m256i high = _mm512_maskz_extracti64x4_epi64(0xff, at, 1);
    sums[i].low = _mm512_add_pd(sums[i].low, _mm512_mask_i32gather_pd(none, 0xff, low, leaves, 8));
    sums[i].high =
        _mm512_add_pd(sums[i].high, _mm512_mask_i32gather_pd(none, 0xff, high, leaves, 8));
  }
}

}  // namespace

bool has_avx512() {
  return __builtin_cpu_supports("avx512f") != 0 && __builtin_cpu_supports("avx512cd") != 0;
}

SLIP_AVX512_CALL void avx512_add(const TileWork& work, size_t first, size_t last, double* sums) {
  const Quick& q = work.layout.quick;
  Pair all[kSets];
  SLIP_UNROLL for (int i = 0; i < kSets; ++i) all[i] = load_pair(sums + i * 16);
  for (size_t t = first; t < last; ++t) {
    const QuickTree& tree = q.trees[t];
    if (tree.words == 1) {
      Tile leaf = left_leaves(work, q.words[tree.word]);
      SLIP_UNROLL for (__m512i& w : leaf.word) w = _mm512_lzcnt_epi32(w);
      add_table(q.table.data() + q.table_at[t], leaf, all);
    } else {
      add_gathered(work.forest.leaves.data() + tree.leaf, leaves_of(work, tree), all);
    }
  }
  SLIP_UNROLL for (int i = 0; i < kSets; ++i) store_pair(all[i], sums + i * 16);
}

SLIP_AVX512_CALL void avx512_add(const TileWork& work, size_t first, size_t last, float* sums) {
  const Quick& q = work.layout.quick;
  __m512 all[kSets];
  SLIP_UNROLL for (int i = 0; i < kSets; ++i) all[i] = _mm512_loadu_ps(sums + i * 16);
  for (size_t t = first; t < last; ++t) {
    const QuickTree& tree = q.trees[t];
    if (tree.words == 1) {
      const Tile left = left_leaves(work, q.words[tree.word]);
      const uint32_t* table = q.table.data() + q.table_at[t];
      const __m512 low = _mm512_loadu_ps(table), high = _mm512_loadu_ps(table + 16);
      SLIP_UNROLL for (int i = 0; i < kSets; ++i) {
        const __m512i leaf = _mm512_lzcnt_epi32(left.word[i]);
        all[i] = _mm512_add_ps(all[i], _mm512_permutex2var_ps(low, leaf, high));
      }
    } else {
      const float* leaves = work.layout.float_leaves.data() + tree.leaf;
      const Tile leaf = leaves_of(work, tree);
      SLIP_UNROLL for (int i = 0; i < kSets; ++i) all[i] = _mm512_add_ps(
          all[i], _mm512_mask_i32gather_ps(_mm512_setzero_ps(), 0xffff, leaf.word[i], leaves, 4));
    }
  }
  SLIP_UNROLL for (int i = 0; i < kSets; ++i) _mm512_storeu_ps(sums + i * 16, all[i]);
}

SLIP_AVX512_CALL void avx512_leaves(const TileWork& work, size_t tree, uint32_t* leaves) {
  const Tile leaf = leaves_of(work, work.layout.quick.trees[tree]);
  SLIP_UNROLL for (int i = 0; i < kSets; ++i) _mm512_storeu_si512(leaves + i * 16, leaf.word[i]);
}

namespace {

// A row's columns: in two registers, or in memory.
template <bool kFew>
struct Row {
  __m512 low, high;
  const float* memory;
  SLIP_AVX512 __m512 at(const uint8_t* column) const {
    const __m128i bytes = _mm_load_si128(reinterpret_cast<const __m128i*>(column));
    const __m512i index = _mm512_maskz_cvtepu8_epi32(0xffff, bytes);
    if constexpr (kFew) return _mm512_permutex2var_ps(low, index, high);
    return _mm512_mask_i32gather_ps(_mm512_setzero_ps(), 0xffff, index, memory, 4);
  }
};

// The first leaf that is left in each lane; 32: none.
template <bool kFew, bool kNan>
SLIP_AVX512 __m512i first_leaves(const Quick& quick, const Row<kFew>& row,
                                 const QuickLanes& group) {
  __m512i left = _mm512_set1_epi32(-1);
  const LaneStep* step = quick.steps.data() + group.begin;
  const LaneStep* end = quick.steps.data() + group.end;
  const uint32_t* nan_right = quick.nan_right.data() + group.begin;
  for (; step != end; ++step, ++nan_right) {
    const __m512 x = row.at(step->column);
    __mmask16 right = _mm512_cmp_ps_mask(x, _mm512_loadu_ps(step->threshold), _CMP_GT_OQ);
    if constexpr (kNan)
      right = static_cast<__mmask16>(right | (_mm512_cmp_ps_mask(x, x, _CMP_UNORD_Q) & *nan_right));
    left = _mm512_mask_and_epi32(left, right, left, _mm512_loadu_si512(step->keep));
  }
  return _mm512_lzcnt_epi32(left);
}

// Into memory by word.
struct Words {
  uint32_t* words;
  template <bool kFew, bool kNan>
  SLIP_AVX512 void run(const Quick& quick, const Row<kFew>& row) {
    for (const QuickLanes& group : quick.lanes) {
      const __m512i leaves = first_leaves<kFew, kNan>(quick, row, group);
      const __m512i word = _mm512_loadu_si512(group.word);
      const __mmask16 used = _mm512_cmp_epi32_mask(word, _mm512_set1_epi32(-1), _MM_CMPINT_NE);
      _mm512_mask_i32scatter_epi32(words, used, word, leaves, 4);
    }
  }
};

// Added tree by tree: the additions of a group overlap with the next group's comparisons.
template <class T>
struct Sum {
  const T* leaves;
  T sum;
  template <bool kFew, bool kNan>
  SLIP_AVX512 void run(const Quick& quick, const Row<kFew>& row) {
    const QuickTree* tree = quick.trees.data();
    const QuickTree* const end = tree + quick.trees.size();
    alignas(64) uint32_t first[kLanes];
    T all = sum;
    for (const QuickLanes& group : quick.lanes) {
      _mm512_store_si512(first, first_leaves<kFew, kNan>(quick, row, group));
      for (size_t lane = 0; lane < kLanes && tree != end; ++lane, ++tree)
        all += leaves[tree->leaf + first[lane]];
    }
    sum = all;
  }
};

template <class Then>
SLIP_AVX512 void each_word(const RowWork& work, Then& then) {
  if (work.count > 32) {
    const Row<false> row{_mm512_setzero_ps(), _mm512_setzero_ps(), work.columns};
    if (work.nan)
      then.template run<false, true>(work.quick, row);
    else
      then.template run<false, false>(work.quick, row);
    return;
  }
  const uint32_t some = work.count == 32 ? ~uint32_t{0} : (uint32_t{1} << work.count) - 1;
  const Row<true> row{_mm512_maskz_loadu_ps(static_cast<__mmask16>(some), work.columns),
                      _mm512_maskz_loadu_ps(static_cast<__mmask16>(some >> 16), work.columns + 16),
                      work.columns};
  if (work.nan)
    then.template run<true, true>(work.quick, row);
  else
    then.template run<true, false>(work.quick, row);
}

}  // namespace

SLIP_AVX512_CALL void avx512_row(const RowWork& work, uint32_t* words) {
  Words then{words};
  each_word(work, then);
}
SLIP_AVX512_CALL double avx512_row_sum(const RowWork& work, const double* leaves, double sum) {
  Sum<double> then{leaves, sum};
  each_word(work, then);
  return then.sum;
}
SLIP_AVX512_CALL float avx512_row_sum(const RowWork& work, const float* leaves, float sum) {
  Sum<float> then{leaves, sum};
  each_word(work, then);
  return then.sum;
}

}  // namespace slip::trees
