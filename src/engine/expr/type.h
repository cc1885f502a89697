#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "engine/column/column.h"

// Types of expressions: those of columns, and the interval (microseconds, kept as int64). Schema:
// the names an expression may use. Values; any thread.
namespace slip::engine::expr {

struct ValueType {
  Type type = Type::kInt64;
  Type item = Type::kInt64;  // kList: of what.
  bool interval = false;     // With kInt64.
  bool null = false;         // Of the literal `null` alone, before it takes the type of its place.

  bool operator==(const ValueType&) const = default;
};

inline constexpr ValueType kBoolType{Type::kBool};
inline constexpr ValueType kIntType{Type::kInt64};
inline constexpr ValueType kDoubleType{Type::kDouble};
inline constexpr ValueType kTextType{Type::kText};
inline constexpr ValueType kBytesType{Type::kBytes};
inline constexpr ValueType kTimestampType{Type::kTimestampUs};
inline constexpr ValueType kIntervalType{.type = Type::kInt64, .interval = true};
inline constexpr ValueType kNullType{.type = Type::kInt64, .null = true};
constexpr ValueType list_of(Type item) { return {.type = Type::kList, .item = item}; }

std::string type_text(const ValueType& type);  // "int64", "interval", "list<double>", …
// As in cast(x as T): also int, bigint, float, float64, boolean, text, varchar, …
Result<ValueType> parse_type(std::string_view name);

struct Field {
  std::string name;  // "amount", "request.amount": the parts of a name joined by '.'.
  ValueType type;
};
using Schema = std::vector<Field>;

}  // namespace slip::engine::expr
