#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <string_view>

#include "base/result.h"

// Who may hold how much memory. The process's allowance is divided once, at start; whoever is about
// to hold bytes on behalf of a request reserves them first and is refused (kExhausted) when its
// share is used up, so overload becomes a 429 and never a dead process. Any thread.
namespace slip {

enum class Share : uint8_t { kControl, kBodies, kModels, kFeatures, kCaches, kJobs };
inline constexpr size_t kShareCount = 6;
std::string_view share_name(Share share);

class Budget {
 public:
  // `total_bytes`: what all shares together may hold (70 % of the cgroup's limit in production).
  explicit Budget(int64_t total_bytes);

  // Held while the bytes are; gives them back when destroyed.
  class Lease {
   public:
    Lease() = default;
    Lease(Lease&& other) noexcept : budget_(other.budget_), share_(other.share_), n_(other.n_) {
      other.budget_ = nullptr;
    }
    Lease& operator=(Lease&& other) noexcept;
    ~Lease() { release(); }
    int64_t bytes() const { return budget_ ? n_ : 0; }
    void release();

   private:
    friend class Budget;
    Lease(Budget* budget, Share share, int64_t n) : budget_(budget), share_(share), n_(n) {}
    Budget* budget_ = nullptr;
    Share share_ = Share::kControl;
    int64_t n_ = 0;
  };

  Result<Lease> reserve(Share share, int64_t bytes);  // kExhausted `memory.share_full`.
  int64_t used(Share share) const { return at(share).used.load(std::memory_order_relaxed); }
  int64_t limit(Share share) const { return at(share).limit; }

 private:
  struct Account {
    int64_t limit = 0;
    std::atomic<int64_t> used{0};
  };
  const Account& at(Share share) const { return accounts_[static_cast<size_t>(share)]; }
  std::array<Account, kShareCount> accounts_;
};

}  // namespace slip
