#pragma once

#include <cstddef>
#include <cstdint>

#include "engine/trees/forest.h"

// Codes of a column of doubles (columns.h), eight rows at once. Pure.
namespace slip::trees {

inline constexpr uint32_t kSlotFactor = 0x9e3779b1;  // Hash of a float: bits * this >> shift.

struct DoublesWork {
  const double* from;  // The first row's value; others `stride` apart.
  size_t stride;
  size_t rows;  // At most 64.
  const uint32_t* maybe;
  uint32_t hash_shift;
  bool tiny_is_zero;
  Missing missing;
  float* to;  // The least floats that aren't less.
};
// The rows that lie between two floats where a threshold may lie, too; `nan`: one of the codes is.
uint64_t avx512_encode(const DoublesWork& work, bool& nan);

}  // namespace slip::trees
