#include <cmath>

#include "base/text.h"
#include "codec/table_internal.h"

// What CSV and JSON lines share: lines, and the guessing of types.
namespace slip::codec {
namespace {

constexpr size_t kReadBytes = 256 << 10;

}  // namespace

Error at_line(int64_t line, std::string_view reason, std::string_view what) {
  return invalid(reason, concat({"line ", std::to_string(line), ": ", what}));
}

Result<std::optional<std::string_view>> LineReader::next() {
  size_t seen = at_;
  for (;;) {
    const size_t end = buffer_.find('\n', seen);
    if (end != buffer_.npos || (eof_ && at_ < buffer_.size())) {
      ended_ = end != buffer_.npos;
      std::string_view out =
          std::string_view(buffer_).substr(at_, (ended_ ? end : buffer_.size()) - at_);
      at_ = ended_ ? end + 1 : buffer_.size();
      ++line_;
      return std::optional(out);
    }
    if (eof_) return std::optional<std::string_view>();
    buffer_.erase(0, at_);
    at_ = 0;
    if (buffer_.size() > kTableRecordBytesMax)
      return exhausted("table.too_large",
                       concat({"line ", std::to_string(line_ + 1), " is longer than ",
                               format_size(kTableRecordBytesMax)}));
    seen = buffer_.size();
    buffer_.resize(seen + kReadBytes);
    const size_t n = TRY(source_.read_at(offset_, std::span(buffer_).subspan(seen)));
    buffer_.resize(seen + n);
    offset_ += static_cast<int64_t>(n);
    eof_ = n < kReadBytes;
  }
}

std::optional<int64_t> read_exact_int(std::string_view cell) {
  const std::string_view digits = cell.starts_with('-') ? cell.substr(1) : cell;
  if (digits.empty() || (digits.size() > 1 && digits[0] == '0') || cell == "-0")
    return std::nullopt;
  return parse_int(cell);
}

std::optional<double> read_finite(std::string_view cell) {
  // Digits first: no names of infinities, no hexadecimal; and no leading zero that would be lost.
  const std::string_view digits = cell.starts_with('-') ? cell.substr(1) : cell;
  if (digits.empty() || ((digits[0] < '0' || digits[0] > '9') && digits[0] != '.'))
    return std::nullopt;
  if (digits.size() > 1 && digits[0] == '0' && digits[1] >= '0' && digits[1] <= '9')
    return std::nullopt;
  const std::optional<double> v = parse_double(cell);
  return v && std::isfinite(*v) ? v : std::nullopt;
}

std::optional<bool> read_bool(std::string_view cell) {
  if (cell == "true" || cell == "True" || cell == "TRUE") return true;
  if (cell == "false" || cell == "False" || cell == "FALSE") return false;
  return std::nullopt;
}

void TypeGuess::see_cell(std::string_view cell) {
  if (kinds_ & kText) return;
  if (read_exact_int(cell))
    see_int();
  else if (read_finite(cell))
    // An integer too long for int64 would lose digits.
    see(cell.find_first_of(".eE") == cell.npos ? kText : kDouble);
  else if (read_bool(cell))
    see_bool();
  else
    see_text();
}

bool TypeGuess::mixed() const {
  return ((kinds_ & kText) != 0 && kinds_ != kText) || ((kinds_ & kBool) != 0 && kinds_ != kBool);
}

Field TypeGuess::field(std::string name) const {
  Field out;
  out.name = std::move(name);
  if (kinds_ == 0 || mixed() || kinds_ == kText)
    out.type = ColumnType::kText;
  else if (kinds_ == kBool)
    out.type = ColumnType::kBool;
  else
    out.type = kinds_ == kInt ? ColumnType::kInt64 : ColumnType::kDouble;
  out.type_name = column_type_name(out.type);
  out.nullable = null_ || (kinds_ == 0 && !empty_) || (empty_ && out.type != ColumnType::kText);
  return out;
}

}  // namespace slip::codec
