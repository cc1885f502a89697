#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "codec/json.h"
#include "serving/model.h"
#include "serving/routing.h"
#include "serving/tensor.h"

// Tensors from and to the JSON of `predict`, `classify` and `regress`. Bytes that are no text are
// {"b64": "…"}, and so is every output whose name ends in `_bytes`. Pure.
//
// Errors: kInvalid `predict.body|predict.value|predict.shape`, kUnsupported `predict.datatype`.
namespace slip::wire::kserve1 {

enum class Form : uint8_t {
  kRows,     // `instances`: an item a row.
  kColumns,  // `inputs`: a tensor an input.
};
struct Ask {
  Form form = Form::kRows;
  std::vector<serving::Tensor> inputs;
};
Result<Ask> parse_predict(const codec::Json& body, const serving::Signature& signature);
// {"predictions": […]} or {"outputs": …}.
Result<codec::Json> format_predict(Form form, const std::vector<serving::Tensor>& outputs);

// `examples` of named features, `context` for all of them.
Result<std::vector<serving::Tensor>> parse_examples(const codec::Json& body,
                                                    const serving::Signature& signature);
// {"results": [[[label, score], …], …]}: the scores of the first output of real numbers that has
// several a row. kUnsupported `predict.not_a_classifier`.
Result<codec::Json> format_classes(const std::vector<serving::Tensor>& outputs,
                                   const serving::Arm& arm);
// {"results": [value, …]}: the first output with one number a row. kUnsupported
// `predict.not_a_regression`.
Result<codec::Json> format_values(const std::vector<serving::Tensor>& outputs);

}  // namespace slip::wire::kserve1
