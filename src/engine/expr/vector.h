#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <string_view>
#include <vector>

#include "engine/expr/type.h"

// Registers of the machine: up to kBlockRows values of one type, each with a state. A row's state
// is valid, null, or why it failed; failures travel like nulls and win over them, so that a branch
// that isn't taken can't fail a row and the answer doesn't depend on how rows are split. Private to
// this folder; one thread.
namespace slip::engine::expr {

inline constexpr int kBlockRows = 1024;
inline constexpr size_t kMadeTextBytesMax = 65536;  // Of a text that a function makes.

enum State : uint8_t {
  kValid,
  kNull,
  kOverflow,
  kDivideByZero,
  kBadCast,
  kBadArgument,
  kOutOfRange,
  kTooLong,
};
std::string_view state_text(State state);

// What holds a row in a register. 8-byte wrappers keep overloads apart.
struct Stamp {
  int64_t us;
};
struct Interval {
  int64_t us;
};
struct Blob {
  std::string_view bytes;
};
struct ListView {
  const Column* items;
  int32_t begin;
  int32_t end;
};

// Texts that functions make; all of them go at once, before the next block.
class Arena {
 public:
  char* take(size_t bytes) {
    if (bytes > left_) grow(bytes);
    char* out = at_;
    at_ += bytes;
    left_ -= bytes;
    return out;
  }
  std::string_view keep(std::string_view text) {
    if (text.empty()) return {};
    char* out = take(text.size());
    std::memcpy(out, text.data(), text.size());
    return {out, text.size()};
  }
  void reset() {
    if (chunks_.size() > 1) chunks_.resize(1);
    at_ = chunks_.empty() ? nullptr : chunks_.front().get();
    left_ = chunks_.empty() ? 0 : kChunkBytes;
  }

 private:
  static constexpr size_t kChunkBytes = 1 << 17;
  void grow(size_t bytes) {
    const size_t size = bytes > kChunkBytes ? bytes : kChunkBytes;
    chunks_.push_back(std::make_unique<char[]>(size));
    at_ = chunks_.back().get();
    left_ = size;
  }
  std::vector<std::unique_ptr<char[]>> chunks_;
  char* at_ = nullptr;
  size_t left_ = 0;
};

constexpr size_t width_of(Type type) {
  switch (type) {
    case Type::kBool:
      return 1;
    case Type::kInt64:
    case Type::kDouble:
    case Type::kTimestampUs:
      return 8;
    default:
      return 16;
  }
}

struct Vec {
  const void* data = nullptr;  // Own memory, or a column's.
  uint8_t* state = nullptr;
  bool clean = true;  // All rows are valid; `state` isn't read.

  template <class T>
  const T* read() const {
    return static_cast<const T*>(data);
  }
  uint8_t state_of(int row) const { return clean ? uint8_t{kValid} : state[row]; }
};

// A Vec with memory for a block of any type.
struct Register {
  Vec vec;
  std::unique_ptr<std::byte[]> memory;
  std::array<uint8_t, kBlockRows> states{};

  explicit Register(size_t width) : memory(std::make_unique<std::byte[]>(width * kBlockRows)) {
    vec.data = memory.get();
    vec.state = states.data();
  }
};

struct Call {
  const Vec* const* args = nullptr;
  size_t n_args = 0;
  Vec* out = nullptr;
  void* memory = nullptr;  // Of out.
  int n = 0;
  Arena* arena = nullptr;
  const void* bound = nullptr;  // What the function's binder made of its constant arguments.

  template <class T>
  T* write() const {
    return static_cast<T*>(memory);
  }
};
using Kernel = void (*)(const Call&);

}  // namespace slip::engine::expr
