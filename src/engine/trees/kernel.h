#pragma once

#include <cstddef>
#include <cstdint>

#include "engine/trees/layout.h"

// The kernels behind Executor, one file an instruction set: plain functions on plain memory. Each
// adds a tree's leaf to every row's sum in the order of trees, so all have the same bits. Pure.
// `columns` holds codes: of a tile, column * kTileRows + row; of one row, by column.
namespace slip::trees {

struct TileWork {
  const Forest& forest;
  const Layout& layout;
  const float* columns;
  bool nan;  // One of the codes is NaN.
};

// X_add: trees [first, last), all of one output and with a number a leaf: their leaves are added to
// the sums of 64 rows, in floats or doubles as the forest adds. X_leaves: the leaf of `tree` that
// each of 64 rows falls into. X_row: one row.

void walk_add(const TileWork& work, size_t first, size_t last, double* sums);
void walk_add(const TileWork& work, size_t first, size_t last, float* sums);
void walk_leaves(const TileWork& work, size_t tree, uint32_t* leaves);
// The leaf in each tree.
void walk_row(const Walk& walk, const float* columns, uint32_t* leaves);

bool has_avx2();
void avx2_add(const TileWork& work, size_t first, size_t last, double* sums);
void avx2_add(const TileWork& work, size_t first, size_t last, float* sums);
void avx2_leaves(const TileWork& work, size_t tree, uint32_t* leaves);

bool has_avx512();
void avx512_add(const TileWork& work, size_t first, size_t last, double* sums);
void avx512_add(const TileWork& work, size_t first, size_t last, float* sums);
void avx512_leaves(const TileWork& work, size_t tree, uint32_t* leaves);
// One row's codes of all columns.
struct RowWork {
  const Quick& quick;
  const float* columns;
  size_t count;
  bool nan;
};
// The first leaf that is left in each of Quick::words; 32: none.
void avx512_row(const RowWork& work, uint32_t* words);
// Of Quick::tree_a_lane and one output: `sum` and the leaves of all trees.
double avx512_row_sum(const RowWork& work, const double* leaves, double sum);
float avx512_row_sum(const RowWork& work, const float* leaves, float sum);

}  // namespace slip::trees
