#include "wire/oip/generate.h"

#include <cstring>

#include "base/text.h"
#include "codec/json.h"
#include "wire/oip/infer_json.h"
#include "wire/oip/parameters.h"
#include "wire/oip/raw_tensor.h"

namespace slip::wire::oip {
namespace {

using codec::Json;
using serving::DataType;
using serving::Tensor;
using serving::TensorSpec;

Error mismatch(const TensorSpec& spec, std::string_view is, std::string_view wanted) {
  return invalid("tensor.value", concat({"input '", spec.name, "': attempt to access JSON non-", is,
                                         " as ", wanted}));
}

template <class T>
void put(Tensor* t, T value) {
  char raw[sizeof(T)];
  std::memcpy(raw, &value, sizeof(T));
  t->data.append(raw, sizeof(T));
}

template <class T>
Status put_integer(const TensorSpec& spec, const Json& value, Tensor* t) {
  constexpr std::string_view kKind = std::is_signed_v<T> ? "signed-integer" : "unsigned-integer";
  if (!value.is_int()) return mismatch(spec, kKind, kKind);
  if (!std::in_range<T>(value.as_int()))
    return invalid("tensor.value", concat({"input '", spec.name, "': a value does not fit ",
                                           serving::data_type_name(spec.type)}));
  put(t, static_cast<T>(value.as_int()));
  return {};
}

Status put_value(const TensorSpec& spec, const Json& value, Tensor* t) {
  switch (spec.type) {
    case DataType::kBool:
      if (!value.is_bool()) return mismatch(spec, "boolean", "boolean");
      put<uint8_t>(t, value.as_bool() ? 1 : 0);
      return {};
    case DataType::kBytes:
      if (!value.is_string()) return mismatch(spec, "string", "string");
      t->strings.push_back(value.as_string());
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
    case DataType::kFp64:
      if (!value.is_number()) return mismatch(spec, "number", "double");
      if (spec.type == DataType::kFp32)
        put(t, static_cast<float>(value.as_double()));
      else
        put(t, value.as_double());
      return {};
    case DataType::kFp16:
    case DataType::kBf16:
      break;
  }
  return invalid("tensor.datatype",
                 concat({"input '", spec.name, "': ", serving::data_type_name(spec.type),
                         " has no JSON form"}));
}

Error no_shape(const TensorSpec& spec) {
  return invalid("tensor.shape", concat({"The schema can not convert input '", spec.name,
                                         "' to tensor with proper shape"}));
}

// One request of a batch; what is open takes as many values as there are.
Status shape_for(const TensorSpec& spec, bool batched, int64_t values, Tensor* t) {
  t->shape = spec.shape;
  const bool has_rows = batched && !t->shape.empty();
  if (has_rows) t->shape[0] = 1;
  int64_t fixed = 1;
  int64_t* open = nullptr;
  for (int64_t& d : t->shape) {
    if (d >= 0) {
      if (d > 0 && fixed > serving::kTensorElementsMax / d) return no_shape(spec);
      fixed *= d;
    } else if (open == nullptr) {
      open = &d;
    } else if (values == 1) {
      d = 1;
    } else {
      return no_shape(spec);
    }
  }
  if (open == nullptr && has_rows && t->shape.size() == 1) open = t->shape.data();
  if (open == nullptr) return fixed == values ? Status() : Status(no_shape(spec));
  if (fixed == 0 || values % fixed != 0) return no_shape(spec);
  *open = values / fixed;
  return {};
}

Result<Tensor> input_from(const TensorSpec& spec, bool batched, const Json& value) {
  Tensor t;
  t.name = spec.name;
  t.type = spec.type;
  int64_t values = 1;
  if (value.is_array()) {
    values = static_cast<int64_t>(value.items().size());
    for (const Json& item : value.items()) TRY(put_value(spec, item, &t));
  } else {
    TRY(put_value(spec, value, &t));
  }
  TRY(shape_for(spec, batched, values, &t));
  return t;
}

std::optional<Parameter> parameter_from(const Json& value) {
  switch (value.kind()) {
    case Json::Kind::kBool:
      return value.as_bool();
    case Json::Kind::kInt:
      return value.as_int();
    case Json::Kind::kDouble:
      return value.as_double();
    case Json::Kind::kString:
      return value.as_string();
    default:
      return std::nullopt;
  }
}

class Reader {
 public:
  explicit Reader(const serving::Signature& signature) : signature_(signature) {}

