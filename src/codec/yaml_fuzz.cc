#include "codec/yaml.h"

#include "test/fuzz/fuzz.h"

// What is read can be written and read again.
SLIP_FUZZ(yaml) {
  const auto value = slip::codec::parse_yaml(slip::fuzz::as_text(data));
  if (value.ok()) CHECK(slip::codec::parse_yaml(slip::codec::to_yaml(*value)).ok());
}
