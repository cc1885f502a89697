#include "serving/table_rows.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <optional>

#include "base/text.h"

namespace slip::serving {
namespace {

using codec::Column;
using codec::ColumnType;
using codec::Field;

bool is_number(const Field& f) {
  return f.readable && (f.type == ColumnType::kBool || f.type == ColumnType::kInt64 ||
                        f.type == ColumnType::kDouble);
}

const Field* field_of(const std::vector<Field>& schema, std::string_view name) {
  const auto at = std::ranges::find(schema, name, &Field::name);
  return at == schema.end() ? nullptr : &*at;
}

Error bad_column(std::string_view column, std::string_view what) {
  return invalid("rows.column_type", concat({"column '", column, "' ", what}));
}

Status check_column(const std::vector<Field>& schema, const TensorSpec& spec,
                    std::string_view name) {
  const Field* f = field_of(schema, name);
  if (f == nullptr) return invalid("rows.columns", concat({"there is no column '", name, "'"}));
  const bool text = f->type == ColumnType::kText || f->type == ColumnType::kBytes;
  if (f->readable && (spec.type == DataType::kBytes ? text : is_number(*f))) return {};
  return bad_column(name, concat({"is ", f->type_name, ", and input `", spec.name, "` takes ",
                                  data_type_name(spec.type)}));
}

// ---- into tensors

// One column on its way into rows of `width` values, as the `k`th of them.
struct Lane {
  const Column& from;
  std::string_view name;
  const TensorSpec& spec;
  size_t width;
  size_t k;

