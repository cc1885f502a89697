#include "contract/distinct.h"

#include <algorithm>
#include <bit>
#include <cstring>

#include "base/text.h"

namespace slip::contract {
namespace {

using engine::Column;
using engine::Keys;
using engine::Type;
using engine::Values;

constexpr size_t kParts = 64;
constexpr int kPartBits = 6;
constexpr int kLevelsMax = 8;  // 48 bits of the hash.
constexpr size_t kBufferBytes = 64 << 10;
constexpr size_t kReadBytes = 1 << 20;
constexpr int64_t kDenseFactor = 64;  // Bits per row, at most.
constexpr int64_t kDenseMin = 1 << 20;
constexpr int64_t kMemoryMin = 32 << 10;  // An empty table has 16 KiB.

size_t part_of(uint64_t hash, int level) {
  return hash >> (64 - kPartBits * (level + 1)) & (kParts - 1);
}
std::string part_name(const std::string& name, size_t part) {
  return concat({name, ".", std::to_string(part)});
}

template <class T>
void put(std::string* out, T v) {
  out->append(reinterpret_cast<const char*>(&v), sizeof v);
}

// Row number, then each column: 8 bytes, 1 for a truth value, or length and bytes.
void encode(std::string* out, std::span<const Column> columns, int64_t i, int64_t row) {
  put(out, row);
  for (const Column& c : columns) {
    if (c.type == Type::kText || c.type == Type::kBytes) {
      put(out, static_cast<uint32_t>(c.text(i).size()));
      out->append(c.text(i));
    } else if (c.type == Type::kBool) {
      put(out, static_cast<uint8_t>(c.boolean(i)));
    } else {
      put(out, c.i64(i));
    }
  }
}

// Rows of a stream, one after the other, as columns of a single row.
class Rows {
 public:
  Rows(std::unique_ptr<codec::ByteSource> source, std::span<const Column> like)
      : source_(std::move(source)) {
    for (const Column& c : like) values_.emplace_back(c.type);
  }
  // False at the end.
  Result<bool> next() {
    if (!TRY(have(sizeof row_))) return false;
    row_ = take<int64_t>();
    views_.clear();
    for (Values& v : values_) {
      v.clear();
      TRY(read(&v));
      views_.push_back(v.view());
    }
    return true;
  }
  int64_t row() const { return row_; }
  std::span<const Column> columns() const { return views_; }

 private:
  Status read(Values* v) {
    const bool text = v->type() == Type::kText || v->type() == Type::kBytes;
    const size_t head = text ? sizeof(uint32_t) : v->type() == Type::kBool ? 1 : sizeof(int64_t);
    if (!TRY(have(head))) return torn();
    if (text) {
      const auto size = static_cast<size_t>(take<uint32_t>());
      if (!TRY(have(size))) return torn();
      v->add_text(std::string_view(buffer_).substr(at_, size));
      at_ += size;
    } else if (v->type() == Type::kBool) {
      v->add_bool(take<uint8_t>() != 0);
    } else if (v->type() == Type::kDouble) {
      v->add_f64(std::bit_cast<double>(take<int64_t>()));
    } else {
      v->add_i64(take<int64_t>());
    }
    return {};
  }
  static Error torn() { return corrupt("contract.spill", "a spilled row ends early"); }
  Result<bool> have(size_t bytes) {
    while (buffer_.size() - at_ < bytes) {
      buffer_.erase(0, at_);
      at_ = 0;
      const size_t before = buffer_.size();
      const auto left = static_cast<size_t>(std::max<int64_t>(source_->size() - offset_, 0));
      buffer_.resize(before + std::max(std::min(kReadBytes, left), bytes));
      const size_t got = TRY(
          source_->read_at(offset_, std::span(buffer_.data() + before, buffer_.size() - before)));
      buffer_.resize(before + got);
      offset_ += static_cast<int64_t>(got);
      if (got == 0) return false;
    }
    return true;
  }
  template <class T>
  T take() {
    T v{};
    std::memcpy(&v, buffer_.data() + at_, sizeof v);
    at_ += sizeof v;
    return v;
  }

