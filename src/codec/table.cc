#include "codec/table.h"

#include <cstring>

#include "base/text.h"
#include "codec/table_internal.h"

namespace slip::codec {
namespace {

struct FormatRow {
  Format format;
  std::string_view name;
  std::string_view endings;
};
constexpr std::array<FormatRow, 4> kFormats = {{{Format::kParquet, "parquet", ".parquet .pq"},
                                                {Format::kCsv, "csv", ".csv"},
                                                {Format::kJsonl, "jsonl", ".jsonl .ndjson"},
                                                {Format::kArrow, "arrow", ".arrows"}}};

class TextSource final : public ByteSource {
 public:
  explicit TextSource(std::string bytes) : bytes_(std::move(bytes)) {}
  int64_t size() const override { return static_cast<int64_t>(bytes_.size()); }
  Result<size_t> read_at(int64_t offset, std::span<char> out) override {
    if (offset < 0 || offset > size()) return size_t{0};
    return bytes_.copy(out.data(), out.size(), static_cast<size_t>(offset));
  }

 private:
  std::string bytes_;
};

class TextSink final : public ByteSink {
 public:
  explicit TextSink(std::string* out) : out_(out) {}
  Status write(std::string_view bytes) override {
    out_->append(bytes);
    return {};
  }

 private:
  std::string* out_;
};

void set_bit(std::vector<uint8_t>* bits, int64_t i, bool v) {
  const auto at = static_cast<size_t>(i) / 8;
  if (at >= bits->size()) bits->resize(at + 1, 0);
  if (v) (*bits)[at] = static_cast<uint8_t>((*bits)[at] | 1 << (i % 8));
}

}  // namespace

std::string_view column_type_name(ColumnType type) {
  switch (type) {
    case ColumnType::kBool:
      return "bool";
    case ColumnType::kInt64:
      return "int64";
    case ColumnType::kDouble:
      return "double";
    case ColumnType::kText:
      return "string";
    case ColumnType::kBytes:
      return "binary";
    case ColumnType::kTimestampUs:
      return "timestamp[us]";
  }
  return "";
}

// ---- Column

template <class T>
T Column::number(int64_t i) const {
  T v{};
  std::memcpy(&v, data.data() + static_cast<size_t>(i) * sizeof(T), sizeof(T));
  return v;
}
template int64_t Column::number<int64_t>(int64_t) const;
template double Column::number<double>(int64_t) const;

template <class T>
void Column::add_number(T v) {
  std::array<uint8_t, sizeof(T)> raw;
  std::memcpy(raw.data(), &v, sizeof(T));
  data.insert(data.end(), raw.begin(), raw.end());
}

std::string_view Column::text(int64_t i) const {
  const auto from = static_cast<size_t>(offsets[static_cast<size_t>(i)]);
  const auto to = static_cast<size_t>(offsets[static_cast<size_t>(i) + 1]);
  return {reinterpret_cast<const char*>(data.data()) + from, to - from};
}

void Column::add_valid() {
  if (!validity.empty()) set_bit(&validity, n, true);
  ++n;
}

void Column::add_null() {
  if (!fine.empty()) fine.push_back(0);
  if (validity.empty()) {
    validity.reserve(1);
    validity.push_back(0);
    for (int64_t i = 0; i < n; ++i) set_bit(&validity, i, true);
  }
  set_bit(&validity, n, false);
  switch (type) {
    case ColumnType::kBool:
      set_bit(&data, n, false);
      break;
    case ColumnType::kInt64:
    case ColumnType::kTimestampUs:
      add_number(int64_t{0});
      break;
    case ColumnType::kDouble:
      add_number(0.0);
      break;
    case ColumnType::kText:
    case ColumnType::kBytes:
      if (offsets.empty()) offsets.push_back(0);
      offsets.push_back(offsets.back());
  }
  ++n;
  ++nulls;
}

void Column::add_bool(bool v) {
  CHECK(type == ColumnType::kBool);
  set_bit(&data, n, v);
  add_valid();
}

void Column::add_i64(int64_t v) {
  CHECK(type == ColumnType::kInt64 || type == ColumnType::kTimestampUs);
  add_number(v);
  add_valid();
}

void Column::add_time(int64_t us, int16_t nanoseconds) {
  add_i64(us);
  if (nanoseconds == 0 && fine.empty()) return;
  fine.resize(static_cast<size_t>(n), 0);
  fine.back() = nanoseconds;
}

void Column::add_f64(double v) {
  CHECK(type == ColumnType::kDouble);
  add_number(v);
  add_valid();
}

void Column::add_words(const void* words, int64_t count) {
  CHECK(type == ColumnType::kInt64 || type == ColumnType::kTimestampUs ||
        type == ColumnType::kDouble);
  const auto* bytes = static_cast<const uint8_t*>(words);
  if (count > 0) data.insert(data.end(), bytes, bytes + count * 8);
  for (int64_t i = 0; !validity.empty() && i < count; ++i) set_bit(&validity, n + i, true);
  n += count;
}

void Column::add_text(std::string_view v) {
  CHECK(type == ColumnType::kText || type == ColumnType::kBytes);
  if (offsets.empty()) offsets.push_back(0);
  CHECK(v.size() <= static_cast<size_t>(INT32_MAX - offsets.back()));
  data.insert(data.end(), v.begin(), v.end());
  offsets.push_back(offsets.back() + static_cast<int32_t>(v.size()));
  add_valid();
}

// ---- Table

const Column* Table::find(std::string_view name) const {
  for (size_t i = 0; i < schema.size(); ++i)
    if (schema[i].name == name) return &columns[i];
  return nullptr;
}

Field make_field(std::string name, ColumnType type, bool nullable) {
  Field out;
  out.name = std::move(name);
  out.type = type;
  out.type_name = column_type_name(type);
  out.nullable = nullable;
  return out;
}

Table make_table(std::vector<Field> schema) {
  Table out;
  out.schema = std::move(schema);
  for (const Field& f : out.schema) {
    out.columns.emplace_back();
    out.columns.back().type = f.type;
    if (f.type == ColumnType::kText || f.type == ColumnType::kBytes)
      out.columns.back().offsets.push_back(0);
  }
  return out;
}

std::unique_ptr<ByteSource> text_source(std::string bytes) {
  return std::make_unique<TextSource>(std::move(bytes));
}

std::unique_ptr<ByteSink> text_sink(std::string* out) { return std::make_unique<TextSink>(out); }

// ---- formats

std::string_view format_name(Format format) {
  for (const FormatRow& row : kFormats)
    if (row.format == format) return row.name;
  return "";
}

Result<Format> parse_format(std::string_view name) {
  for (const FormatRow& row : kFormats)
    if (row.name == name) return row.format;
  return invalid("table.format",
                 concat({"format '", name, "' is none of parquet, csv, jsonl, arrow"}));
}

std::optional<Format> format_of_path(std::string_view path) {
  const std::string lowered = lower(path);
  for (const FormatRow& row : kFormats)
    for (const std::string_view ending : split(row.endings, ' '))
      if (lowered.ends_with(ending)) return row.format;
  return std::nullopt;
}

Result<std::vector<size_t>> choose_columns(const std::vector<Field>& schema,
                                           const std::vector<std::string>& wanted) {
  std::vector<size_t> out;
  if (wanted.empty()) {
    for (size_t i = 0; i < schema.size(); ++i)
      if (schema[i].readable) out.push_back(i);
    return out;
  }
  for (const std::string& name : wanted) {
    const auto found =
        std::find_if(schema.begin(), schema.end(), [&](const Field& f) { return f.name == name; });
    if (found == schema.end())
      return invalid("table.column", concat({"the table has no column '", name, "'"}));
    if (!found->readable)
      return unsupported("table.unsupported", concat({"column '", name, "' of type ",
                                                      found->type_name, " cannot be read"}));
    out.push_back(static_cast<size_t>(found - schema.begin()));
  }
  return out;
}

Result<std::unique_ptr<TableReader>> open_table(Format format, ByteSource& source,
                                                ReadOptions options) {
  if (options.batch_rows <= 0) options.batch_rows = kTableBatchRows;
  switch (format) {
    case Format::kCsv:
      return open_csv(source, std::move(options));
    case Format::kJsonl:
      return open_jsonl(source, std::move(options));
    case Format::kParquet:
      return open_parquet(source, std::move(options));
    case Format::kArrow:
      return open_arrow(source, std::move(options));
  }
  return unsupported("table.unsupported", "this format cannot be read");
}

Result<std::unique_ptr<TableWriter>> make_table_writer(Format format, std::vector<Field> schema,
                                                       ByteSink& sink) {
  switch (format) {
    case Format::kCsv:
      return write_csv(std::move(schema), sink);
    case Format::kJsonl:
      return write_jsonl(std::move(schema), sink);
    case Format::kParquet:
      return write_parquet(std::move(schema), sink);
    case Format::kArrow:
      return write_arrow(std::move(schema), sink);
  }
  return unsupported("table.unsupported", "this format cannot be written");
}

Result<TableFacts> check_table(Format format, ByteSource& source) {
  const std::unique_ptr<TableReader> reader = TRY(open_table(format, source));
  TableFacts out{reader->schema(), 0};
  while (const std::optional<Table> batch = TRY(reader->next())) out.rows += batch->rows;
  return out;
}

}  // namespace slip::codec
