#include "wire/oip/infer_proto.h"

#include "base/check.h"
#include "test/fuzz/fuzz.h"
#include "wire/oip/test_outputs.h"

SLIP_FUZZ(infer_proto) {
  using namespace slip;
  const Result<wire::oip::ProtoInfer> r = wire::oip::parse_infer_proto(fuzz::as_text(data));
  const bool named = wire::oip::read_named_model(fuzz::as_text(data)).ok();
  if (!r.ok()) return;
  CHECK(named);  // What can be read whole can be read in part.
  for (const serving::Tensor& t : r->request.inputs) CHECK(t.elements() >= 0);
  // Whatever was read can be written, either way.
  for (const auto form : {wire::oip::Form::kRaw, wire::oip::Form::kTyped})
    CHECK(!wire::oip::format_infer_proto({{}, form, form == wire::oip::Form::kRaw},
                                         wire::oip::as_outputs(r->request.inputs))
               .empty());
}
