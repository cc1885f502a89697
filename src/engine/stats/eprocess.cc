#include "engine/stats/eprocess.h"

#include <cmath>

#include <boost/math/special_functions/gamma.hpp>

#include "base/check.h"

namespace slip::stats {

EProcess::EProcess(size_t arms, double concentration)
    : concentration_(concentration), counts_(arms, 0), theta_sums_(arms, 0) {
  CHECK(arms >= 2 && concentration > 0);
}

EProcess EProcess::restore(std::vector<int64_t> counts, std::vector<double> theta_sums,
                           double log_e, double log_e_max) {
  EProcess process(counts.size());
  CHECK(theta_sums.size() == counts.size());
  for (const int64_t n : counts) process.events_ += n;
  process.counts_ = std::move(counts);
  process.theta_sums_ = std::move(theta_sums);
  process.log_e_ = log_e;
  process.log_e_max_ = log_e_max;
  return process;
}

void EProcess::add(size_t arm, std::span<const double> theta) {
  CHECK(arm < counts_.size() && theta.size() == counts_.size());
  CHECK(theta[arm] > 0 && theta[arm] <= 1);
  const double predicted = (concentration_ * theta[arm] + static_cast<double>(counts_[arm])) /
                           (concentration_ + static_cast<double>(events_));
  log_e_ += std::log(predicted / theta[arm]);
  log_e_max_ = std::max(log_e_max_, log_e_);
  ++counts_[arm];
  ++events_;
  for (size_t a = 0; a < theta.size(); ++a) theta_sums_[a] += theta[a];
}

double EProcess::e_value() const { return std::exp(std::min(log_e_, 700.0)); }

double EProcess::expected_share(size_t arm) const {
  return events_ == 0 ? 0 : theta_sums_[arm] / static_cast<double>(events_);
}

double EProcess::observed_share(size_t arm) const {
  return events_ == 0 ? 0 : static_cast<double>(counts_[arm]) / static_cast<double>(events_);
}

bool EProcess::rejects(double alpha) const {
  CHECK(alpha > 0 && alpha < 1);
  return log_e_max_ >= -std::log(alpha);
}

double log_e_closed_form(std::span<const int64_t> counts, std::span<const double> theta,
                         double concentration) {
  const auto log_beta = [](std::span<const double> alpha) {
    double sum = 0;
    double all = 0;
    for (const double a : alpha) {
      sum += boost::math::lgamma(a);
      all += a;
    }
    return sum - boost::math::lgamma(all);
  };
  std::vector<double> before;
  std::vector<double> after;
  double null_log = 0;
  for (size_t a = 0; a < counts.size(); ++a) {
    const auto n = static_cast<double>(counts[a]);
    before.push_back(concentration * theta[a]);
    after.push_back(concentration * theta[a] + n);
    null_log += n * std::log(theta[a]);
  }
  return log_beta(after) - log_beta(before) - null_log;
}

}  // namespace slip::stats
