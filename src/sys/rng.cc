#include "sys/rng.h"

#include <cerrno>

#include <sys/random.h>

#include "base/check.h"

namespace slip {
namespace {

class RealRng final : public Rng {
 public:
  void fill(std::span<uint8_t> out) override {
    while (!out.empty()) {
      const ssize_t n = getrandom(out.data(), out.size(), 0);
      if (n < 0 && errno == EINTR) continue;
      CHECK(n > 0);  // Every kernel that we run on has getrandom; there is no second choice.
      out = out.subspan(static_cast<size_t>(n));
    }
  }
};

}  // namespace

Rng& real_rng() {
  static RealRng rng;
  return rng;
}

}  // namespace slip
