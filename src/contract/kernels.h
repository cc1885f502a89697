#pragma once

#include <cstdint>

#include "contract/rule.h"
#include "engine/column/column.h"

// Loops of the batch check over columns as they lie. Pure.
namespace slip::contract {

inline constexpr int64_t kBlockRows = 4096;  // Of 8 bytes: what stays in the first cache.

int64_t count_nulls(const engine::Column& column, int64_t from, int64_t n);
// Rows in [from, from + n) that break the rule; `from` is a multiple of 64. The rule was compiled
// for the column's kind, and the column is no list.
int64_t count_bad(const Rule& rule, const engine::Column& column, int64_t from, int64_t n);

struct Extremes {
  int64_t low = INT64_MAX;
  int64_t high = INT64_MIN;
  bool seen() const { return low <= high; }
};
void widen(Extremes* extremes, const engine::Column& column);  // Int64 or timestamps.

}  // namespace slip::contract