  size_t at(int64_t row) const { return static_cast<size_t>(row) * width + k; }
  Error bad_value(int64_t row) const {
    return invalid("rows.value", concat({"row ", std::to_string(row + 1), ", column '", name,
                                         "': the value doesn't fit ", data_type_name(spec.type)}));
  }
};

double number_of(const Column& c, int64_t i) {
  switch (c.type) {
    case ColumnType::kDouble:
      return c.f64(i);
    case ColumnType::kBool:
      return c.boolean(i) ? 1 : 0;
    default:
      return static_cast<double>(c.i64(i));
  }
}

template <class T>
Status put_reals(const Lane& lane, char* out) {
  const Column& c = lane.from;
  for (int64_t i = 0; i < c.n; ++i) {
    const T v =
        c.is_null(i) ? std::numeric_limits<T>::quiet_NaN() : static_cast<T>(number_of(c, i));
    std::memcpy(out + lane.at(i) * sizeof(T), &v, sizeof(T));
  }
  return {};
}

// The common case, without a look at each value's type.
Status put_floats(const Lane& lane, char* out) {
  const Column& c = lane.from;
  if (c.type != ColumnType::kDouble || c.nulls > 0) return put_reals<float>(lane, out);
  const uint8_t* in = c.data.data();
  for (int64_t i = 0; i < c.n; ++i) {
    double v = 0;
    std::memcpy(&v, in + static_cast<size_t>(i) * sizeof v, sizeof v);
    const auto f = static_cast<float>(v);
    std::memcpy(out + lane.at(i) * sizeof f, &f, sizeof f);
  }
  return {};
}

template <class T>
std::optional<T> integer_of(const Column& c, int64_t i) {
  if (c.is_null(i)) return std::nullopt;
  if (c.type == ColumnType::kBool) return static_cast<T>(c.boolean(i) ? 1 : 0);
  int64_t whole = 0;
  if (c.type == ColumnType::kDouble) {
    const double d = c.f64(i);
    // 2^63 is a double, the greatest int64 isn't. NaN fails too.
    if (!(d == std::floor(d) && std::abs(d) < 0x1p63)) return std::nullopt;
    whole = static_cast<int64_t>(d);
  } else {
    whole = c.i64(i);
  }
  if (!std::in_range<T>(whole)) return std::nullopt;
  return static_cast<T>(whole);
}

template <class T>
Status put_integers(const Lane& lane, char* out) {
  for (int64_t i = 0; i < lane.from.n; ++i) {
    const std::optional<T> v = integer_of<T>(lane.from, i);
    if (!v) return lane.bad_value(i);
    std::memcpy(out + lane.at(i) * sizeof(T), &*v, sizeof(T));
  }
  return {};
}

Status put_bools(const Lane& lane, char* out) {
  for (int64_t i = 0; i < lane.from.n; ++i) {
    const double d = lane.from.is_null(i) ? 2 : number_of(lane.from, i);
    if (d != 0 && d != 1) return lane.bad_value(i);
    out[lane.at(i)] = d == 1 ? 1 : 0;
  }
  return {};
}

Status put_texts(const Lane& lane, Tensor* t) {
  for (int64_t i = 0; i < lane.from.n; ++i) {
    if (lane.from.is_null(i)) return lane.bad_value(i);
    t->strings[lane.at(i)] = std::string(lane.from.text(i));
  }
  return {};
}

Status put_column(const Lane& lane, Tensor* t) {
  char* out = t->data.data();
  switch (lane.spec.type) {
    case DataType::kFp32:
      return put_floats(lane, out);
    case DataType::kFp64:
      return put_reals<double>(lane, out);
    case DataType::kBool:
      return put_bools(lane, out);
    case DataType::kUint8:
      return put_integers<uint8_t>(lane, out);
    case DataType::kUint16:
      return put_integers<uint16_t>(lane, out);
    case DataType::kUint32:
      return put_integers<uint32_t>(lane, out);
    case DataType::kUint64:
      return put_integers<uint64_t>(lane, out);
    case DataType::kInt8:
      return put_integers<int8_t>(lane, out);
    case DataType::kInt16:
      return put_integers<int16_t>(lane, out);
    case DataType::kInt32:
      return put_integers<int32_t>(lane, out);
    case DataType::kInt64:
      return put_integers<int64_t>(lane, out);
    case DataType::kBytes:
      return put_texts(lane, t);
    case DataType::kFp16:
    case DataType::kBf16:
      break;
  }
  return unsupported("rows.column_type",
                     concat({"input `", lane.spec.name, "` is ", data_type_name(lane.spec.type)}));
}

// ---- out of tensors

// Values a row, however many rows there are.
int64_t width_of(const Tensor& t) {
  int64_t n = 1;
  for (size_t i = 1; i < t.shape.size(); ++i) n *= t.shape[i];
  return n;
}

void add(const Tensor& t, int64_t index, Column* to) {
  switch (to->type) {
    case ColumnType::kText:
      return to->add_text(t.strings[static_cast<size_t>(index)]);
    case ColumnType::kBool:
      return to->add_bool(t.data[static_cast<size_t>(index)] != 0);
    case ColumnType::kDouble:
      return to->add_f64(t.number(index));
    default:
      break;
  }
  to->add_i64(t.integer(index));
}

}  // namespace

bool is_wide(const TensorSpec& spec) { return spec.shape.size() == 2 && spec.shape[1] != 1; }

ColumnType column_type_of(DataType type) {
  if (type == DataType::kBytes) return ColumnType::kText;
  if (type == DataType::kBool) return ColumnType::kBool;
  return is_real(type) ? ColumnType::kDouble : ColumnType::kInt64;
}

Result<RowMapper> RowMapper::make(const Signature& signature, const std::vector<Field>& schema,
                                  const std::vector<std::string>& columns) {
  RowMapper out;
  const bool one_wide = signature.inputs.size() == 1 && is_wide(signature.inputs.front());
  if (!one_wide && !columns.empty())
    return invalid("rows.columns", "the model's inputs have names: columns can't be given");
  for (const TensorSpec& spec : signature.inputs) {
    Input input{spec, {}};
    if (one_wide) {
      input.columns = columns.empty() ? spec.columns : columns;
      if (input.columns.empty())
        for (const Field& f : schema)
          if (is_number(f)) input.columns.push_back(f.name);
      if (spec.shape[1] >= 0 && input.columns.size() != static_cast<size_t>(spec.shape[1]))
        return invalid("rows.columns",
                       concat({"the model takes ", std::to_string(spec.shape[1]),
                               " columns, and there are ", std::to_string(input.columns.size())}))
            .with_hint("say which they are, in the model's order");
    } else if (spec.shape.size() <= 2 && !is_wide(spec)) {
      const bool only = signature.inputs.size() == 1 && schema.size() == 1;
      input.columns = {only ? schema.front().name : spec.name};
    } else {
      return unsupported("rows.columns", concat({"input `", spec.name,
                                                 "` takes more than one value a row, beside "
                                                 "others"}));
    }
    for (const std::string& name : input.columns) TRY(check_column(schema, spec, name));
    out.inputs_.push_back(std::move(input));
  }
  return out;
}

std::vector<std::string> RowMapper::reads() const {
  std::vector<std::string> out;
  for (const Input& input : inputs_)
    out.insert(out.end(), input.columns.begin(), input.columns.end());
  std::ranges::sort(out);
  out.erase(std::ranges::unique(out).begin(), out.end());
  return out;
}

Result<std::vector<Tensor>> RowMapper::tensors(const codec::Table& batch) const {
  std::vector<Tensor> out;
  for (const Input& input : inputs_) {
    Tensor t;
    t.name = input.spec.name;
    t.type = input.spec.type;
    t.shape = {batch.rows};
    const size_t width = input.columns.size();
    if (input.spec.shape.size() == 2) t.shape.push_back(static_cast<int64_t>(width));
    TRY(make_room(&t));
    for (size_t k = 0; k < width; ++k)
      TRY(put_column({*batch.find(input.columns[k]), input.columns[k], input.spec, width, k}, &t));
    out.push_back(std::move(t));
  }
  return out;
}

Result<codec::Table> output_table(const std::vector<Tensor>& outputs, int64_t rows) {
  std::vector<Field> schema;
  for (const Tensor& t : outputs) {
    if (t.shape.empty() || t.rows() != rows)
      return invalid("rows.output", concat({"output `", t.name, "` hasn't one row for each of ",
                                            std::to_string(rows)}));
    const int64_t width = width_of(t);
    const bool one = t.shape.size() == 1 || (t.shape.size() == 2 && t.shape[1] == 1);
    for (int64_t k = 0; k < width; ++k)
      schema.push_back(codec::make_field(one ? t.name : concat({t.name, "_", std::to_string(k)}),
                                         column_type_of(t.type)));
  }
  codec::Table out = codec::make_table(std::move(schema));
  out.rows = rows;
  size_t at = 0;
  for (const Tensor& t : outputs) {
    const int64_t width = width_of(t);
    for (int64_t k = 0; k < width; ++k, ++at)
      for (int64_t r = 0; r < rows; ++r) add(t, r * width + k, &out.columns[at]);
  }
  return out;
}

}  // namespace slip::serving
