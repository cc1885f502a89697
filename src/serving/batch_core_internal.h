#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "serving/batch_policy.h"
#include "serving/batch_slots.h"
#include "serving/batcher.h"
#include "sys/sync.h"

// The threads of a batcher. One mutex guards the policy and all books; rows of more than a few KiB
// are copied, models run and answers given outside of it. A run belongs to an instance from the
// policy's launch to its finish(); the thread that carries it out goes on with the next one.
namespace slip::serving {

class Batcher::Core : public std::enable_shared_from_this<Batcher::Core> {
 public:
  Core(Deps deps, BatchSettings settings, BatchRun run);

  void submit(BatchRequest request);
  void close();
  void drain(int64_t deadline_ns);
  BatchReport report();

 private:
  // Tensors of a batch that is being made or run.
  struct Seats {
    Seats(std::span<const Tensor> like, int64_t rows_max) : slots(like, rows_max) {}
    BatchSlots slots;
    uint64_t number = 0;  // Never used twice: whose rows are in it.
    int writers = 0;      // Who still copies.
    uint64_t run = 0;     // That waits for them; 0: none does.
  };
  struct Shape {
    uint64_t id = 0;
    int64_t slot_rows = 0;  // Room in `next`.
    std::unique_ptr<Seats> next;
    std::unique_ptr<Seats> spare;
  };
  struct Pending {
    uint64_t id = 0;
    BatchRequest request;
    std::shared_ptr<Shape> shape;
    int64_t rows = 0;
    int64_t rows_left = 0;  // Not run yet.
    int64_t arrived_ns = 0;
    uint64_t seats = 0;  // Where its rows are: the number of those seats, and the first row there.
    int64_t slot = 0;
    BatchTimes times;
    std::map<int64_t, std::vector<Tensor>> outputs;  // By first row.
  };
  using PendingPtr = std::shared_ptr<Pending>;
  struct Answer {
    PendingPtr request;
    std::optional<Error> error;  // Nothing: its outputs.
  };
  struct Part {
    PendingPtr request = {};
    BatchPart part = {};
    bool slotted = false;
    int64_t at = 0;  // Its first row in the batch.
  };
  struct Work {
    uint64_t run = 0;
    int64_t rows = 0;
    BatchReason why = BatchReason::kIdle;
    std::vector<Part> parts;
    std::shared_ptr<Shape> shape;
    std::unique_ptr<Seats> seats;
    int64_t begun_ns = 0, ready_ns = 0, done_ns = 0;
    bool learns = false;  // What it took says what such a run costs.
    // One for the whole batch, or one for each part when it was run piece by piece.
    std::vector<Result<std::vector<Tensor>>> results;
  };
  struct Launched {
    std::shared_ptr<Shape> shape;
    std::unique_ptr<Seats> seats;
  };
  using Runs = std::vector<uint64_t>;

  // With the lock held.
  PendingPtr enroll(BatchRequest request, int64_t rows);
  std::shared_ptr<Shape> shape_of(std::span<const Tensor> inputs);
  Seats* reserve(Pending* request);
  void apply(const BatchDecisions& decisions, std::vector<Answer>* answers, Runs* ready);
  void settle(uint64_t id, std::optional<Error> error, bool ran, std::vector<Answer>* answers);
  void set_alarm();
  void begin(uint64_t run, Work* work, std::vector<Answer>* answers, Runs* ready);
  void complete(Work* work, std::vector<Answer>* answers, Runs* ready);

  // Without.
  std::span<const Tensor> assemble(Work* work);
  void infer(Work* work);
  void infer_each(Work* work);
  void divide(Work* work);
  void copy_rows(const Pending& request, Seats* seats, Runs* ready);
  void deliver(std::vector<Answer> answers);
  void give(Answer answer);
  bool dispatch(uint64_t run);
  Status dispatch_or_error(uint64_t run);
  void dispatch_all(const Runs& ready);  // From a thread that has other things to do.
  void abandon(uint64_t run, const Error& why, Runs* ready);
  void work(Runs mine);  // From a thread of the pool.
  Runs carry_out(uint64_t run);
  void on_alarm();
  void tick();

  const Deps deps_;
  const BatchRun run_;
  const int64_t inline_below_ns_;
  const bool ordered_;

  sys::Mutex mutex_;
  sys::CondVar none_left_;
  BatchPolicy policy_;
  uint64_t last_id_ = 0;
  uint64_t last_shape_ = 0;
  uint64_t last_seats_ = 0;
  size_t outstanding_ = 0;  // Accepted or being refused, `done` not returned yet.
  std::unordered_map<uint64_t, PendingPtr> pending_;
  std::map<std::string, std::shared_ptr<Shape>, std::less<>> shapes_;
  std::map<uint64_t, std::shared_ptr<Shape>> shapes_by_id_;
  std::map<uint64_t, Launched> launched_;
  int64_t alarm_at_ = INT64_MAX;  // The earliest call that is on its way.

  // preserve_ordering: answers of runs wait for those before them.
  std::map<uint64_t, std::optional<Answer>> order_;
  std::vector<Answer> in_order_;
  bool delivering_ = false;
};

}  // namespace slip::serving
