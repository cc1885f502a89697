#include "wire/oip/infer_json.h"

#include "base/check.h"
#include "test/fuzz/fuzz.h"

SLIP_FUZZ(infer_json) {
  using namespace slip;
  const Result<wire::oip::InferRequest> r = wire::oip::parse_infer(fuzz::as_text(data));
  if (!r.ok()) return;
  for (const serving::Tensor& t : r->inputs) CHECK(t.elements() >= 0);
  // Whatever was read can be written.
  CHECK(wire::oip::format_infer({}, r->inputs).ok());
}
