#include "wire/kserve1/values.h"

#include <cmath>
#include <cstring>
#include <limits>

#include "base/text.h"

namespace slip::wire::kserve1 {
namespace {

using codec::Json;
using serving::DataType;
using serving::Tensor;
using serving::TensorSpec;

Error bad(std::string text) { return invalid("predict.body", std::move(text)); }

Error bad_value(const TensorSpec& spec, const Json& value) {
  return invalid("predict.value",
                 concat({"input `", spec.name, "`: ", codec::to_json(value).substr(0, 80),
                         " is no ", serving::data_type_name(spec.type)}));
}

// ---- one value

template <class T>
void append(Tensor* t, T value) {
  char raw[sizeof(T)];
  std::memcpy(raw, &value, sizeof(T));
  t->data.append(raw, sizeof(T));
}

template <class T>
Status put_integer(const TensorSpec& spec, const Json& value, Tensor* t) {
  if (!value.is_int() || !std::in_range<T>(value.as_int())) return bad_value(spec, value);
  append(t, static_cast<T>(value.as_int()));
  return {};
}

template <class T>
Status put_real(const TensorSpec& spec, const Json& value, Tensor* t) {
  if (value.is_number()) {
    append(t, static_cast<T>(value.as_double()));
    return {};
  }
  const std::optional<double> number =
      value.is_string() ? parse_double(value.as_string()) : std::nullopt;  // "NaN", "Infinity"
  if (!number || std::isfinite(*number)) return bad_value(spec, value);
  append(t, static_cast<T>(*number));
  return {};
}

Status put_bytes(const TensorSpec& spec, const Json& value, Tensor* t) {
  if (value.is_string()) {
    t->strings.push_back(value.as_string());
    return {};
  }
  const Json* b64 = value.find("b64");
  const bool alone = b64 != nullptr && b64->is_string() && value.members().size() == 1;
  std::optional<std::string> bytes = alone ? from_base64(b64->as_string()) : std::nullopt;
  if (!bytes) return bad_value(spec, value);
  t->strings.push_back(std::move(*bytes));
  return {};
}

Status put_value(const TensorSpec& spec, const Json& value, Tensor* t) {
  switch (spec.type) {
    case DataType::kBool:
      if (!value.is_bool()) return bad_value(spec, value);
      append<uint8_t>(t, value.as_bool() ? 1 : 0);
      return {};
    case DataType::kUint8:
      return put_integer<uint8_t>(spec, value, t);
    case DataType::kUint16:
      return put_integer<uint16_t>(spec, value, t);
    case DataType::kUint32:
      return put_integer<uint32_t>(spec, value, t);
    case DataType::kUint64:
      return put_integer<uint64_t>(spec, value, t);
    case DataType::kInt8:
      return put_integer<int8_t>(spec, value, t);
    case DataType::kInt16:
      return put_integer<int16_t>(spec, value, t);
    case DataType::kInt32:
      return put_integer<int32_t>(spec, value, t);
    case DataType::kInt64:
      return put_integer<int64_t>(spec, value, t);
    case DataType::kFp32:
      return put_real<float>(spec, value, t);
    case DataType::kFp64:
      return put_real<double>(spec, value, t);
    case DataType::kBytes:
      return put_bytes(spec, value, t);
    case DataType::kFp16:
    case DataType::kBf16:
      break;
  }
  return unsupported("predict.datatype",
                     concat({"input `", spec.name, "`: ", serving::data_type_name(spec.type),
                             " has no JSON form"}));
}

// ---- tensors in

Error ragged(const TensorSpec& spec) {
  return invalid("predict.shape", concat({"input `", spec.name, "` is not rectangular"}));
}

Status put_nested(const TensorSpec& spec, const Json& value, size_t depth, Tensor* t) {
  if (!value.is_array()) {
    if (depth != t->shape.size()) return ragged(spec);
    return put_value(spec, value, t);
  }
  if (depth >= t->shape.size() || t->shape[depth] != static_cast<int64_t>(value.items().size()))
    return ragged(spec);
  for (const Json& item : value.items()) TRY(put_nested(spec, item, depth + 1, t));
  return {};
}

Status append_shape_of(const TensorSpec& spec, const Json& value, Tensor* t) {
  for (const Json* v = &value; v->is_array(); v = &v->items().front()) {
    t->shape.push_back(static_cast<int64_t>(v->items().size()));
    if (t->shape.size() > serving::kTensorRankMax) return ragged(spec);
    if (v->items().empty()) break;
  }
  return {};
}

Tensor tensor_for(const TensorSpec& spec) {
  Tensor t;
  t.name = spec.name;
  t.type = spec.type;
  return t;
}

// A list of values for a model that wants a column of them.
void fit_rank(const TensorSpec& spec, Tensor* t) {
  const bool column = !spec.shape.empty() && (spec.shape.back() == 1 || spec.shape.back() < 0);
  if (t->shape.size() + 1 == spec.shape.size() && column) t->shape.push_back(1);
}

Result<Tensor> from_whole(const TensorSpec& spec, const Json& value) {
  Tensor t = tensor_for(spec);
  TRY(append_shape_of(spec, value, &t));
  TRY(put_nested(spec, value, 0, &t));
  fit_rank(spec, &t);
  return t;
}

Result<Tensor> from_rows(const TensorSpec& spec, const std::vector<const Json*>& rows) {
  Tensor t = tensor_for(spec);
  t.shape = {static_cast<int64_t>(rows.size())};
  if (!rows.empty()) TRY(append_shape_of(spec, *rows.front(), &t));
  for (const Json* row : rows) TRY(put_nested(spec, *row, 1, &t));
  fit_rank(spec, &t);
  return t;
}

bool is_named(const Json& instance) {
  return instance.is_object() && instance.find("b64") == nullptr;
}

Result<std::vector<Tensor>> from_instances(const Json& instances,
                                           const serving::Signature& signature) {
  if (!instances.is_array()) return bad("`instances` must be a list");
  std::vector<Tensor> out;
  for (const TensorSpec& spec : signature.inputs) {
    std::vector<const Json*> rows;
    rows.reserve(instances.items().size());
    for (const Json& instance : instances.items()) {
      const Json* value = is_named(instance) ? instance.find(spec.name) : &instance;
      if (!is_named(instance) && signature.inputs.size() != 1)
        return bad("the model has several inputs: each of `instances` must name them");
      if (value == nullptr)
        return bad(concat({"one of `instances` lacks the input `", spec.name, "`"}));
      if (is_named(instance) && instance.members().size() != signature.inputs.size())
        return bad("one of `instances` names other inputs than the model has");
      rows.push_back(value);
    }
    out.push_back(TRY(from_rows(spec, rows)));
  }
  return out;
}

Result<std::vector<Tensor>> from_columns(const Json& inputs, const serving::Signature& signature) {
  const bool named = is_named(inputs);
  if (!named && signature.inputs.size() != 1)
    return bad("the model has several inputs: `inputs` must name them");
  if (named && inputs.members().size() != signature.inputs.size())
    return bad("`inputs` names other inputs than the model has");
  std::vector<Tensor> out;
  for (const TensorSpec& spec : signature.inputs) {
    const Json* value = named ? inputs.find(spec.name) : &inputs;
    if (value == nullptr) return bad(concat({"`inputs` lacks `", spec.name, "`"}));
    out.push_back(TRY(from_whole(spec, *value)));
  }
  return out;
}

// ---- tensors out

Json text_or_b64(const Tensor& t, const std::string& bytes) {
  if (!t.name.ends_with("_bytes") && is_utf8(bytes)) return bytes;
  return Json::object({{"b64", to_base64(bytes)}});
}

Json element(const Tensor& t, int64_t index) {
  const auto at = static_cast<size_t>(index);
  switch (t.type) {
    case DataType::kBytes:
      return text_or_b64(t, t.strings[at]);
    case DataType::kBool:
      return t.data[at] != 0;
    case DataType::kFp32:
      // The shortest text of the float, not of the double that it widens to.
      return parse_double(format_float(static_cast<float>(t.number(index)))).value_or(0);
    case DataType::kInt64:
    case DataType::kUint64: {
      int64_t exact = 0;
      std::memcpy(&exact, t.data.data() + at * sizeof exact, sizeof exact);
      if (t.type == DataType::kUint64 && exact < 0) return t.number(index);  // Beyond 2^63.
      return exact;
    }
    default:
      if (serving::is_real(t.type)) return t.number(index);
      return static_cast<int64_t>(t.number(index));
  }
}

Json nested(const Tensor& t, size_t depth, int64_t* index) {
  if (depth >= t.shape.size()) return element(t, (*index)++);
  Json list = Json::array();
  for (int64_t i = 0; i < t.shape[depth]; ++i) list.push(nested(t, depth + 1, index));
  return list;
}

Json whole(const Tensor& t) {
  int64_t index = 0;
  return nested(t, 0, &index);
}

Json row_of(const Tensor& t, int64_t row) {
  int64_t index = t.rows() == 0 ? 0 : row * (t.elements() / t.rows());
  return nested(t, 1, &index);
}

Result<Json> rows_of(const std::vector<Tensor>& outputs) {
  Json out = Json::array();
  const int64_t rows = outputs.empty() ? 0 : outputs.front().rows();
  for (const Tensor& t : outputs)
    if (t.shape.empty() || t.rows() != rows)
      return invalid("predict.shape", concat({"output `", t.name,
                                              "` has no row for each instance; ask by `inputs`"}));
  for (int64_t r = 0; r < rows; ++r) {
    if (outputs.size() == 1) {
      out.push(row_of(outputs.front(), r));
      continue;
    }
    Json record = Json::object();
    for (const Tensor& t : outputs) record.set(t.name, row_of(t, r));
    out.push(std::move(record));
  }
  return out;
}

}  // namespace

Result<Ask> parse_predict(const Json& body, const serving::Signature& signature) {
  if (!body.is_object()) return bad("the body must be a JSON object");
  const Json* instances = body.find("instances");
  const Json* inputs = body.find("inputs");
  if ((instances == nullptr) == (inputs == nullptr))
    return bad("Expected exactly one of \"instances\" and \"inputs\" in the request");
  Ask out;
  out.form = instances != nullptr ? Form::kRows : Form::kColumns;
  out.inputs = instances != nullptr ? TRY(from_instances(*instances, signature))
                                    : TRY(from_columns(*inputs, signature));
  return out;
}

Result<Json> format_predict(Form form, const std::vector<Tensor>& outputs) {
  if (form == Form::kRows) {
    Json rows = TRY(rows_of(outputs));
    return Json::object({{"predictions", std::move(rows)}});
  }
  if (outputs.size() == 1) return Json::object({{"outputs", whole(outputs.front())}});
  Json named = Json::object();
  for (const Tensor& t : outputs) named.set(t.name, whole(t));
  return Json::object({{"outputs", std::move(named)}});
}

Result<std::vector<Tensor>> parse_examples(const Json& body, const serving::Signature& signature) {
  const Json* examples = body.find("examples");
  const Json* context = body.find("context");
  if (examples == nullptr || !examples->is_array()) return bad("`examples` must be a list");
  std::vector<Tensor> out;
  for (const TensorSpec& spec : signature.inputs) {
    std::vector<const Json*> rows;
    for (const Json& example : examples->items()) {
      const Json* value = example.find(spec.name);
      if (value == nullptr && context != nullptr) value = context->find(spec.name);
      if (value == nullptr) return bad(concat({"an example lacks `", spec.name, "`"}));
      rows.push_back(value);
    }
    out.push_back(TRY(from_rows(spec, rows)));
  }
  return out;
}

Result<Json> format_classes(const std::vector<Tensor>& outputs, const serving::Arm& arm) {
  for (const Tensor& t : outputs) {
    if (!serving::is_real(t.type) || t.shape.size() != 2 || t.shape[1] < 2) continue;
    const std::vector<std::string>* labels = nullptr;
    if (arm.config)
      if (const auto found = arm.config->labels.find(t.name); found != arm.config->labels.end())
        labels = &found->second;
    Json results = Json::array();
    for (int64_t r = 0; r < t.shape[0]; ++r) {
      Json row = Json::array();
      for (int64_t c = 0; c < t.shape[1]; ++c) {
        const auto at = static_cast<size_t>(c);
        const bool known = labels != nullptr && at < labels->size();
        Json pair = Json::array();
        pair.push(known ? (*labels)[at] : std::to_string(c));
        pair.push(element(t, r * t.shape[1] + c));
        row.push(std::move(pair));
      }
      results.push(std::move(row));
    }
    return Json::object({{"results", std::move(results)}});
  }
  return unsupported("predict.not_a_classifier", "the model answers no scores of classes");
}

Result<Json> format_values(const std::vector<Tensor>& outputs) {
  for (const Tensor& t : outputs) {
    const bool one_each = t.shape.size() == 1 || (t.shape.size() == 2 && t.shape[1] == 1);
    if (t.type == DataType::kBytes || !one_each) continue;
    Json results = Json::array();
    for (int64_t i = 0; i < t.elements(); ++i) results.push(element(t, i));
    return Json::object({{"results", std::move(results)}});
  }
  return unsupported("predict.not_a_regression", "the model answers no single number a row");
}

}  // namespace slip::wire::kserve1
