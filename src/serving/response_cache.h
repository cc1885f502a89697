#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/budget.h"
#include "base/error.h"
#include "serving/cache_store.h"
#include "serving/tensor.h"
#include "sys/sync.h"

namespace slip {
class Clock;
class Rng;
}  // namespace slip

// Answers that are given again to the same request (the key: serving/cache_store.h), for models
// that were marked so. Off for all others.
//
// Invariants: an answer is younger than its time to live, and was computed by the model that is
// asked, for the same deployment; a failure is never kept. Of the same requests at one moment one
// is computed, as far as the others may wait: they get its answer, or its error when the request
// was at fault (kInvalid), and run by themselves when something else was; nobody waits beyond his
// deadline. What is kept is counted against Share::kCaches. Any thread.
namespace slip::serving {

struct Arm;
struct ArmStats;
class Model;
struct Route;
class ResponseCache;

inline constexpr int64_t kCacheTtlMsMax = int64_t{10} * 366 * 24 * 3600 * 1000;

// A run that others may be waiting for.
class CacheFlight {
 public:
  struct Outcome {
    CacheOutputs outputs = {};        // The answer;
    std::optional<Error> error = {};  // or what was wrong with the request;
    bool late = false;                // or the deadline came first. None of them: run it yourself.
  };
  CacheFlight(std::shared_ptr<const CacheKey> key, int64_t priority, Budget::Lease of_key)
      : key_(std::move(key)), priority_(priority), lease_(std::move(of_key)) {}
  Outcome wait(int64_t deadline_ns);

 private:
  friend class ResponseCache;
  friend class CacheTurn;
  void end(Outcome outcome);

  const std::shared_ptr<const CacheKey> key_;
  const int64_t priority_;
  Budget::Lease lease_;
  sys::Mutex mutex_;
  sys::CondVar ended_;
  std::optional<Outcome> outcome_;
};

// Whoever holds it computes. Ends with keep() or fail(); destroyed before, it failed.
class CacheTurn {
 public:
  CacheTurn() = default;
  CacheTurn(CacheTurn&& other) noexcept { swap(other); }
  CacheTurn& operator=(CacheTurn&& other) noexcept {
    CacheTurn(std::move(other)).swap(*this);
    return *this;
  }
  ~CacheTurn() { end({}); }

  void keep(const std::vector<Tensor>& outputs);
  void fail(const Error& error);
  bool holds() const { return flight_ != nullptr; }

 private:
  friend class ResponseCache;
  friend struct ArmCache;
  void swap(CacheTurn& other) noexcept;
  void end(CacheFlight::Outcome outcome);

  ResponseCache* cache_ = nullptr;
  std::shared_ptr<CacheFlight> flight_;
  std::shared_ptr<ArmStats> stats_;
  int64_t ttl_ns_ = 0;
};

class ResponseCache {
 public:
  struct Deps {
    Budget& budget;
    Clock& clock;
    Rng& rng;
  };
  // `bytes_max`: of all that is kept; 0: nothing is.
  ResponseCache(Deps deps, int64_t bytes_max);
  ~ResponseCache();

  struct Looked {
    CacheOutputs hit;                    // Null: not known.
    CacheTurn turn;                      // Empty: it isn't the caller's to keep.
    std::shared_ptr<CacheFlight> other;  // Somebody computes it; null unless the caller may wait.
  };
  struct May {
    bool wait = false;
    int64_t priority = 0;  // One waits only for a run of his own priority.
  };
  Looked look(const CacheQuestion& question, int64_t ttl_ns, May may);
  uint64_t seed() const { return seed_; }
  bool on() const { return !shards_.empty(); }
  // Never the same.
  int64_t next_serial() { return serial_.fetch_add(1); }
  int64_t now_ns() const;

  CacheStoreStats stats() const;
  int64_t bytes_max() const { return bytes_max_; }

 private:
  friend class CacheTurn;
  struct Shard;
  Shard& shard_of(const codec::Hash128& hash) const;
  void land(CacheFlight& flight, const CacheFlight::Outcome& outcome, int64_t ttl_ns);

  Deps deps_;
  const int64_t bytes_max_;
  const uint64_t seed_;
  std::atomic<int64_t> serial_{1};
  std::vector<std::unique_ptr<Shard>> shards_;
};

// How the answers of one arm are kept.
struct ArmCache {
  ResponseCache* cache = nullptr;
  std::string scope;   // Project, deployment, version and which loading of the model.
  int64_t ttl_ns = 0;  // Not longer than that.
  // Of an ensemble: grows whenever one of its members may be another. Else null.
  const std::atomic<int64_t>* changes = nullptr;
  std::shared_ptr<const Model> ensemble = nullptr;  // Itself: its members may look something up.

  struct Request {
    std::span<const Tensor> inputs;
    std::span<const std::string> outputs;
  };
  // Counts a hit; a miss is counted by its turn's end, or at once when there is none.
  ResponseCache::Looked look(const Request& request, const std::shared_ptr<ArmStats>& stats,
                             ResponseCache::May may) const;
};

// Null where nothing is kept (`ttl_ms` 0, no cache, or a model that looks features up). `before`:
// what the arm was in the last table; what is known stays known while the model is the same.
std::shared_ptr<const ArmCache> cache_for(ResponseCache* cache, const Route& route, const Arm& arm,
                                          const Arm* before, int64_t ttl_ms);

}  // namespace slip::serving
