#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "serving/model.h"
#include "wire/oip/infer.h"

// Bodies of `generate` in Triton's form: each member that is called like an input of the model is
// one, a value or a flat list; `id` and `parameters` mean what they say; what else there is becomes
// a parameter. Answers name the outputs the same way. Pure.
//
// Errors: kInvalid `json.*`, `infer.parameter`, `infer.shape_of_request`, `tensor.*`.
namespace slip::wire::oip {

// A body with `inputs` is none of these but an infer request.
bool is_infer_body(std::string_view body);

Result<InferRequest> parse_generate(std::string_view body, const serving::Signature& signature);
// `with_id`: the client gave one. kUnsupported `infer.not_text`.
Result<std::string> format_generate(const InferReply& reply, bool with_id,
                                    const std::vector<ReplyOutput>& outputs);

}  // namespace slip::wire::oip
