#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/result.h"
#include "serving/batch_settings.h"
#include "serving/batch_stats.h"
#include "serving/tensor.h"

namespace slip {
class Clock;
class Executor;
class Pool;
}  // namespace slip

// Requests of one model, put together into batches and given back their own rows.
//
// An idle instance runs what there is at once; while all are busy, requests write their rows into
// the next batch of their shape. Who goes first, when a batch closes and who is refused is decided
// by serving/batch_policy.h (pure; the rules are there); this class has the rows and the threads.
//
// Invariants: `done` is called exactly once for each request, never while a lock of the batcher is
// held, on a pool thread or inside submit(), close() or drain(); a row is copied once into its
// batch (not at all when its request runs alone) and once out of it; no run begins after a member's
// deadline. Any thread.
//
// The pool, clock and alarm outlive the batcher and every request; the run function is kept until
// the last request is answered.
namespace slip::serving {

// Calls back once, at or after a moment, on a thread of its own: be short. Any thread.
class BatchAlarm {
 public:
  virtual ~BatchAlarm() = default;
  virtual void call_at(int64_t steady_ns, std::function<void()> what) = 0;
};
// One task for all batchers. What has not been called when it is destroyed never is.
std::unique_ptr<BatchAlarm> make_batch_alarm(Executor& executor, Clock& clock);

// How a request fared, for statistics (queue and compute apart) and logs.
struct BatchTimes {
  int64_t queue_ns = 0;    // Until its (first) run began.
  int64_t input_ns = 0;    // Of its batches: rows put together,
  int64_t infer_ns = 0;    // run,
  int64_t output_ns = 0;   // given back.
  int64_t batch_rows = 0;  // Of its last batch; 0: it never ran.
  BatchReason reason = BatchReason::kIdle;
};

struct BatchRequest {
  // Checked against the model's signature; each with the same first dimension, the rows, ≥ 1.
  std::vector<Tensor> inputs = {};
  int64_t deadline_ns = 0;  // Steady clock; 0: none.
  int64_t timeout_us = 0;   // Of waiting, if the queue's policy allows it; 0: none.
  int64_t priority = 0;     // 0: the default; 1 is the highest.
  std::string tenant = {};  // Who shares fairly with others of one priority.
  // Asked before a run, under the batcher's lock: an atomic load, nothing more. May be null.
  std::function<bool()> cancelled = {};
  // The request's rows of each output, or: what the model said of its batch;
  // kUnavailable `batch.full|batch.deadline|batch.cancelled|batch.stopping`; kInvalid `batch.rows`;
  // kInternal `batch.output` when an output hasn't one row for each of the batch's; pool.full.
  std::function<void(Result<std::vector<Tensor>>, const BatchTimes&)> done = {};
};

// Tensors of a batch in, all outputs out. Called by as many threads at a time as there are
// instances.
using BatchRun = std::function<Result<std::vector<Tensor>>(std::span<const Tensor>)>;

class Batcher {
 public:
  struct Deps {
    Pool& pool;
    Clock& clock;
    BatchAlarm& alarm;
  };
  // CHECKs the settings: check_settings() first.
  Batcher(Deps deps, BatchSettings settings, BatchRun run);
  // Takes no more; what it has taken is still answered, later and by itself.
  ~Batcher();

  void submit(BatchRequest request);

  // Takes no more (`batch.stopping`) and nothing waits for company.
  void close();
  // close(), then returns when everything is answered. What has not begun at `deadline_ns` (steady)
  // is refused then. Not from `done`.
  void drain(int64_t deadline_ns);

  BatchReport report() const;

 private:
  class Core;
  std::shared_ptr<Core> core_;  // Shared with the runs under way.
};

}  // namespace slip::serving
