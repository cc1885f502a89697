#include "bundle/bundle.h"

#include "base/check.h"
#include "test/fuzz/fuzz.h"

// What unpacks packs again to the same files, and none of them leaves its folder.
SLIP_FUZZ(bundle_tar) {
  using namespace slip::bundle;
  const auto files = unpack(slip::fuzz::as_text(data));
  if (!files.ok()) return;
  for (const auto& [name, bytes] : *files) CHECK(plain_name(name));
  const auto again = unpack(pack(*files));
  CHECK(again.ok() && *again == *files);
  CHECK(!verify(*files, {}).ok());  // Nobody signed it.
}

// A golden file that is read is written so that it is read again, the same.
SLIP_FUZZ(bundle_golden) {
  using namespace slip::bundle;
  const auto golden = read_golden(slip::fuzz::as_text(data));
  if (!golden.ok()) return;
  const auto again = read_golden(slip::codec::to_json(golden_json(*golden)));
  CHECK(again.ok() && again->inputs.size() == golden->inputs.size());
  slip::ignore(compare(golden->outputs, again->outputs, {}, nullptr), "shapes may differ");
}
