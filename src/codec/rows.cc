#include "codec/rows.h"

#include <array>
#include <cstring>
#include <map>

#include "base/text.h"
#include "codec/rows_internal.h"

namespace slip::codec {
namespace rows {
namespace {

constexpr size_t kStepBytes = 1 << 20;

std::string_view type_of(const Json& value) {
  switch (value.kind()) {
    case Json::Kind::kNull:
      return "";
    case Json::Kind::kBool:
      return "bool";
    case Json::Kind::kInt:
      return "int64";
    case Json::Kind::kDouble:
      return "double";
    case Json::Kind::kString:
      return "string";
    case Json::Kind::kArray:
    case Json::Kind::kObject:
      return "json";
  }
  return "json";
}

Error at_line(Error error, int64_t line) {
  return std::move(error).within("line " + std::to_string(line));
}

// Calls `on_object` for each line that is not blank.
Status objects(const RowBytes& bytes, const std::function<Result<bool>(const Json&)>& on_object) {
  Stream stream(bytes);
  std::string line;
  for (int64_t number = 1; TRY(stream.line(&line)); ++number) {
    if (trim(line).empty()) continue;
    const Result<Json> row = parse_json(line);
    if (!row.ok())
      return at_line(Error{row.error().code, "rows.syntax", row.error().text, {}}, number);
    if (!row->is_object())
      return at_line(invalid("rows.syntax", "a line of JSONL is one object"), number);
    const Result<bool> more = on_object(*row);
    if (!more.ok()) return at_line(more.error(), number);
    if (!*more) return {};
  }
  return {};
}

}  // namespace

Status Stream::fill() {
  buffer_.resize(kStepBytes);
  const Result<size_t> n = bytes_.read_at(offset_, std::span(buffer_.data(), buffer_.size()));
  buffer_.resize(n.ok() ? *n : 0);
  at_ = 0;
  if (!n.ok()) return n.error();
  offset_ += static_cast<int64_t>(*n);
  return {};
}

Result<bool> Stream::line(std::string* out) {
  out->clear();
  bool any = false;
  while (true) {
    if (at_ == buffer_.size()) TRY(fill());
    if (at_ == buffer_.size()) return any;
    any = true;
    const std::string_view rest = std::string_view(buffer_).substr(at_);
    const size_t end = rest.find('\n');
    out->append(rest.substr(0, end));
    if (out->size() > kRowBytesMax)
      return exhausted("rows.too_large", "a line has more than " + format_size(kRowBytesMax));
    at_ += end == rest.npos ? rest.size() : end + 1;
    if (end == rest.npos) continue;
    if (out->ends_with('\r')) out->pop_back();
    return true;
  }
}

std::string_view wider_type(std::string_view a, std::string_view b) {
  if (a.empty() || a == b) return b;
  if (b.empty()) return a;
  const bool numbers = (a == "int64" || a == "double") && (b == "int64" || b == "double");
  return numbers ? "double" : "json";
}

Result<RowSchema> scan_jsonl(const RowBytes& bytes) {
  struct Seen {
    size_t index = 0;
    std::string_view type{};
    int64_t values = 0;  // Not null.
  };
  std::map<std::string, Seen, std::less<>> seen;
  RowSchema out;
  TRY(objects(bytes, [&](const Json& row) -> Result<bool> {
    ++out.rows;
    for (const auto& [name, value] : row.members()) {
      auto found = seen.find(name);
      if (found == seen.end()) {
        if (seen.size() == kRowColumnsMax)
          return exhausted("rows.too_large", "more columns than " + std::to_string(kRowColumnsMax));
        found = seen.emplace(name, Seen{.index = out.columns.size()}).first;
        out.columns.push_back({.name = name});
      }
      found->second.type = wider_type(found->second.type, type_of(value));
      found->second.values += value.is_null() ? 0 : 1;
    }
    return true;
  }));
  for (const auto& [name, s] : seen) {
    out.columns[s.index].type = s.type.empty() ? "json" : s.type;
    out.columns[s.index].nullable = s.values < out.rows;
  }
  return out;
}

Status each_jsonl(const RowBytes& bytes, const std::vector<RowColumn>& columns, int64_t rows_max,
                  const OnRow& on_row) {
  if (rows_max <= 0) return {};
  int64_t rows = 0;
  return objects(bytes, [&](const Json& row) -> Result<bool> {
    Json out = Json::object();
    for (const RowColumn& column : columns)
      if (const Json* value = row.find(column.name)) out.set(column.name, *value);
    TRY(on_row(out));
    return ++rows < rows_max;
  });
}

}  // namespace rows

std::optional<RowFormat> parse_row_format(std::string_view name) {
  for (const RowFormat f : {RowFormat::kJsonl, RowFormat::kCsv, RowFormat::kParquet})
    if (row_format_name(f) == name) return f;
  return std::nullopt;
}

std::string_view row_format_name(RowFormat format) {
  constexpr std::array<std::string_view, 3> kNames = {"jsonl", "csv", "parquet"};
  return kNames[static_cast<size_t>(format)];
}

Result<RowSchema> scan_rows(RowFormat format, const RowBytes& bytes) {
  RowSchema out;
  switch (format) {
    case RowFormat::kJsonl:
      out = TRY(rows::scan_jsonl(bytes));
      break;
    case RowFormat::kCsv:
      out = TRY(rows::scan_csv(bytes));
      break;
    case RowFormat::kParquet:
      out = TRY(rows::scan_parquet(bytes));
      break;
  }
  if (out.rows == 0) return invalid("rows.empty", "the file has no rows");
  if (out.columns.empty()) return invalid("rows.columns", "the file has no columns");
  return out;
}

Status each_row(RowFormat format, const RowBytes& bytes, const std::vector<RowColumn>& columns,
                int64_t rows_max, const OnRow& on_row) {
  switch (format) {
    case RowFormat::kJsonl:
      return rows::each_jsonl(bytes, columns, rows_max, on_row);
    case RowFormat::kCsv:
      return rows::each_csv(bytes, columns, rows_max, on_row);
    case RowFormat::kParquet:
      return rows::each_parquet(bytes, columns, rows_max, on_row);
  }
  return {};
}

}  // namespace slip::codec
