#pragma once

#include <cstdint>
#include <string>

#include "serving/batch_cost.h"
#include "serving/batch_settings.h"

// Chooses the size at which batches are closed, and how long an idle instance waits for more rows,
// from what a run costs (a n + b) and the latency objective L. Without an objective, or before the
// cost is known: the largest size, no wait. Settings that were given are kept. Pure; one thread.
//
// Size: a request that just missed a batch waits for a run and is then run itself; with k instances
// that takes r/k + r for a run of r. Of all sizes, the one with the most rows a second that still
// make it: r = L k/(k+1), or r = 2 b L/(L+b) where b is so large that losing some pays. Then the
// least size that is within 2 % of that throughput: whoever comes next waits less.
//
// Wait: only if it lowers the cost of a row by 15 % or more against what comes together anyway
// while instances are busy, with the wait and two runs within 0.7 L; of several, the shortest that
// gets within 10 % of the best. Answers beyond 0.9 L take it back, whatever the prediction says.
namespace slip::serving {

class BatchTuner {
 public:
  explicit BatchTuner(const BatchSettings& settings);

  void arrived(int64_t rows, int64_t now_ns);
  void answered(int64_t latency_ns);
  void retune(const BatchCost& cost, int64_t now_ns);

  int64_t rows() const { return rows_; }
  int64_t piece_rows() const { return piece_rows_; }  // Of requests that are split.
  int64_t delay_ns() const { return delay_ns_; }
  double rows_per_s(int64_t now_ns) const;
  double late_share() const { return late_share_; }
  // Why, in words.
  std::string rows_why() const;
  std::string delay_why() const;

 private:
  enum class RowsWhy : uint8_t { kSet, kUnknown, kUnreachable, kAll, kObjective, kEnough };
  enum class DelayWhy : uint8_t {
    kSet,
    kNoObjective,
    kUnknown,
    kNoGain,
    kNoRoom,
    kBusy,
    kLate,
    kGain
  };

  double decayed_rate(int64_t now_ns) const;
  void choose_rows(const BatchCost& cost);
  void choose_delay(const BatchCost& cost, double rows_per_ns);

  const int64_t rows_max_;
  const bool delay_set_;
  const double objective_ns_;
  const double instances_;
  int64_t rows_;
  int64_t piece_rows_;
  int64_t delay_ns_ = 0;
  RowsWhy rows_why_;
  DelayWhy delay_why_;
  double saving_ = 0;  // Share of a row's cost that waiting saves.

  double rate_ = 0;  // Rows a nanosecond, decaying.
  int64_t rate_at_ns_ = 0;
  int64_t rate_since_ns_ = -1;
  double near_share_ = 0;  // Of answers, beyond 0.9 L.
  double late_share_ = 0;  // Beyond L.
  double trust_ = 1;       // Of the chosen wait, how much is taken.
};

}  // namespace slip::serving
