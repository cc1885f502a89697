#include "engine/expr/type.h"

#include "base/text.h"

namespace slip::engine::expr {
namespace {

struct Alias {
  std::string_view name;
  ValueType type;
};

constexpr Alias kAliases[] = {
    {"bool", kBoolType},           {"boolean", kBoolType},
    {"int64", kIntType},           {"int", kIntType},
    {"integer", kIntType},         {"bigint", kIntType},
    {"double", kDoubleType},       {"float", kDoubleType},
    {"float64", kDoubleType},      {"real", kDoubleType},
    {"string", kTextType},         {"text", kTextType},
    {"varchar", kTextType},        {"bytes", kBytesType},
    {"timestamp", kTimestampType}, {"timestamptz", kTimestampType},
    {"interval", kIntervalType},
};

}  // namespace

std::string type_text(const ValueType& type) {
  if (type.null) return "null";
  if (type.interval) return "interval";
  if (type.type == Type::kList) return concat({"list<", type_name(type.item), ">"});
  return std::string(type_name(type.type));
}

Result<ValueType> parse_type(std::string_view name) {
  for (const Alias& a : kAliases)
    if (iequals(a.name, name)) return a.type;
  return invalid("expr.type", concat({"there is no type '", name, "'"}))
      .with_hint("bool, int64, double, string, bytes, timestamp, interval");
}

}  // namespace slip::engine::expr
