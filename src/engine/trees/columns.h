#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "engine/trees/forest.h"

// How a row is turned into floats that kernels compare: a column for each way in which the nodes
// look at a feature, and a float threshold for each node, such that for every row
//   the node's test is true  <=>  code(column) <= threshold,
// exactly, NaN being what goes the default way. Immutable once made; any thread.
//
// A double x is compared with doubles through floats: its code is the least float that isn't less,
// a threshold's the greatest that isn't greater. That is exact but where x and a threshold lie
// between the same two neighbouring floats; those few are looked up. Columns with two thresholds
// that close are ranked: the code is the number of thresholds less than x. Sets become 0 (in it)
// and 1.
namespace slip::trees {

class Columns {
 public:
  // `avx512`: this processor has it, and may look at eight doubles at once; the codes are the same.
  static Columns make(const Forest& forest, bool avx512 = false);

  size_t size() const { return columns_.size(); }
  // Of node i of Forest::nodes.
  uint32_t column_of(size_t node) const { return node_columns_[node]; }
  float threshold_of(size_t node) const { return node_thresholds_[node]; }
  // Columns a set each: what they cost is about what walking over them does.
  size_t sets() const { return sets_; }

  // Codes of rows into to[column * stride + row]; true if one of them is NaN. `from` is row-major,
  // forest.features values a row. T is float or double.
  template <class T>
  bool encode(std::span<const T> from, size_t rows, float* to, size_t stride) const;

 private:
  enum class Kind : uint8_t {
    kFloat,   // x rounded to float.
    kDouble,  // The least float >= x, but for what `fine` holds.
    kRanked,
    kSet,
  };
  struct Column {
    uint32_t feature = 0;
    Missing missing = Missing::kNan;
    Kind kind = Kind::kFloat;
    uint32_t set = 0;
    std::vector<double> thresholds;  // kRanked: all; kDouble: those that are no floats. Ascending.
    std::vector<uint32_t> maybe;     // kDouble: bits by hash of the float above such a one.
    uint32_t hash_shift = 0;
  };
  friend struct ColumnsMaker;

  void find_rule();
  // V: what is looked at; doubles that are compared with doubles, else floats.
  template <class T, class V>
  bool encode_as(std::span<const T> from, size_t rows, float* to, size_t stride) const;
  template <class T, class V, class Clean>
  bool encode_column(const Column& column, const T* from, size_t rows, float* to) const;
  template <class T, class V, class Clean>
  bool encode_row(const T* row, float* to) const;
  float looked_up(const Column& column, double x) const;
  static float double_code(const Column& column, double x);
  static float between_floats(const Column& column, double x, float above);
  bool encode_doubles(const Column& column, const double* from, size_t rows, float* to) const;

  size_t features_ = 0;
  bool float_compare_ = false;
  bool avx512_ = false;
  bool tiny_is_zero_ = false;
  // All columns treat what is missing like this, and none is a set or ranked: one row is one loop.
  bool one_rule_ = false;
  Missing missing_ = Missing::kNan;
  size_t sets_ = 0;
  std::vector<Column> columns_;
  std::vector<Set> set_values_;
  std::vector<uint32_t> node_columns_;
  std::vector<float> node_thresholds_;
};

float float_not_above(double x);  // The greatest float <= x.
float float_not_below(double x);  // The least float >= x.

}  // namespace slip::trees
