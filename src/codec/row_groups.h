#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/result.h"
#include "codec/table.h"

// What a Parquet file's footer says of its row groups, so that a reader leaves out those that can
// hold nothing it looks for (ReadOptions::groups). Statistics that are absent, or of a type whose
// order is not that of our int64, are no bounds. A pure function of the file; any thread.
namespace slip::codec {

struct RowGroup {
  struct Bounds {
    int64_t min = 0, max = 0;  // kInt64 as it is, kTimestampUs in microseconds; both ends belong.
  };
  int64_t first_row = 0;
  int64_t rows = 0;
  std::vector<std::optional<Bounds>> bounds;  // Of the columns that were asked for.
};
// kInvalid `table.syntax|table.column`.
Result<std::vector<RowGroup>> parquet_row_groups(ByteSource& source,
                                                 std::span<const std::string> columns);

}  // namespace slip::codec
