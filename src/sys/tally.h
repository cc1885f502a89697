#pragma once

#include <cstddef>
#include <cstdint>

#include "sys/sync.h"

// How many of something are still there, and a way to wait until none is. Any thread.
namespace slip::sys {

class Tally {
 public:
  void add() {
    const Lock lock(mutex_);
    ++n_;
  }
  void remove() {
    const Lock lock(mutex_);
    if (--n_ == 0) none_.notify_all();
  }
  size_t size() const {
    const Lock lock(mutex_);
    return n_;
  }
  // Until none is left, or until `deadline_ns` (steady).
  void wait_none(int64_t deadline_ns) {
    Lock lock(mutex_);
    while (n_ > 0 && none_.wait_until(lock, deadline_ns)) {}
  }

 private:
  mutable Mutex mutex_;
  CondVar none_;
  size_t n_ = 0;
};

}  // namespace slip::sys
