#pragma once

#include <algorithm>
#include <compare>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

// How often each key was seen, in order of the keys: flat, because states are merged far more often
// than keys are new. A value; one thread at a time.
namespace slip::window {

template <class Key>
class Counts {
 public:
  struct Item {
    Key key;
    int64_t n = 0;
  };
  using Items = std::vector<Item>;

  bool empty() const { return items_.empty(); }
  size_t size() const { return items_.size(); }
  auto begin() const { return items_.begin(); }
  auto end() const { return items_.end(); }
  auto begin() { return items_.begin(); }
  auto end() { return items_.end(); }
  const Item& back() const { return items_.back(); }
  void clear() { items_.clear(); }
  void erase(typename Items::iterator at) { items_.erase(at); }
  void append(Key key, int64_t n) { items_.push_back({std::move(key), n}); }  // Beyond the last.

  typename Items::iterator find(const Key& key) {
    const auto at = place(key);
    return at != items_.end() && at->key == key ? at : items_.end();
  }
  void set(const Key& key, int64_t n) {
    const auto at = place(key);
    if (at != items_.end() && at->key == key)
      at->n = n;
    else
      items_.insert(at, {key, n});
  }
  // What comes to nothing goes.
  void add(const Key& key, int64_t n) {
    const auto at = place(key);
    if (at == items_.end() || !(at->key == key))
      items_.insert(at, {key, n});
    else if ((at->n += n) == 0)
      items_.erase(at);
  }
  void merge(const Counts& from) {
    auto at = items_.begin();
    auto next = from.items_.begin();
    const bool few = from.size() * 8 < size();
    for (; next != from.items_.end(); ++next) {          // As long as nothing is new.
      if (at != items_.end() && at->key == next->key) {  // Mostly.
        at++->n += next->n;
        continue;
      }
      if (few) at = std::lower_bound(at, items_.end(), next->key, before);
      while (at != items_.end() && at->key < next->key) ++at;
      if (at == items_.end() || !(at->key == next->key)) break;
      at++->n += next->n;
    }
    if (next == from.items_.end()) return;
    Items all;
    all.reserve(size() + static_cast<size_t>(from.items_.end() - next));
    std::move(items_.begin(), at, std::back_inserter(all));
    while (at != items_.end() && next != from.items_.end()) {
      if (at->key < next->key) {
        all.push_back(std::move(*at++));
      } else if (next->key < at->key) {
        all.push_back(*next++);
      } else {
        at->n += next++->n;
        all.push_back(std::move(*at++));
      }
    }
    std::move(at, items_.end(), std::back_inserter(all));
    all.insert(all.end(), next, from.items_.end());
    items_ = std::move(all);
  }

 private:
  static bool before(const Item& item, const Key& key) { return item.key < key; }
  typename Items::iterator place(const Key& key) {
    return std::lower_bound(items_.begin(), items_.end(), key, before);
  }

  Items items_;  // In order; no key twice.
};

// The bytes of a datum (write_datum) in bytewise order. The first sixteen are two numbers, which
// settles nearly every comparison; no datum's bytes begin another's, so zeros may stand behind.
class DatumKey {
 public:
  DatumKey() = default;
  explicit DatumKey(std::string_view bytes);
  DatumKey(const DatumKey& o) : head_(o.head_), next_(o.next_), rest_(copy(o)) {}
  DatumKey& operator=(const DatumKey& o) {
    if (this != &o) *this = DatumKey(o);
    return *this;
  }
  DatumKey(DatumKey&&) = default;
  DatumKey& operator=(DatumKey&&) = default;
  ~DatumKey() = default;
  std::string bytes() const;

  bool operator==(const DatumKey& o) const {
    return head_ == o.head_ && next_ == o.next_ && (rest_ == o.rest_ || same_rest(o));
  }
  bool operator<(const DatumKey& o) const {
    if (head_ != o.head_) return head_ < o.head_;
    if (next_ != o.next_) return next_ < o.next_;
    return rest_ != o.rest_ && rest_less(o);
  }

 private:
  using Rest = std::unique_ptr<const std::string>;
  static Rest copy(const DatumKey& o) {
    return o.rest_ ? std::make_unique<const std::string>(*o.rest_) : nullptr;
  }
  bool same_rest(const DatumKey& o) const { return rest_ && o.rest_ && *rest_ == *o.rest_; }
  bool rest_less(const DatumKey& o) const { return rest_ && o.rest_ ? *rest_ < *o.rest_ : !rest_; }

  uint64_t head_ = 0, next_ = 0;  // Big endian.
  Rest rest_;                     // Beyond sixteen bytes.
};

}  // namespace slip::window
