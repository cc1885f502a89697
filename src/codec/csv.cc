#include <algorithm>
#include <cmath>
#include <set>

#include "base/text.h"
#include "codec/table_internal.h"

namespace slip::codec {
namespace {

struct Cell {
  std::string text;
  bool quoted = false;
  bool is_null() const { return text.empty() && !quoted; }
};

// Records of RFC 4180; a record may go over several lines inside quotes.
class Records {
 public:
  explicit Records(ByteSource& source) : lines_(source) {}

  // False at the end. Blank lines are passed over, unless a record is a single cell.
  Result<bool> next(bool single_cell) {
    cells_.clear();
    for (;;) {
      std::optional<std::string_view> line = TRY(lines_.next());
      if (!line) return false;
      first_line_ = lines_.line();
      if (first_line_ == 1 && line->starts_with("\xef\xbb\xbf")) line->remove_prefix(3);
      if (!single_cell && (line->empty() || *line == "\r")) continue;
      TRY(split_line(*line));
      return true;
    }
  }
  const std::vector<Cell>& cells() const { return cells_; }
  int64_t line() const { return first_line_; }

 private:
  Status split_line(std::string_view first) {
    size_t record_bytes = first.size();
    std::string_view rest = first;
    for (;;) {
      Cell cell;
      if (rest.starts_with('"')) {
        cell.quoted = true;
        rest = TRY(take_quoted(rest.substr(1), &cell.text, &record_bytes));
        if (rest == "\r") rest = {};
        if (!rest.empty() && rest[0] != ',')
          return at_line(lines_.line(), "table.syntax", "text follows a closing quote");
      } else {
        const size_t end = std::min(rest.find(','), rest.size());
        cell.text = rest.substr(0, end);
        rest.remove_prefix(end);
        if (rest.empty() && cell.text.ends_with('\r')) cell.text.pop_back();
      }
      if (!is_utf8(cell.text) || cell.text.find('\0') != cell.text.npos)
        return at_line(lines_.line(), "table.encoding", "a cell is not UTF-8 text");
      cells_.push_back(std::move(cell));
      if (rest.empty()) return {};
      if (cells_.size() > kTableColumnsMax)
        return exhausted("table.too_large", "a table has at most 10000 columns");
      rest.remove_prefix(1);
    }
  }

  // What follows the closing quote. Reads on when the line ends before it.
  Result<std::string_view> take_quoted(std::string_view rest, std::string* out,
                                       size_t* record_bytes) {
    for (;;) {
      const size_t quote = rest.find('"');
      if (quote == rest.npos) {
        *out += rest;
        *out += '\n';
        const std::optional<std::string_view> line = TRY(lines_.next());
        if (!line) return at_line(first_line_, "table.syntax", "a quoted cell has no end");
        if ((*record_bytes += line->size() + 1) > kTableRecordBytesMax)
          return exhausted("table.too_large",
                           concat({"the record at line ", std::to_string(first_line_),
                                   " is larger than ", format_size(kTableRecordBytesMax)}));
        rest = *line;
        continue;
      }
      *out += rest.substr(0, quote);
      rest.remove_prefix(quote + 1);
      if (!rest.starts_with('"')) return rest;
      *out += '"';
      rest.remove_prefix(1);
    }
  }

  LineReader lines_;
  std::vector<Cell> cells_;
  int64_t first_line_ = 0;
};

Result<std::vector<std::string>> read_header(Records* records) {
  if (!TRY(records->next(false))) return invalid("table.header", "the file has no header line");
  std::vector<std::string> out;
  std::set<std::string> seen;
  for (const Cell& c : records->cells()) {
    const std::string name(trim(c.text));
    if (name.empty()) return at_line(records->line(), "table.header", "a column has no name");
    if (!seen.insert(name).second)
      return at_line(records->line(), "table.header", concat({"column '", name, "' occurs twice"}));
    out.push_back(name);
  }
  return out;
}

Result<bool> next_row(Records* records, size_t width) {
  if (!TRY(records->next(width == 1))) return false;
  if (records->cells().size() == width) return true;
  return at_line(records->line(), "table.syntax",
                 concat({"the row has ", std::to_string(records->cells().size()),
                         " cells, the header names ", std::to_string(width)}));
}

class CsvReader final : public TableReader {
 public:
  CsvReader(ByteSource& source, std::vector<Field> schema, std::vector<size_t> chosen,
            int64_t batch_rows)
      : records_(source),
        schema_(std::move(schema)),
        chosen_(std::move(chosen)),
        batch_rows_(batch_rows) {}

  const std::vector<Field>& schema() const override { return schema_; }

  Result<std::optional<Table>> next() override {
    if (!header_seen_) TRY(read_header(&records_));
    header_seen_ = true;
    std::vector<Field> fields;
    for (const size_t i : chosen_) fields.push_back(schema_[i]);
    Table out = make_table(std::move(fields));
    size_t bytes = 0;
    while (out.rows < batch_rows_ && bytes < kTableBatchBytes) {
      if (!TRY(next_row(&records_, schema_.size()))) break;
      for (size_t i = 0; i < chosen_.size(); ++i) {
        const Cell& cell = records_.cells()[chosen_[i]];
        bytes += cell.text.size();
        TRY(add(&out.columns[i], cell));
      }
      ++out.rows;
    }
    if (out.rows == 0) return std::optional<Table>();
    return std::optional(std::move(out));
  }

