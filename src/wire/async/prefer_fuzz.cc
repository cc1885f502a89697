#include "wire/async/prefer.h"

#include "base/check.h"
#include "test/fuzz/fuzz.h"

// Whatever a client prefers is understood or means nothing, and a header twice means what it meant.
SLIP_FUZZ(prefer) {
  using namespace slip;
  wire::async::Received headers = {{"prefer", fuzz::as_text(data)}};
  const auto once = wire::async::preferences_of(headers);
  CHECK(once.wait_s >= 0 && once.wait_s <= wire::async::kWaitSecondsMax);
  headers.push_back(headers.front());
  const auto twice = wire::async::preferences_of(headers);
  CHECK(twice.respond_async == once.respond_async && twice.wait_s == once.wait_s);
}
