#pragma once

#include "codec/table.h"

// The readers and writers behind open_table() and make_table_writer(), one .cc a format, and what
// the text formats share. One thread an object.
namespace slip::codec {

Result<std::unique_ptr<TableReader>> open_csv(ByteSource& source, ReadOptions options);
Result<std::unique_ptr<TableReader>> open_jsonl(ByteSource& source, ReadOptions options);
Result<std::unique_ptr<TableReader>> open_parquet(ByteSource& source, ReadOptions options);
Result<std::unique_ptr<TableReader>> open_arrow(ByteSource& source, ReadOptions options);
Result<std::unique_ptr<TableWriter>> write_csv(std::vector<Field> schema, ByteSink& sink);
Result<std::unique_ptr<TableWriter>> write_jsonl(std::vector<Field> schema, ByteSink& sink);
Result<std::unique_ptr<TableWriter>> write_parquet(std::vector<Field> schema, ByteSink& sink);
Result<std::unique_ptr<TableWriter>> write_arrow(std::vector<Field> schema, ByteSink& sink);

// Indexes into the schema; empty `wanted`: all that are readable.
Result<std::vector<size_t>> choose_columns(const std::vector<Field>& schema,
                                           const std::vector<std::string>& wanted);

// Bytes of a source, line by line or piece by piece, from the beginning.
class LineReader {
 public:
  explicit LineReader(ByteSource& source) : source_(source) {}
  // The next line without its '\n' (a '\r' stays), valid until the next call; nothing at the end.
  // kExhausted `table.too_large` beyond kTableRecordBytesMax.
  Result<std::optional<std::string_view>> next();
  int64_t line() const { return line_; }  // Of the last one, from 1.
  // What ended it was a line end (not the end of the file).
  bool ended() const { return ended_; }

 private:
  ByteSource& source_;
  std::string buffer_;
  size_t at_ = 0;
  int64_t offset_ = 0;
  int64_t line_ = 0;
  bool eof_ = false;
  bool ended_ = false;
};

// The narrowest type that holds every value seen of a column.
class TypeGuess {
 public:
  void see_null() { null_ = true; }
  void see_empty() { empty_ = true; }  // Empty text; null where the column is no text.
  void see_bool() { see(kBool); }
  void see_int() { see(kInt); }
  void see_double() { see(kDouble); }
  void see_text() { see(kText); }
  // A cell of text: what it would be read as.
  void see_cell(std::string_view cell);
  Field field(std::string name) const;
  bool mixed() const;  // Kinds that no type but text holds.

 private:
  enum Kind : unsigned { kBool = 1, kInt = 2, kDouble = 4, kText = 8 };
  void see(Kind kind) { kinds_ |= kind; }
  unsigned kinds_ = 0;
  bool null_ = false;
  bool empty_ = false;
};

// Numbers and truth values in the one spelling that reading keeps.
std::optional<int64_t> read_exact_int(std::string_view cell);  // No leading zeros, no plus.
std::optional<double> read_finite(std::string_view cell);
std::optional<bool> read_bool(std::string_view cell);  // true, false, True, False, TRUE, FALSE

Error at_line(int64_t line, std::string_view reason, std::string_view what);

}  // namespace slip::codec
