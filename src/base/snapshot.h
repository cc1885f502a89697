#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <utility>

#include "base/check.h"

// An immutable value that many threads read and few replace. A writer publishes under a mutex and
// bumps a version; each reader keeps its own copy of the pointer and compares one integer, so the
// usual read takes no lock and touches no shared count. (`std::atomic<std::shared_ptr>` of GCC 12
// is slow under readers and a race to TSan.)
namespace slip {

template <class T>
class Snapshot {
 public:
  explicit Snapshot(std::shared_ptr<const T> first) : value_(std::move(first)) { CHECK(value_); }

  void publish(std::shared_ptr<const T> next) {
    CHECK(next);
    const std::lock_guard lock(mutex_);
    value_.swap(next);  // The old value dies after the lock is gone.
    version_.fetch_add(1, std::memory_order_release);
  }

  std::shared_ptr<const T> load() const {
    const std::lock_guard lock(mutex_);
    return value_;
  }

  // One per reading thread. `get()` is valid until the next `get()` of this reader.
  class Reader {
   public:
    explicit Reader(const Snapshot& source) : source_(&source) { refresh(); }

    const T& get() {
      if (source_->version_.load(std::memory_order_acquire) != version_) [[unlikely]]
        refresh();
      return *value_;
    }
    const std::shared_ptr<const T>& hold() {
      get();
      return value_;
    }

   private:
    void refresh() {
      const std::lock_guard lock(source_->mutex_);
      value_ = source_->value_;
      version_ = source_->version_.load(std::memory_order_relaxed);
    }

    const Snapshot* source_;
    std::shared_ptr<const T> value_;
    uint64_t version_ = 0;
  };

 private:
  mutable std::mutex mutex_;
  std::shared_ptr<const T> value_;
  std::atomic<uint64_t> version_{1};
};

}  // namespace slip
