#pragma once

#include <cstdint>
#include <span>
#include <vector>

// Is one arm producing more than its share of the errors? Conditional multinomial mixture e-process
// (Lindon & Malek 2022, "Anytime-valid inference for multinomial count data"): given that an error
// happened, it fell on arm a with probability theta_a (its share of the traffic) if all arms are
// equally good. With a Dirichlet(k theta) mixture over the alternatives,
//   log E = log B(k theta + n) - log B(k theta) - sum_a n_a log theta_a,
// E is a test martingale under the null: P(E ever reaches 1/alpha) <= alpha, at whatever moment,
// and however often, one looks. Needs no variance, no fixed sample size, and holds for rare errors.
//
// Updated an event at a time (posterior predictive over theta), so theta may change between events.
// Not thread-safe; copyable; the state is `counts` and `log_e`.
namespace slip::stats {

class EProcess {
 public:
  static constexpr double kConcentration = 100;  // k of the mixture.

  explicit EProcess(size_t arms, double concentration = kConcentration);
  // What another process had reached; `theta_sums` per arm (expected_share times events).
  static EProcess restore(std::vector<int64_t> counts, std::vector<double> theta_sums, double log_e,
                          double log_e_max);

  // One event on `arm` while arm a received share theta[a] of the traffic (each > 0, sum 1).
  void add(size_t arm, std::span<const double> theta);

  double log_e() const { return log_e_; }
  double log_e_max() const { return log_e_max_; }
  double e_value() const;
  int64_t events() const { return events_; }
  const std::vector<int64_t>& counts() const { return counts_; }
  // The mean of the shares that `arm` had at the events so far: what its part of them should be.
  double expected_share(size_t arm) const;
  double observed_share(size_t arm) const;

  // True once E has ever reached 1/alpha.
  bool rejects(double alpha) const;
  // rejects() and `arm` has more than its share: the direction that calls for a rollback.
  bool worse(size_t arm, double alpha) const { return rejects(alpha) && too_many(arm); }

 private:
  bool too_many(size_t arm) const { return observed_share(arm) > expected_share(arm); }

  double concentration_;
  std::vector<int64_t> counts_;
  std::vector<double> theta_sums_;
  int64_t events_ = 0;
  double log_e_ = 0;
  double log_e_max_ = 0;
};

// The closed form above for constant theta; what `add` reaches one event at a time.
double log_e_closed_form(std::span<const int64_t> counts, std::span<const double> theta,
                         double concentration);

}  // namespace slip::stats
