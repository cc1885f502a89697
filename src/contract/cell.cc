#include "contract/cell.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "base/text.h"
#include "engine/expr/civil.h"

namespace slip::contract {
namespace {

using codec::Json;
using Kind = Cell::Kind;

constexpr int64_t kBitsMax = 4096;
constexpr size_t kShownMax = 80;

bool by_length(std::string_view a, std::string_view b) {
  return a.size() != b.size() ? a.size() < b.size() : a < b;
}

Json json_of(const engine::Column& column, int64_t i) {
  if (column.is_null(i)) return Json();
  switch (column.type) {
    case engine::Type::kBool:
      return Json(column.boolean(i));
    case engine::Type::kInt64:
    case engine::Type::kTimestampUs:
      return Json(column.i64(i));
    case engine::Type::kDouble:
      return Json(column.f64(i));
    case engine::Type::kText:
    case engine::Type::kBytes:
      return Json(column.text(i));
    case engine::Type::kList: {
      std::vector<Json> items;
      for (int32_t k = column.offsets[i]; k < column.offsets[i + 1]; ++k)
        items.push_back(json_of(*column.child, k));
      return Json::array(std::move(items));
    }
  }
  return Json();
}

}  // namespace

std::string_view kind_name(Kind kind) {
  constexpr std::array<std::string_view, kCellKinds> kNames = {
      "null", "bool", "int64", "double", "string", "bytes", "timestamp", "json"};
  return kNames[static_cast<size_t>(kind)];
}

Kind kind_of(engine::Type type) {
  switch (type) {
    case engine::Type::kBool:
      return Kind::kBool;
    case engine::Type::kInt64:
      return Kind::kInt;
    case engine::Type::kDouble:
      return Kind::kReal;
    case engine::Type::kText:
      return Kind::kText;
    case engine::Type::kBytes:
      return Kind::kBytes;
    case engine::Type::kTimestampUs:
      return Kind::kTime;
    case engine::Type::kList:
      return Kind::kJson;
  }
  return Kind::kNull;
}

Cell Cell::of_json(const Json& v) {
  switch (v.kind()) {
    case Json::Kind::kNull:
      return {};
    case Json::Kind::kBool:
      return of_bool(v.as_bool());
    case Json::Kind::kInt:
      return of_int(v.as_int());
    case Json::Kind::kDouble:
      return of_real(v.as_double());
    case Json::Kind::kString:
      return of_text(v.as_string());
    case Json::Kind::kArray:
    case Json::Kind::kObject:
      return {Kind::kJson, 0, 0, {}, &v};
  }
  return {};
}

Cell cell_at(const engine::Column& column, int64_t i, Json* scratch) {
  if (column.is_null(i)) return {};
  switch (column.type) {
    case engine::Type::kBool:
      return Cell::of_bool(column.boolean(i));
    case engine::Type::kInt64:
      return Cell::of_int(column.i64(i));
    case engine::Type::kTimestampUs:
      return Cell::of_time(column.i64(i));
    case engine::Type::kDouble:
      return Cell::of_real(column.f64(i));
    case engine::Type::kText:
      return Cell::of_text(column.text(i));
    case engine::Type::kBytes:
      return {Kind::kBytes, 0, 0, column.text(i), nullptr};
    case engine::Type::kList:
      *scratch = json_of(column, i);
      return {Kind::kJson, 0, 0, {}, scratch};
  }
  return {};
}

std::string show(const Cell& cell) {
  switch (cell.kind) {
    case Kind::kNull:
      return "null";
    case Kind::kBool:
      return cell.i != 0 ? "true" : "false";
    case Kind::kInt:
      return std::to_string(cell.i);
    case Kind::kReal:
      return format_double(cell.d);
    case Kind::kText: {
      if (!is_utf8(cell.text)) return to_hex(cell.text.substr(0, kShownMax / 2));
      const std::string_view shown = utf8_prefix(cell.text, kShownMax);
      return shown.size() < cell.text.size() ? std::string(shown) + "…" : std::string(shown);
    }
    case Kind::kBytes:
      return to_hex(cell.text.substr(0, kShownMax / 2));
    case Kind::kTime:
      return engine::expr::in_range(cell.i) ? engine::expr::format_stamp(cell.i)
                                            : std::to_string(cell.i) + " us";
    case Kind::kJson: {
      const std::string text = codec::to_json(*cell.json);
      return std::string(utf8_prefix(text, kShownMax));
    }
  }
  return {};
}

// ---- ValueSet

ValueSet::ValueSet(const std::vector<Json>& values, Kind kind) {
  for (const Json& v : values) add(v, kind);
  seal();
}

void ValueSet::add(const Json& value, Kind kind) {
  if (value.is_null()) has_null_ = true;
  const bool number = value.is_number();
  const double d = number ? value.as_double() : 0;
  switch (kind) {
    case Kind::kInt:
      if (value.is_int())
        ints_.push_back(value.as_int());
      else if (number && std::floor(d) == d && std::fabs(d) < 0x1p62)
        ints_.push_back(static_cast<int64_t>(d));
      break;
    case Kind::kReal:
      if (value.is_string() && iequals(value.as_string(), "nan")) has_nan_ = true;
      if (number && std::isnan(d)) has_nan_ = true;
      if (number && !std::isnan(d)) reals_.push_back(d);
      break;
    case Kind::kBool:
      if (value.is_bool()) ints_.push_back(value.as_bool() ? 1 : 0);
      break;
    case Kind::kTime:
      if (value.is_string())
        if (const auto us = engine::expr::parse_stamp(value.as_string())) ints_.push_back(*us);
      break;
    case Kind::kText:
    case Kind::kBytes:
      if (value.is_string()) texts_.push_back(value.as_string());
      if (number || value.is_bool()) texts_.push_back(codec::to_json(value));
      break;
    case Kind::kNull:
    case Kind::kJson:
      break;
  }
}

void ValueSet::seal() {
  std::ranges::sort(ints_);
  std::ranges::sort(reals_);
  std::ranges::sort(texts_, by_length);
  if (ints_.empty()) return;
  low_ = ints_.front();
  int64_t span = 0;
  if (__builtin_sub_overflow(ints_.back(), low_, &span) || span >= kBitsMax) return;
  bits_.assign(static_cast<size_t>(span) + 1, false);
  for (const int64_t v : ints_) bits_[static_cast<size_t>(v - low_)] = true;
}

bool ValueSet::contains_int(int64_t v) const {
  if (!bits_.empty()) {
    const uint64_t at = static_cast<uint64_t>(v) - static_cast<uint64_t>(low_);
    return at < bits_.size() && bits_[at];
  }
  return std::ranges::binary_search(ints_, v);
}

bool ValueSet::contains_real(double v) const {
  return std::isnan(v) ? has_nan_ : std::ranges::binary_search(reals_, v);
}

bool ValueSet::contains_text(std::string_view v) const {
  return std::ranges::binary_search(texts_, v, by_length);
}

bool ValueSet::contains(const Cell& cell) const {
  switch (cell.kind) {
    case Kind::kNull:
      return has_null_;
    case Kind::kBool:
    case Kind::kInt:
    case Kind::kTime:
      return contains_int(cell.i);
    case Kind::kReal:
      return contains_real(cell.d);
    case Kind::kText:
    case Kind::kBytes:
      return contains_text(cell.text);
    case Kind::kJson:
      return false;
  }
  return false;
}

}  // namespace slip::contract
