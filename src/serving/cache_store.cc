#include "serving/cache_store.h"

#include <algorithm>
#include <cstring>

namespace slip::serving {
namespace {

constexpr uint8_t kUsesMax = 3;
constexpr int64_t kSmallShare = 10;  // One in so many bytes is the small queue's.
// What an entry takes beside its own bytes: nodes of the list and the tables, and its ghost later.
constexpr int64_t kOverheadBytes = 512;
constexpr size_t kGhostsLeast = 64;

void put_number(uint64_t value, std::string* out) {
  char raw[sizeof value];
  std::memcpy(raw, &value, sizeof value);
  out->append(raw, sizeof value);
}

void put_text(std::string_view text, std::string* out) {
  put_number(text.size(), out);
  out->append(text);
}

void put_head(const Tensor& t, std::string* out) {
  put_text(t.name, out);
  out->push_back(static_cast<char>(t.type));
  put_number(t.shape.size(), out);
  for (const int64_t d : t.shape) put_number(static_cast<uint64_t>(d), out);
  put_number(t.data.size(), out);
  put_number(t.strings.size(), out);
  for (const std::string& s : t.strings) put_text(s, out);
}

int64_t size_of(std::string_view s) { return static_cast<int64_t>(s.size()); }

}  // namespace

int64_t CacheKey::bytes() const {
  int64_t out = size_of(head);
  for (const std::string& d : data) out += size_of(d) + static_cast<int64_t>(sizeof d);
  return out;
}

CacheQuestion::CacheQuestion(std::string_view scope, std::span<const Tensor> inputs,
                             std::span<const std::string> outputs, uint64_t seed) {
  put_text(scope, &head_);
  put_number(outputs.size(), &head_);
  for (const std::string& name : outputs) put_text(name, &head_);
  std::vector<const Tensor*> by_name;
  for (const Tensor& t : inputs) by_name.push_back(&t);
  std::ranges::stable_sort(by_name, {}, [](const Tensor* t) { return std::string_view(t->name); });
  put_number(inputs.size(), &head_);
  for (const Tensor* t : by_name) put_head(*t, &head_);
  std::string parts;
  const auto add = [&](std::string_view part) {
    const codec::Hash128 h = codec::xxh3_128(part, seed);
    put_number(h.high, &parts);
    put_number(h.low, &parts);
  };
  add(head_);
  for (const Tensor* t : by_name) {
    data_.push_back(t->data);
    add(t->data);
  }
  hash_ = codec::xxh3_128(parts, seed);
}

bool CacheQuestion::is(const CacheKey& key) const {
  return key.head == head_ && std::ranges::equal(data_, key.data);
}

int64_t CacheQuestion::bytes() const {
  int64_t out = size_of(head_);
  for (const std::string_view d : data_)
    out += size_of(d) + static_cast<int64_t>(sizeof(std::string));
  return out;
}

CacheKey CacheQuestion::key() const { return {hash_, head_, {data_.begin(), data_.end()}}; }

int64_t bytes_of(const std::vector<Tensor>& tensors) {
  int64_t out = 0;
  for (const Tensor& t : tensors) {
    out += static_cast<int64_t>(sizeof t + 8 * t.shape.size()) + size_of(t.name) + size_of(t.data);
    for (const std::string& s : t.strings) out += size_of(s) + static_cast<int64_t>(sizeof s);
  }
  return out;
}

int64_t entry_bytes(const CacheKey& key, const std::vector<Tensor>& outputs) {
  return kOverheadBytes + key.bytes() + bytes_of(outputs);
}

CacheStore::Found CacheStore::find(const codec::Hash128& hash, int64_t now_ns, int64_t ttl_ns) {
  const auto found = by_hash_.find(hash);
  if (found == by_hash_.end()) return {};
  Kept& kept = *found->second;
  if (stale(kept.entry, now_ns) || now_ns - kept.entry.made_ns >= ttl_ns) {
    ++expired_;
    drop(found->second);
    return {};
  }
  kept.uses = std::min<uint8_t>(kUsesMax, kept.uses + 1);
  return {kept.entry.key, kept.entry.outputs};
}

bool CacheStore::put(CacheEntry entry, int64_t now_ns) {
  if (entry.bytes > entry_max()) return false;
  const codec::Hash128 hash = entry.key->hash;
  if (const auto old = by_hash_.find(hash); old != by_hash_.end()) drop(old->second);
  while (small_bytes_ + large_bytes_ + entry.bytes > bytes_max_)
    if (!evict_one(now_ns)) return false;
  const bool large = forget(hash);
  (large ? large_bytes_ : small_bytes_) += entry.bytes;
  Queue& queue = large ? large_ : small_;
  queue.push_front({std::move(entry), 0, large});
  by_hash_[hash] = queue.begin();
  return true;
}

bool CacheStore::evict_one(int64_t now_ns) {
  if (large_.empty() || small_bytes_ >= bytes_max_ / kSmallShare)
    if (evict_small(now_ns)) return true;
  return evict_large(now_ns) || evict_small(now_ns);
}

bool CacheStore::evict_small(int64_t now_ns) {
  while (!small_.empty()) {
    const auto last = std::prev(small_.end());
    const bool old = stale(last->entry, now_ns);
    if (old || last->uses == 0) {
      ++(old ? expired_ : evicted_);
      const codec::Hash128 hash = last->entry.key->hash;
      drop(last);
      if (!old) remember(hash);
      return true;
    }
    small_bytes_ -= last->entry.bytes;
    large_bytes_ += last->entry.bytes;
    last->uses = 0;
    last->large = true;
    large_.splice(large_.begin(), small_, last);  // Iterators stay good.
  }
  return false;
}

bool CacheStore::evict_large(int64_t now_ns) {
  while (!large_.empty()) {
    const auto last = std::prev(large_.end());
    const bool old = stale(last->entry, now_ns);
    if (old || last->uses == 0) {
      ++(old ? expired_ : evicted_);
      drop(last);
      return true;
    }
    --last->uses;
    large_.splice(large_.begin(), large_, last);
  }
  return false;
}

void CacheStore::drop(Queue::iterator at) {
  by_hash_.erase(at->entry.key->hash);
  (at->large ? large_bytes_ : small_bytes_) -= at->entry.bytes;
  (at->large ? large_ : small_).erase(at);
}

void CacheStore::remember(const codec::Hash128& hash) {
  ghosts_.push_front(hash);
  ghost_of_[hash] = ghosts_.begin();
  while (ghosts_.size() > std::max(kGhostsLeast, by_hash_.size())) {
    ghost_of_.erase(ghosts_.back());
    ghosts_.pop_back();
  }
}

bool CacheStore::forget(const codec::Hash128& hash) {
  const auto found = ghost_of_.find(hash);
  if (found == ghost_of_.end()) return false;
  ghosts_.erase(found->second);
  ghost_of_.erase(found);
  return true;
}

CacheStoreStats CacheStore::stats() const {
  return {.entries = static_cast<int64_t>(by_hash_.size()),
          .bytes = small_bytes_ + large_bytes_,
          .evicted = evicted_,
          .expired = expired_};
}

}  // namespace slip::serving
