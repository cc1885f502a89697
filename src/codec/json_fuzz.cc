#include "codec/json.h"

#include "test/fuzz/fuzz.h"

// What is read can be written and read again; the canonical form is a fixed point.
SLIP_FUZZ(json) {
  const auto value =
      slip::codec::parse_json(slip::fuzz::as_text(data), slip::codec::NonFinite::kToken);
  if (!value.ok()) return;
  CHECK(slip::codec::parse_json(slip::codec::to_json(*value, 0, slip::codec::NonFinite::kToken),
                                slip::codec::NonFinite::kToken)
            .ok());
  const auto canonical = slip::codec::to_canonical_json(*value);
  if (canonical.ok()) CHECK(slip::codec::parse_json(*canonical).ok());
}
