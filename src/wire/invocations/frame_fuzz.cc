#include "wire/invocations/frame.h"

#include "base/check.h"
#include "test/fuzz/fuzz.h"

namespace {

using slip::serving::DataType;

// What was read becomes the inputs of a model, whole, or is refused.
void feed(const slip::Result<slip::wire::invocations::Input>& input) {
  if (!input.ok()) return;
  static const slip::serving::Signature kModels[] = {
      {.platform = {}, .inputs = {{"x", DataType::kFp32, {-1, 3}}}, .outputs = {}},
      {.platform = {},
       .inputs = {{"text", DataType::kBytes, {-1, 1}}, {"n", DataType::kInt64, {-1}}},
       .outputs = {}},
      {.platform = {}, .inputs = {{"on", DataType::kBool, {-1}}}, .outputs = {}}};
  for (const slip::serving::Signature& model : kModels) {
    const auto tensors = slip::wire::invocations::to_tensors(*input, model);
    if (!tensors.ok()) continue;
    for (const slip::serving::Tensor& t : *tensors) {
      const auto elements = slip::serving::count_elements(t.shape);
      if (!elements.ok()) continue;  // A shape that the model's check refuses.
      const auto n = static_cast<size_t>(*elements);
      CHECK(t.strings.size() == (t.type == DataType::kBytes ? n : 0));
      CHECK(t.data.size() == n * slip::serving::data_type_bytes(t.type));
    }
  }
}

}  // namespace

SLIP_FUZZ(invocations_json) {
  feed(slip::wire::invocations::parse_json_input(slip::fuzz::as_text(data)));
}
SLIP_FUZZ(invocations_csv) {
  feed(slip::wire::invocations::parse_csv_input(slip::fuzz::as_text(data)));
}
SLIP_FUZZ(invocations_parquet) {
  feed(slip::wire::invocations::parse_parquet_input(slip::fuzz::as_text(data)));
}
