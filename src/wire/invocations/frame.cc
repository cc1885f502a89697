#include "wire/invocations/frame.h"

#include <cmath>
#include <cstring>
#include <limits>

#include "base/text.h"
#include "wire/invocations/invocations.h"

namespace slip::wire::invocations {
namespace {

using codec::Json;
using serving::DataType;
using serving::Tensor;
using serving::TensorSpec;

Error bad(std::string text) { return invalid("invocations.body", std::move(text)); }

constexpr const char* kOneField =
    "The input must be a JSON dictionary with exactly one of the input fields "
    "{'dataframe_split', 'dataframe_records', 'instances', 'inputs'}";

Result<Frame> from_split(const Json& split) {
  const Json* columns = split.find("columns");
  const Json* data = split.find("data");
  if (data == nullptr || !data->is_array()) return bad("dataframe_split lacks its `data`");
  Frame frame;
  if (columns != nullptr && columns->is_array())
    for (const Json& c : columns->items())
      frame.columns.push_back(c.is_string() ? c.as_string() : codec::to_json(c));
  else if (!data->items().empty() && data->items().front().is_array())
    for (size_t i = 0; i < data->items().front().items().size(); ++i)
      frame.columns.push_back(std::to_string(i));
  frame.values.resize(frame.columns.size());
  for (const Json& row : data->items()) {
    if (!row.is_array() || row.items().size() != frame.columns.size())
      return bad("row " + std::to_string(frame.rows) + " does not have one value a column");
    for (size_t c = 0; c < frame.columns.size(); ++c) frame.values[c].push_back(row.items()[c]);
    if (++frame.rows > kRowsMax) return bad("the table has too many rows");
  }
  return frame;
}

Result<Frame> from_records(const Json& records) {
  if (!records.is_array()) return bad("dataframe_records must be a list of objects");
  Frame frame;
  for (const Json& record : records.items()) {
    if (!record.is_object()) return bad("dataframe_records must be a list of objects");
    if (frame.rows == 0)
      for (const auto& [name, value] : record.members()) frame.columns.push_back(name);
    frame.values.resize(frame.columns.size());
    if (record.members().size() != frame.columns.size())
      return bad("record " + std::to_string(frame.rows) + " has other fields than the first");
    for (size_t c = 0; c < frame.columns.size(); ++c) {
      const Json* value = record.find(frame.columns[c]);
      if (value == nullptr)
        return bad(
            concat({"record ", std::to_string(frame.rows), " lacks `", frame.columns[c], "`"}));
      frame.values[c].push_back(*value);
    }
    if (++frame.rows > kRowsMax) return bad("the table has too many rows");
  }
  return frame;
}

bool is_list_of_objects(const Json& value) {
  return value.is_array() && !value.items().empty() && value.items().front().is_object();
}

// One line of CSV at a time is not enough: quoted fields may hold line breaks.
struct CsvScanner {
  std::string_view text;
  size_t at = 0;

