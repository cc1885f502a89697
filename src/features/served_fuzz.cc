#include "features/served.h"

#include "base/check.h"
#include "test/fuzz/fuzz.h"

SLIP_FUZZ(features_served) {
  const auto made = slip::features::decode_served(slip::fuzz::as_text(data));
  if (!made.ok()) return;
  // What is taken says the same again.
  CHECK(slip::features::encode_served(*made) == slip::fuzz::as_text(data));
}
