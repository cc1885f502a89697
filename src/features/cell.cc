#include "features/cell.h"

#include <cmath>
#include <limits>

#include "base/check.h"
#include "base/text.h"
#include "engine/expr/civil.h"

namespace slip::features {
namespace {

using codec::Json;
using engine::Type;

struct TypeName {
  std::string_view name;
  Type type;
  bool narrow;
};
// The first name of a type is the one that is printed.
constexpr TypeName kTypeNames[] = {
    {"bool", Type::kBool, false},
    {"boolean", Type::kBool, false},
    {"int32", Type::kInt64, true},
    {"int64", Type::kInt64, false},
    {"int", Type::kInt64, false},
    {"integer", Type::kInt64, false},
    {"bigint", Type::kInt64, false},
    {"float32", Type::kDouble, true},
    {"float64", Type::kDouble, false},
    {"float", Type::kDouble, false},
    {"double", Type::kDouble, false},
    {"string", Type::kText, false},
    {"text", Type::kText, false},
    {"bytes", Type::kBytes, false},
    {"timestamp", Type::kTimestampUs, false},
    {"unixtimestamp", Type::kTimestampUs, false},
};

const TypeName* find_type(std::string_view text) {
  const std::string wanted = lower(trim(text));
  for (const TypeName& t : kTypeNames)
    if (t.name == wanted) return &t;
  return nullptr;
}

Error bad_value(const FeatureType& type, std::string_view what) {
  return invalid("feature.value",
                 concat({"a value of type ", type.text(), " is wanted, not ", what}));
}

std::string_view kind_of(const Cell& cell) {
  constexpr std::string_view kKinds[] = {"null",
                                         "a bool",
                                         "an integer",
                                         "a float",
                                         "text",
                                         "a list of integers",
                                         "a list of floats",
                                         "a list of texts"};
  return kKinds[cell.index()];
}

bool narrow_int(int64_t v) {
  return v >= std::numeric_limits<int32_t>::min() && v <= std::numeric_limits<int32_t>::max();
}

double narrow_real(double v, bool narrow) {
  return narrow ? static_cast<double>(static_cast<float>(v)) : v;
}

bool integral(double v) { return v >= -0x1p63 && v < 0x1p63 && v == std::trunc(v); }

Result<Cell> fit_int(const Cell& cell, const FeatureType& type) {
  int64_t v = 0;
  if (const auto* i = std::get_if<int64_t>(&cell)) {
    v = *i;
  } else if (const auto* b = std::get_if<bool>(&cell)) {
    v = *b ? 1 : 0;
  } else if (const auto* d = std::get_if<double>(&cell); d && integral(*d)) {
    v = static_cast<int64_t>(*d);
  } else {
    return bad_value(type, kind_of(cell));
  }
  if (type.narrow && !narrow_int(v)) return bad_value(type, std::to_string(v));
  return Cell(v);
}

Result<Cell> fit_real(const Cell& cell, const FeatureType& type) {
  if (const auto* d = std::get_if<double>(&cell)) return Cell(narrow_real(*d, type.narrow));
  if (const auto* i = std::get_if<int64_t>(&cell))
    return Cell(narrow_real(static_cast<double>(*i), type.narrow));
  return bad_value(type, kind_of(cell));
}

Result<Cell> fit_bool(const Cell& cell, const FeatureType& type) {
  if (std::holds_alternative<bool>(cell)) return cell;
  if (const auto* i = std::get_if<int64_t>(&cell); i && (*i == 0 || *i == 1)) return Cell(*i == 1);
  return bad_value(type, kind_of(cell));
}

Result<Cell> fit_list(Cell cell, const FeatureType& type) {
  if (type.item == Type::kDouble) {
    std::vector<double> out;
    if (const auto* ints = std::get_if<std::vector<int64_t>>(&cell)) {
      out.assign(ints->begin(), ints->end());
    } else if (auto* reals = std::get_if<std::vector<double>>(&cell)) {
      out = std::move(*reals);
    } else {
      return bad_value(type, kind_of(cell));
    }
    for (double& v : out) v = narrow_real(v, type.narrow);
    return Cell(std::move(out));
  }
  if (type.item == Type::kText) {
    if (std::holds_alternative<std::vector<std::string>>(cell)) return cell;
    // An empty list has items of no type.
    if (const auto* none = std::get_if<std::vector<int64_t>>(&cell); none && none->empty())
      return Cell(std::vector<std::string>());
    return bad_value(type, kind_of(cell));
  }
  if (const auto* ints = std::get_if<std::vector<int64_t>>(&cell)) {
    for (const int64_t v : *ints) {
      if (type.narrow && !narrow_int(v)) return bad_value(type, std::to_string(v));
      if (type.flags && v != 0 && v != 1) return bad_value(type, std::to_string(v));
    }
    return cell;
  }
  return bad_value(type, kind_of(cell));
}

Result<Cell> list_of_json(const Json& json, const FeatureType& type) {
  const FeatureType item{.type = type.flags ? Type::kBool : type.item, .narrow = type.narrow};
  std::vector<int64_t> ints;
  std::vector<double> reals;
  std::vector<std::string> texts;
  for (const Json& one : json.items()) {
    const Cell cell = TRY(cell_of_json(one, item));
    if (is_null(cell)) return bad_value(type, "a list with a null in it");
    if (const auto* b = std::get_if<bool>(&cell)) ints.push_back(*b ? 1 : 0);
    if (const auto* i = std::get_if<int64_t>(&cell)) ints.push_back(*i);
    if (const auto* d = std::get_if<double>(&cell)) reals.push_back(*d);
    if (const auto* s = std::get_if<std::string>(&cell)) texts.push_back(*s);
  }
  if (type.item == Type::kDouble) return Cell(std::move(reals));
  if (type.item == Type::kText || type.item == Type::kBytes) return Cell(std::move(texts));
  return Cell(std::move(ints));
}

Result<Cell> text_of_json(const Json& json, const FeatureType& type) {
  if (type.type == Type::kTimestampUs) return Cell(TRY(parse_time_us(json.as_string())));
  if (type.type == Type::kDouble) {
    const std::optional<double> v = parse_double(json.as_string());
    if (v && !std::isfinite(*v)) return Cell(*v);
    return bad_value(type, "text");
  }
  if (type.type == Type::kBytes) {
    std::optional<std::string> bytes = from_base64(json.as_string());
    if (!bytes) return bad_value(type, "text that isn't base64");
    return Cell(std::move(*bytes));
  }
  if (type.type == Type::kText) return Cell(json.as_string());
  if (type.type == Type::kList) {  // Some clients send what is nested as text.
    const Result<Json> inner = codec::parse_json(json.as_string(), codec::NonFinite::kToken);
    if (inner.ok() && inner->is_array()) return list_of_json(*inner, type);
  }
  return bad_value(type, "text");
}

// ---- times

struct Digits {
  std::string_view rest;

