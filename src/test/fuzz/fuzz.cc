#include "test/fuzz/fuzz.h"

#include <algorithm>

namespace slip::fuzz {
namespace {

std::vector<Target>& registry() {
  static std::vector<Target> all;
  return all;
}

}  // namespace

const std::vector<Target>& targets() { return registry(); }

const Target* find_target(std::string_view name) {
  auto found = std::ranges::find(registry(), name, &Target::name);
  return found == registry().end() ? nullptr : &*found;
}

Registration::Registration(std::string_view name, void (*run)(Bytes)) {
  registry().push_back({name, run});
}

}  // namespace slip::fuzz
