#include "sys/rng.h"

#include <algorithm>
#include <array>
#include <cerrno>

#include <pthread.h>
#include <sys/random.h>

#include "base/check.h"

namespace slip {
namespace {

void fill_from_kernel(std::span<uint8_t> out) {
  while (!out.empty()) {
    const ssize_t n = getrandom(out.data(), out.size(), 0);
    if (n < 0 && errno == EINTR) continue;
    CHECK(n > 0);  // Every kernel that we run on has getrandom; there is no second choice.
    out = out.subspan(static_cast<size_t>(n));
  }
}

// Kernel bytes that a thread has fetched ahead, so that an identity costs no system call. Each byte
// is handed out once and wiped as it goes; the child of a fork throws its copy away.
struct Spare {
  std::array<uint8_t, 256> bytes{};
  size_t left = 0;
};
thread_local Spare t_spare;

class RealRng final : public Rng {
 public:
  RealRng() {
    CHECK(pthread_atfork(nullptr, nullptr, [] { t_spare.left = 0; }) == 0);
  }

  // More than a word is somebody's secret, and rare: that comes straight from the kernel.
  void fill(std::span<uint8_t> out) override {
    if (out.size() > sizeof(uint64_t)) return fill_from_kernel(out);
    Spare& spare = t_spare;
    if (spare.left < out.size()) {
      fill_from_kernel(spare.bytes);
      spare.left = spare.bytes.size();
    }
    spare.left -= out.size();
    uint8_t* const from = spare.bytes.data() + spare.left;
    std::copy_n(from, out.size(), out.data());
    std::fill_n(from, out.size(), uint8_t{0});
  }
};

}  // namespace

Rng& real_rng() {
  static RealRng rng;
  return rng;
}

}  // namespace slip
