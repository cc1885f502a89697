#include "wire/oip/infer_json.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <cstring>
#include <limits>

#include <simdjson.h>

#include "base/text.h"
#include "codec/json.h"

namespace slip::wire::oip {
namespace {

using serving::DataType;
using serving::Tensor;
using simdjson::dom::element;
using simdjson::dom::element_type;

Error bad(std::string text) { return invalid("infer.shape_of_request", std::move(text)); }

// Puts the elements of one tensor where they belong as they come. Room is made once, for what the
// shape announces but never for more than the body can hold; what comes too much is only counted.
class Filler {
 public:
  Filler(Tensor* t, size_t room) : t_(*t), room_(room) {
    if (t->type == DataType::kBytes) return;
    t->data.resize(room * data_type_bytes(t->type));
    at_ = t->data.data();
  }

  // Nested or flat, row-major. The parser has bounded the depth.
  Status put_all(const element& e) {
    simdjson::dom::array items;
    if (e.get_array().get(items)) return put_value(e);
    for (const element item : items) TRY(put_all(item));
    return {};
  }
  size_t count() const { return count_; }

 private:
  Error bad_value() const {
    return invalid("tensor.value", concat({"input `", t_.name, "`: a value does not fit ",
                                           serving::data_type_name(t_.type)}));
  }

  template <class T>
  Status put(T value) {
    if (count_++ >= room_) return {};
    std::memcpy(at_, &value, sizeof(T));
    at_ += sizeof(T);
    return {};
  }

  template <class T>
  Status put_integer(const element& e) {
    if (e.type() == element_type::INT64) {
      const int64_t v = e.get_int64().value_unsafe();
      if (std::in_range<T>(v)) return put(static_cast<T>(v));
    } else if (e.type() == element_type::UINT64) {
      const uint64_t v = e.get_uint64().value_unsafe();
      if (std::in_range<T>(v)) return put(static_cast<T>(v));
    } else if (e.type() == element_type::BOOL) {
      return put(static_cast<T>(e.get_bool().value_unsafe() ? 1 : 0));
    }
    return bad_value();
  }

  template <class T>
  Status put_real(const element& e) {
    double v = 0;
    if (!e.get_double().get(v)) return put(static_cast<T>(v));
    std::string_view text;  // "NaN", "Infinity": what has no JSON number.
    if (!e.get_string().get(text)) {
      const std::optional<double> parsed = parse_double(text);
      if (parsed && !std::isfinite(*parsed)) return put(static_cast<T>(*parsed));
    }
    return bad_value();
  }

  Status put_bool(const element& e) {
    bool v = false;
    if (!e.get_bool().get(v)) return put<uint8_t>(v ? 1 : 0);
    int64_t n = 0;
    if (!e.get_int64().get(n) && (n == 0 || n == 1)) return put(static_cast<uint8_t>(n));
    return bad_value();
  }

  Status put_text(const element& e) {
    std::string_view text;
    if (e.get_string().get(text)) return bad_value();
    if (count_++ < room_) t_.strings.emplace_back(text);
    return {};
  }

  Status put_value(const element& e) {
    switch (t_.type) {
      case DataType::kBool:
        return put_bool(e);
      case DataType::kUint8:
        return put_integer<uint8_t>(e);
      case DataType::kUint16:
        return put_integer<uint16_t>(e);
      case DataType::kUint32:
        return put_integer<uint32_t>(e);
      case DataType::kUint64:
        return put_integer<uint64_t>(e);
      case DataType::kInt8:
        return put_integer<int8_t>(e);
      case DataType::kInt16:
        return put_integer<int16_t>(e);
      case DataType::kInt32:
        return put_integer<int32_t>(e);
      case DataType::kInt64:
        return put_integer<int64_t>(e);
      case DataType::kFp32:
        return put_real<float>(e);
      case DataType::kFp64:
        return put_real<double>(e);
      case DataType::kBytes:
        return put_text(e);
      case DataType::kFp16:
      case DataType::kBf16:
        break;
    }
    return invalid(
        "tensor.datatype",
        concat({"input `", t_.name, "`: ", serving::data_type_name(t_.type), " has no JSON form"}));
  }

