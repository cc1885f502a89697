#pragma once

namespace slip {
[[noreturn]] void check_failed(const char* what, const char* file, int line);
}

// Our bug, in every build: print, abort. Never for bad input, never for a failing disk.
#define CHECK(cond) \
  (static_cast<bool>(cond) ? void(0) : ::slip::check_failed(#cond, __FILE__, __LINE__))
