#include "base/check.h"

#include <cstdio>
#include <cstdlib>

namespace slip {

void check_failed(const char* what, const char* file, int line) {
  std::fprintf(stderr, "%s:%d: check failed: %s\n", file, line, what);
  std::fflush(stderr);
  std::abort();
}

}  // namespace slip
