#include "sys/sync.h"

#include <chrono>

namespace slip::sys {
namespace {

thread_local SimHooks* t_sim = nullptr;

}  // namespace

SimHooks* current_sim() { return t_sim; }
void set_current_sim(SimHooks* sim) { t_sim = sim; }

void Mutex::lock() {
  if (t_sim != nullptr) [[unlikely]]
    t_sim->lock(this);
  else
    real_.lock();
}

void Mutex::unlock() {
  if (t_sim != nullptr) [[unlikely]]
    t_sim->unlock(this);
  else
    real_.unlock();
}

void CondVar::wait(Lock& lock) {
  if (t_sim != nullptr) [[unlikely]]
    t_sim->wait(this, lock.mutex(), INT64_MAX);
  else
    real_.wait(lock);
}

bool CondVar::wait_until(Lock& lock, int64_t deadline_ns) {
  if (t_sim != nullptr) [[unlikely]]
    return t_sim->wait(this, lock.mutex(), deadline_ns);
  if (deadline_ns == INT64_MAX) {
    real_.wait(lock);
    return true;
  }
  using std::chrono::steady_clock;
  const steady_clock::time_point until{std::chrono::nanoseconds(deadline_ns)};
  return real_.wait_until(lock, until) == std::cv_status::no_timeout;
}

void CondVar::notify_one() {
  if (t_sim != nullptr) [[unlikely]]
    t_sim->notify(this, false);
  else
    real_.notify_one();
}

void CondVar::notify_all() {
  if (t_sim != nullptr) [[unlikely]]
    t_sim->notify(this, true);
  else
    real_.notify_all();
}

}  // namespace slip::sys
