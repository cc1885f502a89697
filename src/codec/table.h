#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

// Tables by columns, and the files they come in: Parquet, CSV, JSON lines, Arrow IPC streams. A
// Column's memory is laid out like the Arrow C Data Interface (validity and booleans as bits, least
// significant first; offsets of int32; values without gaps), so engines and Arrow can share it.
// Files are read in batches from a random-access source: a batch and, for Parquet, one row group
// are what is in memory. A reader or writer belongs to one thread at a time.
//
// Errors name the row: kInvalid `table.syntax|table.header|table.type|table.encoding|table.range|
// table.column`, kExhausted `table.too_large`, kUnsupported `table.unsupported`.
namespace slip::codec {

// limits
inline constexpr size_t kTableColumnsMax = 10'000;
inline constexpr size_t kTableRecordBytesMax = 16 << 20;  // One row of CSV or JSON lines.
inline constexpr int64_t kTableBatchRows = 8192;
inline constexpr size_t kTableBatchBytes = 32 << 20;  // A batch of text rows ends here.

enum class ColumnType : uint8_t { kBool, kInt64, kDouble, kText, kBytes, kTimestampUs };
std::string_view column_type_name(ColumnType type);  // "bool", "int64", "double", "string", …

struct Field {
  std::string name;
  ColumnType type = ColumnType::kText;
  std::string type_name;  // As the file says: "int32", "timestamp[ms]", "list<item: string>".
  bool nullable = true;
  bool readable = true;  // False for nested columns: listed, not read.
  bool operator==(const Field&) const = default;
};

// A column of our own, whose type is named as we do.
Field make_field(std::string name, ColumnType type, bool nullable = true);

struct Column {
  ColumnType type = ColumnType::kText;
  int64_t n = 0;
  int64_t nulls = 0;
  std::vector<uint8_t> validity;  // Empty when nothing is null.
  std::vector<int32_t> offsets;   // kText, kBytes: n + 1.
  std::vector<uint8_t> data;
  std::vector<int16_t>
      fine;  // kTimestampUs: nanoseconds beyond the microsecond; empty: none, else n of them.

  bool is_null(int64_t i) const { return !validity.empty() && !bit(validity, i); }
  bool boolean(int64_t i) const { return bit(data, i); }
  int64_t i64(int64_t i) const { return number<int64_t>(i); }  // kInt64, kTimestampUs.
  double f64(int64_t i) const { return number<double>(i); }
  std::string_view text(int64_t i) const;  // kText, kBytes; "" for null.

  // Appending; the type must fit.
  void add_null();
  void add_bool(bool v);
  void add_i64(int64_t v);
  void add_time(int64_t us, int16_t nanoseconds);  // kTimestampUs: nanoseconds beyond `us`.
  void add_f64(double v);
  void add_text(std::string_view v);
  // kInt64, kDouble, kTimestampUs: many, none of them null.
  void add_words(const void* words, int64_t count);

 private:
  static bool bit(const std::vector<uint8_t>& bits, int64_t i) {
    return bits[static_cast<size_t>(i) / 8] >> (i % 8) & 1;
  }
  template <class T>
  T number(int64_t i) const;
  template <class T>
  void add_number(T v);
  void add_valid();
};

struct Table {
  std::vector<Field> schema;
  std::vector<Column> columns;  // One a field.
  int64_t rows = 0;

  const Column* find(std::string_view name) const;  // Null when there is none.
};
Table make_table(std::vector<Field> schema);  // Without rows.

// Where a file's bytes are: a blob, memory.
class ByteSource {
 public:
  virtual ~ByteSource() = default;
  virtual int64_t size() const = 0;
  // Up to out.size() bytes; fewer only at the end.
  virtual Result<size_t> read_at(int64_t offset, std::span<char> out) = 0;
};
std::unique_ptr<ByteSource> text_source(std::string bytes);

class ByteSink {
 public:
  virtual ~ByteSink() = default;
  virtual Status write(std::string_view bytes) = 0;
};
std::unique_ptr<ByteSink> text_sink(std::string* out);

enum class Format : uint8_t { kParquet, kCsv, kJsonl, kArrow };
std::string_view format_name(Format format);                  // "parquet", "csv", "jsonl", "arrow"
Result<Format> parse_format(std::string_view name);           // kInvalid `table.format`.
std::optional<Format> format_of_path(std::string_view path);  // By its ending.

struct ReadOptions {
  std::vector<std::string> columns;  // Empty: all that are readable. Unknown: `table.column`.
  int64_t batch_rows = kTableBatchRows;
  std::vector<std::string> as_text =
      {};                        // CSV: columns that are text, whatever their cells look like.
  std::vector<int> groups = {};  // Parquet: these row groups (row_groups.h), in order; empty: all.
  // Parquet, Arrow: what no type of ours holds.
  bool nanoseconds = false;               // They lie in Column::fine; else they are refused.
  bool decimals = false;                  // Text without zeros at the end ("-1.2"); else not read.
  bool nested = false;                    // Lists, structs and maps of texts, numbers and bools,
                                          // and of such: JSON; else not read.
  std::vector<std::string> as_bits = {};  // uint64 columns taken as their 64 bits.
};

class TableReader {
 public:
  virtual ~TableReader() = default;
  // Of the file, whichever columns are read.
  virtual const std::vector<Field>& schema() const = 0;
  // The next batch; nothing at the end.
  virtual Result<std::optional<Table>> next() = 0;
};

// CSV (RFC 4180, header line, UTF-8) and JSON lines are read twice: first for the types. A column
// is the narrowest of bool, int64, double and text that holds every cell: "007" is text, quotes
// alone make nothing text. An empty cell without quotes, and one with them in a column that is no
// text, is null; so is a member that is missing. Nested JSON is text whose type_name is "json".
// `source` must outlive the reader.
Result<std::unique_ptr<TableReader>> open_table(Format format, ByteSource& source,
                                                ReadOptions options = {});

class TableWriter {
 public:
  virtual ~TableWriter() = default;
  virtual Status write(const Table& batch) = 0;  // Columns as in the schema.
  virtual Status finish() = 0;                   // Once; without it the file is not one.
};
// `sink` must outlive the writer.
Result<std::unique_ptr<TableWriter>> make_table_writer(Format format, std::vector<Field> schema,
                                                       ByteSink& sink);

// Reads everything: schema and number of rows of a file that is sound.
struct TableFacts {
  std::vector<Field> schema;
  int64_t rows = 0;
};
Result<TableFacts> check_table(Format format, ByteSource& source);

}  // namespace slip::codec
