#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "serving/model.h"
#include "wire/oip/infer.h"

// Bodies of the protocol's REST form ("infer"): JSON, alone or with binary tensors behind it.
// Reading is the data plane's hot path: simdjson, one pass, straight into tensors; JSON with enough
// bytes behind it isn't copied first. NaN and Infinity are taken as the bare tokens that Python
// writes and as strings; they are written as bare tokens, as Triton does.
//
// Errors: kInvalid `infer.syntax|infer.shape_of_request|infer.parameter|infer.binary|tensor.*`, and
// those of regions.h.
namespace slip::wire::oip {

inline constexpr int kJsonDepthMax = 100;

class Regions;

struct BodyForm {
  // Of the JSON; nothing: it is all of the body.
  std::optional<size_t> json_bytes = std::nullopt;
  const Regions* regions = nullptr;  // Null: no shared memory.
  size_t readable_past = 0;          // Bytes behind the body that may be read.
};

// `header`: Inference-Header-Content-Length, "" when there is none.
Result<std::optional<size_t>> json_bytes_of(std::string_view header, size_t body_bytes);
Result<InferRequest> parse_infer(std::string_view body, const BodyForm& form = {});
// A body that is nothing but the model's only input (json_bytes 0).
Result<InferRequest> parse_raw_infer(std::string_view body, const serving::Signature& signature,
                                     std::string_view model);

struct FormattedInfer {
  std::string body;
  size_t json_bytes = 0;
  bool binary = false;  // Something follows the JSON.
};
// kUnsupported `infer.not_text` for BYTES that are no UTF-8, or FP16/BF16 outputs: JSON cannot
// carry them.
Result<FormattedInfer> format_infer(const InferReply& reply,
                                    const std::vector<ReplyOutput>& outputs);
// The values of a tensor, separated by commas.
Status append_values(std::string* out, const serving::Tensor& t);

}  // namespace slip::wire::oip
