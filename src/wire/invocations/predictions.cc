#include <cstring>

#include "base/text.h"
#include "wire/invocations/frame.h"

namespace slip::wire::invocations {
namespace {

using codec::Json;
using serving::DataType;
using serving::Tensor;

Result<Json> element_to_json(const Tensor& t, int64_t index) {
  const auto at = static_cast<size_t>(index);
  if (t.type == DataType::kBytes) {
    if (is_utf8(t.strings[at])) return Json(t.strings[at]);
    return Json(to_base64(t.strings[at]));
  }
  if (t.type == DataType::kBool) return Json(t.data[at] != 0);
  if (t.type == DataType::kFp32) {
    // The shortest text of the float, not of the double that it widens to.
    const std::string text = format_float(static_cast<float>(t.number(index)));
    return Json(parse_double(text).value_or(t.number(index)));
  }
  if (t.type == DataType::kFp64 || t.type == DataType::kFp16 || t.type == DataType::kBf16)
    return Json(t.number(index));
  if (t.type == DataType::kUint64 && t.integer(index) < 0)
    return Json(t.number(index));  // Beyond 2^63.
  return Json(t.integer(index));
}

Result<Json> nested(const Tensor& t, size_t depth, int64_t* index) {
  if (depth == t.shape.size()) return element_to_json(t, (*index)++);
  Json list = Json::array();
  for (int64_t i = 0; i < t.shape[depth]; ++i) list.push(TRY(nested(t, depth + 1, index)));
  return list;
}

}  // namespace

bool answers_an_array(std::string_view platform) {
  return platform == "xgboost" || platform == "lightgbm";
}

Result<Json> to_array(const Tensor& t) {
  Tensor flat = t;
  if (t.shape.size() == 2 && t.shape[1] == 1) flat.shape.pop_back();
  int64_t index = 0;
  return nested(flat, 0, &index);
}

Result<Json> to_predictions(const std::vector<Tensor>& outputs, bool is_table, int64_t rows) {
  if (!is_table) {
    Json out = Json::object();
    for (const Tensor& t : outputs) {
      int64_t index = 0;
      out.set(t.name, TRY(nested(t, 0, &index)));
    }
    return out;
  }
  Json out = Json::array();
  for (int64_t r = 0; r < rows; ++r) {
    Json record = Json::object();
    for (const Tensor& t : outputs) {
      if (t.shape.empty() || t.shape.front() != rows) continue;
      int64_t index = r * (rows == 0 ? 0 : t.elements() / rows);
      const bool scalar = t.shape.size() == 1 || (t.shape.size() == 2 && t.shape[1] == 1);
      record.set(t.name, scalar ? TRY(element_to_json(t, index)) : TRY(nested(t, 1, &index)));
    }
    out.push(std::move(record));
  }
  return out;
}

}  // namespace slip::wire::invocations
