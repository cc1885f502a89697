#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

// Columns as engines see them: memory laid out like the Arrow C Data Interface (validity and
// booleans as bits, least significant first; offsets of int32; values without gaps), borrowed from
// whoever owns it. Values is a column that owns its memory and grows. No I/O, no clock. A view may
// be read by any number of threads; Values belongs to one while it grows.
//
// Null is a cleared validity bit; what lies beneath it is never read. NaN and the infinities are
// values like others.
namespace slip::engine {

enum class Type : uint8_t {
  kBool,
  kInt64,
  kDouble,
  kText,         // UTF-8.
  kBytes,        // Any.
  kTimestampUs,  // Microseconds since 1970-01-01T00:00Z, negative before.
  kList,         // Of values of one other type; lists do not nest.
};
std::string_view type_name(Type type);  // "bool", "int64", "double", "string", "bytes", …

struct Column {
  Type type = Type::kInt64;
  int64_t n = 0;
  const uint8_t* validity = nullptr;  // Null: no value is null.
  const int32_t* offsets = nullptr;   // kText, kBytes, kList: n + 1.
  const void* data = nullptr;         // Bits, int64_t, double, bytes; of a list nothing.
  const Column* child = nullptr;      // kList: the values that offsets point into.

  bool is_null(int64_t i) const { return validity && !(validity[i / 8] >> (i % 8) & 1); }
  bool boolean(int64_t i) const { return static_cast<const uint8_t*>(data)[i / 8] >> (i % 8) & 1; }
  int64_t i64(int64_t i) const { return static_cast<const int64_t*>(data)[i]; }
  double f64(int64_t i) const { return static_cast<const double*>(data)[i]; }
  std::string_view text(int64_t i) const {
    return {static_cast<const char*>(data) + offsets[i],
            static_cast<size_t>(offsets[i + 1] - offsets[i])};
  }
};

class Values {
 public:
  explicit Values(Type type, Type of_list = Type::kInt64);

  Type type() const { return type_; }
  int64_t size() const { return n_; }
  int64_t nulls() const { return nulls_; }
  // Valid until the next change.
  Column view() const;

  void clear();
  void reserve(int64_t n);
  void add_null();
  void add_bool(bool v);
  void add_i64(int64_t v);  // kTimestampUs too.
  void add_f64(double v);
  void add_text(std::string_view v);  // kBytes too. The column's bytes stay below 2 GiB (CHECK).
  // Many at once, none of them null.
  void add_bools(std::span<const bool> v);
  void add_i64s(std::span<const int64_t> v);
  void add_f64s(std::span<const double> v);
  // kList: the values added to items() since the last row are this row's.
  Values& items() { return child_.front(); }
  void end_list();
  // Row i of a column of the same type.
  void add_from(const Column& from, int64_t i);

 private:
  void add_valid(bool valid);
  void add_words(const void* words, size_t n);

  Type type_;
  int64_t n_ = 0;
  int64_t nulls_ = 0;
  std::vector<uint8_t> validity_;  // Empty until the first null.
  std::vector<int32_t> offsets_;
  std::vector<uint8_t> data_;
  std::vector<Values> child_;          // One for kList.
  mutable std::vector<Column> views_;  // Of the child, so that view() can point at it.
};

}  // namespace slip::engine
