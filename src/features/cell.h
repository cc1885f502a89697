#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/result.h"
#include "codec/json.h"
#include "codec/table.h"
#include "engine/column/column.h"
#include "engine/expr/type.h"
#include "engine/window/kernel.h"

// One value of a feature or of a source's column, and the types they are declared with. A declared
// type says more than the engines' (int32 is an int64 within bounds, float32 a double that a float
// holds), because clients read it back. Values; pure; any thread.
//
// Errors: kInvalid `feature.type` (no such type), `feature.value` (doesn't fit).
namespace slip::features {

using Cell = std::variant<std::monostate, bool, int64_t, double, std::string, std::vector<int64_t>,
                          std::vector<double>, std::vector<std::string>>;
inline bool is_null(const Cell& cell) { return cell.index() == 0; }

struct FeatureType {
  engine::Type type = engine::Type::kInt64;
  engine::Type item = engine::Type::kInt64;  // kList: of what.
  bool narrow = false;                       // int32, float32 (of a list: its items).
  bool flags = false;                        // list<bool>: items of 0 and 1.

  bool operator==(const FeatureType&) const = default;
  std::string text() const;  // "int32", "float64", "list<float32>", …
  engine::expr::ValueType expr() const { return {.type = type, .item = item}; }
};
// bool, int32, int64, float32, float64, string, bytes, timestamp, list<of one of them>; also int,
// integer, float, double, text and Feast's "Float32", "Int64", "UnixTimestamp", "Array(Float32)".
Result<FeatureType> parse_feature_type(std::string_view text);

struct FeatureField {
  std::string name;
  FeatureType type;
  bool operator==(const FeatureField&) const = default;
};

// The same value as `type` holds it: an integer becomes a double where one is wanted, an integral
// double an int64, a float32 is rounded once.
Result<Cell> fit(Cell cell, const FeatureType& type);
// Times as ISO 8601 text (without an offset: UTC) or whole microseconds; NaN as "NaN".
Result<Cell> cell_of_json(const codec::Json& json, const FeatureType& type);
codec::Json json_of_cell(const Cell& cell, const FeatureType& type);
// Microseconds of "2026-11-23T05:53:00.123456+01:00", also with a blank for the T, without an
// offset, or a date alone. kInvalid `feature.time`.
Result<int64_t> parse_time_us(std::string_view text);
std::string time_text(int64_t us);  // RFC 3339 with 0, 3 or 6 places, "Z".

// Columns.
engine::Values values_for(const FeatureType& type);
void add_cell(engine::Values* values, const Cell& cell);  // Of the column's type.
Cell cell_at(const engine::Column& column, int64_t row);
window::Datum datum_of(const Cell& cell);

// A column of a file as the declared type. Lists lie there as JSON text; whole numbers are text
// where that is declared.
Result<Cell> cell_of_column(const codec::Column& column, int64_t row, const FeatureType& type);
codec::ColumnType column_type_of(const FeatureType& type);
void add_to_column(codec::Column* column, const Cell& cell, const FeatureType& type);
FeatureType type_of_column(codec::ColumnType type);

}  // namespace slip::features
