#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "base/result.h"
#include "codec/table.h"

// A Parquet file beside rows of another one: what a join answers, written out. Columns pass through
// as Arrow has them, so every type keeps its width, unit, zone, precision and dictionary. In memory
// are a row group of each file and the features of the rows that were chosen. One thread.
namespace slip::codec {

struct Joined {
  ByteSource& entities;  // All columns, in order.
  ByteSource& source;
  std::vector<std::string> features;  // Columns of the source, in this order.
  std::span<const int64_t> rows;      // Of the source, one for each entity row; negative: null.
};
// kInvalid `table.column|table.syntax|table.range`.
Status write_joined(const Joined& joined, ByteSink& sink);

}  // namespace slip::codec