  std::optional<int64_t> take(size_t n) {
    if (rest.size() < n) return std::nullopt;
    int64_t v = 0;
    for (size_t i = 0; i < n; ++i) {
      if (rest[i] < '0' || rest[i] > '9') return std::nullopt;
      v = v * 10 + (rest[i] - '0');
    }
    rest.remove_prefix(n);
    return v;
  }
  bool skip(std::string_view any) {
    if (rest.empty() || any.find(rest.front()) == any.npos) return false;
    rest.remove_prefix(1);
    return true;
  }
};

std::optional<int64_t> take_fraction(Digits& in) {
  int64_t us = 0;
  int64_t scale = 100'000;
  bool any = false;
  while (!in.rest.empty() && in.rest.front() >= '0' && in.rest.front() <= '9') {
    us += (in.rest.front() - '0') * scale;
    scale /= 10;
    any = true;
    in.rest.remove_prefix(1);
  }
  return any ? std::optional(us) : std::nullopt;
}

std::optional<int64_t> take_offset_us(Digits& in) {
  if (in.rest.empty() || in.skip("Zz")) return 0;
  const bool west = in.rest.front() == '-';
  if (!in.skip("+-")) return std::nullopt;
  const auto h = in.take(2);
  in.skip(":");
  const auto m = in.rest.empty() ? std::optional<int64_t>(0) : in.take(2);
  if (!h || !m || *h > 18 || *m > 59) return std::nullopt;
  const int64_t us = (*h * 60 + *m) * 60'000'000;
  return west ? -us : us;
}

std::optional<int64_t> take_clock_us(Digits& in) {
  if (in.rest.empty()) return 0;
  if (!in.skip("Tt ")) return std::nullopt;
  const auto h = in.take(2);
  if (!h || !in.skip(":")) return std::nullopt;
  const auto m = in.take(2);
  std::optional<int64_t> s = 0;
  std::optional<int64_t> us = 0;
  if (in.skip(":")) s = in.take(2);
  if (s && in.skip(".,")) us = take_fraction(in);
  if (!m || !s || !us || *h > 23 || *m > 59 || *s > 59) return std::nullopt;
  return ((*h * 60 + *m) * 60 + *s) * 1'000'000 + *us;
}

std::string pad(int64_t v, size_t width) {
  std::string out = std::to_string(v);
  return out.size() < width ? std::string(width - out.size(), '0') + out : out;
}

}  // namespace

std::string FeatureType::text() const {
  if (type == Type::kList) {
    const FeatureType one{.type = flags ? Type::kBool : item, .narrow = narrow};
    return concat({"list<", one.text(), ">"});
  }
  for (const TypeName& t : kTypeNames)
    if (t.type == type && t.narrow == narrow) return std::string(t.name);
  return "";
}

Result<FeatureType> parse_feature_type(std::string_view text) {
  const std::string whole = lower(trim(text));
  std::string_view inner;
  for (const std::string_view open : {"list<", "array(", "array<", "list["})
    if (whole.starts_with(open) && whole.size() > open.size() + 1)
      inner = std::string_view(whole).substr(open.size(), whole.size() - open.size() - 1);
  const TypeName* found = find_type(inner.empty() ? std::string_view(whole) : inner);
  if (found == nullptr)
    return invalid("feature.type", concat({"'", text, "' is no type"}))
        .with_hint("bool, int32, int64, float32, float64, string, bytes, timestamp, list<…>");
  if (inner.empty()) return FeatureType{.type = found->type, .narrow = found->narrow};
  FeatureType out{.type = Type::kList, .item = found->type, .narrow = found->narrow};
  if (found->type == Type::kBool) {
    out.item = Type::kInt64;
    out.flags = true;
  }
  if (found->type == Type::kTimestampUs) out.item = Type::kInt64;
  if (found->type == Type::kBytes) out.item = Type::kText;
  return out;
}

Result<Cell> fit(Cell cell, const FeatureType& type) {
  if (is_null(cell)) return cell;
  switch (type.type) {
    case Type::kBool:
      return fit_bool(cell, type);
    case Type::kInt64:
    case Type::kTimestampUs:
      return fit_int(cell, type);
    case Type::kDouble:
      return fit_real(cell, type);
    case Type::kText:
      if (const auto* s = std::get_if<std::string>(&cell); s && is_utf8(*s)) return cell;
      return bad_value(type, std::holds_alternative<std::string>(cell) ? "bytes that aren't UTF-8"
                                                                       : kind_of(cell));
    case Type::kBytes:
      if (std::holds_alternative<std::string>(cell)) return cell;
      return bad_value(type, kind_of(cell));
    case Type::kList:
      return fit_list(std::move(cell), type);
  }
  return bad_value(type, kind_of(cell));
}

Result<Cell> cell_of_json(const Json& json, const FeatureType& type) {
  switch (json.kind()) {
    case Json::Kind::kNull:
      return Cell();
    case Json::Kind::kBool:
      return fit(Cell(json.as_bool()), type);
    case Json::Kind::kInt:
      return fit(Cell(json.as_int()), type);
    case Json::Kind::kDouble:
      return fit(Cell(json.as_double()), type);
    case Json::Kind::kString:
      return text_of_json(json, type);
    case Json::Kind::kArray:
      if (type.type == Type::kList) return list_of_json(json, type);
      return bad_value(type, "a list");
    case Json::Kind::kObject:
      if (type.type == Type::kText) return Cell(codec::to_json(json));
      return bad_value(type, "an object");
  }
  return bad_value(type, "that");
}

Json json_of_cell(const Cell& cell, const FeatureType& type) {
  if (const auto* b = std::get_if<bool>(&cell)) return *b;
  if (const auto* i = std::get_if<int64_t>(&cell)) {
    if (type.type == Type::kTimestampUs) return time_text(*i);
    return *i;
  }
  if (const auto* d = std::get_if<double>(&cell)) return *d;
  if (const auto* s = std::get_if<std::string>(&cell))
    return type.type == Type::kBytes ? to_base64(*s) : *s;
  Json list = Json::array();
  if (const auto* v = std::get_if<std::vector<int64_t>>(&cell)) {
    for (const int64_t one : *v) list.push(type.flags ? Json(one != 0) : Json(one));
    return list;
  }
  if (const auto* v = std::get_if<std::vector<double>>(&cell)) {
    for (const double one : *v) list.push(one);
    return list;
  }
  if (const auto* v = std::get_if<std::vector<std::string>>(&cell)) {
    for (const std::string& one : *v) list.push(one);
    return list;
  }
  return nullptr;
}

Result<int64_t> parse_time_us(std::string_view text) {
  Digits in{trim(text)};
  const auto bad = [&] {
    return invalid("feature.time", concat({"'", text, "' is no time (RFC 3339)"}));
  };
  const auto y = in.take(4);
  if (!y || !in.skip("-")) return bad();
  const auto m = in.take(2);
  if (!m || *m < 1 || *m > 12 || !in.skip("-")) return bad();
  const auto d = in.take(2);
  if (!d || *d < 1 || *d > engine::expr::days_in_month(*y, static_cast<int>(*m))) return bad();
  const auto clock = take_clock_us(in);
  if (!clock) return bad();
  const auto offset = take_offset_us(in);
  if (!offset || !in.rest.empty()) return bad();
  return engine::expr::days_from_civil({*y, static_cast<int>(*m), static_cast<int>(*d)}) *
             engine::expr::kDayUs +
         *clock - *offset;
}

std::string time_text(int64_t us) {
  int64_t ms = us / 1000;
  int64_t rest = us % 1000;
  if (rest < 0) {
    rest += 1000;
    --ms;
  }
  std::string out = format_time_ms(ms);  // Three places, "Z".
  if (rest != 0) {
    out.pop_back();
    return concat({out, pad(rest, 3), "Z"});
  }
  if (out.ends_with(".000Z")) return out.substr(0, out.size() - 5) + "Z";
  return out;
}

engine::Values values_for(const FeatureType& type) { return engine::Values(type.type, type.item); }

void add_cell(engine::Values* values, const Cell& cell) {
  if (is_null(cell)) return values->add_null();
  switch (values->type()) {
    case Type::kBool:
      return values->add_bool(std::get<bool>(cell));
    case Type::kInt64:
    case Type::kTimestampUs:
      return values->add_i64(std::get<int64_t>(cell));
    case Type::kDouble:
      return values->add_f64(std::get<double>(cell));
    case Type::kText:
    case Type::kBytes:
      return values->add_text(std::get<std::string>(cell));
    case Type::kList:
      break;
  }
  if (const auto* v = std::get_if<std::vector<int64_t>>(&cell)) values->items().add_i64s(*v);
  if (const auto* v = std::get_if<std::vector<double>>(&cell)) values->items().add_f64s(*v);
  if (const auto* v = std::get_if<std::vector<std::string>>(&cell))
    for (const std::string& one : *v) values->items().add_text(one);
  values->end_list();
}

Cell cell_at(const engine::Column& column, int64_t row) {
  if (column.is_null(row)) return {};
  switch (column.type) {
    case Type::kBool:
      return column.boolean(row);
    case Type::kInt64:
    case Type::kTimestampUs:
      return column.i64(row);
    case Type::kDouble:
      return column.f64(row);
    case Type::kText:
    case Type::kBytes:
      return std::string(column.text(row));
    case Type::kList:
      break;
  }
  const engine::Column& items = *column.child;
  const int32_t from = column.offsets[row];
  const int32_t to = column.offsets[row + 1];
  if (items.type == Type::kDouble) {
    const auto* data = static_cast<const double*>(items.data);
    return std::vector<double>(data + from, data + to);
  }
  if (items.type == Type::kText || items.type == Type::kBytes) {
    std::vector<std::string> out;
    for (int32_t i = from; i < to; ++i) out.emplace_back(items.text(i));
    return out;
  }
  const auto* data = static_cast<const int64_t*>(items.data);
  return std::vector<int64_t>(data + from, data + to);
}

window::Datum datum_of(const Cell& cell) {
  if (const auto* b = std::get_if<bool>(&cell)) return *b;
  if (const auto* i = std::get_if<int64_t>(&cell)) return *i;
  if (const auto* d = std::get_if<double>(&cell)) return *d;
  if (const auto* s = std::get_if<std::string>(&cell)) return *s;
  if (const auto* v = std::get_if<std::vector<double>>(&cell)) return *v;
  if (const auto* v = std::get_if<std::vector<int64_t>>(&cell))
    return std::vector<double>(v->begin(), v->end());
  return {};
}

Result<Cell> cell_of_column(const codec::Column& column, int64_t row, const FeatureType& type) {
  if (column.is_null(row)) return Cell();
  switch (column.type) {
    case codec::ColumnType::kBool:
      return fit(Cell(column.boolean(row)), type);
    case codec::ColumnType::kInt64:
      // A number that is declared as text (an identifier): its digits.
      if (type.type == Type::kText) {
        std::string digits;
        codec::append_json_int(&digits, column.i64(row));
        return fit(Cell(std::move(digits)), type);
      }
      return fit(Cell(column.i64(row)), type);
    case codec::ColumnType::kTimestampUs:
      return fit(Cell(column.i64(row)), type);
    case codec::ColumnType::kDouble:
      return fit(Cell(column.f64(row)), type);
    case codec::ColumnType::kText:
      if (type.type == Type::kText || type.type == Type::kBytes)
        return fit(Cell(std::string(column.text(row))), type);
      return text_of_json(Json(column.text(row)), type);
    case codec::ColumnType::kBytes:
      return fit(Cell(std::string(column.text(row))), type);
  }
  return bad_value(type, "that");
}

codec::ColumnType column_type_of(const FeatureType& type) {
  switch (type.type) {
    case Type::kBool:
      return codec::ColumnType::kBool;
    case Type::kInt64:
      return codec::ColumnType::kInt64;
    case Type::kTimestampUs:
      return codec::ColumnType::kTimestampUs;
    case Type::kDouble:
      return codec::ColumnType::kDouble;
    case Type::kBytes:
      return codec::ColumnType::kBytes;
    case Type::kText:
    case Type::kList:
      break;
  }
  return codec::ColumnType::kText;
}

void add_to_column(codec::Column* column, const Cell& cell, const FeatureType& type) {
  if (is_null(cell)) return column->add_null();
  if (type.type == Type::kList) {
    const Json list = json_of_cell(cell, type);
    return column->add_text(codec::to_json(list, 0, codec::NonFinite::kToken));
  }
  if (const auto* b = std::get_if<bool>(&cell)) return column->add_bool(*b);
  if (const auto* i = std::get_if<int64_t>(&cell)) return column->add_i64(*i);
  if (const auto* d = std::get_if<double>(&cell)) return column->add_f64(*d);
  column->add_text(std::get<std::string>(cell));
}

FeatureType type_of_column(codec::ColumnType type) {
  switch (type) {
    case codec::ColumnType::kBool:
      return {.type = Type::kBool};
    case codec::ColumnType::kInt64:
      return {.type = Type::kInt64};
    case codec::ColumnType::kDouble:
      return {.type = Type::kDouble};
    case codec::ColumnType::kText:
      return {.type = Type::kText};
    case codec::ColumnType::kBytes:
      return {.type = Type::kBytes};
    case codec::ColumnType::kTimestampUs:
      return {.type = Type::kTimestampUs};
  }
  return {};
}

}  // namespace slip::features
