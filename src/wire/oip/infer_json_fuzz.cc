#include "wire/oip/infer_json.h"

#include "base/check.h"
#include "test/fuzz/fuzz.h"
#include "wire/oip/generate.h"
#include "wire/oip/test_outputs.h"

namespace {

using namespace slip;

// What was read adds up, and can be written either way.
void judge(const Result<wire::oip::InferRequest>& r) {
  if (!r.ok()) return;
  for (const serving::Tensor& t : r->inputs) {
    const auto n = static_cast<size_t>(t.elements());
    CHECK(t.data.size() == n * serving::data_type_bytes(t.type));
    CHECK(t.strings.size() == (t.type == serving::DataType::kBytes ? n : 0));
  }
  CHECK(wire::oip::format_infer({}, wire::oip::as_outputs(r->inputs, true)).ok());
}

const serving::Signature& signature() {
  static const serving::Signature of_model = [] {
    serving::Signature s;
    s.inputs = {{.name = "x", .type = serving::DataType::kFp32, .shape = {-1, -1}},
                {.name = "t", .type = serving::DataType::kBytes, .shape = {-1, 1}},
                {.name = "b", .type = serving::DataType::kBool, .shape = {-1, 2}}};
    s.max_batch = 8;
    return s;
  }();
  return of_model;
}

}  // namespace

SLIP_FUZZ(infer_json) {
  const auto r = wire::oip::parse_infer(fuzz::as_text(data));
  judge(r);
  if (r.ok()) CHECK(wire::oip::format_infer({}, wire::oip::as_outputs(r->inputs)).ok());
}

// The first two bytes say how long the JSON is, the rest is the body.
SLIP_FUZZ(infer_binary) {
  if (data.size() < 2) return;
  const std::string_view body = fuzz::as_text(data.subspan(2));
  const size_t json_bytes = data[0] + size_t{256} * data[1];
  if (json_bytes > body.size()) return;
  judge(wire::oip::parse_infer(body, {.json_bytes = json_bytes}));
  serving::Signature one;
  for (const serving::TensorSpec& spec : signature().inputs) {
    one.inputs = {spec};
    one.max_batch = static_cast<int64_t>(json_bytes % 2);
    judge(wire::oip::parse_raw_infer(body, one, "m"));
  }
}

SLIP_FUZZ(infer_generate) { judge(wire::oip::parse_generate(fuzz::as_text(data), signature())); }