  bool done() const { return at >= text.size(); }
  // One field; `last` when it ends its record.
  Result<std::string> field(bool* last) {
    std::string out;
    bool quoted = false;
    if (at < text.size() && text[at] == '"') {
      quoted = true;
      ++at;
      for (;; ++at) {
        if (at >= text.size()) return bad("a quoted CSV field does not end");
        if (text[at] != '"') {
          out.push_back(text[at]);
        } else if (at + 1 < text.size() && text[at + 1] == '"') {
          out.push_back('"');
          ++at;
        } else {
          ++at;
          break;
        }
      }
    }
    while (at < text.size() && text[at] != ',' && text[at] != '\n' && text[at] != '\r') {
      if (quoted) return bad("text after a quoted CSV field");
      out.push_back(text[at++]);
    }
    *last = at >= text.size() || text[at] != ',';
    if (at < text.size() && text[at] == '\r') ++at;
    if (at < text.size()) ++at;
    return out;
  }
};

Json csv_value(const std::string& text) {
  if (text.empty()) return {};
  if (const std::optional<int64_t> n = parse_int(text)) return *n;
  if (const std::optional<double> d = parse_double(text)) return *d;
  return text;
}

Error bad_value(const TensorSpec& spec, const Json& value) {
  return invalid("invocations.value",
                 concat({"`", spec.name, "`: ", codec::to_json(value).substr(0, 80), " is no ",
                         serving::data_type_name(spec.type)}));
}

template <class T>
void put(Tensor* t, T value) {
  char raw[sizeof(T)];
  std::memcpy(raw, &value, sizeof(T));
  t->data.append(raw, sizeof(T));
}

std::optional<int64_t> whole(const Json& value) {
  if (value.is_int()) return value.as_int();
  if (value.is_bool()) return value.as_bool() ? 1 : 0;
  if (value.is_number() && value.as_double() == std::floor(value.as_double()) &&
      std::abs(value.as_double()) < 9e15)
    return static_cast<int64_t>(value.as_double());  // pandas writes 3.0 for integers beside NaN.
  return std::nullopt;
}

template <class T>
Status put_integer(Tensor* t, const TensorSpec& spec, const Json& value) {
  const std::optional<int64_t> n = whole(value);
  if (!n || !std::in_range<T>(*n)) return bad_value(spec, value);
  put(t, static_cast<T>(*n));
  return {};
}

Status put_bool(Tensor* t, const TensorSpec& spec, const Json& value) {
  const std::optional<int64_t> n = whole(value);
  if (!n || *n < 0 || *n > 1) return bad_value(spec, value);
  put(t, static_cast<uint8_t>(*n));
  return {};
}

template <class T>
Status put_real(Tensor* t, const TensorSpec& spec, const Json& value) {
  if (value.is_number()) return put(t, static_cast<T>(value.as_double())), Status();
  if (value.is_bool()) return put(t, static_cast<T>(value.as_bool() ? 1 : 0)), Status();
  if (value.is_null()) return put(t, std::numeric_limits<T>::quiet_NaN()), Status();
  if (value.is_string())
    if (const std::optional<double> d = parse_double(value.as_string()))
      return put(t, static_cast<T>(*d)), Status();
  return bad_value(spec, value);
}

Status put_value(Tensor* t, const TensorSpec& spec, const Json& value) {
  switch (spec.type) {
    case DataType::kBool:
      return put_bool(t, spec, value);
    case DataType::kUint8:
      return put_integer<uint8_t>(t, spec, value);
    case DataType::kUint16:
      return put_integer<uint16_t>(t, spec, value);
    case DataType::kUint32:
      return put_integer<uint32_t>(t, spec, value);
    case DataType::kUint64:
      return put_integer<uint64_t>(t, spec, value);
    case DataType::kInt8:
      return put_integer<int8_t>(t, spec, value);
    case DataType::kInt16:
      return put_integer<int16_t>(t, spec, value);
    case DataType::kInt32:
      return put_integer<int32_t>(t, spec, value);
    case DataType::kInt64:
      return put_integer<int64_t>(t, spec, value);
    case DataType::kFp32:
      return put_real<float>(t, spec, value);
    case DataType::kFp64:
      return put_real<double>(t, spec, value);
    case DataType::kBytes:
      if (!value.is_string() && !value.is_null()) return bad_value(spec, value);
      t->strings.push_back(value.is_null() ? "" : value.as_string());
      return {};
    case DataType::kFp16:
    case DataType::kBf16:
      break;
  }
  return bad_value(spec, value);
}

Tensor tensor_for(const TensorSpec& spec) {
  Tensor t;
  t.name = spec.name;
  t.type = spec.type;
  return t;
}

// One column as [rows] or [rows, 1], as the model declares it.
Result<Tensor> from_column(const TensorSpec& spec, const Frame& frame, size_t column) {
  Tensor t = tensor_for(spec);
  t.shape = {frame.rows};
  if (spec.shape.size() == 2) t.shape.push_back(1);
  for (const Json& value : frame.values[column]) TRY(put_value(&t, spec, value));
  return t;
}

Result<Tensor> from_columns(const TensorSpec& spec, const Frame& frame,
                            const std::vector<size_t>& order) {
  Tensor t = tensor_for(spec);
  t.shape = {frame.rows, static_cast<int64_t>(order.size())};
  for (int64_t r = 0; r < frame.rows; ++r)
    for (const size_t column : order)
      TRY(put_value(&t, spec, frame.values[column][static_cast<size_t>(r)]));
  return t;
}

std::optional<size_t> column_of(const Frame& frame, std::string_view name) {
  for (size_t c = 0; c < frame.columns.size(); ++c)
    if (frame.columns[c] == name) return c;
  return std::nullopt;
}

// The columns that the model names, in its order; none of them there: the table has no names that
// mean anything, and its columns stand as they are.
Result<std::vector<size_t>> order_of(const TensorSpec& spec, const Frame& frame) {
  std::vector<size_t> out;
  std::vector<std::string> missing;
  for (const std::string& name : spec.columns) {
    const std::optional<size_t> at = column_of(frame, name);
    if (at)
      out.push_back(*at);
    else
      missing.push_back(name);
  }
  if (missing.empty() || missing.size() == spec.columns.size()) return out;
  return invalid("invocations.columns",
                 concat({"Model is missing inputs ['", join(missing, "', '"), "']."}));
}

Result<std::vector<Tensor>> table_to_tensors(const Frame& frame,
                                             const serving::Signature& signature) {
  std::vector<Tensor> out;
  for (const TensorSpec& spec : signature.inputs) {
    const std::optional<size_t> column = column_of(frame, spec.name);
    if (!column) break;
    out.push_back(TRY(from_column(spec, frame, *column)));
  }
  if (out.size() == signature.inputs.size()) return out;
  if (signature.inputs.size() != 1)
    return invalid("invocations.columns", "the table lacks a column for each input of the model");
  const TensorSpec& spec = signature.inputs.front();
  const bool wide =
      spec.shape.size() == 2 &&
      (spec.shape[1] < 0 || frame.columns.size() == static_cast<size_t>(spec.shape[1]));
  std::vector<size_t> order = TRY(order_of(spec, frame));
  if (!order.empty()) return std::vector{TRY(from_columns(spec, frame, order))};
  for (size_t c = 0; c < frame.columns.size(); ++c) order.push_back(c);
  if (wide && order.size() > 1) return std::vector{TRY(from_columns(spec, frame, order))};
  if (frame.columns.size() == 1) return std::vector{TRY(from_column(spec, frame, 0))};
  return invalid("invocations.columns",
                 concat({"the model's only input `", spec.name, "` does not take ",
                         std::to_string(frame.columns.size()), " columns"}));
}

Status put_nested(Tensor* t, const TensorSpec& spec, const Json& value, size_t depth) {
  if (!value.is_array()) {
    if (depth != t->shape.size()) return bad("`" + spec.name + "` is not rectangular");
    return put_value(t, spec, value);
  }
  const auto size = static_cast<int64_t>(value.items().size());
  if (depth >= t->shape.size() || t->shape[depth] != size)
    return bad("`" + spec.name + "` is not rectangular");
  for (const Json& item : value.items()) TRY(put_nested(t, spec, item, depth + 1));
  return {};
}

Result<Tensor> from_nested(const TensorSpec& spec, const Json& value) {
  Tensor t = tensor_for(spec);
  for (const Json* v = &value; v->is_array(); v = &v->items().front()) {
    t.shape.push_back(static_cast<int64_t>(v->items().size()));
    if (v->items().empty() || t.shape.size() > serving::kTensorRankMax) break;
  }
  TRY(put_nested(&t, spec, value, 0));
  // A list of texts for a model that wants a column of them.
  if (t.shape.size() + 1 == spec.shape.size()) t.shape.push_back(1);
  return t;
}

}  // namespace

Result<Input> parse_json_input(std::string_view body) {
  const Json root = TRY(codec::parse_json(body, codec::NonFinite::kToken));
  if (!root.is_object()) return bad(kOneField);
  constexpr std::array<std::string_view, 4> kFields = {"dataframe_split", "dataframe_records",
                                                       "instances", "inputs"};
  std::string_view chosen;
  for (const std::string_view f : kFields) {
    if (root.find(f) == nullptr) continue;
    if (!chosen.empty()) return bad(kOneField);
    chosen = f;
  }
  if (chosen.empty()) return bad(kOneField);
  const Json& value = *root.find(chosen);
  Input input;
  if (chosen == "dataframe_split") {
    input.frame = TRY(from_split(value));
  } else if (chosen == "dataframe_records" || is_list_of_objects(value)) {
    input.frame = TRY(from_records(value));
  } else {
    input.is_table = false;
    input.tensors = value;
  }
  return input;
}

Result<Input> parse_csv_input(std::string_view body) {
  CsvScanner csv{body};
  Input input;
  Frame& frame = input.frame;
  for (bool last = false; !last && !csv.done();) frame.columns.push_back(TRY(csv.field(&last)));
  if (frame.columns.empty()) return bad("the CSV has no header");
  frame.values.resize(frame.columns.size());
  while (!csv.done()) {
    size_t c = 0;
    for (bool last = false; !last; ++c) {
      std::string text = TRY(csv.field(&last));
      if (c < frame.columns.size()) frame.values[c].push_back(csv_value(text));
    }
    if (c != frame.columns.size())
      return bad("CSV row " + std::to_string(frame.rows) + " does not have one value a column");
    if (++frame.rows > kRowsMax) return bad("the table has too many rows");
  }
  return input;
}

Result<std::vector<Tensor>> to_tensors(const Input& input, const serving::Signature& signature) {
  if (input.is_table) return table_to_tensors(input.frame, signature);
  std::vector<Tensor> out;
  for (const TensorSpec& spec : signature.inputs) {
    const Json* value = input.tensors.is_object() ? input.tensors.find(spec.name) : &input.tensors;
    if (value == nullptr || (!input.tensors.is_object() && signature.inputs.size() != 1))
      return invalid("invocations.columns", "`inputs` lacks `" + spec.name + "`");
    out.push_back(TRY(from_nested(spec, *value)));
  }
  return out;
}

}  // namespace slip::wire::invocations
