#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "wire/oip/infer.h"

// Messages of the protocol's gRPC form ("infer"): protobuf bytes in and out; which model a message
// is about is read without the rest. Tensors come raw or typed, or lie in shared memory. Any
// thread.
//
// Errors: kInvalid `infer.message|infer.contents|infer.parameter|infer.too_many_tensors|tensor.*`,
// and those of regions.h.
namespace slip::wire::oip {

class Regions;

enum class Form : uint8_t { kRaw, kTyped };
struct ProtoInfer {
  InferRequest request;
  Form form = Form::kRaw;
};
// `regions` may be null: no shared memory.
Result<ProtoInfer> parse_infer_proto(std::string_view message, const Regions* regions = nullptr);

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
  // A stream's answers say that each is the last one of its request.
  bool says_final = false;
};
std::string format_infer_proto(const ProtoReply& reply, std::vector<ReplyOutput> outputs);
// ModelStreamInferResponse with nothing but an error.
std::string format_stream_error(std::string_view text);

}  // namespace slip::wire::oip
