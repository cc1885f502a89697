#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "serving/batch_cost.h"
#include "serving/batch_queue.h"
#include "serving/batch_settings.h"
#include "serving/batch_stats.h"
#include "serving/batch_tuner.h"

// When which requests run together: the rules of serving/batcher.h without its threads, a state
// machine driven by events and the moment at which they happen. Deterministic; one thread; times of
// the steady clock that never run back.
//
// Rules
// 1. Work-conserving: while an instance is idle nothing waits, but for a delay (set, or chosen by
//    batch_tuner.h), for a batch that a deadline still allows to grow, and never when closed.
// 2. While all instances are busy, arrivals are seated in their shape's next batch as long as they
//    fit. A higher level takes the places of lower ones. The others wait in the order of
//    batch_queue.h and are seated when that batch has gone.
// 3. Of several shapes, the one with the most urgent seated piece goes first. Every batch keeps an
//    eighth of its rows, at least one piece, for pieces that are overdue, oldest first; with
//    several shapes every second batch is of the shape whose piece has been overdue longest. So an
//    overdue piece with m older overdue ones runs within m + 1 batches of one shape, 2 (m + 1) of
//    several.
// 4. A request whose deadline has passed, or is surely passed even by the least time of a run, is
//    refused, on arrival or later. A batch whose tightest member is expected to be late is cut so
//    that it makes it, if the others can then still make theirs (or it costs less than 2 % of the
//    throughput). Otherwise the surely late are refused, and while others wait for a place also
//    those that are expected to be late.
// 5. What is larger than a batch runs in pieces; refused once, all that waits of it goes.
// 6. A level's full queue refuses; time to wait that has ended refuses or demotes.
namespace slip::serving {

struct BatchLaunch {
  uint64_t run = 0;
  uint64_t shape = 0;
};

// What an event led to, in order. Appended to.
struct BatchDecisions {
  std::vector<std::pair<uint64_t, BatchRefusal>> refused;
  std::vector<BatchLaunch> launched;  // An instance has them: start(), then finish().
};

class BatchPolicy {
 public:
  // Whether the request's caller has gone. Asked before a run takes it, and when that begins.
  using Cancelled = std::function<bool(uint64_t id)>;
  BatchPolicy(BatchSettings settings, Cancelled cancelled);

  // True when the whole request has been seated in its shape's next batch and still is.
  bool arrive(const BatchItem& item, int64_t now_ns, BatchDecisions* out);
  // The run is about to begin: what it shall run, without whom is late or gone. Maybe nothing; it
  // is finished all the same. Valid until finish().
  std::span<const BatchPart> start(uint64_t run, int64_t now_ns, BatchDecisions* out);
  // `took_ns` is what the cost is learnt from; 0: nothing to be learnt (it failed).
  void finish(uint64_t run, int64_t now_ns, int64_t took_ns, BatchDecisions* out);
  void tick(int64_t now_ns, BatchDecisions* out);
  // Answered meanwhile: what waits of it need not run.
  void forget(uint64_t id, int64_t now_ns, BatchDecisions* out);
  void close(int64_t now_ns, BatchDecisions* out);
  void refuse_waiting(int64_t now_ns, BatchDecisions* out);

  // When to tick() if nothing else happens before; INT64_MAX: no need.
  int64_t wake_ns() const { return wake_ns_; }
  bool closed() const { return closed_; }
  BatchReason reason(uint64_t run) const { return runs_.at(run).why; }
  // Expected to take less than `ns`; false while nothing is known.
  bool cheaper_than(uint64_t run, int64_t ns) const;

  const BatchSettings& settings() const { return settings_; }
  const BatchCost& cost() const { return cost_; }
  BatchStats& stats() { return stats_; }
  BatchReport report(int64_t now_ns) const;

 private:
  struct Run {
    uint64_t shape = 0;
    BatchReason why = BatchReason::kIdle;
    int64_t since_ns = 0;
    int64_t rows = 0;
    bool started = false;
    std::vector<BatchPart> parts;
  };
  // A shape whose next batch may go, or when it may.
  struct Choice {
    uint64_t shape = 0;
    bool ready = false;
    BatchReason why = BatchReason::kIdle;
    int64_t until_ns = INT64_MAX;
    size_t pieces = 0;  // Of the seated ones; 0: all.
  };
  using Key = BatchQueue::Key;
  using Shape = BatchQueue::Shape;

  int64_t size() const { return tuner_.rows(); }
  bool fits(const Shape& shape, int64_t rows) const;
  int64_t level_of(const BatchItem& item) const;
  std::optional<BatchRefusal> admit(const BatchItem& item, int64_t level, int64_t now_ns) const;
  bool hopeless(const BatchItem& item, int64_t level, int64_t now_ns) const;
  void seat_arrival(uint64_t shape, Key key);
  void fill(uint64_t shape);
  bool make_room(uint64_t shape, int64_t rows, std::optional<int64_t> below_level);
  void seat_overdue(uint64_t shape, int64_t now_ns);

  void expire(int64_t now_ns, BatchDecisions* out);
  void refuse(uint64_t id, BatchRefusal why, BatchDecisions* out);
  void drop(uint64_t id);

  void launch_ready(int64_t now_ns, BatchDecisions* out);
  Choice choose(int64_t now_ns);
  Choice decide(uint64_t id, const Shape& shape, int64_t now_ns) const;
  size_t preferred_prefix(const Shape& shape) const;
  void drop_cancelled(uint64_t shape, BatchDecisions* out);
  void launch(const Choice& choice, int64_t now_ns, BatchDecisions* out);
  BatchReason honour_deadlines(const Choice& choice, int64_t now_ns, BatchDecisions* out);
  bool cut(uint64_t shape, int64_t tightest_ns, int64_t now_ns);

  const BatchSettings settings_;
  const Cancelled cancelled_;
  BatchQueue queue_;
  BatchCost cost_;
  BatchTuner tuner_;
  BatchStats stats_;
  std::map<uint64_t, Run> runs_;
  uint64_t last_run_ = 0;
  int64_t free_;
  int64_t wake_ns_ = INT64_MAX;
  bool closed_ = false;
  bool last_by_age_ = false;
};

}  // namespace slip::serving
