#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "base/result.h"
#include "engine/window/counts.h"
#include "engine/window/exact.h"

// One aggregate over a set of events, as a state that is a function of that set: whatever the
// order, the splits and the merges, the same bytes. (Top-k beyond its limit is the exception and
// says so: Answer::approximate.) Pure; a State belongs to one thread at a time.
//
// Nulls are never events of an aggregate: the caller leaves them out. Numbers are ordered
// -Inf < … < -0 < +0 < … < +Inf < NaN, all NaNs being one.
namespace slip::window {

using Datum = std::variant<std::monostate, bool, int64_t, double, std::string, std::vector<double>>;

enum class Op : uint8_t {
  kCount,
  kSum,
  kMean,
  kVarPop,
  kVarSample,
  kStddevPop,
  kStddevSample,
  kSkew,
  kKurtosis,
  kMin,
  kMax,
  kFirst,
  kLast,
  kLastK,
  kEwma,
  kDistinct,
  kQuantile,
  kTopK,
  kHistogram,
  kAny,
  kAll,
  kListSum,
  kListMean,
};
inline constexpr int kOpCount = 23;
enum class Family : uint8_t {
  kCounted,
  kMoments,
  kLeast,
  kGreatest,
  kOldest,
  kNewest,
  kDistinct,
  kTop,
  kMap,
  kSketch,
  kFlags,
  kLists,
};
inline constexpr uint32_t kMaxLimit = 65536;
inline constexpr int64_t kMaxEvents = int64_t{1} << 48;  // Of one state that is read.

// What a state is, without what is read from it: aggregates with equal kernels share a state.
struct Kernel {
  Family family = Family::kCounted;
  uint32_t limit = 0;   // Entries kept, of kOldest, kNewest, kDistinct, kTop, kMap.
  uint32_t powers = 0;  // kMoments: sums of x … x^powers.
  double accuracy = 0;  // kSketch: relative error, in [0.0001, 0.5].
  bool operator==(const Kernel&) const = default;
};

struct Params {
  uint32_t k = 0;          // last_k, top_k: entries in the answer. ewma: events replayed (1024).
  uint32_t cap = 1024;     // distinct, top_k, histogram: exact up to that many different values.
  double quantile = 0.5;   // 0 … 1.
  double accuracy = 0.01;  // Of quantile.
  double alpha = 0.5;      // ewma: weight of the newest, (0, 1].
};
Result<Kernel> kernel_of(Op op, const Params& params);

struct Event {
  int64_t ts_us = 0;
  uint64_t seq = 0;
};

struct Answer {
  Datum value;                                     // Null: no event, or `overflow`.
  std::vector<Datum> items;                        // last_k, newest first.
  std::vector<std::pair<Datum, int64_t>> entries;  // top_k by (count, value), histogram by value.
  bool overflow = false;     // Not representable: an int64 sum, a histogram with too many values.
  bool approximate = false;  // distinct by HyperLogLog, top_k by count-min.
  bool operator==(const Answer&) const = default;
};

struct Counted {
  int64_t n = 0;
};
struct Moments {
  int64_t n = 0, nans = 0, highs = 0, lows = 0;  // All, NaN, +Inf, -Inf.
  int64_t doubles = 0;                           // 0: an int64 (or bool) column.
  std::vector<ExactSum> sums;
};
struct Extreme {
  int64_t n = 0, times = 0;
  Datum best;
};
struct Entry {
  Event at;
  Datum value;
};
struct Recent {
  int64_t n = 0;
  std::vector<Entry> entries;
};  // By (ts, seq).
struct Keys {
  int64_t n = 0;
  bool over = false;  // Ever more than `limit` different values.
  Counts<DatumKey> counts;
  std::vector<uint8_t> registers;  // kDistinct, over.
  std::vector<int64_t> cells;      // kTop, over.
};
struct Sketch {
  int64_t n = 0, nans = 0, highs = 0, lows = 0, zeros = 0;
  Counts<int32_t> above, below;
};
struct Flags {
  int64_t yes = 0, no = 0;
};
struct Lists {
  int64_t n = 0;
  std::vector<Moments> items;
};
using State = std::variant<Counted, Moments, Extreme, Recent, Keys, Sketch, Flags, Lists>;

State init(const Kernel& kernel);
// Whether `value` is of a type that the kernel takes (a list: of the length that it has).
bool fits(const Kernel& kernel, const State& state, const Datum& value);
void update(const Kernel& kernel, State& state, const Datum& value, Event at);
// One event for many states of a kernel: what all of them need is computed once. `value` fits the
// kernel; kernel and value outlive it.
class Update {
 public:
  Update(const Kernel& kernel, const Datum& value, Event at);
  void into(State& state) const;

 private:
  const Kernel& kernel_;
  const Datum& value_;
  Event at_;
  DatumKey key_;        // kDistinct, kTop, kMap.
  int32_t bucket_ = 0;  // kSketch, of what has one.
  size_t powers_ = 0;   // kMoments, finite: the terms that are set.
  std::array<ExactSum::Term, 4> terms_;
};
void merge(const Kernel& kernel, State& state, const State& other);
// Takes an event back that was added before. False, and nothing changed: the state has lost what
// that needs; compute it again from its events.
bool retract(const Kernel& kernel, State& state, const Datum& value, Event at);
Answer finalize(Op op, const Params& params, const State& state);

inline constexpr uint8_t kStateVersion = 1;
void write(const Kernel& kernel, const State& state, std::string& out);
Result<State> read(const Kernel& kernel, std::string_view& in);  // window.bad_state

void write_datum(const Datum& value, std::string& out);
bool read_datum(std::string_view& in, Datum& value);
int compare(const Datum& a, const Datum& b);  // By type, then by the order above.

}  // namespace slip::window
