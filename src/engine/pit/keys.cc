#include "engine/pit/keys.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>

#include "base/text.h"

namespace slip::engine {
namespace {

constexpr int kFirstBits = 6;
constexpr size_t kBlock = 64;  // Rows whose entries are on their way from memory at once.

bool is_number(Type type) { return type == Type::kInt64 || type == Type::kTimestampUs; }

uint64_t double_word(double v) {
  if (std::isnan(v)) return 0x7ff8000000000000ULL;
  return std::bit_cast<uint64_t>(v == 0 ? 0.0 : v);
}

// FNV-1a by eight bytes, finished by the caller's mix.
uint64_t text_word(std::string_view text) {
  uint64_t h = 0xcbf29ce484222325ULL ^ text.size();
  while (!text.empty()) {
    uint64_t piece = 0;
    const size_t n = std::min<size_t>(8, text.size());
    std::copy_n(text.data(), n, reinterpret_cast<char*>(&piece));
    h = (h ^ piece) * 0x9e3779b97f4a7c15ULL;
    h ^= h >> 32;
    text.remove_prefix(n);
  }
  return h;
}

uint64_t value_word(const Column& c, int64_t i) {
  switch (c.type) {
    case Type::kBool:
      return c.boolean(i) ? 1 : 0;
    case Type::kInt64:
    case Type::kTimestampUs:
      return static_cast<uint64_t>(c.i64(i));
    case Type::kDouble:
      return double_word(c.f64(i));
    case Type::kText:
    case Type::kBytes:
      return text_word(c.text(i));
    case Type::kList:
      break;  // check() refuses it.
  }
  return 0;
}

bool value_equal(const Values& stored, int64_t at, const Column& c, int64_t i) {
  const Column own = stored.view();
  if (own.type == Type::kText || own.type == Type::kBytes) return own.text(at) == c.text(i);
  return value_word(own, at) == value_word(c, i);
}

}  // namespace

Keys::Keys(std::span<const Column> like) {
  for (const Column& c : like)
    if (c.type != Type::kList) stored_.emplace_back(c.type);
  one_number_ = like.size() == 1 && is_number(like[0].type);
  table_.resize(size_t{1} << kFirstBits);
  shift_ = 64 - kFirstBits;
}

Status Keys::check(std::span<const Column> columns) const {
  if (columns.size() != stored_.size())
    return invalid("pit.key_type",
                   "the keys of both sides have the same columns, and lists are none");
  for (size_t k = 0; k < columns.size(); ++k)
    if (columns[k].type != stored_[k].type())
      return invalid("pit.key_type",
                     concat({"key ", std::to_string(k + 1), " is ", type_name(stored_[k].type()),
                             " on one side and ", type_name(columns[k].type), " on the other"}));
  return {};
}

bool Keys::has_null(std::span<const Column> columns, int64_t i) {
  return std::ranges::any_of(columns, [i](const Column& c) { return c.is_null(i); });
}

uint64_t Keys::word(std::span<const Column> columns, int64_t i) const {
  if (one_number_) return static_cast<uint64_t>(columns[0].i64(i));
  uint64_t h = columns.size();
  for (const Column& c : columns) h = mix(h ^ value_word(c, i)) + 0x9e3779b97f4a7c15ULL;
  return h;
}

uint64_t Keys::hash(std::span<const Column> columns, int64_t i) const {
  return mix(word(columns, i));
}

bool Keys::equal(uint32_t key, std::span<const Column> columns, int64_t i) const {
  for (size_t k = 0; k < columns.size(); ++k)
    if (!value_equal(stored_[k], key, columns[k], i)) return false;
  return true;
}

uint32_t Keys::probe(uint64_t word, std::span<const Column> columns, int64_t i) const {
  const size_t mask = table_.size() - 1;
  for (size_t at = home(word);; at = (at + 1) & mask) {
    const Entry& entry = table_[at];
    if (entry.key == kNoKey) return kNoKey;
    if (entry.word == word && (one_number_ || equal(entry.key, columns, i))) return entry.key;
  }
}

uint32_t Keys::add(std::span<const Column> columns, int64_t i) {
  if (has_null(columns, i)) return kNoKey;
  const uint64_t w = word(columns, i);
  if (const uint32_t found = probe(w, columns, i); found != kNoKey) return found;
  if (uint64_t{n_} * 3 >= table_.size() * 2) grow();
  for (size_t k = 0; k < columns.size(); ++k) stored_[k].add_from(columns[k], i);
  const size_t mask = table_.size() - 1;
  size_t at = home(w);
  while (table_[at].key != kNoKey) at = (at + 1) & mask;
  table_[at] = {w, n_};
  return n_++;
}

void Keys::grow() {
  std::vector<Entry> old(table_.size() * 2);
  old.swap(table_);
  --shift_;
  const size_t mask = table_.size() - 1;
  for (const Entry& entry : old) {
    if (entry.key == kNoKey) continue;
    size_t at = home(entry.word);
    while (table_[at].key != kNoKey) at = (at + 1) & mask;
    table_[at] = entry;
  }
}

// One number: nothing but the table is looked at.
void Keys::find_numbers(const Column& column, int64_t from, std::span<uint32_t> out) const {
  const auto* words = static_cast<const uint64_t*>(column.data) + from;
  const size_t mask = table_.size() - 1;
  std::array<size_t, kBlock> homes{};
  for (size_t first = 0; first < out.size(); first += kBlock) {
    const size_t n = std::min(kBlock, out.size() - first);
    for (size_t j = 0; j < n; ++j) {
      homes[j] = home(words[first + j]);
      __builtin_prefetch(&table_[homes[j]]);
    }
    for (size_t j = 0; j < n; ++j) {
      size_t at = homes[j];
      while (table_[at].key != kNoKey && table_[at].word != words[first + j]) at = (at + 1) & mask;
      out[first + j] = table_[at].key;
    }
  }
  for (size_t j = 0; column.validity && j < out.size(); ++j)
    if (column.is_null(from + static_cast<int64_t>(j))) out[j] = kNoKey;
}

void Keys::find(std::span<const Column> columns, int64_t from, std::span<uint32_t> out) const {
  if (one_number_) return find_numbers(columns[0], from, out);
  std::array<uint64_t, kBlock> words{};
  for (size_t first = 0; first < out.size(); first += kBlock) {
    const size_t n = std::min(kBlock, out.size() - first);
    const int64_t row = from + static_cast<int64_t>(first);
    for (size_t j = 0; j < n; ++j) {
      words[j] = word(columns, row + static_cast<int64_t>(j));
      __builtin_prefetch(&table_[home(words[j])]);
    }
    for (size_t j = 0; j < n; ++j) {
      const int64_t i = row + static_cast<int64_t>(j);
      out[first + j] = has_null(columns, i) ? kNoKey : probe(words[j], columns, i);
    }
  }
}

std::vector<Column> Keys::columns() const {
  std::vector<Column> out;
  for (const Values& v : stored_) out.push_back(v.view());
  return out;
}

int64_t Keys::bytes() const {
  auto out = static_cast<int64_t>(table_.size() * sizeof(Entry));
  for (const Values& v : stored_) {
    const Column c = v.view();
    out += c.offsets ? c.n * 4 + c.offsets[c.n] : c.n * 8;
  }
  return out;
}

}  // namespace slip::engine
