#include "wire/feast/offline.h"

#include "test/fuzz/fuzz.h"

// A command is known, or refused with a reason.
SLIP_FUZZ(feast_command) {
  const auto command = slip::wire::feast::parse_command(slip::fuzz::as_text(data));
  CHECK(command.ok() || !command.error().reason.empty());
}