 private:
  // The first reading chose the type, so a cell that does not fit means that the file changed.
  Status add(Column* column, const Cell& cell) const {
    const auto changed = [&] {
      return at_line(records_.line(), "table.type", "a cell does not fit the type of its column");
    };
    if (cell.is_null() || (cell.text.empty() && column->type != ColumnType::kText)) {
      column->add_null();
    } else if (column->type == ColumnType::kText) {
      column->add_text(cell.text);
    } else if (column->type == ColumnType::kInt64) {
      const std::optional<int64_t> v = read_exact_int(cell.text);
      if (!v) return changed();
      column->add_i64(*v);
    } else if (column->type == ColumnType::kDouble) {
      const std::optional<double> v = read_finite(cell.text);
      if (!v) return changed();
      column->add_f64(*v);
    } else {
      const std::optional<bool> v = read_bool(cell.text);
      if (!v) return changed();
      column->add_bool(*v);
    }
    return {};
  }

  Records records_;
  std::vector<Field> schema_;
  std::vector<size_t> chosen_;
  int64_t batch_rows_;
  bool header_seen_ = false;
};

class CsvWriter final : public TableWriter {
 public:
  CsvWriter(std::vector<Field> schema, ByteSink& sink) : schema_(std::move(schema)), sink_(sink) {}

  Status write(const Table& batch) override {
    std::string out = std::exchange(header_, {});
    for (int64_t row = 0; row < batch.rows; ++row) {
      for (size_t i = 0; i < batch.columns.size(); ++i) {
        if (i > 0) out += ',';
        put_value(&out, batch.columns[i], row);
      }
      out += '\n';
    }
    return sink_.write(out);
  }

  Status finish() override { return sink_.write(std::exchange(header_, {})); }

  void put_header() {
    for (size_t i = 0; i < schema_.size(); ++i) {
      if (i > 0) header_ += ',';
      put_text(&header_, schema_[i].name);
    }
    header_ += '\n';
  }

 private:
  static void put_text(std::string* out, std::string_view text) {
    if (!text.empty() && text.find_first_of(",\"\r\n") == text.npos) {
      *out += text;
      return;
    }
    *out += '"';
    for (const char c : text) {
      if (c == '"') *out += '"';
      *out += c;
    }
    *out += '"';
  }

  static void put_value(std::string* out, const Column& column, int64_t row) {
    if (column.is_null(row)) return;
    switch (column.type) {
      case ColumnType::kBool:
        *out += column.boolean(row) ? "true" : "false";
        return;
      case ColumnType::kInt64:
      case ColumnType::kTimestampUs:
        *out += std::to_string(column.i64(row));
        return;
      case ColumnType::kDouble: {
        const std::string text = format_double(column.f64(row));
        *out += text;
        if (text.find_first_of(".eEN") == text.npos && text.find('I') == text.npos) *out += ".0";
        return;
      }
      case ColumnType::kText:
        put_text(out, column.text(row));
        return;
      case ColumnType::kBytes:
        return;  // Refused by write_csv().
    }
  }

  std::vector<Field> schema_;
  ByteSink& sink_;
  std::string header_;
};

}  // namespace

Result<std::unique_ptr<TableReader>> open_csv(ByteSource& source, ReadOptions options) {
  Records records(source);
  std::vector<std::string> names = TRY(read_header(&records));
  std::vector<TypeGuess> guesses(names.size());
  while (TRY(next_row(&records, names.size()))) {
    for (size_t i = 0; i < names.size(); ++i) {
      const Cell& cell = records.cells()[i];
      if (cell.is_null())
        guesses[i].see_null();
      else if (cell.text.empty())
        guesses[i].see_empty();
      else
        guesses[i].see_cell(cell.text);
    }
  }
  std::vector<Field> schema;
  for (size_t i = 0; i < names.size(); ++i) {
    const bool text = std::ranges::find(options.as_text, names[i]) != options.as_text.end();
    if (text) guesses[i].see_text();
    schema.push_back(guesses[i].field(std::move(names[i])));
  }
  std::vector<size_t> chosen = TRY(choose_columns(schema, options.columns));
  return std::make_unique<CsvReader>(source, std::move(schema), std::move(chosen),
                                     options.batch_rows);
}

Result<std::unique_ptr<TableWriter>> write_csv(std::vector<Field> schema, ByteSink& sink) {
  for (const Field& f : schema)
    if (f.type == ColumnType::kBytes)
      return unsupported("table.unsupported", "CSV holds no bytes (column '" + f.name + "')");
  auto out = std::make_unique<CsvWriter>(std::move(schema), sink);
  out->put_header();
  return out;
}

}  // namespace slip::codec
