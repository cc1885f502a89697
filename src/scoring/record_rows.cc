#include "scoring/record_rows.h"

#include <cmath>

#include "base/text.h"

namespace slip::scoring {
namespace {

using codec::ColumnType;
using codec::Json;

// Whether the column can hold it; null: only numbers with a missing value.
Status check(const codec::Field& field, const Json* value) {
  if (value == nullptr || value->is_null()) {
    if (field.type == ColumnType::kDouble) return {};
    return invalid("record.column", concat({"there is no `", field.name, "`"}));
  }
  const auto is_whole = [](double d) { return std::abs(d) < 0x1p53 && d == std::floor(d); };
  const bool whole = value->is_int() || (value->is_number() && is_whole(value->as_double()));
  const bool fits = field.type == ColumnType::kText     ? value->is_string()
                    : field.type == ColumnType::kBool   ? value->is_bool()
                    : field.type == ColumnType::kDouble ? value->is_number()
                                                        : whole;
  if (fits) return {};
  return invalid("record.value", concat({"`", field.name, "` isn't ", field.type_name}));
}

void put(codec::Column* column, const Json* value) {
  if (value == nullptr || value->is_null()) return column->add_null();
  switch (column->type) {
    case ColumnType::kText:
      return column->add_text(value->as_string());
    case ColumnType::kBool:
      return column->add_bool(value->as_bool());
    case ColumnType::kDouble:
      return column->add_f64(value->as_double());
    default:
      column->add_i64(value->is_int() ? value->as_int() : static_cast<int64_t>(value->as_double()));
  }
}

}  // namespace

Result<RecordRows> RecordRows::make(const serving::Signature& signature) {
  std::vector<codec::Field> schema;
  std::vector<std::string> columns;
  bool list = false;
  for (const serving::TensorSpec& spec : signature.inputs) {
    const ColumnType type = serving::column_type_of(spec.type);
    const bool wide = serving::is_wide(spec);
    if (spec.shape.empty() || spec.shape.size() > 2 || (wide && signature.inputs.size() > 1))
      return unsupported("record.inputs", concat({"a record has no form for input `", spec.name,
                                                  "`, which takes more than a value a row"}));
    if (!wide) {
      schema.push_back(codec::make_field(spec.name, type));
      continue;
    }
    columns = spec.columns;
    list = columns.empty();
    if (list && spec.shape[1] < 0)
      return unsupported("record.inputs",
                         concat({"input `", spec.name, "` takes rows of any length"}));
    for (int64_t i = 0; list && i < spec.shape[1]; ++i) columns.push_back(std::to_string(i));
    for (const std::string& name : columns) schema.push_back(codec::make_field(name, type));
  }
  serving::RowMapper mapper = TRY(serving::RowMapper::make(signature, schema, columns));
  RecordRows out(std::move(mapper), std::move(schema));
  out.list_ = list;
  return out;
}

Status RecordRows::add(const Json& record) {
  const std::vector<codec::Field>& schema = table_.schema;
  if (list_ ? !record.is_array() : !record.is_object())
    return invalid("record.json", list_ ? "a list of numbers is wanted" : "an object is wanted");
  if (list_ && record.items().size() != schema.size())
    return invalid("record.json", concat({std::to_string(schema.size()), " numbers are wanted"}));
  std::vector<const Json*> values;
  for (size_t i = 0; i < schema.size(); ++i) {
    values.push_back(list_ ? &record.items()[i] : record.find(schema[i].name));
    TRY(check(schema[i], values.back()));
  }
  for (size_t i = 0; i < values.size(); ++i) put(&table_.columns[i], values[i]);
  ++table_.rows;
  return {};
}

Result<std::vector<serving::Tensor>> RecordRows::take() {
  codec::Table taken = codec::make_table(table_.schema);
  std::swap(taken, table_);
  return mapper_.tensors(taken);
}

}  // namespace slip::scoring
