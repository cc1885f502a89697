#include <array>
#include <bit>
#include <cstdint>
#include <memory>
#include <vector>

#include "base/text.h"
#include "engine/expr/expr.h"
#include "rt/said.h"

// Expressions of the C library. Columns are checked against their lengths before they are read.

struct slipway_rt_transform {
  slip::engine::expr::Program program;
};

struct slipway_rt_values {
  slip::engine::Values values;
  slipway_rt_column column;
  slipway_rt_column items;
};

namespace slip::rt {
namespace {

using engine::Column;
using engine::Type;
using engine::expr::ValueType;

constexpr size_t kColumnsMax = 4096;
constexpr int64_t kRowsMax = int64_t{1} << 40;

Result<Type> type_of(slipway_rt_type type, std::string_view name) {
  constexpr std::array kTypes = {Type::kBool,  Type::kInt64,       Type::kDouble, Type::kText,
                                 Type::kBytes, Type::kTimestampUs, Type::kList};
  const auto at = static_cast<size_t>(static_cast<uint32_t>(type));
  if (at >= kTypes.size())
    return invalid("rt.type", concat({"column '", name, "' has no type that is known"}));
  return kTypes[at];
}
slipway_rt_type type_of(Type type) { return static_cast<slipway_rt_type>(type); }

Result<ValueType> value_type(const slipway_rt_column& c) {
  ValueType out;
  out.type = TRY(type_of(c.type, c.name));
  if (out.type != Type::kList) return out;
  out.item = TRY(type_of(c.item_type, c.name));
  if (out.item == Type::kList)
    return invalid("rt.type", concat({"column '", c.name, "': lists don't nest"}));
  return out;
}

Result<std::unique_ptr<slipway_rt_transform>> compile(std::string_view text,
                                                      std::span<const slipway_rt_column> columns,
                                                      const slipway_rt_zones* zones) {
  engine::expr::Schema schema;
  for (const slipway_rt_column& c : columns) {
    if (c.name == nullptr) return missing("the name of a column").error();
    const ValueType type = TRY(value_type(c));
    schema.push_back({c.name, type});
  }
  engine::expr::ZoneSource source;
  if (zones != nullptr && zones->bytes != nullptr) {
    source.version = zones->release == nullptr ? "" : zones->release;
    source.bytes = [zones](std::string_view name) -> Result<std::string> {
      const void* bytes = nullptr;
      size_t size = 0;
      const std::string text_of(name);
      if (zones->bytes(zones->user, text_of.c_str(), &bytes, &size) != 0 || bytes == nullptr)
        return not_found("zone.not_found", concat({"no time zone '", name, "'"}));
      return std::string(static_cast<const char*>(bytes), size);
    };
  }
  engine::expr::CompileOptions options;
  if (source.bytes) options.zones = &source;
  return std::make_unique<slipway_rt_transform>(
      slipway_rt_transform{TRY(engine::expr::compile(text, schema, options))});
}

// ---- columns

Error bad_column(const char* name, std::string_view what) {
  return invalid("rt.column", concat({"column '", name, "' ", what}));
}

// Offsets rise, and end within `limit`.
Status check_offsets(const slipway_rt_column& c, const char* name, int64_t rows, size_t limit) {
  if (c.offsets == nullptr) return bad_column(name, "has no offsets");
  if (c.offsets[0] < 0) return bad_column(name, "begins before its bytes");
  for (int64_t i = 0; i < rows; ++i)
    if (c.offsets[i + 1] < c.offsets[i]) return bad_column(name, "has offsets that fall");
  if (static_cast<size_t>(c.offsets[rows]) > limit)
    return bad_column(name, "ends behind its bytes");
  return {};
}

Status check_column(const slipway_rt_column& c, const char* name, Type type, int64_t rows) {
  if (c.rows < rows)
    return bad_column(
        name, concat({"has ", std::to_string(c.rows), " rows, wanted are ", std::to_string(rows)}));
  if (type == Type::kList) return {};
  const auto n = static_cast<uint64_t>(rows);
  if (type == Type::kText || type == Type::kBytes) {
    TRY(check_offsets(c, name, rows, c.data_bytes));
    return c.data == nullptr && c.offsets[rows] > 0 ? Status(bad_column(name, "has no data"))
                                                    : Status();
  }
  if (rows > 0 && c.data == nullptr) return bad_column(name, "has no data");
  const uint64_t wanted = type == Type::kBool ? (n + 7) / 8 : n * 8;
  if (c.data_bytes < wanted)
    return bad_column(name, concat({"has ", std::to_string(c.data_bytes), " bytes, wanted are ",
                                    std::to_string(wanted)}));
  if (type != Type::kBool && std::bit_cast<uintptr_t>(c.data) % 8 != 0)
    return bad_column(name, "is not aligned to 8 bytes");
  return {};
}

Column column_of(const slipway_rt_column& c, Type type, int64_t rows) {
  Column out;
  out.type = type;
  out.n = rows;
  out.validity = c.validity;
  out.offsets = c.offsets;
  out.data = c.data;
  return out;
}

// The columns that a program reads, checked; lists point into `items`.
class Gathered {
 public:
  explicit Gathered(const std::vector<engine::expr::Field>& inputs) : inputs_(inputs) {
    columns_.reserve(inputs.size());
    items_.reserve(inputs.size());
  }

  Status gather(std::span<const slipway_rt_column> given, int64_t rows) {
    for (const engine::expr::Field& f : inputs_) TRY(add(f, given, rows));
    return {};
  }
  std::span<const Column> columns() const { return columns_; }

