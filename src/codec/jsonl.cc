#include <cmath>
#include <unordered_map>

#include "base/text.h"
#include "codec/json.h"
#include "codec/table_internal.h"

namespace slip::codec {
namespace {

// Objects, one a line; blank lines are passed over.
class Objects {
 public:
  explicit Objects(ByteSource& source) : lines_(source) {}

  Result<std::optional<Json>> next() {
    for (;;) {
      const std::optional<std::string_view> line = TRY(lines_.next());
      if (!line) return std::optional<Json>();
      if (trim(*line).empty()) continue;
      Result<Json> value = parse_json(trim(*line));
      if (!value.ok()) return at_line(lines_.line(), "table.syntax", value.error().text);
      if (!value->is_object())
        return at_line(lines_.line(), "table.syntax", "a line of JSON lines is an object");
      return std::optional(std::move(*value));
    }
  }
  int64_t line() const { return lines_.line(); }

 private:
  LineReader lines_;
};

struct Guess {
  TypeGuess type;
  bool nested = false;
  bool plain = false;
};

void see(Guess* guess, const Json& v) {
  switch (v.kind()) {
    case Json::Kind::kNull:
      guess->type.see_null();
      return;
    case Json::Kind::kBool:
      guess->type.see_bool();
      break;
    case Json::Kind::kInt:
      guess->type.see_int();
      break;
    case Json::Kind::kDouble:
      guess->type.see_double();
      break;
    case Json::Kind::kString:
      guess->type.see_text();
      break;
    case Json::Kind::kArray:
    case Json::Kind::kObject:
      guess->type.see_text();
      guess->nested = true;
      return;
  }
  guess->plain = true;
}

class JsonlReader final : public TableReader {
 public:
  JsonlReader(ByteSource& source, std::vector<Field> schema, std::vector<size_t> chosen,
              int64_t batch_rows)
      : objects_(source), schema_(std::move(schema)), batch_rows_(batch_rows) {
    for (const size_t i : chosen) fields_.push_back(schema_[i]);
    for (size_t i = 0; i < fields_.size(); ++i) index_[fields_[i].name] = i;
  }

  const std::vector<Field>& schema() const override { return schema_; }

  Result<std::optional<Table>> next() override {
    Table out = make_table(fields_);
    size_t bytes = 0;
    while (out.rows < batch_rows_ && bytes < kTableBatchBytes) {
      const std::optional<Json> row = TRY(objects_.next());
      if (!row) break;
      for (const auto& [key, value] : row->members()) {
        const auto at = index_.find(key);
        if (at == index_.end() || value.is_null()) continue;
        TRY(add(&out.columns[at->second], value));
      }
      ++out.rows;
      for (Column& c : out.columns) {
        if (c.n < out.rows) c.add_null();
        bytes = std::max(bytes, c.data.size());
      }
    }
    if (out.rows == 0) return std::optional<Table>();
    return std::optional(std::move(out));
  }

 private:
  Status add(Column* column, const Json& v) const {
    const auto changed = [&] {
      return at_line(objects_.line(), "table.type", "a value does not fit the type of its column");
    };
    switch (column->type) {
      case ColumnType::kBool:
        if (!v.is_bool()) return changed();
        column->add_bool(v.as_bool());
        return {};
      case ColumnType::kInt64:
        if (!v.is_int()) return changed();
        column->add_i64(v.as_int());
        return {};
      case ColumnType::kDouble:
        if (!v.is_number()) return changed();
        column->add_f64(v.as_double());
        return {};
      default:
        column->add_text(v.is_string() ? v.as_string() : to_json(v));
        return {};
    }
  }

  Objects objects_;
  std::vector<Field> schema_;
  std::vector<Field> fields_;
  std::unordered_map<std::string, size_t> index_;
  int64_t batch_rows_;
};

class JsonlWriter final : public TableWriter {
 public:
  JsonlWriter(std::vector<Field> schema, ByteSink& sink)
      : schema_(std::move(schema)), sink_(sink) {}

  Status write(const Table& batch) override {
    std::string out;
    for (int64_t row = 0; row < batch.rows; ++row) {
      out += '{';
      for (size_t i = 0; i < batch.columns.size(); ++i) {
        if (i > 0) out += ',';
        append_json_string(&out, schema_[i].name);
        out += ':';
        put_value(&out, batch.columns[i], row);
      }
      out += "}\n";
    }
    return sink_.write(out);
  }

  Status finish() override { return {}; }

 private:
  static void put_value(std::string* out, const Column& column, int64_t row) {
    if (column.is_null(row)) {
      *out += "null";
      return;
    }
    switch (column.type) {
      case ColumnType::kBool:
        *out += column.boolean(row) ? "true" : "false";
        return;
      case ColumnType::kInt64:
      case ColumnType::kTimestampUs:
        *out += std::to_string(column.i64(row));
        return;
      case ColumnType::kDouble:
        *out += to_json(Json(column.f64(row)));
        return;
      case ColumnType::kText:
        append_json_string(out, column.text(row));
        return;
      case ColumnType::kBytes:
        append_json_string(out, to_base64(column.text(row)));
        return;
    }
  }

  std::vector<Field> schema_;
  ByteSink& sink_;
};

}  // namespace

Result<std::unique_ptr<TableReader>> open_jsonl(ByteSource& source, ReadOptions options) {
  Objects objects(source);
  std::vector<std::string> names;
  std::vector<Guess> guesses;
  std::vector<int64_t> seen_rows;
  std::unordered_map<std::string, size_t> index;
  int64_t rows = 0;
  while (const std::optional<Json> row = TRY(objects.next())) {
    for (const auto& [key, value] : row->members()) {
      const auto [at, is_new] = index.try_emplace(key, names.size());
      if (is_new) {
        if (names.size() >= kTableColumnsMax)
          return exhausted("table.too_large", "a table has at most 10000 columns");
        if (key.empty()) return at_line(objects.line(), "table.header", "a column has no name");
        names.push_back(key);
        guesses.emplace_back();
        seen_rows.push_back(0);
      }
      Guess& guess = guesses[at->second];
      see(&guess, value);
      ++seen_rows[at->second];
      if (guess.type.mixed() || (guess.nested && guess.plain))
        return at_line(objects.line(), "table.type",
                       concat({"'", key, "' has another type here than before"}));
    }
    ++rows;
  }
  std::vector<Field> schema;
  for (size_t i = 0; i < names.size(); ++i) {
    if (seen_rows[i] < rows) guesses[i].type.see_null();
    schema.push_back(guesses[i].type.field(std::move(names[i])));
    if (guesses[i].nested) schema.back().type_name = "json";
  }
  std::vector<size_t> chosen = TRY(choose_columns(schema, options.columns));
  return std::make_unique<JsonlReader>(source, std::move(schema), std::move(chosen),
                                       options.batch_rows);
}

Result<std::unique_ptr<TableWriter>> write_jsonl(std::vector<Field> schema, ByteSink& sink) {
  return std::make_unique<JsonlWriter>(std::move(schema), sink);
}

}  // namespace slip::codec
