#include "app/toml.h"

#include "base/check.h"
#include "test/fuzz/fuzz.h"

// What parses has keys and sane lines; what doesn't names a line.
SLIP_FUZZ(toml) {
  const auto entries = slip::app::parse_toml(slip::fuzz::as_text(data));
  if (!entries.ok()) {
    CHECK(entries.error().text.starts_with("line "));
    return;
  }
  int last = 0;
  for (const slip::app::TomlEntry& e : *entries) {
    CHECK(!e.key.empty() && e.line > last);
    last = e.line;
  }
}
