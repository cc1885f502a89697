#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/result.h"
#include "engine/window/kernel.h"

// What is computed over the events of one stream and entity: definitions compiled into states that
// they share and rings of tiles that all windows share. Immutable once compiled; any thread.
//
// At time t a window holds the events of [begin, end), end excluded:
//   sawtooth  [floor(t - length, hop), t), hop the greatest step <= length / 12 (at least the
//   least) exact     [t - length, t): keeps every event of it tumbling  [floor(t, length) - length,
//   floor(t, length)): the last whole one since 1970 UTC lifetime  everything before t
namespace slip::window {

inline constexpr int64_t kSecondUs = 1'000'000;
inline constexpr int64_t kMinuteUs = 60 * kSecondUs;
inline constexpr int64_t kHourUs = 60 * kMinuteUs;
inline constexpr int64_t kDayUs = 24 * kHourUs;
inline constexpr int64_t kMaxTimeUs = 300'000'000'000'000'000;  // Beyond year 9999, both ways.
inline constexpr int64_t kMaxLengthUs = 36525 * kDayUs;

enum class Kind : uint8_t { kSawtooth, kExact, kTumbling, kLifetime };

struct Window {
  Kind kind = Kind::kSawtooth;
  int64_t length_us = 0;  // Whole seconds; 0 for kLifetime.
};

struct Aggregate {
  Op op = Op::kCount;
  uint32_t column = 0;  // Of the record's values. count counts what is not null in it.
  std::vector<Window> windows;
  Params params;
};

struct Options {
  int64_t lateness_us = kHourUs;  // Events this far behind now still count; reads go back as far.
  bool chronon = false;           // Steps of 5m, 1h, 1d only.
};

struct Slot {  // One answer.
  uint32_t aggregate = 0, kernel = 0;
  Window window;
  int64_t hop_us = 0;
};

// Slots of one window.
struct Span {
  Window window;
  int64_t hop_us = 0;
  std::vector<uint32_t> slots;
};

struct Level {
  int64_t hop_us = 0;
  int64_t keep_us = 0;  // Tiles that end within this of (now - lateness) are kept.
};

int64_t floor_to(int64_t t, int64_t step);

class Plan {
 public:
  static Result<Plan> compile(std::vector<Aggregate> aggregates, Options options);

  // Answers come in the order of aggregates, and within one of its windows.
  const std::vector<Slot>& slots() const { return slots_; }
  const std::vector<Span>& spans() const { return spans_; }
  const std::vector<Aggregate>& aggregates() const { return aggregates_; }
  const std::vector<Kernel>& kernels() const { return kernels_; }
  uint32_t column_of(size_t kernel) const { return columns_[kernel]; }
  uint32_t width() const { return width_; }  // Values that a record must have.
  const std::vector<Level>& levels() const { return levels_; }
  int64_t raw_keep_us() const { return raw_keep_us_; }
  int64_t lateness_us() const { return options_.lateness_us; }
  bool lifetime() const { return lifetime_; }
  uint64_t fingerprint() const { return fingerprint_; }  // Of the layout of a blob.
  std::vector<State> fresh() const;

 private:
  Status add(uint32_t index, const Aggregate& a);
  void make_levels();
  void make_spans();
  void make_fingerprint();

  std::vector<Aggregate> aggregates_;
  Options options_;
  std::vector<Slot> slots_;
  std::vector<Span> spans_;
  std::vector<Kernel> kernels_;
  std::vector<uint32_t> columns_;
  std::vector<Level> levels_;
  uint32_t width_ = 0;
  int64_t raw_keep_us_ = 0;
  bool lifetime_ = false;
  uint64_t fingerprint_ = 0;
};

}  // namespace slip::window
