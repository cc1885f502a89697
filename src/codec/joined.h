#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "base/result.h"
#include "codec/table.h"

// A Parquet file beside rows of another one: what a join answers, written out. Columns pass through
// as Arrow has them, so every type keeps its width, unit, zone, precision and dictionary. Columns
// are read, gathered and written one after another: in memory are one column of a row group of
// either file and, while the entities have further row groups, the features of the rows that were
// chosen. One thread calls; `run` may spread the reading of features over several.
namespace slip::codec {

struct Joined {
  ByteSource& entities;  // All columns, in order.
  ByteSource& source;
  std::vector<std::string> features;  // Columns of the source, in this order.
  std::span<const int64_t> rows;      // Of the source, one for each entity row; negative: null.
  // Runs task(0) … task(n - 1), n <= threads, and returns when all are done.
  std::function<void(size_t n, const std::function<void(size_t)>& task)> run;
  size_t threads = 1;  // More than one needs `run`.
};
// kInvalid `table.column|table.syntax|table.range`.
Status write_joined(const Joined& joined, ByteSink& sink);

}  // namespace slip::codec
