#include <algorithm>
#include <set>

#include "base/text.h"
#include "codec/rows_internal.h"

namespace slip::codec::rows {
namespace {

struct Cell {
  std::string text;
  bool quoted = false;  // An empty quoted cell is a text, not null.
};

// RFC 4180, with \n or \r\n between records; a quote inside an unquoted cell is an error.
class CsvReader {
 public:
  explicit CsvReader(const RowBytes& bytes) : stream_(bytes) {}

  int64_t line() const { return record_line_; }

  // The next record; false at the end. Blank lines are skipped.
  Result<bool> next(std::vector<Cell>* out) {
    while (true) {
      out->clear();
      record_line_ = line_;
      int c = TRY(stream_.next());
      if (c == 0xef && line_ == 1 && !started_) c = TRY(skip_byte_order_mark());
      started_ = true;
      if (c < 0) return false;
      if (c == '\n' || c == '\r') {
        TRY(end_of_line(c));
        continue;
      }
      TRY(record(c, out));
      return true;
    }
  }

 private:
  Error wrong(std::string text) const {
    return invalid("rows.syntax", concat({"line ", std::to_string(record_line_), ": ", text}));
  }

  Result<int> skip_byte_order_mark() {
    if (TRY(stream_.next()) != 0xbb || TRY(stream_.next()) != 0xbf)
      return wrong("the file does not begin with text");
    return stream_.next();
  }

  Status end_of_line(int c) {
    if (c == '\r' && TRY(stream_.next()) != '\n') return wrong("a carriage return alone");
    ++line_;
    return {};
  }

  Status record(int c, std::vector<Cell>* out) {
    size_t bytes = 0;
    while (true) {
      out->emplace_back();
      const int end = TRY(cell(c, &out->back()));
      bytes += out->back().text.size() + 1;
      if (bytes > kRowBytesMax || out->size() > kRowColumnsMax)
        return exhausted("rows.too_large",
                         concat({"line ", std::to_string(record_line_), ": the row is too large"}));
      if (!is_utf8(out->back().text))
        return invalid("rows.utf8", concat({"line ", std::to_string(record_line_), ": not UTF-8"}));
      if (end != ',') {
        if (end >= 0) TRY(end_of_line(end));
        return {};
      }
      c = TRY(stream_.next());
    }
  }

  // Reads one cell that begins with `c`; what ended it: ',', '\n', '\r' or -1.
  Result<int> cell(int c, Cell* out) {
    if (c == '"') return quoted(out);
    while (c >= 0 && c != ',' && c != '\n' && c != '\r') {
      if (c == '"') return wrong("a quote inside a cell that is not quoted");
      out->text.push_back(static_cast<char>(c));
      if (out->text.size() > kRowBytesMax)
        return exhausted("rows.too_large", "a cell is too large");
      c = TRY(stream_.next());
    }
    return c;
  }

  Result<int> quoted(Cell* out) {
    out->quoted = true;
    while (true) {
      int c = TRY(stream_.next());
      if (c < 0) return wrong("a quoted cell does not end");
      if (c == '"') {
        c = TRY(stream_.next());
        if (c != '"') {
          if (c >= 0 && c != ',' && c != '\n' && c != '\r')
            return wrong("text behind a quoted cell");
          return c;
        }
      }
      if (c == '\n') ++line_;
      out->text.push_back(static_cast<char>(c));
      if (out->text.size() > kRowBytesMax)
        return exhausted("rows.too_large", "a cell is too large");
    }
  }

  Stream stream_;
  int64_t line_ = 1;
  int64_t record_line_ = 1;
  bool started_ = false;
};

Result<std::vector<std::string>> header(CsvReader& reader) {
  std::vector<Cell> cells;
  if (!TRY(reader.next(&cells))) return invalid("rows.empty", "the file has no header");
  std::vector<std::string> names;
  std::set<std::string> distinct;
  for (Cell& cell : cells) {
    if (cell.text.empty()) return invalid("rows.columns", "a column of the header has no name");
    if (!distinct.insert(cell.text).second)
      return invalid("rows.columns", "two columns are called `" + cell.text + "`");
    names.push_back(std::move(cell.text));
  }
  return names;
}

Status check_width(const CsvReader& reader, size_t cells, size_t columns) {
  if (cells == columns) return {};
  return invalid("rows.columns",
                 concat({"line ", std::to_string(reader.line()), ": ", std::to_string(cells),
                         " cells, the header has ", std::to_string(columns)}));
}

bool is_bool(std::string_view text) { return text == "true" || text == "false"; }

// What a column's cells still may be.
struct Guess {
  bool int64 = true;
  bool number = true;
  bool boolean = true;
  bool empty = true;
  bool nullable = false;

  void see(const Cell& cell) {
    if (cell.text.empty() && !cell.quoted) {
      nullable = true;
      return;
    }
    empty = false;
    int64 = int64 && !cell.quoted && parse_int(cell.text).has_value();
    number = number && !cell.quoted && parse_double(cell.text).has_value();
    boolean = boolean && !cell.quoted && is_bool(cell.text);
  }
  std::string_view type() const {
    if (empty) return "string";
    if (int64) return "int64";
    if (number) return "double";
    return boolean ? "bool" : "string";
  }
};

Json value_of(const Cell& cell, std::string_view type) {
  if (cell.text.empty() && !cell.quoted) return Json();
  if (type == "int64")
    if (const auto n = parse_int(cell.text)) return *n;
  if (type == "double")
    if (const auto x = parse_double(cell.text)) return *x;
  if (type == "bool" && is_bool(cell.text)) return cell.text == "true";
  return cell.text;
}

}  // namespace

Result<RowSchema> scan_csv(const RowBytes& bytes) {
  CsvReader reader(bytes);
  RowSchema out;
  for (std::string& name : TRY(header(reader))) out.columns.push_back({.name = std::move(name)});
  std::vector<Guess> guesses(out.columns.size());
  std::vector<Cell> cells;
  while (TRY(reader.next(&cells))) {
    TRY(check_width(reader, cells.size(), out.columns.size()));
    for (size_t i = 0; i < cells.size(); ++i) guesses[i].see(cells[i]);
    ++out.rows;
  }
  for (size_t i = 0; i < guesses.size(); ++i) {
    out.columns[i].type = guesses[i].type();
    out.columns[i].nullable = guesses[i].nullable;
  }
  return out;
}

Status each_csv(const RowBytes& bytes, const std::vector<RowColumn>& columns, int64_t rows_max,
                const OnRow& on_row) {
  CsvReader reader(bytes);
  const std::vector<std::string> names = TRY(header(reader));
  std::vector<std::pair<size_t, const RowColumn*>> wanted;
  for (const RowColumn& column : columns) {
    const auto at = std::find(names.begin(), names.end(), column.name);
    if (at != names.end()) wanted.emplace_back(at - names.begin(), &column);
  }
  std::vector<Cell> cells;
  for (int64_t rows = 0; rows < rows_max && TRY(reader.next(&cells)); ++rows) {
    TRY(check_width(reader, cells.size(), names.size()));
    Json row = Json::object();
    for (const auto& [index, column] : wanted)
      row.set(column->name, value_of(cells[index], column->type));
    TRY(on_row(row));
  }
  return {};
}

}  // namespace slip::codec::rows
