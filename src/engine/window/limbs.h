#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

// Digits of an exact sum: a vector whose first few stay in place, because most sums are as short
// and most tiles are new. A value; one thread at a time.
namespace slip::window {

class Limbs {
 public:
  bool empty() const { return n_ == 0; }
  size_t size() const { return n_; }
  int64_t* data() { return many_.empty() ? few_.data() : many_.data(); }
  const int64_t* data() const { return many_.empty() ? few_.data() : many_.data(); }
  int64_t* begin() { return data(); }
  int64_t* end() { return data() + n_; }
  const int64_t* begin() const { return data(); }
  const int64_t* end() const { return data() + n_; }
  int64_t& operator[](size_t i) { return data()[i]; }
  const int64_t& operator[](size_t i) const { return data()[i]; }
  int64_t& back() { return data()[n_ - 1]; }
  const int64_t& back() const { return data()[n_ - 1]; }
  bool operator==(const Limbs& o) const { return std::equal(begin(), end(), o.begin(), o.end()); }

  void push_back(int64_t v) {
    resize(n_ + 1);
    back() = v;
  }
  void pop_back() { --n_; }
  void resize(size_t n) {  // New ones are zero.
    if (n > data_size()) {
      std::vector<int64_t> more(n + n / 2);
      std::copy(begin(), end(), more.begin());
      many_ = std::move(more);
    }
    if (n > n_) std::fill(data() + n_, data() + n, 0);
    n_ = n;
  }
  void zeros_in_front(size_t count) {
    resize(n_ + count);
    std::move_backward(begin(), end() - count, end());
    std::fill_n(begin(), count, 0);
  }
  void drop_front(size_t count) {
    std::move(begin() + count, end(), begin());
    n_ -= count;
  }

 private:
  size_t data_size() const { return many_.empty() ? few_.size() : many_.size(); }

  size_t n_ = 0;
  std::array<int64_t, 6> few_{};
  std::vector<int64_t> many_;  // Empty: few_ is enough.
};

}  // namespace slip::window
