#include "base/text.h"
#include "serving/model.h"

namespace slip::serving {

const TensorSpec* Signature::input(std::string_view name) const {
  for (const TensorSpec& s : inputs)
    if (s.name == name) return &s;
  return nullptr;
}

const TensorSpec* Signature::output(std::string_view name) const {
  for (const TensorSpec& s : outputs)
    if (s.name == name) return &s;
  return nullptr;
}

Status check_inputs(const Signature& signature, std::span<const Tensor> inputs) {
  for (const Tensor& t : inputs)
    if (signature.input(t.name) == nullptr)
      return invalid("tensor.unknown_input", concat({"the model has no input `", t.name, "`"}));
  for (const TensorSpec& spec : signature.inputs) {
    const Tensor* found = nullptr;
    for (const Tensor& t : inputs) {
      if (t.name != spec.name) continue;
      if (found != nullptr)
        return invalid("tensor.duplicate", concat({"input `", t.name, "` occurs twice"}));
      found = &t;
    }
    if (found == nullptr)
      return invalid("tensor.missing_input", concat({"input `", spec.name, "` is missing"}));
    TRY(check_tensor(*found, spec));
  }
  return {};
}

Status check_outputs(const Signature& signature, std::span<const std::string> wanted) {
  for (const std::string& name : wanted)
    if (signature.output(name) == nullptr)
      return invalid("tensor.unknown_output", concat({"the model has no output `", name, "`"}));
  return {};
}

Status warm_up(const Model& model) {
  std::vector<Tensor> inputs;
  for (const TensorSpec& spec : model.signature().inputs) {
    Tensor t{.name = spec.name, .type = spec.type, .shape = spec.shape, .data = {}, .strings = {}};
    for (int64_t& d : t.shape) d = d < 0 ? 1 : d;
    TRY(make_room(&t));
    for (std::string& text : t.strings) text = "0";  // A number for those who read one.
    inputs.push_back(std::move(t));
  }
  const Result<std::vector<Tensor>> out = model.run(inputs, {});
  // That rules of a member's features refuse a row of zeros says nothing of the model.
  if (out.ok() || out.error().reason == "lookup.refused") return {};
  return Error(out.error()).within("warm-up");
}

}  // namespace slip::serving
