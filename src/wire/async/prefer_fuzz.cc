#include "wire/async/prefer.h"

#include "base/check.h"
#include "test/fuzz/fuzz.h"

// Whatever a client prefers is understood or means nothing, and a header twice means what it meant.
SLIP_FUZZ(prefer) {
  using namespace slip;
  http::Request request;
  request.headers.emplace_back("prefer", fuzz::as_text(data));
  const auto once = wire::async::preferences_of(request);
  CHECK(once.wait_s >= 0 && once.wait_s <= wire::async::kWaitSecondsMax);
  request.headers.push_back(request.headers.front());
  const auto twice = wire::async::preferences_of(request);
  CHECK(twice.respond_async == once.respond_async && twice.wait_s == once.wait_s);
}
