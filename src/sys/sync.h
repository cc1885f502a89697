#pragma once

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <optional>
#include <utility>

// Mutex, condition variable and queue for everything above sys/. On a real thread they are the
// standard ones; on a task of the simulated executor every operation is a place where the seed may
// pass the baton to another task (see sys/sim/sim_executor.h). The std ones are banned above.
namespace slip::sys {

class SimHooks;  // Implemented by the simulated executor.
// The simulation that the calling thread belongs to; null on real threads.
SimHooks* current_sim();
void set_current_sim(SimHooks* sim);

class SimHooks {
 public:
  virtual ~SimHooks() = default;
  virtual void yield(const char* where) = 0;  // Any other task may run now.
  virtual void lock(const void* mutex) = 0;
  virtual void unlock(const void* mutex) = 0;
  // Releases `mutex`, sleeps until notified or until steady time `deadline_ns`, takes it again.
  // False when the deadline came first.
  virtual bool wait(const void* condition, const void* mutex, int64_t deadline_ns) = 0;
  virtual void notify(const void* condition, bool all) = 0;
};

class Mutex {
 public:
  Mutex() = default;
  Mutex(const Mutex&) = delete;
  Mutex& operator=(const Mutex&) = delete;
  void lock();
  void unlock();

 private:
  friend class CondVar;
  std::mutex real_;
};

using Lock = std::unique_lock<Mutex>;

class CondVar {
 public:
  void wait(Lock& lock);
  // `deadline_ns` on the steady clock of the world the caller lives in. False when it came first.
  bool wait_until(Lock& lock, int64_t deadline_ns);
  void notify_one();
  void notify_all();

 private:
  std::condition_variable_any real_;
};

// A value that can only be reached while its mutex is held.
template <class T>
class Guarded {
 public:
  template <class... Args>
  explicit Guarded(Args&&... args) : value_(std::forward<Args>(args)...) {}

  template <class F>
  auto with(F&& f) {
    const Lock lock(mutex_);
    return f(value_);
  }
  template <class F>
  auto with(F&& f) const {
    const Lock lock(mutex_);
    return f(static_cast<const T&>(value_));
  }

 private:
  mutable Mutex mutex_;
  T value_;
};

// A bounded queue between tasks. push() refuses when full or closed; pop() waits.
template <class T>
class Queue {
 public:
  explicit Queue(size_t capacity) : capacity_(capacity) {}

  bool push(T item) {
    {
      const Lock lock(mutex_);
      if (closed_ || items_.size() >= capacity_) return false;
      items_.push_back(std::move(item));
    }
    ready_.notify_one();
    return true;
  }
  // Nothing once the queue is closed and empty, or when `deadline_ns` (steady) has come.
  std::optional<T> pop(int64_t deadline_ns = INT64_MAX) {
    Lock lock(mutex_);
    while (items_.empty() && !closed_)
      if (!ready_.wait_until(lock, deadline_ns)) break;
    if (items_.empty()) return std::nullopt;
    T item = std::move(items_.front());
    items_.pop_front();
    return item;
  }
  void close() {
    {
      const Lock lock(mutex_);
      closed_ = true;
    }
    ready_.notify_all();
  }
  size_t size() const {
    const Lock lock(mutex_);
    return items_.size();
  }

 private:
  const size_t capacity_;
  mutable Mutex mutex_;
  CondVar ready_;
  std::deque<T> items_;
  bool closed_ = false;
};

}  // namespace slip::sys
