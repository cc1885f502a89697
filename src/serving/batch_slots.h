#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/result.h"
#include "serving/tensor.h"

// The rows of a batch: tensors with room for more rows than they have, in which each request gets
// its own range and writes it itself, so that a batch that is closed is also complete.
//
// reserve(), and everything after the last write(), is for one thread at a time (the batcher's
// lock, then the run); write() is for any thread, each in the range that it was given.
namespace slip::serving {

// The first dimension that all have, the rows. kInvalid `batch.rows` when they differ or are 0.
Result<int64_t> batch_rows(std::span<const Tensor> inputs);
// What inputs, in order of their names, must have in common to share a batch: names, types, the
// other dimensions.
std::string batch_shape_key(std::span<const Tensor> inputs);
void sort_by_name(std::vector<Tensor>* inputs);

// Rows `first` … `first + rows` of each. CHECKs that every tensor has them.
std::vector<Tensor> slice_rows(std::span<const Tensor> of, int64_t first, int64_t rows);
// One after the other. kInternal `batch.output` unless all have the same names, types and other
// dimensions.
Result<std::vector<Tensor>> join_rows(std::vector<std::vector<Tensor>> pieces);
// Whether each has `rows` rows. kInternal `batch.output`, naming the one that has not.
Status check_outputs(std::span<const Tensor> outputs, int64_t rows);

class BatchSlots {
 public:
  // For requests like this one.
  BatchSlots(std::span<const Tensor> like, int64_t rows_max);
  // How many rows of that kind fit into `bytes`.
  static int64_t rows_within(std::span<const Tensor> like, int64_t bytes);

  int64_t rows_max() const { return rows_max_; }

  // The first row; nothing when they don't fit any more.
  std::optional<int64_t> reserve(int64_t rows);
  void write(int64_t at, std::span<const Tensor> from, int64_t first, int64_t rows);
  // Closes gaps: `to` ≤ `from`.
  void move(int64_t to, int64_t from, int64_t rows);
  // The tensors, with this many rows.
  std::span<const Tensor> close(int64_t rows);
  void reset();

 private:
  std::vector<Tensor> tensors_;
  std::vector<size_t> row_bytes_;    // Of each; 0 for texts.
  std::vector<size_t> row_strings_;  // Of each that are texts.
  int64_t rows_max_;
  int64_t reserved_ = 0;
};

}  // namespace slip::serving
