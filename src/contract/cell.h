#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "codec/json.h"
#include "engine/column/column.h"

// One value, borrowed: of a row of a column, or of a record. And sets of values that a contract
// writes down. Pure; any thread.
namespace slip::contract {

struct Cell {
  enum class Kind : uint8_t { kNull, kBool, kInt, kReal, kText, kBytes, kTime, kJson };
  Kind kind = Kind::kNull;
  int64_t i = 0;  // kBool, kInt; kTime: microseconds.
  double d = 0;   // kReal
  std::string_view text;
  const codec::Json* json = nullptr;  // kJson: a list or an object.

  bool is_null() const { return kind == Kind::kNull; }
  static Cell of_bool(bool v) { return {Kind::kBool, v ? 1 : 0, 0, {}, nullptr}; }
  static Cell of_int(int64_t v) { return {Kind::kInt, v, 0, {}, nullptr}; }
  static Cell of_real(double v) { return {Kind::kReal, 0, v, {}, nullptr}; }
  static Cell of_text(std::string_view v) { return {Kind::kText, 0, 0, v, nullptr}; }
  static Cell of_time(int64_t us) { return {Kind::kTime, us, 0, {}, nullptr}; }
  static Cell of_json(const codec::Json& v);  // Of any kind: null, numbers, …
};
inline constexpr int kCellKinds = 8;
std::string_view kind_name(Cell::Kind kind);  // "int64", "string", …
Cell::Kind kind_of(engine::Type type);        // A list is kJson.

// Row i; a list is put into `scratch`, which the cell borrows.
Cell cell_at(const engine::Column& column, int64_t i, codec::Json* scratch);
// For people, at most 80 code points.
std::string show(const Cell& cell);

// Values as a contract lists them, for cells of one kind: numbers are compared as numbers, texts by
// bytes (a number in the list of a text's values stands for its digits). NaN is NaN.
class ValueSet {
 public:
  ValueSet(const std::vector<codec::Json>& values, Cell::Kind kind);

  bool has_null() const { return has_null_; }
  bool contains(const Cell& cell) const;
  bool contains_int(int64_t v) const;
  bool contains_real(double v) const;
  bool contains_text(std::string_view v) const;

 private:
  void add(const codec::Json& value, Cell::Kind kind);
  void seal();

  bool has_null_ = false;
  bool has_nan_ = false;
  std::vector<int64_t> ints_;  // Sorted; times and truth values too.
  int64_t low_ = 0;            // Of bits_.
  std::vector<bool> bits_;     // ints_ when they lie close together.
  std::vector<double> reals_;
  std::vector<std::string> texts_;  // Sorted by length, then bytes.
};

}  // namespace slip::contract