  Result<InferRequest> read(const Json& body) {
    for (const auto& [name, value] : body.members()) {
      if (name == "id" && signature_.input(name) == nullptr) {
        if (!value.is_string())
          return invalid("infer.shape_of_request",
                         "attempt to access JSON non-string as string: 'id'");
        request_.id = value.as_string();
      } else if (name == "parameters") {
        TRY(read_nested(value));
      } else {
        TRY(read_member(name, value, ""));
      }
    }
    return std::move(request_);
  }

 private:
  Status read_nested(const Json& value) {
    if (!value.is_object())
      return invalid("infer.shape_of_request", "Expected JSON object for keyword: 'parameters'");
    for (const auto& [name, inner] : value.members())
      TRY(read_member(name, inner, "Converting keyword: 'parameters': "));
    return {};
  }

  Status read_member(const std::string& name, const Json& value, std::string_view where) {
    if (const TensorSpec* spec = signature_.input(name)) {
      for (const Tensor& t : request_.inputs)
        if (t.name == name)
          return invalid("tensor.duplicate",
                         concat({"input '", name, "' already exists in request"}));
      request_.inputs.push_back(TRY(input_from(*spec, signature_.max_batch > 0, value)));
      return {};
    }
    std::optional<Parameter> parameter = parameter_from(value);
    if (!parameter)
      return invalid("infer.parameter",
                     concat({where, "parameter '", name, "' has invalid type. ",
                             "It should be either 'int', 'bool', or ", "'string'."}));
    return take_request_parameter(name, std::move(*parameter), &request_);
  }

  const serving::Signature& signature_;
  InferRequest request_;
};

}  // namespace

bool is_infer_body(std::string_view body) {
  const Result<Json> root = codec::parse_json(body, codec::NonFinite::kToken);
  if (!root.ok()) return false;
  const Json* inputs = root->find("inputs");
  return inputs != nullptr && inputs->is_array() && !inputs->items().empty() &&
         inputs->items().front().is_object();
}

Result<InferRequest> parse_generate(std::string_view body, const serving::Signature& signature) {
  Result<Json> root = codec::parse_json(body, codec::NonFinite::kToken);
  if (!root.ok() && root.error().reason == "json.duplicate_key") {
    const std::string& text = root.error().text;
    const size_t open = text.find('\'');
    const size_t close = text.find('\'', open + 1);
    if (open != text.npos && close != text.npos)
      return invalid("tensor.duplicate", concat({"input ", text.substr(open, close - open + 1),
                                                 " already exists in request"}));
  }
  if (!root.ok()) return std::move(root).error();
  if (!root->is_object()) return invalid("infer.shape_of_request", "the body must be an object");
  return Reader(signature).read(*root);
}

Result<std::string> format_generate(const InferReply& reply, bool with_id,
                                    const std::vector<ReplyOutput>& outputs) {
  std::string out = "{";
  if (with_id) {
    out.append("\"id\":");
    codec::append_json_string(&out, reply.id);
    out.push_back(',');
  }
  out.append("\"model_name\":");
  codec::append_json_string(&out, reply.model_name);
  out.append(",\"model_version\":");
  codec::append_json_string(&out, reply.model_version);
  for (const ReplyOutput& output : outputs) {
    out.push_back(',');
    codec::append_json_string(&out, output.tensor.name);
    out.push_back(':');
    const bool list = output.tensor.elements() != 1;
    if (list) out.push_back('[');
    TRY(append_values(&out, output.tensor));
    if (list) out.push_back(']');
  }
  out.push_back('}');
  return out;
}

}  // namespace slip::wire::oip