  Tensor& t_;
  const size_t room_;
  size_t count_ = 0;
  char* at_ = nullptr;
};

Result<Tensor> parse_tensor(const element& e, size_t body_bytes) {
  simdjson::dom::object object;
  if (e.get_object().get(object)) return bad("each of `inputs` must be an object");
  Tensor t;
  std::string_view name;
  std::string_view type;
  simdjson::dom::array shape;
  element data;
  if (object["name"].get_string().get(name)) return bad("an input lacks its `name`");
  t.name = name;
  if (object["datatype"].get_string().get(type))
    return bad(concat({"input `", name, "` lacks its `datatype`"}));
  const std::optional<DataType> known = serving::parse_data_type(type);
  if (!known)
    return invalid("tensor.datatype",
                   concat({"input `", name, "`: unknown datatype `", type, "`"}));
  t.type = *known;
  if (object["shape"].get_array().get(shape))
    return bad(concat({"input `", name, "` lacks its `shape`"}));
  for (const element d : shape) {
    int64_t size = 0;
    if (d.get_int64().get(size))
      return invalid("tensor.shape", concat({"input `", name, "`: a dimension is no integer"}));
    t.shape.push_back(size);
  }
  const Result<int64_t> elements = serving::count_elements(t.shape);
  if (!elements.ok()) return Error(elements.error()).within(concat({"input `", name, "`"}));
  if (object["data"].get(data)) return bad(concat({"input `", name, "` lacks its `data`"}));
  // An element takes two bytes or more of the body.
  Filler filler(&t, std::min(static_cast<size_t>(*elements), body_bytes / 2 + 1));
  TRY(filler.put_all(data));
  if (filler.count() != static_cast<size_t>(*elements))
    return invalid("tensor.size",
                   concat({"input `", name, "`: the shape has ", std::to_string(*elements),
                           " elements, `data` has ", std::to_string(filler.count())}));
  return t;
}

// Python's json writes bare NaN, Infinity, -Infinity: puts them into quotes, outside of strings.
std::string quote_non_finite(std::string_view body) {
  constexpr std::array<std::string_view, 3> kTokens = {"NaN", "-Infinity", "Infinity"};
  std::string out;
  out.reserve(body.size() + 64);
  bool in_string = false;
  for (size_t i = 0; i < body.size(); ++i) {
    const char c = body[i];
    if (in_string && c == '\\' && i + 1 < body.size()) {
      out.append(body.substr(i++, 2));
      continue;
    }
    if (c == '"') in_string = !in_string;
    bool taken = false;
    for (const std::string_view token : kTokens) {
      if (in_string || !body.substr(i).starts_with(token)) continue;
      out.append("\"").append(token).append("\"");
      i += token.size() - 1;
      taken = true;
      break;
    }
    if (!taken) out.push_back(c);
  }
  return out;
}

Result<InferRequest> read_request(const element& root, size_t body_bytes) {
  simdjson::dom::object object;
  if (root.get_object().get(object)) return bad("the body must be a JSON object");
  InferRequest request;
  std::string_view id;
  if (!object["id"].get_string().get(id)) request.id = id;
  simdjson::dom::array inputs;
  if (object["inputs"].get_array().get(inputs)) return bad("`inputs` must be an array");
  for (const element e : inputs) request.inputs.push_back(TRY(parse_tensor(e, body_bytes)));
  simdjson::dom::array outputs;
  element raw_outputs;
  if (object["outputs"].get(raw_outputs)) return request;
  if (raw_outputs.get_array().get(outputs)) return bad("`outputs` must be an array");
  for (const element e : outputs) {
    std::string_view name;
    if (e["name"].get_string().get(name)) return bad("an output lacks its `name`");
    request.outputs.emplace_back(name);
  }
  return request;
}

template <class T>
void append_number(std::string* out, T value) {
  if constexpr (std::is_floating_point_v<T>) {
    if (!std::isfinite(value)) {
      out->append(std::isnan(value) ? "NaN" : value > 0 ? "Infinity" : "-Infinity");
      return;
    }
  }
  std::array<char, 40> text;
  const auto end = std::to_chars(text.data(), text.data() + text.size(), value).ptr;
  out->append(text.data(), end);
}

template <class T>
void append_numbers(std::string* out, const Tensor& t) {
  for (size_t at = 0; at < t.data.size(); at += sizeof(T)) {
    T value;
    std::memcpy(&value, t.data.data() + at, sizeof(T));
    if (at > 0) out->push_back(',');
    if constexpr (sizeof(T) == 1)
      append_number(out, static_cast<int>(value));
    else
      append_number(out, value);
  }
}

Status append_data(std::string* out, const Tensor& t) {
  switch (t.type) {
    case DataType::kBool:
      for (size_t i = 0; i < t.data.size(); ++i) {
        if (i > 0) out->push_back(',');
        out->append(t.data[i] != 0 ? "true" : "false");
      }
      return {};
    case DataType::kUint8:
      return append_numbers<uint8_t>(out, t), Status();
    case DataType::kUint16:
      return append_numbers<uint16_t>(out, t), Status();
    case DataType::kUint32:
      return append_numbers<uint32_t>(out, t), Status();
    case DataType::kUint64:
      return append_numbers<uint64_t>(out, t), Status();
    case DataType::kInt8:
      return append_numbers<int8_t>(out, t), Status();
    case DataType::kInt16:
      return append_numbers<int16_t>(out, t), Status();
    case DataType::kInt32:
      return append_numbers<int32_t>(out, t), Status();
    case DataType::kInt64:
      return append_numbers<int64_t>(out, t), Status();
    case DataType::kFp32:
      return append_numbers<float>(out, t), Status();
    case DataType::kFp64:
      return append_numbers<double>(out, t), Status();
    case DataType::kBytes:
      for (size_t i = 0; i < t.strings.size(); ++i) {
        if (!is_utf8(t.strings[i]))
          return unsupported("infer.not_text", "output `" + t.name + "` is not UTF-8 text");
        if (i > 0) out->push_back(',');
        codec::append_json_string(out, t.strings[i]);
      }
      return {};
    case DataType::kFp16:
    case DataType::kBf16:
      break;
  }
  return unsupported(
      "infer.not_text",
      concat({"output `", t.name, "`: ", serving::data_type_name(t.type), " has no JSON form"}));
}

}  // namespace

Result<InferRequest> parse_infer(std::string_view body) {
  thread_local simdjson::dom::parser parser;  // Keeps its buffers between requests.
  element root;
  simdjson::error_code failed = simdjson::SUCCESS;
  if (parser.capacity() < body.size())
    failed = parser.allocate(std::max<size_t>(body.size(), 1 << 16), kJsonDepthMax);
  if (!failed && body.empty()) failed = simdjson::EMPTY;  // It would copy from a null pointer.
  if (!failed) failed = parser.parse(body.data(), body.size()).get(root);
  if (failed && (body.find("NaN") != body.npos || body.find("Infinity") != body.npos)) {
    const std::string quoted = quote_non_finite(body);
    if (!parser.parse(quoted.data(), quoted.size()).get(root))
      return read_request(root, quoted.size());
  }
  if (failed)
    return invalid("infer.syntax",
                   concat({"the body is not valid JSON: ", simdjson::error_message(failed)}));
  return read_request(root, body.size());
}

Result<std::string> format_infer(const InferReply& reply, const std::vector<Tensor>& outputs) {
  std::string out;
  out.reserve(512);  // Most replies.
  out.append("{\"model_name\":");
  codec::append_json_string(&out, reply.model_name);
  out.append(",\"model_version\":");
  codec::append_json_string(&out, reply.model_version);
  out.append(",\"id\":");
  codec::append_json_string(&out, reply.id);
  out.append(",\"parameters\":{\"prediction_id\":");
  codec::append_json_string(&out, reply.prediction_id);
  out.append("},\"outputs\":[");
  for (size_t i = 0; i < outputs.size(); ++i) {
    const Tensor& t = outputs[i];
    out.append(i > 0 ? ",{\"name\":" : "{\"name\":");
    codec::append_json_string(&out, t.name);
    out.append(",\"datatype\":\"").append(data_type_name(t.type)).append("\",\"shape\":[");
    for (size_t d = 0; d < t.shape.size(); ++d) {
      if (d > 0) out.push_back(',');
      append_number(&out, t.shape[d]);
    }
    out.append("],\"data\":[");
    TRY(append_data(&out, t));
    out.append("]}");
  }
  out.append("]}");
  return out;
}

}  // namespace slip::wire::oip
