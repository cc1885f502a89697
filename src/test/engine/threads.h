#pragma once

#include <memory>
#include <vector>

#include "engine/pit/pit.h"
#include "sys/executor.h"

// Workers of an engine on real threads, as many as it says. One thread calls.
namespace slip::test {

class Threads final : public engine::Workers {
 public:
  explicit Threads(size_t n) : n_(n) {}
  size_t threads() const override { return n_; }
  void run(size_t n, const std::function<void(size_t)>& task) override {
    std::vector<std::unique_ptr<Task>> tasks;
    for (size_t i = 0; i < n; ++i)
      tasks.push_back(real_executor().spawn("engine", [&task, i] { task(i); }));
  }

 private:
  size_t n_;
};

}  // namespace slip::test
