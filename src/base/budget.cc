#include "base/budget.h"

#include "base/check.h"
#include "base/text.h"

namespace slip {
namespace {

struct ShareRow {
  std::string_view name;
  int64_t percent;
};
constexpr std::array<ShareRow, kShareCount> kShares = {{{"control", 10},
                                                        {"bodies", 20},
                                                        {"models", 35},
                                                        {"features", 15},
                                                        {"caches", 10},
                                                        {"jobs", 10}}};

}  // namespace

std::string_view share_name(Share share) { return kShares[static_cast<size_t>(share)].name; }

Budget::Budget(int64_t total_bytes) {
  CHECK(total_bytes > 0);
  for (size_t i = 0; i < kShareCount; ++i)
    accounts_[i].limit = total_bytes / 100 * kShares[i].percent;
}

Result<Budget::Lease> Budget::reserve(Share share, int64_t bytes) {
  CHECK(bytes >= 0);
  Account& account = accounts_[static_cast<size_t>(share)];
  int64_t used = account.used.load(std::memory_order_relaxed);
  do {
    if (bytes > account.limit - used)
      return exhausted("memory.share_full", concat({"the memory share `", share_name(share), "` (",
                                                    format_size(account.limit), ") is in use"}));
  } while (!account.used.compare_exchange_weak(used, used + bytes, std::memory_order_relaxed));
  return Lease(this, share, bytes);
}

Budget::Lease& Budget::Lease::operator=(Lease&& other) noexcept {
  if (this == &other) return *this;
  release();
  budget_ = other.budget_;
  share_ = other.share_;
  n_ = other.n_;
  other.budget_ = nullptr;
  return *this;
}

void Budget::Lease::release() {
  if (budget_ == nullptr) return;
  budget_->accounts_[static_cast<size_t>(share_)].used.fetch_sub(n_, std::memory_order_relaxed);
  budget_ = nullptr;
}

}  // namespace slip