 private:
  Status add(const engine::expr::Field& f, std::span<const slipway_rt_column> given, int64_t rows) {
    const slipway_rt_column* found = nullptr;
    for (const slipway_rt_column& c : given)
      if (c.name != nullptr && f.name == c.name) found = &c;
    if (found == nullptr)
      return invalid("rt.column", concat({"there is no column '", f.name, "'"}));
    if (TRY(value_type(*found)) != f.type)
      return bad_column(found->name, concat({"isn't a ", engine::expr::type_text(f.type)}));
    TRY(check_column(*found, found->name, f.type.type, rows));
    columns_.push_back(column_of(*found, f.type.type, rows));
    if (f.type.type != Type::kList) return {};
    if (found->items == nullptr) return bad_column(found->name, "has no items");
    const slipway_rt_column& items = *found->items;
    if (items.rows < 0 || items.rows > kRowsMax) return bad_column(found->name, "has no items");
    TRY(check_offsets(*found, found->name, rows, static_cast<size_t>(items.rows)));
    TRY(check_column(items, found->name, f.type.item, items.rows));
    items_.push_back(column_of(items, f.type.item, items.rows));
    columns_.back().data = nullptr;
    columns_.back().child = &items_.back();
    return {};
  }

  const std::vector<engine::expr::Field>& inputs_;
  std::vector<Column> columns_;
  std::vector<Column> items_;
};

void describe(const Column& from, slipway_rt_column* out) {
  out->name = "";
  out->type = type_of(from.type);
  out->item_type = SLIPWAY_RT_BOOL;
  out->rows = from.n;
  out->validity = from.validity;
  out->offsets = from.offsets;
  out->data = from.data;
  out->items = nullptr;
  const auto n = static_cast<size_t>(from.n);
  if (from.type == Type::kText || from.type == Type::kBytes)
    out->data_bytes = static_cast<size_t>(from.offsets[n]);
  else if (from.type == Type::kList)
    out->data_bytes = 0;
  else
    out->data_bytes = from.type == Type::kBool ? (n + 7) / 8 : n * 8;
}

Result<std::unique_ptr<slipway_rt_values>> evaluate(const slipway_rt_transform& transform,
                                                    std::span<const slipway_rt_column> given,
                                                    int64_t rows) {
  if (rows < 0 || rows > kRowsMax) return invalid("rt.shape", "a number of rows that can't be");
  Gathered gathered(transform.program.inputs());
  TRY(gathered.gather(given, rows));
  engine::expr::Evaluator evaluator(transform.program);
  engine::Values values = evaluator.make_output();
  TRY(evaluator.evaluate(gathered.columns(), rows, &values));
  auto out = std::make_unique<slipway_rt_values>(slipway_rt_values{std::move(values), {}, {}});
  const Column view = out->values.view();
  describe(view, &out->column);
  if (view.type == Type::kList) {
    describe(*view.child, &out->items);
    out->column.item_type = out->items.type;
    out->column.items = &out->items;
  }
  return out;
}

}  // namespace
}  // namespace slip::rt

extern "C" {

using slip::Status;
using slip::rt::enter;
using slip::rt::missing;

slipway_rt_status slipway_rt_transform_compile(const char* text, const slipway_rt_column* schema,
                                               size_t columns, const slipway_rt_zones* zones,
                                               slipway_rt_transform** out) {
  return enter([&]() -> Status {
    if (out == nullptr) return missing("out");
    if (text == nullptr) return missing("text");
    if (schema == nullptr && columns > 0) return missing("schema");
    if (columns > slip::rt::kColumnsMax)
      return slip::exhausted("rt.shape", "more columns than an expression may name");
    *out = TRY(slip::rt::compile(text, {schema, columns}, zones)).release();
    return {};
  });
}
void slipway_rt_transform_free(slipway_rt_transform* transform) {
  const std::unique_ptr<slipway_rt_transform> last(transform);
}
size_t slipway_rt_transform_inputs(const slipway_rt_transform* transform) {
  return transform == nullptr ? 0 : transform->program.inputs().size();
}
const char* slipway_rt_transform_input_name(const slipway_rt_transform* transform, size_t index) {
  if (index >= slipway_rt_transform_inputs(transform)) return "";
  return transform->program.inputs()[index].name.c_str();
}
slipway_rt_type slipway_rt_transform_input_type(const slipway_rt_transform* transform,
                                                size_t index) {
  if (index >= slipway_rt_transform_inputs(transform)) return SLIPWAY_RT_BOOL;
  return slip::rt::type_of(transform->program.inputs()[index].type.type);
}
slipway_rt_type slipway_rt_transform_output_type(const slipway_rt_transform* transform) {
  if (transform == nullptr) return SLIPWAY_RT_BOOL;
  return slip::rt::type_of(transform->program.output_type().type);
}
const char* slipway_rt_transform_hash(const slipway_rt_transform* transform) {
  return transform == nullptr ? "" : transform->program.hash().c_str();
}

slipway_rt_status slipway_rt_evaluate(const slipway_rt_transform* transform,
                                      const slipway_rt_column* values, size_t columns, int64_t rows,
                                      slipway_rt_values** out) {
  return enter([&]() -> Status {
    if (out == nullptr) return missing("out");
    if (transform == nullptr) return missing("transform");
    if (values == nullptr && columns > 0) return missing("values");
    *out = TRY(slip::rt::evaluate(*transform, {values, columns}, rows)).release();
    return {};
  });
}
void slipway_rt_values_free(slipway_rt_values* values) {
  const std::unique_ptr<slipway_rt_values> last(values);
}
slipway_rt_status slipway_rt_values_column(const slipway_rt_values* values,
                                           slipway_rt_column* out) {
  return enter([&]() -> Status {
    if (values == nullptr) return missing("values");
    if (out == nullptr) return missing("out");
    *out = values->column;
    return {};
  });
}

}  // extern "C"
