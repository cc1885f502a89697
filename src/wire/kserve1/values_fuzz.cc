#include "wire/kserve1/values.h"

#include "base/check.h"
#include "test/fuzz/fuzz.h"
#include "wire/kserve1/cloud_event.h"

namespace {

using namespace slip;
using serving::DataType;

// What was read adds up.
void judge(const std::vector<serving::Tensor>& tensors) {
  for (const serving::Tensor& t : tensors) {
    const auto n = serving::count_elements(t.shape);
    if (!n.ok()) continue;  // A shape that the model's check refuses.
    const auto elements = static_cast<size_t>(*n);
    CHECK(t.strings.size() == (t.type == DataType::kBytes ? elements : 0));
    CHECK(t.data.size() == elements * serving::data_type_bytes(t.type));
  }
}

}  // namespace

// The first byte: how the body is wrapped.
SLIP_FUZZ(kserve1_predict) {
  if (data.empty()) return;
  static const std::vector<serving::Signature> kModels = [] {
    std::vector<serving::Signature> out(3);
    out[0].inputs = {{.name = "x", .type = DataType::kFp32, .shape = {-1, 3}}};
    out[1].inputs = {{.name = "t", .type = DataType::kBytes, .shape = {-1, 1}},
                     {.name = "n", .type = DataType::kInt64, .shape = {-1}}};
    out[2].inputs = {{.name = "on", .type = DataType::kBool, .shape = {-1}}};
    return out;
  }();
  http::Request request;
  request.body = fuzz::as_text(data.subspan(1));
  if (data[0] % 2 == 1) request.headers = {{"content-type", "application/cloudevents+json"}};
  const auto body = wire::kserve1::unwrap(request);
  if (!body.ok()) return;
  for (const serving::Signature& model : kModels) {
    if (const auto ask = wire::kserve1::parse_predict(body->body, model); ask.ok()) {
      judge(ask->inputs);
      (void)wire::kserve1::format_predict(ask->form, ask->inputs);
    }
    if (const auto in = wire::kserve1::parse_examples(body->body, model); in.ok()) judge(*in);
  }
}
