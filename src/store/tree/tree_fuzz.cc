#include "store/tree/range_internal.h"
#include "test/fuzz/fuzz.h"

// A range that is accepted is exactly what writing it again gives.
SLIP_FUZZ(tree_range) {
  const std::string_view bytes = slip::fuzz::as_text(data);
  const auto range = slip::store::tree::decode_range(bytes);
  if (!range.ok()) return;
  CHECK(bytes == (range->is_root ? slip::store::tree::encode_root(range->ranges)
                                 : slip::store::tree::encode_leaf(range->entries)));
}
