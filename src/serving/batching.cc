#include "serving/batching.h"

#include <algorithm>

#include <triton/model_config.pb.h>

#include "sys/clock.h"

namespace slip::serving {
namespace {

constexpr size_t kPoolQueueMax = 1 << 16;  // Batchers have limits of their own.
constexpr int64_t kIdleMs = 10'000;

int64_t bounded(uint64_t value, int64_t most) {
  return static_cast<int64_t>(std::min(value, static_cast<uint64_t>(most)));
}

QueuePolicy policy_of(const inference::ModelQueuePolicy& from) {
  QueuePolicy out;
  if (from.timeout_action() == inference::ModelQueuePolicy::DELAY)
    out.timeout_action = TimeoutAction::kDelay;
  out.default_timeout_us = bounded(from.default_timeout_microseconds(), kBatchTimeMaxUs);
  out.allow_timeout_override = from.allow_timeout_override();
  out.max_queue_size = bounded(from.max_queue_size(), kWaitingMax);
  return out;
}

}  // namespace

BatchSettings batch_settings(const ModelConfig& config, int64_t threads) {
  BatchSettings out;
  out.max_batch_size = std::clamp<int64_t>(config.max_batch(), 1, kBatchRowsMax);
  out.instances = std::clamp<int64_t>(config.instances() == 0 ? threads : config.instances(), 1,
                                      kBatchInstancesMax);
  if (!config.asks_for_batches()) return out;
  const inference::ModelDynamicBatching& d = config.message().dynamic_batching();
  for (const int32_t size : d.preferred_batch_size()) out.preferred_batch_size.push_back(size);
  out.max_queue_delay_us = bounded(d.max_queue_delay_microseconds(), kBatchTimeMaxUs);
  out.preserve_ordering = d.preserve_ordering();
  out.priority_levels = std::max<int64_t>(bounded(d.priority_levels(), kPriorityLevelsMax), 1);
  out.default_priority_level = std::clamp<int64_t>(
      bounded(d.default_priority_level(), kPriorityLevelsMax), 1, out.priority_levels);
  if (d.has_default_queue_policy()) out.default_queue_policy = policy_of(d.default_queue_policy());
  for (const auto& [level, policy] : d.priority_queue_policy())
    out.priority_queue_policy[bounded(level, kPriorityLevelsMax)] = policy_of(policy);
  return out;
}

Batching::Batching(Executor& executor, Clock& clock, Options options)
    : clock_(clock),
      options_(options),
      pool_(make_pool(executor, clock,
                      {.name = "models",
                       .threads_max = options.threads,
                       .queue_max = kPoolQueueMax,
                       .idle_ms = kIdleMs})),
      alarm_(make_batch_alarm(executor, clock)) {}

std::shared_ptr<Batcher> Batching::batcher_for(const Arm& arm, const Arm* before) const {
  if (!arm.model || !arm.config || arm.model->signature().max_batch == 0) return nullptr;
  // An open first dimension need not count rows that know nothing of each other: that is the
  // operator's to say. Of trees it is known.
  const std::string_view platform = arm.model->signature().platform;
  const bool by_row = platform == "xgboost" || platform == "lightgbm";
  if (!by_row && !arm.config->asks_for_batches()) return nullptr;
  if (before != nullptr && before->model == arm.model) return before->batcher;
  BatchSettings settings = batch_settings(*arm.config, threads());
  settings.objective_us = options_.objective_us;
  if (!check_settings(settings).ok()) return nullptr;  // complete() has refused what is wrong.
  // The model outlives the last request of its batcher, not only the table.
  const auto run = [model = arm.model, stats = arm.stats,
                    &clock = clock_](std::span<const Tensor> inputs) {
    const int64_t start = clock.steady_ns();
    Result<std::vector<Tensor>> out = model->run(inputs, {});
    if (out.ok())
      stats->executed(inputs.empty() ? 1 : inputs.front().rows(),
                      {.infer_ns = clock.steady_ns() - start});
    return out;
  };
  return std::make_shared<Batcher>(Batcher::Deps{*pool_, clock_, *alarm_}, std::move(settings),
                                   run);
}

}  // namespace slip::serving
