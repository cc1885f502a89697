#pragma once
// Fuzz targets by name. A x_fuzz.cc beside a parser says
//
//   SLIP_FUZZ(json) { (void)codec::parse_json(as_text(data)); }
//
// and is run three ways: by libFuzzer (./dev fuzz json), on every file of test/corpus/json by the
// unit binary, and there on bytes drawn by Dice too. A target must accept any bytes; a crash, a
// sanitizer report or a CHECK is the finding. Registration happens before main, on one thread.

#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

namespace slip::fuzz {

using Bytes = std::span<const uint8_t>;

struct Target {
  std::string_view name;
  void (*run)(Bytes data);
};

// All targets that are linked in, in no particular order.
const std::vector<Target>& targets();

// The target of that name, or null.
const Target* find_target(std::string_view name);

struct Registration {
  Registration(std::string_view name, void (*run)(Bytes));
};

inline std::string_view as_text(Bytes data) {
  return {reinterpret_cast<const char*>(data.data()), data.size()};
}

}  // namespace slip::fuzz

#define SLIP_FUZZ(name)                                                                 \
  static void fuzz_##name(::slip::fuzz::Bytes data);                                    \
  static const ::slip::fuzz::Registration fuzz_registration_##name{#name, fuzz_##name}; \
  static void fuzz_##name([[maybe_unused]] ::slip::fuzz::Bytes data)
