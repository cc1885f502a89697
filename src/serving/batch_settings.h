#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <vector>

#include "base/result.h"

// How a model's requests are put together into batches. Fields that Triton's ModelDynamicBatching
// and ModelQueuePolicy have are named as there; defaults are those of a model without any
// configuration: nothing waits while an instance is idle. Plain values.
namespace slip::serving {

inline constexpr int64_t kBatchRowsMax = 1 << 16;
inline constexpr int64_t kBatchInstancesMax = 256;
inline constexpr int64_t kPriorityLevelsMax = 64;
inline constexpr int64_t kWaitingMax = 1 << 16;  // Requests of one batcher, whatever is set.
inline constexpr int64_t kBatchTimeMaxUs = int64_t{24} * 3600 * 1'000'000;

enum class TimeoutAction : uint8_t {
  kReject,
  kDelay,  // Behind everybody else; aged from there, so not for ever.
};

struct QueuePolicy {
  TimeoutAction timeout_action = TimeoutAction::kReject;
  int64_t default_timeout_us = 0;  // Of waiting; 0: none.
  bool allow_timeout_override =
      true;                    // A request's own timeout shortens it (Triton's default: no).
  int64_t max_queue_size = 0;  // Requests that wait on this level; 0: kWaitingMax.
};

struct BatchSettings {
  int64_t max_batch_size = 64;  // Rows.
  // Reached while waiting for more: off it goes. Only with a delay that is set.
  std::vector<int64_t> preferred_batch_size = {};
  // How long an idle instance may be kept waiting for more rows. Nothing: the tuner chooses, and
  // only when there is an objective.
  std::optional<int64_t> max_queue_delay_us = {};
  bool preserve_ordering = false;      // Answers of runs in the order in which requests came.
  int64_t priority_levels = 1;         // 1 is the highest.
  int64_t default_priority_level = 1;  // Of requests with priority 0, or beyond the levels.
  QueuePolicy default_queue_policy = {};
  std::map<int64_t, QueuePolicy> priority_queue_policy = {};  // By level.
  int64_t objective_us = 0;     // p99 of the time from arrival to the run's end; 0: none.
  int64_t ageing_us = 500'000;  // On level p a request is overdue after (p - 1) times this.
  int64_t instances = 1;        // Runs at a time.
  int64_t inline_below_us = 0;  // Cheaper runs happen inside submit(), when an instance is idle.
};

// kInvalid `batch.settings` naming the field.
Status check_settings(const BatchSettings& settings);
const QueuePolicy& queue_policy(const BatchSettings& settings, int64_t level);

}  // namespace slip::serving
