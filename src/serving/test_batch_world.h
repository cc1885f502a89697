#pragma once

#include <algorithm>
#include <cstdint>
#include <functional>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "serving/batch_policy.h"

// A BatchPolicy in simulated time: arrivals at given moments, runs that take what `cost` says.
// After every event it checks what must always hold; `broken` says what did not. One thread.
namespace slip::serving {

class BatchWorld {
 public:
  struct Fate {
    BatchItem item = {};
    int64_t arrived_ns = 0;
    int answers = 0;
    int64_t rows_run = 0;  // Begun.
    int64_t rows_done = 0;
    int64_t begun_ns = -1;  // Of the first piece.
    int64_t answered_ns = -1;
    bool refused = false;
    BatchRefusal why = BatchRefusal::kQueueFull;
  };
  struct Launch {
    int64_t at_ns = 0;
    uint64_t shape = 0;
    int64_t rows = 0;
    BatchReason why = BatchReason::kIdle;
    std::vector<BatchPart> parts = {};
  };
  using Cost = std::function<int64_t(int64_t rows)>;

  BatchWorld(BatchSettings settings, Cost cost)
      : policy_(std::move(settings), [this](uint64_t id) { return cancelled.contains(id); }),
        cost_(std::move(cost)) {}

  // In order of time; ids are given here, from 1.
  uint64_t arrive(int64_t at_ns, BatchItem item) {
    run_until(at_ns);
    item.id = ++last_id_;
    fates[item.id] = {.item = item, .arrived_ns = at_ns};
    BatchDecisions d;
    policy_.arrive(item, now_ns_, &d);
    apply(d);
    return item.id;
  }
  void run_until(int64_t at_ns) {
    while (next_event() <= at_ns) step();
    now_ns_ = at_ns;
  }
  // Until nothing happens any more.
  void run_all() {
    while (next_event() != INT64_MAX) step();
  }
  void close() {
    BatchDecisions d;
    policy_.close(now_ns_, &d);
    apply(d);
  }
  void refuse_waiting() {
    BatchDecisions d;
    policy_.refuse_waiting(now_ns_, &d);
    apply(d);
  }

  int64_t now_ns() const { return now_ns_; }
  BatchPolicy& policy() { return policy_; }
  size_t running() const { return running_.size(); }

  std::map<uint64_t, Fate> fates;
  std::vector<Launch> launches;
  std::set<uint64_t> cancelled;
  std::vector<std::string> broken;
  int64_t hand_off_ns = 0;  // From a launch to its start.
  bool keep_launches = true;

 private:
  struct Running {
    uint64_t run = 0;
    bool started = false;
    int64_t took_ns = 0;
  };

  void expect(bool holds, const char* what, uint64_t id) {
    if (!holds && broken.size() < 20)
      broken.push_back(std::string(what) + " at " + std::to_string(now_ns_) + ", request or run " +
                       std::to_string(id));
  }

  int64_t next_event() const {
    const int64_t run_ns = running_.empty() ? INT64_MAX : running_.begin()->first;
    return std::min(run_ns, policy_.wake_ns());
  }

  void step() {
    const bool is_run = !running_.empty() && running_.begin()->first <= policy_.wake_ns();
    now_ns_ = std::max(now_ns_, next_event());
    BatchDecisions d;
    if (!is_run) {
      policy_.tick(now_ns_, &d);
      expect(policy_.wake_ns() > now_ns_, "an alarm that changes nothing", 0);
    } else {
      const Running r = running_.begin()->second;
      running_.erase(running_.begin());
      if (r.started)
        finish(r, &d);
      else
        start(r.run, &d);
    }
    apply(d);
  }

  void start(uint64_t run, BatchDecisions* d) {
    Launch launch{.at_ns = now_ns_, .why = policy_.reason(run)};
    int64_t most = 0;
    for (const BatchPart& part : policy_.start(run, now_ns_, d)) {
      Fate& fate = fates[part.id];
      expect(fate.item.deadline_ns == 0 || now_ns_ < fate.item.deadline_ns,
             "a run after a deadline", part.id);
      expect(fate.answers == 0, "a run after the answer", part.id);
      expect(part.first_row + part.rows <= fate.item.rows, "rows that there aren't", part.id);
      expect(launch.rows == 0 || launch.shape == fate.item.shape, "shapes in one batch", part.id);
      if (fate.begun_ns < 0) fate.begun_ns = now_ns_;
      fate.rows_run += part.rows;
      launch.shape = fate.item.shape;
      launch.rows += part.rows;
      most = std::max(most, part.rows);
      launch.parts.push_back(part);
    }
    expect(launch.rows <= policy_.settings().max_batch_size, "a batch that is too large", run);
    const int64_t took_ns = launch.rows == 0 ? 0 : cost_(launch.rows);
    parts_[run] = launch.parts;
    running_.emplace(now_ns_ + took_ns, Running{run, true, took_ns});
    if (keep_launches && launch.rows > 0) launches.push_back(std::move(launch));
  }

  void finish(const Running& r, BatchDecisions* d) {
    for (const BatchPart& part : parts_[r.run]) {
      Fate& fate = fates[part.id];
      fate.rows_done += part.rows;
      if (fate.rows_done == fate.item.rows) answer(part.id);
    }
    parts_.erase(r.run);
    policy_.finish(r.run, now_ns_, r.took_ns, d);
  }

  void answer(uint64_t id) {
    Fate& fate = fates[id];
    expect(++fate.answers == 1, "a second answer", id);
    fate.answered_ns = now_ns_;
  }

  void apply(const BatchDecisions& d) {
    for (const auto& [id, why] : d.refused) {
      answer(id);
      fates[id].refused = true;
      fates[id].why = why;
    }
    for (const BatchLaunch& launch : d.launched)
      running_.emplace(now_ns_ + hand_off_ns, Running{launch.run, false, 0});
    const auto instances = static_cast<size_t>(policy_.settings().instances);
    expect(running_.size() <= instances, "more runs than instances", 0);
    // Work-conserving: who waits beside an idle instance has been told until when.
    if (running_.size() >= instances) return;
    const BatchReport r = policy_.report(now_ns_);
    if (r.waiting > 0) {
      expect(r.delay_ns > 0 && !policy_.closed(), "waiting beside an idle instance", 0);
      expect(policy_.wake_ns() <= now_ns_ + r.delay_ns, "no end to the wait", 0);
    }
  }

  BatchPolicy policy_;
  Cost cost_;
  int64_t now_ns_ = 0;
  uint64_t last_id_ = 0;
  std::multimap<int64_t, Running> running_;  // By the moment of what comes next.
  std::map<uint64_t, std::vector<BatchPart>> parts_;
};

}  // namespace slip::serving
