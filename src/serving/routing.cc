#include "serving/routing.h"

#include <bit>
#include <cmath>

#include "base/check.h"
#include "base/text.h"
#include "codec/hash.h"

namespace slip::serving {

// Bucket i holds (2^((i-1)/4), 2^(i/4)] microseconds, the first everything up to 1 µs.
void LatencyHistogram::add(int64_t nanoseconds) {
  const double us = static_cast<double>(std::max<int64_t>(nanoseconds, 1)) / 1000;
  const int bucket = us <= 1 ? 0 : static_cast<int>(std::ceil(std::log2(us) * 4));
  counts_[static_cast<size_t>(std::min(bucket, kBuckets - 1))].fetch_add(1,
                                                                         std::memory_order_relaxed);
}

void ArmStats::succeeded(int64_t took_ns, int64_t of_rows, int64_t at_ms, int64_t model_ns) {
  latency.add(took_ns);
  const int64_t old_cost = cost_ns.load(std::memory_order_relaxed);
  cost_ns.store(old_cost + (model_ns - old_cost) / 16, std::memory_order_relaxed);
  successes.fetch_add(1, std::memory_order_relaxed);
  rows.fetch_add(of_rows, std::memory_order_relaxed);
  busy_ns.fetch_add(took_ns, std::memory_order_relaxed);
  last_ms.store(at_ms, std::memory_order_relaxed);
}

void ArmStats::answered_from_cache(int64_t took_ns, int64_t at_ms) {
  latency.add(took_ns);
  successes.fetch_add(1, std::memory_order_relaxed);
  busy_ns.fetch_add(took_ns, std::memory_order_relaxed);
  last_ms.store(at_ms, std::memory_order_relaxed);
}

void ArmStats::looked_in_cache(bool hit, int64_t took_ns) {
  (hit ? cache_hits : cache_misses).fetch_add(1, std::memory_order_relaxed);
  (hit ? cache_hit_ns : cache_miss_ns).fetch_add(took_ns, std::memory_order_relaxed);
}

void ArmStats::failed(int64_t took_ns) {
  errors.fetch_add(1, std::memory_order_relaxed);
  failed_ns.fetch_add(took_ns, std::memory_order_relaxed);
}

void ArmStats::ran_alone(int64_t of_rows, int64_t took_ns) {
  infer_ns.fetch_add(took_ns, std::memory_order_relaxed);
  executed(of_rows, {.infer_ns = took_ns});
}

void ArmStats::executed(int64_t of_rows, const BatchSizeStats& cost) {
  executions.fetch_add(1, std::memory_order_relaxed);
  by_rows.with([&](auto& all) {
    auto found = all.find(of_rows);
    if (found == all.end()) {
      if (all.size() >= kBatchSizesMax) return;
      found = all.emplace(of_rows, BatchSizeStats()).first;
    }
    BatchSizeStats& s = found->second;
    ++s.runs;
    s.input_ns += cost.input_ns;
    s.infer_ns += cost.infer_ns;
    s.output_ns += cost.output_ns;
  });
}

double LatencyHistogram::quantile_us(double q) const {
  CHECK(q > 0 && q <= 1);
  std::array<int64_t, kBuckets> seen{};
  int64_t all = 0;
  for (size_t i = 0; i < seen.size(); ++i)
    all += seen[i] = counts_[i].load(std::memory_order_relaxed);
  if (all == 0) return 0;
  const auto wanted = static_cast<int64_t>(std::ceil(q * static_cast<double>(all)));
  int64_t below = 0;
  for (size_t i = 0; i < seen.size(); ++i) {
    below += seen[i];
    if (below >= wanted) return std::exp2(static_cast<double>(i) / 4);
  }
  CHECK(false);
}

bool Arm::goes_to_batcher() const {
  return batcher != nullptr && (config->asks_for_batches() ||
                                stats->cost_ns.load(std::memory_order_relaxed) > kInlineCostNs);
}

std::string_view role_name(Role role) { return role == Role::kStable ? "stable" : "canary"; }

std::string_view ack_name(Ack ack) {
  switch (ack) {
    case Ack::kKernel:
      return "kernel";
    case Ack::kDisk:
      return "disk";
    case Ack::kNone:
      return "none";
  }
  CHECK(false);
}

std::optional<Ack> parse_ack(std::string_view name) {
  for (const Ack ack : {Ack::kKernel, Ack::kDisk, Ack::kNone})
    if (ack_name(ack) == name) return ack;
  return std::nullopt;
}

double Route::draw_of(std::string_view client_ref) const {
  return static_cast<double>(codec::xxh3(client_ref, draw_seed) >> 11) * 0x1p-53;
}

const Arm& Route::choose(double draw) const {
  CHECK(!arms.empty());
  for (const Arm& arm : arms) {
    // Weight goes to arms that are ready only; the rest falls to whoever is.
    if (arm.model && draw < arm.weight) return arm;
    draw -= arm.weight;
  }
  for (const Arm& arm : arms)
    if (arm.model) return arm;
  return arms.front();
}

const Arm* Route::arm_of(int64_t version) const {
  for (const Arm& arm : arms)
    if (arm.version == version) return &arm;
  return nullptr;
}

double Route::canary_weight() const {
  for (const Arm& arm : arms)
    if (arm.role == Role::kCanary) return arm.weight;
  return 0;
}

std::string routing_key(std::string_view project, std::string_view name) {
  std::string key(project);
  key.push_back('\0');
  key.append(name);
  return key;
}

uint64_t draw_seed_of(std::string_view project, std::string_view name, int64_t canary_version) {
  return codec::xxh3(
      concat({routing_key(project, name), "/canary/", std::to_string(canary_version)}));
}

std::shared_ptr<const Route> RoutingTable::hold(std::string_view project,
                                                std::string_view name) const {
  const auto found = routes.find(routing_key(project, name));
  return found == routes.end() ? nullptr : found->second;
}

const Route* RoutingTable::find(std::string_view project, std::string_view name) const {
  const auto found = routes.find(routing_key(project, name));
  return found == routes.end() ? nullptr : found->second.get();
}

}  // namespace slip::serving
