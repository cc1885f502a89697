#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "codec/json.h"

// Files of rows: JSONL, CSV (RFC 4180 with a header), Parquet. scan_rows() reads everything once,
// so what it accepts can be read again: schema, number of rows, or where the file is wrong.
// Streaming for the text formats; Parquet by row group.
//
// Column types: "int64", "double", "bool", "string", "json" (nested, or of several types), and for
// Parquet also "timestamp", "date", "decimal", "binary". An empty CSV cell is null.
//
// Errors, with the line: kInvalid `rows.syntax|rows.columns|rows.empty|rows.utf8|rows.parquet`,
// kExhausted `rows.too_large` (a line, a cell, the number of columns).
namespace slip::codec {

// limits
inline constexpr size_t kRowBytesMax = 16 << 20;
inline constexpr size_t kRowColumnsMax = 10'000;

enum class RowFormat : uint8_t { kJsonl, kCsv, kParquet };
std::optional<RowFormat> parse_row_format(std::string_view name);  // "jsonl", "csv", "parquet"
std::string_view row_format_name(RowFormat format);

// Bytes at any position; read_at gives 0 at the end.
struct RowBytes {
  int64_t size = 0;
  std::function<Result<size_t>(int64_t offset, std::span<char> out)> read_at;
};

struct RowColumn {
  std::string name{};
  std::string type{};
  bool nullable = false;
  bool operator==(const RowColumn&) const = default;
};
struct RowSchema {
  std::vector<RowColumn> columns;
  int64_t rows = 0;
};
Result<RowSchema> scan_rows(RowFormat format, const RowBytes& bytes);

// The first `rows_max` rows as objects with a member for each of `columns` that the row has.
// `columns` as scan_rows() gave them, or some of these.
using OnRow = std::function<Status(const Json&)>;
Status each_row(RowFormat format, const RowBytes& bytes, const std::vector<RowColumn>& columns,
                int64_t rows_max, const OnRow& on_row);

}  // namespace slip::codec
