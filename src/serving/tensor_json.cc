#include "serving/tensor_json.h"

#include "base/text.h"

namespace slip::serving {

using codec::Json;

Json element_json(const Tensor& t, int64_t index) {
  switch (t.type) {
    case DataType::kBytes: {
      const std::string& text = t.strings[static_cast<size_t>(index)];
      return is_utf8(text) ? Json(text) : Json(to_base64(text));
    }
    case DataType::kBool:
      return t.number(index) != 0;
    case DataType::kFp32: {
      // The shortest text of the float, not of the double that it widens to.
      const std::string text = format_float(static_cast<float>(t.number(index)));
      return parse_double(text).value_or(t.number(index));
    }
    case DataType::kFp64:
    case DataType::kFp16:
    case DataType::kBf16:
      return t.number(index);
    default:
      break;
  }
  if (t.type == DataType::kUint64 && t.integer(index) < 0) return t.number(index);  // Beyond 2^63.
  return t.integer(index);
}

Json nested_json(const Tensor& t, size_t depth, int64_t* index) {
  if (depth == t.shape.size()) return element_json(t, (*index)++);
  Json list = Json::array();
  for (int64_t i = 0; i < t.shape[depth]; ++i) list.push(nested_json(t, depth + 1, index));
  return list;
}

Json row_json(const Tensor& t, int64_t row) {
  const int64_t values = t.rows() == 0 ? 0 : t.elements() / t.rows();
  int64_t index = row * values;
  if (t.shape.size() == 2 && t.shape[1] == 1) return element_json(t, index);
  return nested_json(t, 1, &index);
}

}  // namespace slip::serving
