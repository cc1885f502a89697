#include "serving/tensor_json.h"
#include "wire/invocations/frame.h"

namespace slip::wire::invocations {

using codec::Json;
using serving::nested_json;
using serving::Tensor;

bool answers_an_array(std::string_view platform) {
  return platform == "xgboost" || platform == "lightgbm";
}

Result<Json> to_array(const Tensor& t) {
  Tensor flat = t;
  if (t.shape.size() == 2 && t.shape[1] == 1) flat.shape.pop_back();
  int64_t index = 0;
  return nested_json(flat, 0, &index);
}

Result<Json> to_predictions(const std::vector<Tensor>& outputs, bool is_table, int64_t rows) {
  if (!is_table) {
    Json out = Json::object();
    for (const Tensor& t : outputs) {
      int64_t index = 0;
      out.set(t.name, nested_json(t, 0, &index));
    }
    return out;
  }
  Json out = Json::array();
  for (int64_t r = 0; r < rows; ++r) {
    Json record = Json::object();
    for (const Tensor& t : outputs) {
      if (t.shape.empty() || t.shape.front() != rows) continue;
      record.set(t.name, serving::row_json(t, r));
    }
    out.push(std::move(record));
  }
  return out;
}

}  // namespace slip::wire::invocations