  std::unique_ptr<codec::ByteSource> source_;
  std::vector<Values> values_;
  std::vector<Column> views_;
  std::string buffer_;
  size_t at_ = 0;
  int64_t offset_ = 0;
  int64_t row_ = 0;
};

}  // namespace

DistinctCounter::DistinctCounter(std::span<const Column> like, DistinctOptions options)
    : options_(std::move(options)), like_(like.begin(), like.end()), keys_(like) {
  is_dense_ =
      like.size() == 1 && (like[0].type == Type::kInt64 || like[0].type == Type::kTimestampUs);
}

// The first rows in order, whatever order they come in.
void DistinctCounter::note(int64_t row) {
  ++repeats_;
  if (rows_.size() == options_.samples && (rows_.empty() || rows_.back() < row)) return;
  rows_.insert(std::ranges::upper_bound(rows_, row), row);
  if (rows_.size() > options_.samples) rows_.pop_back();
}

Status DistinctCounter::add(std::span<const Column> columns, int64_t rows, int64_t first_row) {
  if (!complete_) return {};
  if (is_dense_) {
    if (add_dense(columns[0], first_row)) return {};
    TRY(leave_dense());
  }
  return add_keys(columns, rows, first_row);
}

bool DistinctCounter::add_dense(const Column& column, int64_t first_row) {
  int64_t low = INT64_MAX;
  int64_t high = INT64_MIN;
  for (int64_t i = 0; i < column.n; ++i) {
    if (column.is_null(i)) continue;
    low = std::min(low, column.i64(i));
    high = std::max(high, column.i64(i));
  }
  if (low > high) return true;
  dense_.seen += column.n;
  if (!make_room(low, high)) return false;
  for (int64_t i = 0; i < column.n; ++i) {
    if (column.is_null(i)) continue;
    const uint64_t at = static_cast<uint64_t>(column.i64(i) - dense_.low);
    uint64_t& word = dense_.words[at / 64];
    const uint64_t bit = uint64_t{1} << (at % 64);
    if (word & bit) note(first_row + i);
    word |= bit;
  }
  return true;
}

// False: the values are too far apart for bits.
bool DistinctCounter::make_room(int64_t low, int64_t high) {
  const auto size = static_cast<int64_t>(dense_.words.size()) * 64;
  if (size > 0) {
    low = std::min(low, dense_.low);
    high = std::max(high, dense_.low + size - 1);
  }
  int64_t span = 0;
  const int64_t most =
      std::min(std::max(kDenseMin, dense_.seen * kDenseFactor), options_.memory_bytes * 8);
  if (low < INT64_MIN / 2 || high > INT64_MAX / 2 || __builtin_sub_overflow(high, low, &span) ||
      span >= most)
    return false;
  if (size > 0 && low == dense_.low && high == dense_.low + size - 1) return true;
  if (size == 0) dense_.low = low;
  if (low < dense_.low) {  // Grows by as much again, so that a falling sequence is not quadratic.
    const int64_t more = std::max((dense_.low - low + 63) / 64, size / 64);
    dense_.words.insert(dense_.words.begin(), static_cast<size_t>(more), 0);
    dense_.low -= more * 64;
  }
  const auto words = static_cast<size_t>((high - dense_.low) / 64 + 1);
  if (words > dense_.words.size())
    dense_.words.resize(std::max(words, dense_.words.size() + dense_.words.size() / 2), 0);
  return true;
}

Status DistinctCounter::leave_dense() {
  is_dense_ = false;
  const Dense old = std::exchange(dense_, {});
  Values values(like_[0].type);
  for (size_t w = 0; w < old.words.size(); ++w)
    for (uint64_t bits = old.words[w]; bits != 0; bits &= bits - 1)
      values.add_i64(old.low + static_cast<int64_t>(w) * 64 + std::countr_zero(bits));
  const int64_t before = repeats_;
  const Column view = values.view();
  TRY(add_keys(std::span(&view, 1), values.size(), 0));
  CHECK(repeats_ == before);  // Bits are distinct.
  return {};
}

Status DistinctCounter::add_keys(std::span<const Column> columns, int64_t rows, int64_t first_row) {
  for (int64_t i = 0; i < rows; ++i) {
    if (spilling_) {
      if (!Keys::has_null(columns, i)) TRY(spill_row(columns, i, first_row + i));
      continue;
    }
    const uint32_t before = keys_.size();
    const uint32_t key = keys_.add(columns, i);
    if (key != engine::kNoKey && key < before) note(first_row + i);
    if ((i & 1023) == 0 && keys_.bytes() > options_.memory_bytes) {
      TRY(start_spill());
      if (!complete_) return {};
    }
  }
  return {};
}

Status DistinctCounter::start_spill() {
  if (options_.spill == nullptr) {
    complete_ = false;
    return {};
  }
  spilling_ = true;
  buffers_.assign(kParts, {});
  written_.assign(kParts, 0);
  const std::vector<Column> columns = keys_.columns();
  for (int64_t i = 0; i < keys_.size(); ++i) TRY(spill_row(columns, i, -1));
  keys_ = Keys(like_);
  return {};
}

Status DistinctCounter::spill_row(std::span<const Column> columns, int64_t i, int64_t row) {
  const size_t part = part_of(keys_.hash(columns, i), 0);
  encode(&buffers_[part], columns, i, row);
  return buffers_[part].size() < kBufferBytes ? Status() : flush(part);
}

Status DistinctCounter::flush(size_t part) {
  if (buffers_[part].empty()) return {};
  written_[part] = 1;
  TRY(options_.spill->append(part_name(options_.name, part), buffers_[part]));
  buffers_[part].clear();
  return {};
}

Status DistinctCounter::finish() {
  if (!spilling_) return {};
  for (size_t part = 0; part < kParts; ++part) TRY(flush(part));
  for (size_t part = 0; part < kParts; ++part)
    if (written_[part]) TRY(count_part(part_name(options_.name, part), 1));
  spilling_ = false;
  return {};
}

Status DistinctCounter::count_part(const std::string& name, int level) {
  const int64_t repeats_before = repeats_;
  const std::vector<int64_t> rows_before = rows_;
  Rows rows(TRY(options_.spill->open(name)), like_);
  Keys keys(like_);
  while (TRY(rows.next())) {
    const uint32_t before = keys.size();
    if (keys.add(rows.columns(), 0) < before && rows.row() >= 0) note(rows.row());
    if (keys.bytes() <= options_.memory_bytes || level >= kLevelsMax) continue;
    repeats_ = repeats_before;
    rows_ = rows_before;
    return split_part(name, level);
  }
  return options_.spill->remove(name);
}

Status DistinctCounter::split_part(const std::string& name, int level) {
  std::vector<std::string> buffers(kParts);
  std::vector<char> written(kParts, 0);
  const auto write = [&](size_t part) -> Status {
    if (buffers[part].empty()) return {};
    written[part] = 1;
    TRY(options_.spill->append(part_name(name, part), buffers[part]));
    buffers[part].clear();
    return {};
  };
  Rows rows(TRY(options_.spill->open(name)), like_);
  while (TRY(rows.next())) {
    const size_t part = part_of(keys_.hash(rows.columns(), 0), level);
    encode(&buffers[part], rows.columns(), 0, rows.row());
    if (buffers[part].size() >= kBufferBytes) TRY(write(part));
  }
  for (size_t part = 0; part < kParts; ++part) TRY(write(part));
  TRY(options_.spill->remove(name));
  for (size_t part = 0; part < kParts; ++part)
    if (written[part]) TRY(count_part(part_name(name, part), level + 1));
  return {};
}

}  // namespace slip::contract
