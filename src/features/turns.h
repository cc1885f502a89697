#pragma once

#include <algorithm>
#include <atomic>
#include <cstdint>

#include "sys/clock.h"
#include "sys/sync.h"

// Rows are appended to the history side by side and applied in the order of their numbers: a turn
// gives numbers and the moment of arrival, which never goes back, and says when it is ours to
// apply. Any thread.
namespace slip::features {

struct Turn {
  int64_t first_seq = 0;
  int64_t ingest_us = 0;
  int64_t number = 0;
};

class Turns {
 public:
  explicit Turns(Clock& clock) : clock_(clock) {}

  // Where numbers and moments go on: before anybody takes a turn.
  void go_on(int64_t last_seq, int64_t last_ingest_us) {
    last_seq_ = last_seq;
    last_ingest_us_ = last_ingest_us;
    applied_seq_.store(last_seq, std::memory_order_release);
    applied_ingest_us_.store(last_ingest_us, std::memory_order_release);
  }

  Turn take(int64_t rows) {
    const sys::Lock lock(mutex_);
    Turn out;
    out.number = next_++;
    out.first_seq = last_seq_ + 1;
    last_seq_ += rows;
    last_ingest_us_ = std::max(last_ingest_us_, clock_.now_us());
    out.ingest_us = last_ingest_us_;
    return out;
  }
  void await(const Turn& turn) {
    sys::Lock lock(mutex_);
    while (applying_ != turn.number) done_.wait(lock);
    begun_.store(turn.number, std::memory_order_release);
  }
  // Whoever took a turn ends it, whatever came of it.
  void end(const Turn& turn, int64_t through_seq) {
    {
      const sys::Lock lock(mutex_);
      applying_ = turn.number + 1;
      applied_seq_.store(through_seq, std::memory_order_release);
      applied_ingest_us_.store(turn.ingest_us, std::memory_order_release);
      ended_.store(turn.number, std::memory_order_release);
    }
    done_.notify_all();
  }

  int64_t applied_seq() const { return applied_seq_.load(std::memory_order_acquire); }
  int64_t applied_ingest_us() const { return applied_ingest_us_.load(std::memory_order_acquire); }
  // What a reader asks to know whether rows were applied meanwhile: turns whose application has
  // begun and ended.
  int64_t begun() const { return begun_.load(std::memory_order_acquire); }
  int64_t ended() const { return ended_.load(std::memory_order_acquire); }

 private:
  Clock& clock_;
  sys::Mutex mutex_;
  sys::CondVar done_;
  int64_t next_ = 1;
  int64_t applying_ = 1;  // Whose it is to apply.
  int64_t last_seq_ = 0;
  int64_t last_ingest_us_ = 0;
  std::atomic<int64_t> applied_seq_{0};
  std::atomic<int64_t> applied_ingest_us_{0};
  std::atomic<int64_t> begun_{0};
  std::atomic<int64_t> ended_{0};
};

}  // namespace slip::features
