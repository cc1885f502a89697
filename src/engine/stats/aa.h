#pragma once

#include <cstdint>

// How often would the canary guard roll back? Simulated canaries on labelled requests, judged by
// the very EProcess that the server uses. Equal error rates are an A/A test: its share of rollbacks
// may not exceed alpha. Pure: the same plan gives the same result everywhere.
namespace slip::stats {

struct AaPlan {
  int64_t runs = 200;
  uint64_t seed = 1;
  double weight = 0.2;              // Share of requests that the canary gets; in (0, 1).
  double error_rate = 0.25;         // Of the stable arm; in [0, 1].
  double canary_error_rate = 0.25;  // The same for an A/A test.
  int64_t labels = 2000;            // Labelled requests of one canary; it is judged after each.
  double alpha = 0.01;              // In (0, 1).
};
struct AaResult {
  int64_t runs = 0;
  int64_t rolled_back = 0;
  double e_value_max = 1;  // Over all runs and looks.
  double labels_mean = 0;  // Until the rollback, over the runs that had one; 0 without any.
};

// Limits of a plan; a plan beyond them is answered by false and must not be simulated.
inline constexpr int64_t kAaRunsMax = 100'000;
inline constexpr int64_t kAaLabelsMax = 1'000'000;
bool valid(const AaPlan& plan);

AaResult simulate_aa(const AaPlan& plan);

}  // namespace slip::stats
