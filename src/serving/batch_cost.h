#pragma once

#include <cstdint>

// What a run of n rows costs: a n + b, learnt from the runs themselves. Recursive least squares
// with forgetting (Haykin, Adaptive Filter Theory, ch. 10) in its information form, on relative
// errors, because noise grows with the duration. Three things keep it honest:
//  - what surprises is clipped to a few of the usual deviations (Huber), so one descheduled run
//    does not count; what goes on surprising widens them, and forgets faster;
//  - a direction that nothing is learnt about (every run of one size) stays where it was;
//  - a and b are never negative.
// Before anything is known of a, it is 0: large batches are tried, and then known.
// Pure; one thread.
namespace slip::serving {

class BatchCost {
 public:
  static constexpr int64_t kRunsToKnow = 5;

  explicit BatchCost(int64_t rows_max) : rows_max_(static_cast<double>(rows_max)) {}

  void add(int64_t rows, int64_t took_ns);

  bool known() const { return runs_ >= kRunsToKnow; }
  int64_t runs() const { return runs_; }
  double row_ns() const { return slope_ / rows_max_; }  // a
  double run_ns() const { return base_; }               // b
  double spread() const { return spread_; }             // Mean relative deviation of a run.

  double expect_ns(int64_t rows) const;
  // What 19 of 20 runs take at least, at most; 0 while nothing is known.
  double least_ns(int64_t rows) const;
  double most_ns(int64_t rows) const;
  // The rows that are expected to be done within `ns`, 0 … rows_max.
  int64_t rows_within(double ns) const;

 private:
  void learn(double x, double pred, double y, double keep);

  double rows_max_;
  int64_t runs_ = 0;
  double slope_ = 0;  // Of rows / rows_max: both unknowns then have one scale.
  double base_ = 0;
  double spread_ = 0.25;
  // Information: weighted sums of x x, x, 1 and of y x, y.
  double xx_ = 0, x_ = 0, one_ = 0, yx_ = 0, y_ = 0;
};

}  // namespace slip::serving
