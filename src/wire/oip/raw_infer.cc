#include "base/text.h"
#include "wire/oip/infer_json.h"
#include "wire/oip/raw_tensor.h"

// Requests whose body is a tensor and nothing else.
namespace slip::wire::oip {
namespace {

using serving::DataType;
using serving::Tensor;
using serving::TensorSpec;

Status deduce_text(const TensorSpec& spec, bool batched, Tensor* t) {
  const size_t fixed = batched ? 1 : 0;  // A batch of one.
  const bool single = spec.shape.size() == fixed + 1 && spec.shape.back() == 1;
  if (!single)
    return invalid("tensor.shape", concat({"For BYTE datatype raw input '", spec.name,
                                           "', the model must have input shape [1]"}));
  t->shape.assign(spec.shape.size(), 1);
  return {};
}

// What is open follows from the size; without anything open behind it, the number of rows does.
Status deduce_shape(const TensorSpec& spec, bool batched, size_t bytes, Tensor* t) {
  t->shape = spec.shape;
  const bool has_rows = batched && !t->shape.empty();
  const size_t behind = has_rows ? 1 : 0;
  int64_t* open = nullptr;
  for (size_t i = behind; i < t->shape.size(); ++i) {
    if (t->shape[i] >= 0) continue;
    if (open != nullptr)
      return invalid("tensor.shape",
                     concat({"The shape of the raw input '", spec.name,
                             "' can not be deduced because there are more than one ",
                             "variable-sized dimension"}));
    open = &t->shape[i];
  }
  if (has_rows) t->shape[0] = 1;
  if (open == nullptr && has_rows) open = t->shape.data();
  if (open == nullptr) return {};
  *open = 1;
  const size_t unit = TRY(count_input(*t)) * serving::data_type_bytes(t->type);
  if (unit == 0 || bytes % unit != 0)
    return invalid("tensor.size", concat({"Raw input has a byte_size (", std::to_string(bytes),
                                          ") that is no multiple of what the shape of '", spec.name,
                                          "' takes (", std::to_string(unit), ")"}));
  *open = static_cast<int64_t>(bytes / unit);
  return {};
}

}  // namespace

Result<InferRequest> parse_raw_infer(std::string_view body, const serving::Signature& signature,
                                     std::string_view model) {
  if (signature.inputs.size() != 1)
    return invalid("infer.binary",
                   concat({"Raw request must only have 1 input (found 1) to be deduced but got ",
                           std::to_string(signature.inputs.size()), " inputs in '", model,
                           "' model configuration"}));
  const TensorSpec& spec = signature.inputs.front();
  const bool batched = signature.max_batch > 0;
  InferRequest request;
  request.binary_outputs = true;
  Tensor t;
  t.name = spec.name;
  t.type = spec.type;
  if (spec.type == DataType::kBytes) {
    TRY(deduce_text(spec, batched, &t));
    t.strings.emplace_back(body);
  } else {
    TRY(deduce_shape(spec, batched, body.size(), &t));
    TRY(take_raw(body, &t));
  }
  request.inputs.push_back(std::move(t));
  return request;
}

}  // namespace slip::wire::oip
