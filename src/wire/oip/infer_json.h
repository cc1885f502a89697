#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "serving/tensor.h"
#include "wire/oip/infer.h"

// Bodies of the Open Inference Protocol's REST form ("infer"), JSON only. Reading is the data
// plane's hot path: simdjson, one pass, straight into tensors. NaN and Infinity are taken as the
// bare tokens that Python writes and as strings; they are written as bare tokens, as Triton does.
//
// Errors: kInvalid `infer.syntax|infer.shape_of_request|tensor.*`.
namespace slip::wire::oip {

inline constexpr int kJsonDepthMax = 100;

Result<InferRequest> parse_infer(std::string_view body);

// kUnsupported `infer.not_text` for BYTES that are no UTF-8, or FP16/BF16 outputs: JSON cannot
// carry them.
Result<std::string> format_infer(const InferReply& reply,
                                 const std::vector<serving::Tensor>& outputs);

}  // namespace slip::wire::oip
