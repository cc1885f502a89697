#include "ui/pack.h"

#include <string>

#include "test/fuzz/fuzz.h"
#include "test/gen/ui_pack.h"
#include "ui/console.h"

// The input is an index and blobs; the header before it is made right, so that the reader goes on
// to read what a digest can't protect: a pack made by a broken tool. Then the same bytes as they
// are.
namespace slip::ui {

SLIP_FUZZ(ui_pack) {
  const std::string_view text = fuzz::as_text(data);
  (void)Pack::open(text);
  if (text.size() < 2) return;
  const uint64_t index_bytes = static_cast<uint64_t>(data[0]) + 256U * data[1];
  const std::string_view rest = text.substr(2);
  const std::string_view index = rest.substr(0, index_bytes);
  std::string pack = "SLIPUIPK";
  gen::put_number(pack, kPackVersion, 4);
  gen::put_number(pack, rest.empty() ? 0 : 1 + static_cast<uint8_t>(rest[0]) % 4U, 4);
  gen::put_number(pack, index.size(), 8);
  gen::put_number(pack, 64 + rest.size(), 8);
  gen::put_digest(pack, index);
  pack += rest;
  const Result<Console> console = Console::open(pack, {});
  if (!console.ok()) return;
  (void)console->find("assets/app.js", text, text);
}

}  // namespace slip::ui
