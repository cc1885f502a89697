#include "wire/oip/json_values.h"

#include <array>
#include <cmath>
#include <cstring>

#include <simdjson.h>

#include "base/text.h"

namespace slip::wire::oip {
namespace {

using serving::DataType;
using serving::Tensor;
using simdjson::dom::element;
using simdjson::dom::element_type;

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
    return invalid("tensor.datatype",
                   concat({"input `", t_.name, "`: sending ", serving::data_type_name(t_.type),
                           " data via JSON is not supported. Please use the binary data format"}));
  }

  Tensor& t_;
  const size_t room_;
  size_t count_ = 0;
  char* at_ = nullptr;
};

}  // namespace

Result<size_t> put_json_values(const element& data, size_t room, Tensor* t) {
  Filler filler(t, room);
  TRY(filler.put_all(data));
  return filler.count();
}

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

}  // namespace slip::wire::oip
