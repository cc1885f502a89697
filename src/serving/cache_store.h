#pragma once

#include <cstdint>
#include <list>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/budget.h"
#include "codec/hash128.h"
#include "serving/tensor.h"

// What the response cache keeps and under which key; no threads, no clock. One user at a time.
//
// A key is everything that decides an answer: the scope (whose model, which one), the outputs that
// were asked for in their order, and the inputs by name with type, shape and bytes, so that NaNs
// are equal when their bits are. Its hash finds an entry; only the whole key says that it is the
// one.
//
// What goes first when there is no room is decided as by S3-FIFO: an entry begins in a small queue
// of a tenth of the room, and only what was asked for again there reaches the large one; who comes
// back soon after it went begins in the large one. So requests that come once, however many, cost
// at most a tenth of what is kept.
namespace slip::serving {

struct CacheKey {
  codec::Hash128 hash;
  std::string head;               // All but the numbers: scope, names, types, shapes, texts.
  std::vector<std::string> data;  // Of the inputs by name: their bytes.

  int64_t bytes() const;
};

// A request's key, as long as its tensors stay where they are.
class CacheQuestion {
 public:
  CacheQuestion(std::string_view scope, std::span<const Tensor> inputs,
                std::span<const std::string> outputs, uint64_t seed);

  const codec::Hash128& hash() const { return hash_; }
  bool is(const CacheKey& key) const;
  int64_t bytes() const;
  CacheKey key() const;

 private:
  codec::Hash128 hash_;
  std::string head_;
  std::vector<std::string_view> data_;
};

using CacheOutputs = std::shared_ptr<const std::vector<Tensor>>;
int64_t bytes_of(const std::vector<Tensor>& tensors);

struct CacheEntry {
  std::shared_ptr<const CacheKey> key;
  CacheOutputs outputs;
  int64_t made_ns = 0;
  int64_t ttl_ns = 0;
  int64_t bytes = 0;  // Of all of it, as entry_bytes() counts.
  Budget::Lease lease = {};
};
int64_t entry_bytes(const CacheKey& key, const std::vector<Tensor>& outputs);

struct CacheStoreStats {
  int64_t entries = 0;
  int64_t bytes = 0;
  int64_t evicted = 0;  // Went while they were good.
  int64_t expired = 0;
};

class CacheStore {
 public:
  explicit CacheStore(int64_t bytes_max) : bytes_max_(bytes_max) {}

  // What lies under the hash and is younger than `ttl_ns` and its own time; the caller compares
  // the key.
  struct Found {
    std::shared_ptr<const CacheKey> key;
    CacheOutputs outputs;
  };
  Found find(const codec::Hash128& hash, int64_t now_ns, int64_t ttl_ns);
  // Instead of what lies under that hash. Makes room; false: it is larger than all there is.
  bool put(CacheEntry entry, int64_t now_ns);
  // The next one goes. False: there is none.
  bool evict_one(int64_t now_ns);
  // An entry may have at most so many bytes.
  int64_t entry_max() const { return bytes_max_ / 2; }

  CacheStoreStats stats() const;

 private:
  struct Kept {
    CacheEntry entry;
    uint8_t uses = 0;
    bool large = false;
  };
  using Queue = std::list<Kept>;
  using Ghosts = std::list<codec::Hash128>;

  static bool stale(const CacheEntry& entry, int64_t now_ns) {
    return now_ns - entry.made_ns >= entry.ttl_ns;
  }
  void drop(Queue::iterator at);
  void remember(const codec::Hash128& hash);
  bool forget(const codec::Hash128& hash);
  bool evict_small(int64_t now_ns);
  bool evict_large(int64_t now_ns);

  int64_t bytes_max_;
  int64_t small_bytes_ = 0;
  int64_t large_bytes_ = 0;
  Queue small_, large_;  // The oldest is last.
  std::unordered_map<codec::Hash128, Queue::iterator, codec::Hash128Bucket> by_hash_;
  Ghosts ghosts_;  // Hashes of what has gone from the small queue; no more than there are entries.
  std::unordered_map<codec::Hash128, Ghosts::iterator, codec::Hash128Bucket> ghost_of_;
  int64_t evicted_ = 0;
  int64_t expired_ = 0;
};

}  // namespace slip::serving
