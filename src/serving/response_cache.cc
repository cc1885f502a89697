#include "serving/response_cache.h"

#include <algorithm>
#include <map>

#include "base/text.h"
#include "serving/routing.h"
#include "sys/clock.h"
#include "sys/rng.h"

namespace slip::serving {
namespace {

constexpr int64_t kNsPerMs = 1'000'000;
// Shards keep threads apart; each has its part of the room, and an entry must fit into half of one.
constexpr int64_t kShardBytesLeast = int64_t{4} << 20;
constexpr int64_t kShardsMax = 16;

}  // namespace

// ---- flights

CacheFlight::Outcome CacheFlight::wait(int64_t deadline_ns) {
  sys::Lock lock(mutex_);
  while (!outcome_)
    if (!ended_.wait_until(lock, deadline_ns) && !outcome_) return {.late = true};
  return *outcome_;
}

void CacheFlight::end(Outcome outcome) {
  const sys::Lock lock(mutex_);
  outcome_ = std::move(outcome);
  ended_.notify_all();
}

void CacheTurn::swap(CacheTurn& other) noexcept {
  std::swap(cache_, other.cache_);
  std::swap(flight_, other.flight_);
  std::swap(stats_, other.stats_);
  std::swap(ttl_ns_, other.ttl_ns_);
}

void CacheTurn::end(CacheFlight::Outcome outcome) {
  const std::shared_ptr<CacheFlight> flight = std::exchange(flight_, nullptr);
  if (!flight) return;
  cache_->land(*flight, outcome, ttl_ns_);
  flight->end(std::move(outcome));
}

void CacheTurn::keep(const std::vector<Tensor>& outputs) {
  if (!flight_) return;
  Clock& clock = cache_->deps_.clock;
  const int64_t start_ns = clock.steady_ns();
  const std::shared_ptr<ArmStats> stats = stats_;
  end({.outputs = std::make_shared<const std::vector<Tensor>>(outputs), .error = {}});
  if (stats)
    stats->cache_miss_ns.fetch_add(clock.steady_ns() - start_ns, std::memory_order_relaxed);
}

void CacheTurn::fail(const Error& error) {
  CacheFlight::Outcome outcome;
  if (error.code == Code::kInvalid) outcome.error = error;
  end(std::move(outcome));
}

// ---- the cache

struct ResponseCache::Shard {
  explicit Shard(int64_t bytes_max) : store(bytes_max), entry_max(store.entry_max()) {}

