#pragma once

#include <memory>

#include "serving/batcher.h"
#include "serving/routing.h"
#include "sys/executor.h"

// Where models run that are worth a hand-over: one pool and one alarm for all, and each arm's
// batcher with the settings of its configuration. Any thread.
namespace slip::serving {

class Batching {
 public:
  struct Options {
    size_t threads = 2;        // Runs at a time, of all models.
    int64_t objective_us = 0;  // p99 that batches are tuned to; 0: nothing is made to wait.
  };
  Batching(Executor& executor, Clock& clock, Options options);

  // An arm of a loaded model; `before`: what it was in the last table, whose batcher it keeps when
  // the model is the same. Null for a model that takes no batches.
  std::shared_ptr<Batcher> batcher_for(const Arm& arm, const Arm* before) const;
  int64_t threads() const { return static_cast<int64_t>(options_.threads); }

 private:
  Clock& clock_;
  Options options_;
  std::unique_ptr<Pool> pool_;  // After the alarm's end nothing is called any more.
  std::unique_ptr<BatchAlarm> alarm_;
};

// What a configuration says of batches. `threads`: instances where it says nothing of them.
BatchSettings batch_settings(const ModelConfig& config, int64_t threads);

}  // namespace slip::serving
