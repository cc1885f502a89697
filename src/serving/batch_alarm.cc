#include <map>
#include <utility>

#include "serving/batcher.h"
#include "sys/clock.h"
#include "sys/executor.h"
#include "sys/sync.h"

namespace slip::serving {
namespace {

class TaskAlarm final : public BatchAlarm {
 public:
  TaskAlarm(Executor& executor, Clock& clock)
      : clock_(clock), task_(executor.spawn("batch-alarm", [this] { run(); })) {}

  ~TaskAlarm() override {
    {
      const sys::Lock lock(mutex_);
      stopping_ = true;
    }
    changed_.notify_all();
    task_->join();
  }

  void call_at(int64_t steady_ns, std::function<void()> what) override {
    bool first = false;
    {
      const sys::Lock lock(mutex_);
      first = calls_.empty() || steady_ns < calls_.begin()->first;
      calls_.emplace(steady_ns, std::move(what));
    }
    if (first) changed_.notify_all();
  }

 private:
  void run() {
    sys::Lock lock(mutex_);
    while (!stopping_) {
      if (calls_.empty()) {
        changed_.wait(lock);
      } else if (clock_.steady_ns() < calls_.begin()->first) {
        changed_.wait_until(lock, calls_.begin()->first);
      } else {
        std::function<void()> what = std::move(calls_.begin()->second);
        calls_.erase(calls_.begin());
        lock.unlock();
        what();
        what = nullptr;  // Its captures die outside of the lock.
        lock.lock();
      }
    }
  }

  Clock& clock_;
  sys::Mutex mutex_;
  sys::CondVar changed_;
  std::multimap<int64_t, std::function<void()>> calls_;
  bool stopping_ = false;
  std::unique_ptr<Task> task_;  // Last: it uses the others.
};

}  // namespace

std::unique_ptr<BatchAlarm> make_batch_alarm(Executor& executor, Clock& clock) {
  return std::make_unique<TaskAlarm>(executor, clock);
}

}  // namespace slip::serving