  sys::Mutex mutex;
  CacheStore store;
  const int64_t entry_max;
  std::map<codec::Hash128, std::shared_ptr<CacheFlight>> flights;
};

ResponseCache::ResponseCache(Deps deps, int64_t bytes_max)
    : deps_(deps), bytes_max_(bytes_max), seed_(deps.rng.u64()) {
  if (bytes_max <= 0) return;
  const int64_t shards = std::clamp<int64_t>(bytes_max / kShardBytesLeast, 1, kShardsMax);
  for (int64_t i = 0; i < shards; ++i)
    shards_.push_back(std::make_unique<Shard>(bytes_max / shards));
}

ResponseCache::~ResponseCache() = default;

int64_t ResponseCache::now_ns() const { return deps_.clock.steady_ns(); }

ResponseCache::Shard& ResponseCache::shard_of(const codec::Hash128& hash) const {
  return *shards_[hash.high % shards_.size()];
}

ResponseCache::Looked ResponseCache::look(const CacheQuestion& question, int64_t ttl_ns, May may) {
  Looked out;
  if (!on() || ttl_ns <= 0) return out;
  Shard& shard = shard_of(question.hash());
  CacheStore::Found found;
  std::shared_ptr<CacheFlight> flying;
  {
    const sys::Lock lock(shard.mutex);
    found = shard.store.find(question.hash(), deps_.clock.steady_ns(), ttl_ns);
    if (const auto it = shard.flights.find(question.hash()); it != shard.flights.end())
      flying = it->second;
  }
  // Compared without the lock: a key may be long. Another key of the same hash lets this one run by
  // itself, or is replaced by it.
  if (found.outputs && question.is(*found.key)) {
    out.hit = std::move(found.outputs);
    return out;
  }
  if (flying) {
    if (may.wait && flying->priority_ == may.priority && question.is(*flying->key_))
      out.other = std::move(flying);
    return out;
  }
  const int64_t bytes = question.bytes();
  if (bytes > shard.entry_max) return out;
  Result<Budget::Lease> lease = deps_.budget.reserve(Share::kCaches, bytes);
  if (!lease.ok()) return out;
  const auto mine = std::make_shared<CacheFlight>(std::make_shared<const CacheKey>(question.key()),
                                                  may.priority, std::move(*lease));
  {
    const sys::Lock lock(shard.mutex);
    if (!shard.flights.emplace(question.hash(), mine).second) return out;  // Another was faster.
  }
  out.turn.cache_ = this;
  out.turn.flight_ = mine;
  out.turn.ttl_ns_ = ttl_ns;
  return out;
}

void ResponseCache::land(CacheFlight& flight, const CacheFlight::Outcome& outcome, int64_t ttl_ns) {
  Shard& shard = shard_of(flight.key_->hash);
  CacheEntry entry;
  entry.key = flight.key_;
  entry.outputs = outcome.outputs;
  entry.ttl_ns = ttl_ns;
  if (entry.outputs) entry.bytes = entry_bytes(*entry.key, *entry.outputs);
  flight.lease_.release();
  const sys::Lock lock(shard.mutex);
  shard.flights.erase(flight.key_->hash);
  if (!entry.outputs || entry.bytes > shard.entry_max) return;
  entry.made_ns = deps_.clock.steady_ns();
  Result<Budget::Lease> lease = deps_.budget.reserve(Share::kCaches, entry.bytes);
  // Others hold the share: what is older here makes room for what is newer.
  while (!lease.ok() && shard.store.evict_one(entry.made_ns))
    lease = deps_.budget.reserve(Share::kCaches, entry.bytes);
  if (!lease.ok()) return;
  entry.lease = std::move(*lease);
  const int64_t now_ns = entry.made_ns;
  shard.store.put(std::move(entry), now_ns);
}

CacheStoreStats ResponseCache::stats() const {
  CacheStoreStats out;
  for (const std::unique_ptr<Shard>& shard : shards_) {
    const sys::Lock lock(shard->mutex);
    const CacheStoreStats one = shard->store.stats();
    out.entries += one.entries;
    out.bytes += one.bytes;
    out.evicted += one.evicted;
    out.expired += one.expired;
  }
  return out;
}

// ---- of one arm

ResponseCache::Looked ArmCache::look(const Request& request, const std::shared_ptr<ArmStats>& stats,
                                     ResponseCache::May may) const {
  if (ensemble && !ensemble->repeats()) return {};
  const int64_t start_ns = cache->now_ns();
  std::string whose = scope;
  if (changes != nullptr) whose += concat({"\n", std::to_string(changes->load())});
  ResponseCache::Looked out = cache->look(
      CacheQuestion(whose, request.inputs, request.outputs, cache->seed()), ttl_ns, may);
  out.turn.stats_ = stats;
  if (!out.other) stats->looked_in_cache(out.hit != nullptr, cache->now_ns() - start_ns);
  return out;
}

std::shared_ptr<const ArmCache> cache_for(ResponseCache* cache, const Route& route, const Arm& arm,
                                          const Arm* before, int64_t ttl_ms) {
  if (cache == nullptr || !cache->on() || !arm.model || ttl_ms <= 0) return nullptr;
  if (!arm.model->signature().looked_up.empty()) return nullptr;
  auto out = std::make_shared<ArmCache>();
  out->cache = cache;
  out->ttl_ns = std::min(ttl_ms, kCacheTtlMsMax) * kNsPerMs;
  if (before != nullptr && before->cache && before->model == arm.model)
    out->scope = before->cache->scope;
  else
    out->scope = concat({route.project, "\n", route.uid, "\n", std::to_string(arm.version), "\n",
                         std::to_string(cache->next_serial())});
  return out;
}

}  // namespace slip::serving
