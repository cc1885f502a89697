#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "wire/oip/infer.h"

// Messages of the protocol's gRPC form ("infer"): protobuf bytes in and out; which model a message
// is about is read without the rest. Tensors come raw or typed, and the reply goes the way that the
// request came. Any thread.
//
// Errors: kInvalid `infer.message|infer.contents|infer.too_many_tensors|tensor.*`, kUnsupported
// `infer.shared_memory|infer.classification`.
namespace slip::wire::oip {

inline constexpr size_t kTensorsMax = 4096;  // Inputs, outputs, parameters of one message.

enum class Form : uint8_t { kRaw, kTyped };
struct ProtoInfer {
  InferRequest request;
  Form form = Form::kRaw;
};
Result<ProtoInfer> parse_infer_proto(std::string_view message);

// Fields 1 and 2 of a message: name and version of the model in every request that has them.
struct NamedModel {
  std::string name;
  std::string version;  // "": none.
};
Result<NamedModel> read_named_model(std::string_view message);

// ModelInferResponse, or that inside of a ModelStreamInferResponse. Outputs without a typed form
// (FP16, BF16) make all of them raw.
struct ProtoReply {
  InferReply what;
  Form form = Form::kRaw;
  bool streamed = false;
};
std::string format_infer_proto(const ProtoReply& reply, std::vector<serving::Tensor> outputs);
// ModelStreamInferResponse with nothing but an error.
std::string format_stream_error(std::string_view text);

}  // namespace slip::wire::oip
