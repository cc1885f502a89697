#include "cli/print.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <vector>

#include "base/text.h"

namespace slip::cli {
namespace {

using codec::Json;

constexpr int kDigits = 4;
constexpr std::string_view kGap = "  ";

std::string short_double(double value) {
  std::array<char, 32> digits;
  const auto end = std::to_chars(digits.data(), digits.data() + digits.size(), value,
                                 std::chars_format::general, kDigits)
                       .ptr;
  return {digits.data(), end};
}

std::string one_line(std::string text) {
  for (char& c : text)
    if (c == '\n' || c == '\r' || c == '\t') c = ' ';
  return text;
}

void pad_to(std::string* out, std::string_view text, size_t width) {
  *out += text;
  const size_t used = is_utf8(text) ? utf8_length(text) : text.size();
  if (used < width) out->append(width - used, ' ');
}

size_t width_of(std::string_view text) { return is_utf8(text) ? utf8_length(text) : text.size(); }

bool wants_json(const Call& call) { return call.on("json"); }

}  // namespace

std::string cell_of(const Json* value) {
  if (value == nullptr) return "-";
  switch (value->kind()) {
    case Json::Kind::kNull:
      return "-";
    case Json::Kind::kBool:
      return value->as_bool() ? "yes" : "no";
    case Json::Kind::kInt:
      return std::to_string(value->as_int());
    case Json::Kind::kDouble:
      return short_double(value->as_double());
    case Json::Kind::kString:
      return value->as_string().empty() ? "-" : one_line(value->as_string());
    case Json::Kind::kArray: {
      std::vector<std::string> parts;
      for (const Json& item : value->items()) parts.push_back(cell_of(&item));
      return parts.empty() ? "-" : join(parts, ", ");
    }
    case Json::Kind::kObject:
      return value->members().empty() ? "-" : one_line(codec::to_json(*value));
  }
  return "-";
}

const Json* field_of(const Json& object, std::string_view path) {
  const Json* at = &object;
  for (const std::string_view part : split(path, '.')) {
    at = at->find(part);
    if (at == nullptr) return nullptr;
  }
  return at;
}

std::string table_of(std::span<const Json> rows, std::span<const Column> columns, bool aligned) {
  std::vector<std::vector<std::string>> lines;
  if (aligned) {
    std::vector<std::string>& titles = lines.emplace_back();
    for (const Column& column : columns) titles.emplace_back(column.title);
  }
  for (const Json& row : rows) {
    std::vector<std::string>& cells = lines.emplace_back();
    for (const Column& column : columns) cells.push_back(cell_of(field_of(row, column.field)));
  }
  std::vector<size_t> widths(columns.size(), 0);
  for (const std::vector<std::string>& line : lines)
    for (size_t i = 0; i < line.size(); ++i) widths[i] = std::max(widths[i], width_of(line[i]));
  std::string out;
  for (const std::vector<std::string>& line : lines) {
    for (size_t i = 0; i < line.size(); ++i) {
      const bool last = i + 1 == line.size();
      if (aligned && !last) {
        pad_to(&out, line[i], widths[i]);
        out += kGap;
      } else {
        out += line[i];
        out += last ? "\n" : "\t";
      }
    }
  }
  return out;
}

std::string fields_of(const Json& object) {
  if (!object.is_object()) return cell_of(&object) + "\n";
  size_t width = 0;
  for (const auto& [name, value] : object.members()) width = std::max(width, name.size());
  std::string out;
  for (const auto& [name, value] : object.members()) {
    pad_to(&out, name, width);
    out += concat({kGap, cell_of(&value), "\n"});
  }
  return out;
}

void print_rows(Call& call, const Json& page, std::span<const Column> columns) {
  if (wants_json(call)) return call.terminal.out(codec::to_json(page) + "\n");
  const Json* items = page.find("items");
  if (items == nullptr || !items->is_array()) return call.terminal.out(fields_of(page));
  call.terminal.out(table_of(items->items(), columns, call.terminal.out_tty));
}

void print_fields(Call& call, const Json& object) {
  call.terminal.out(wants_json(call) ? codec::to_json(object) + "\n" : fields_of(object));
}

}  // namespace slip::cli
