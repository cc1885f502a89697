#include "core/later/message.h"

#include "base/check.h"
#include "test/fuzz/fuzz.h"

// What decodes is encoded to the same bytes.
SLIP_FUZZ(later_head) {
  using namespace slip;
  const auto head = later::decode_head(fuzz::as_text(data));
  if (head.ok()) CHECK(later::encode_head(*head) == fuzz::as_text(data));
}
