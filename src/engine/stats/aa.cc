#include "engine/stats/aa.h"

#include <algorithm>
#include <array>

#include "base/check.h"
#include "engine/stats/eprocess.h"

namespace slip::stats {
namespace {

// SplitMix64 (Steele, Lea, Flood 2014): engines know no randomness but a seed.
class Dice {
 public:
  explicit Dice(uint64_t seed) : state_(seed) {}
  bool chance(double p) { return static_cast<double>(next() >> 11) * 0x1.0p-53 < p; }

 private:
  uint64_t next() {
    state_ += 0x9e3779b97f4a7c15;
    uint64_t z = state_;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
    return z ^ (z >> 31);
  }
  uint64_t state_;
};

bool share(double x) { return x >= 0 && x <= 1; }
bool inside(double x) { return x > 0 && x < 1; }

// The number of labels after which the canary is rolled back; 0 when it never is.
int64_t one_canary(const AaPlan& plan, Dice& dice, double& e_value_max) {
  constexpr size_t kCanary = 1;
  const std::array<double, 2> theta = {1 - plan.weight, plan.weight};
  EProcess process(theta.size());
  for (int64_t n = 1; n <= plan.labels; ++n) {
    const bool canary = dice.chance(plan.weight);
    if (!dice.chance(canary ? plan.canary_error_rate : plan.error_rate)) continue;
    process.add(canary ? kCanary : 0, theta);
    e_value_max = std::max(e_value_max, process.e_value());
    if (process.worse(kCanary, plan.alpha)) return n;
  }
  return 0;
}

}  // namespace

bool valid(const AaPlan& plan) {
  return plan.runs >= 1 && plan.runs <= kAaRunsMax && plan.labels >= 1 &&
         plan.labels <= kAaLabelsMax && inside(plan.weight) && inside(plan.alpha) &&
         share(plan.error_rate) && share(plan.canary_error_rate);
}

AaResult simulate_aa(const AaPlan& plan) {
  CHECK(valid(plan));
  Dice dice(plan.seed);
  AaResult result{.runs = plan.runs};
  int64_t labels = 0;
  for (int64_t run = 0; run < plan.runs; ++run) {
    const int64_t n = one_canary(plan, dice, result.e_value_max);
    if (n == 0) continue;
    ++result.rolled_back;
    labels += n;
  }
  if (result.rolled_back > 0) {
    result.labels_mean = static_cast<double>(labels) / static_cast<double>(result.rolled_back);
  }
  return result;
}

}  // namespace slip::stats
