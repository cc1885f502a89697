#include "serving/batch_settings.h"

#include <string>
#include <string_view>

#include "base/text.h"

namespace slip::serving {
namespace {

Status check_range(std::string_view field, int64_t value, int64_t least, int64_t most) {
  if (value >= least && value <= most) return {};
  return invalid("batch.settings", concat({"`", field, "` is ", std::to_string(value), ": from ",
                                           std::to_string(least), " to ", std::to_string(most)}));
}

Status check_policy(const QueuePolicy& policy) {
  TRY(check_range("default_timeout_us", policy.default_timeout_us, 0, kBatchTimeMaxUs));
  return check_range("max_queue_size", policy.max_queue_size, 0, kWaitingMax);
}

}  // namespace

Status check_settings(const BatchSettings& s) {
  TRY(check_range("max_batch_size", s.max_batch_size, 1, kBatchRowsMax));
  for (const int64_t size : s.preferred_batch_size)
    TRY(check_range("preferred_batch_size", size, 1, s.max_batch_size));
  if (s.max_queue_delay_us)
    TRY(check_range("max_queue_delay_us", *s.max_queue_delay_us, 0, kBatchTimeMaxUs));
  TRY(check_range("priority_levels", s.priority_levels, 1, kPriorityLevelsMax));
  TRY(check_range("default_priority_level", s.default_priority_level, 1, s.priority_levels));
  TRY(check_policy(s.default_queue_policy));
  for (const auto& [level, policy] : s.priority_queue_policy) {
    TRY(check_range("priority_queue_policy", level, 1, s.priority_levels));
    TRY(check_policy(policy));
  }
  TRY(check_range("objective_us", s.objective_us, 0, kBatchTimeMaxUs));
  TRY(check_range("ageing_us", s.ageing_us, 1, kBatchTimeMaxUs));
  TRY(check_range("instances", s.instances, 1, kBatchInstancesMax));
  return check_range("inline_below_us", s.inline_below_us, 0, kBatchTimeMaxUs);
}

const QueuePolicy& queue_policy(const BatchSettings& settings, int64_t level) {
  const auto own = settings.priority_queue_policy.find(level);
  return own == settings.priority_queue_policy.end() ? settings.default_queue_policy : own->second;
}

}  // namespace slip::serving
