#pragma once

#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "engine/column/column.h"

// Keys of one or more columns, numbered 0, 1, … in the order in which they were first seen: an
// open-address table from a typed tuple to its number. Tuples are compared column by column, never
// as text put together, so (12, 3) is not (1, 23). A tuple with a null in it is no key. NaN equals
// NaN and -0 equals 0. Without columns there is one key, which every row has. Many threads may find
// at once; add belongs to one.
namespace slip::engine {

inline constexpr uint32_t kNoKey = UINT32_MAX;

class Keys {
 public:
  explicit Keys(std::span<const Column> like);

  // kInvalid `pit.key_type` when the columns are not of this table's number and types, or are of a
  // type that is no key (list).
  Status check(std::span<const Column> columns) const;

  // The number of row i's key; kNoKey for null, or (find) when it was never added.
  uint32_t add(std::span<const Column> columns, int64_t i);
  // Of the rows [from, from + out.size()).
  void find(std::span<const Column> columns, int64_t from, std::span<uint32_t> out) const;

  uint32_t size() const { return n_; }
  std::vector<Column> columns() const;  // The keys by number; valid until the next add.
  int64_t bytes() const;

  // Of a row's key, the same in every table of these types; radix partitions go by its top bits.
  uint64_t hash(std::span<const Column> columns, int64_t i) const;
  static bool has_null(std::span<const Column> columns, int64_t i);

 private:
  struct Entry {
    uint64_t word = 0;  // The key itself when it is one number, else its hash.
    uint32_t key = kNoKey;
  };

  uint64_t word(std::span<const Column> columns, int64_t i) const;
  uint64_t home(uint64_t word) const { return mix(word) >> shift_; }
  bool equal(uint32_t key, std::span<const Column> columns, int64_t i) const;
  uint32_t probe(uint64_t word, std::span<const Column> columns, int64_t i) const;
  void grow();
  void find_numbers(const Column& column, int64_t from, std::span<uint32_t> out) const;
  static uint64_t mix(uint64_t v) {
    v = (v ^ (v >> 32)) * 0xd6e8feb86659fd93ULL;
    v = (v ^ (v >> 32)) * 0xd6e8feb86659fd93ULL;
    return v ^ (v >> 32);
  }

  std::vector<Values> stored_;
  bool one_number_ = false;  // One column of int64 or timestamps: the word is the whole key.
  uint32_t n_ = 0;
  int shift_ = 0;
  std::vector<Entry> table_;
};

}  // namespace slip::engine
