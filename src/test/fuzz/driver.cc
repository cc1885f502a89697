// What libFuzzer calls. SLIP_FUZZ names the target; without it the targets are listed.
#include <cstdio>
#include <cstdlib>

#include "test/fuzz/fuzz.h"

namespace {

const slip::fuzz::Target* chosen = nullptr;

}  // namespace

extern "C" int LLVMFuzzerInitialize(int*, char***);
extern "C" int LLVMFuzzerTestOneInput(const uint8_t*, size_t);

extern "C" int LLVMFuzzerInitialize(int*, char***) {
  const char* name = std::getenv("SLIP_FUZZ");
  if (name) chosen = slip::fuzz::find_target(name);
  if (chosen) return 0;
  for (const auto& target : slip::fuzz::targets()) {
    std::printf("%.*s\n", static_cast<int>(target.name.size()), target.name.data());
  }
  std::exit(name ? 2 : 0);
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  chosen->run({data, size});
  return 0;
}
