#include "engine/column/column.h"

#include <cstring>
#include <limits>

#include "base/check.h"

namespace slip::engine {
namespace {

bool has_offsets(Type type) {
  return type == Type::kText || type == Type::kBytes || type == Type::kList;
}

void set_bit(std::vector<uint8_t>* bits, int64_t i, bool on) {
  const auto at = static_cast<size_t>(i / 8);
  if (at >= bits->size()) bits->resize(at + 1, 0);
  const auto mask = static_cast<uint8_t>(1U << (i % 8));
  (*bits)[at] = static_cast<uint8_t>(on ? (*bits)[at] | mask : (*bits)[at] & ~mask);
}

template <class T>
void push(std::vector<uint8_t>* data, T v) {
  const size_t at = data->size();
  data->resize(at + sizeof v);
  std::memcpy(data->data() + at, &v, sizeof v);
}

int32_t offset_of(size_t bytes) {
  CHECK(bytes <= static_cast<size_t>(std::numeric_limits<int32_t>::max()));
  return static_cast<int32_t>(bytes);
}

}  // namespace

std::string_view type_name(Type type) {
  switch (type) {
    case Type::kBool:
      return "bool";
    case Type::kInt64:
      return "int64";
    case Type::kDouble:
      return "double";
    case Type::kText:
      return "string";
    case Type::kBytes:
      return "bytes";
    case Type::kTimestampUs:
      return "timestamp";
    case Type::kList:
      return "list";
  }
  return "";
}

Values::Values(Type type, Type of_list) : type_(type) {
  if (has_offsets(type)) offsets_.push_back(0);
  if (type != Type::kList) return;
  CHECK(of_list != Type::kList);
  child_.emplace_back(of_list);
}

Column Values::view() const {
  Column out;
  out.type = type_;
  out.n = n_;
  out.validity = validity_.empty() ? nullptr : validity_.data();
  out.offsets = offsets_.empty() ? nullptr : offsets_.data();
  out.data = data_.data();
  if (!child_.empty()) {
    views_.assign(1, child_.front().view());
    out.child = views_.data();
  }
  return out;
}

void Values::clear() {
  n_ = 0;
  nulls_ = 0;
  validity_.clear();
  data_.clear();
  if (!offsets_.empty()) offsets_.resize(1);
  for (Values& child : child_) child.clear();
}

void Values::reserve(int64_t n) {
  const auto rows = static_cast<size_t>(n);
  if (!offsets_.empty()) offsets_.reserve(rows + 1);
  if (type_ == Type::kBool) data_.reserve((rows + 7) / 8);
  if (type_ == Type::kInt64 || type_ == Type::kDouble || type_ == Type::kTimestampUs)
    data_.reserve(rows * 8);
}

void Values::add_valid(bool valid) {
  if (!valid && validity_.empty()) validity_.assign(static_cast<size_t>(n_ + 8) / 8, 0xff);
  if (!validity_.empty()) set_bit(&validity_, n_, valid);
  ++n_;
  if (!valid) ++nulls_;
}

void Values::add_null() {
  if (type_ == Type::kBool)
    set_bit(&data_, n_, false);
  else if (has_offsets(type_))
    offsets_.push_back(offsets_.back());
  else
    push(&data_, int64_t{0});
  add_valid(false);
}

void Values::add_bool(bool v) {
  CHECK(type_ == Type::kBool);
  set_bit(&data_, n_, v);
  add_valid(true);
}

void Values::add_i64(int64_t v) {
  CHECK(type_ == Type::kInt64 || type_ == Type::kTimestampUs);
  push(&data_, v);
  add_valid(true);
}

void Values::add_f64(double v) {
  CHECK(type_ == Type::kDouble);
  push(&data_, v);
  add_valid(true);
}

void Values::add_text(std::string_view v) {
  CHECK(type_ == Type::kText || type_ == Type::kBytes);
  data_.insert(data_.end(), v.begin(), v.end());
  offsets_.push_back(offset_of(data_.size()));
  add_valid(true);
}

void Values::add_words(const void* words, size_t n) {
  const size_t at = data_.size();
  data_.resize(at + n * 8);
  if (n) std::memcpy(data_.data() + at, words, n * 8);
  if (validity_.empty()) {
    n_ += static_cast<int64_t>(n);
    return;
  }
  for (size_t i = 0; i < n; ++i) add_valid(true);
}

void Values::add_i64s(std::span<const int64_t> v) {
  CHECK(type_ == Type::kInt64 || type_ == Type::kTimestampUs);
  add_words(v.data(), v.size());
}

void Values::add_f64s(std::span<const double> v) {
  CHECK(type_ == Type::kDouble);
  add_words(v.data(), v.size());
}

void Values::add_bools(std::span<const bool> v) {
  CHECK(type_ == Type::kBool);
  size_t i = 0;
  while (i < v.size() && (n_ % 8 != 0 || !validity_.empty())) add_bool(v[i++]);
  const size_t whole = (v.size() - i) / 8;
  const size_t from = data_.size();
  data_.resize(from + whole);
  for (size_t b = 0; b < whole; ++b, i += 8) {
    unsigned bits = 0;
    for (size_t k = 0; k < 8; ++k) bits |= unsigned{v[i + k]} << k;
    data_[from + b] = static_cast<uint8_t>(bits);
  }
  n_ += static_cast<int64_t>(whole * 8);
  while (i < v.size()) add_bool(v[i++]);
}

void Values::end_list() {
  CHECK(type_ == Type::kList);
  offsets_.push_back(offset_of(static_cast<size_t>(child_.front().size())));
  add_valid(true);
}

void Values::add_from(const Column& from, int64_t i) {
  CHECK(from.type == type_);
  if (from.is_null(i)) return add_null();
  switch (type_) {
    case Type::kBool:
      return add_bool(from.boolean(i));
    case Type::kInt64:
    case Type::kTimestampUs:
      return add_i64(from.i64(i));
    case Type::kDouble:
      return add_f64(from.f64(i));
    case Type::kText:
    case Type::kBytes:
      return add_text(from.text(i));
    case Type::kList:
      for (int32_t at = from.offsets[i]; at < from.offsets[i + 1]; ++at)
        items().add_from(*from.child, at);
      return end_list();
  }
}

}  // namespace slip::engine
