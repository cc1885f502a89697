#include "wire/feast/registry.h"

#include "test/fuzz/fuzz.h"

SLIP_FUZZ(feast_registry) {
  const auto made = slip::wire::feast::import_registry(slip::fuzz::as_text(data), "");
  if (!made.ok()) return;
  // What is taken is a document that is read back, or refused with a reason.
  for (const slip::features::Definition& d : made->definitions)
    slip::ignore(slip::features::parse_definition(d.document()), "either is fine");
}
