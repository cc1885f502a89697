#include "sys/executor.h"

#include <chrono>
#include <thread>
#include <vector>

#include <pthread.h>

#include "base/check.h"
#include "sys/clock.h"
#include "sys/sync.h"

namespace slip {
namespace {

class RealTask final : public Task {
 public:
  RealTask(const std::string& name, std::function<void()> body)
      : thread_([body = std::move(body), name] {
          pthread_setname_np(pthread_self(), name.substr(0, 15).c_str());
          body();
        }) {}
  ~RealTask() override { join(); }
  void join() override {
    if (thread_.joinable()) thread_.join();
  }

 private:
  std::thread thread_;
};

class RealExecutor final : public Executor {
 public:
  std::unique_ptr<Task> spawn(const std::string& name, std::function<void()> body) override {
    return std::make_unique<RealTask>(name, std::move(body));
  }
  void sleep_until(int64_t deadline_ns) override {
    using std::chrono::steady_clock;
    std::this_thread::sleep_until(steady_clock::time_point(std::chrono::nanoseconds(deadline_ns)));
  }
};

// Threads are made when work arrives and nobody is idle; one that has idled too long ends and is
// joined by the next submit (or by the destructor).
class ThreadPool final : public Pool {
 public:
  ThreadPool(Executor& executor, Clock& clock, Options options)
      : executor_(executor), clock_(clock), options_(std::move(options)) {
    CHECK(options_.threads_max > 0 && options_.queue_max > 0);
  }

  ~ThreadPool() override {
    {
      const sys::Lock lock(mutex_);
      closing_ = true;
    }
    ready_.notify_all();
    for (std::unique_ptr<Worker>& w : workers_) w->task->join();
    CHECK(queue_.empty());
  }

  Status submit(std::function<void()> work) override {
    std::vector<std::unique_ptr<Worker>> ended;
    {
      const sys::Lock lock(mutex_);
      CHECK(!closing_);
      if (queue_.size() >= options_.queue_max)
        return exhausted("pool.full", "too many requests are waiting for a worker");
      queue_.push_back(std::move(work));
      collect(&ended);
      if (idle_ < queue_.size() && workers_.size() < options_.threads_max) add_worker();
    }
    ready_.notify_one();
    return {};
  }

  size_t queued() const override {
    const sys::Lock lock(mutex_);
    return queue_.size();
  }

 private:
  struct Worker {
    std::unique_ptr<Task> task;
    bool ended = false;
  };

  void collect(std::vector<std::unique_ptr<Worker>>* ended) {
    for (size_t i = 0; i < workers_.size();) {
      if (!workers_[i]->ended) {
        ++i;
        continue;
      }
      ended->push_back(std::move(workers_[i]));
      workers_[i] = std::move(workers_.back());
      workers_.pop_back();
    }
  }

  void add_worker() {
    workers_.push_back(std::make_unique<Worker>());
    Worker* w = workers_.back().get();
    w->task = executor_.spawn(options_.name, [this, w] { run(w); });
  }

  void run(Worker* self) {
    sys::Lock lock(mutex_);
    for (;;) {
      if (!queue_.empty()) {
        std::function<void()> work = std::move(queue_.front());
        queue_.pop_front();
        lock.unlock();
        work();
        work = nullptr;  // Its captures die outside of the lock.
        lock.lock();
        continue;
      }
      if (closing_) return;
      ++idle_;
      const int64_t until = clock_.steady_ns() + options_.idle_ms * 1'000'000;
      const bool woken = ready_.wait_until(lock, until);
      --idle_;
      if (woken || !queue_.empty() || closing_) continue;
      self->ended = true;
      return;
    }
  }

  Executor& executor_;
  Clock& clock_;
  const Options options_;
  mutable sys::Mutex mutex_;
  sys::CondVar ready_;
  std::deque<std::function<void()>> queue_;
  std::vector<std::unique_ptr<Worker>> workers_;
  size_t idle_ = 0;
  bool closing_ = false;
};

}  // namespace

Executor& real_executor() {
  static RealExecutor executor;
  return executor;
}

std::unique_ptr<Pool> make_pool(Executor& executor, Clock& clock, Pool::Options options) {
  return std::make_unique<ThreadPool>(executor, clock, std::move(options));
}

}  // namespace slip
