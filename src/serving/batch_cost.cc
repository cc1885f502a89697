#include "serving/batch_cost.h"

#include <algorithm>
#include <cmath>

namespace slip::serving {
namespace {

constexpr double kKeep = 0.97;           // Of what was learnt, a run later: a memory of 33 runs,
constexpr double kKeepSurprised = 0.85;  // or 6 while runs aren't what was expected.
constexpr double kClip = 3;              // Usual deviations that a run may count for.
constexpr double kSpreadMin = 0.02;
constexpr double kSpreadRate = 0.1;
constexpr int64_t kOpenRuns = 10;     // At first nothing is a surprise.
constexpr double kRidge = 1e-3;       // Of one run's information: what holds the unseen direction.
constexpr double kRidgeOfAll = 1e-7;  // Of all information: what keeps the system solvable.
constexpr double kSure = 2;  // Mean deviations to either side: 19 of 20 runs on one of them.

}  // namespace

void BatchCost::add(int64_t rows, int64_t took_ns) {
  const double x = static_cast<double>(rows) / rows_max_;
  const double y = std::max(static_cast<double>(took_ns), 1.0);
  if (runs_++ == 0) base_ = y;
  const double pred = std::max(slope_ * x + base_, 1.0);
  const double usual = std::max(spread_, kSpreadMin);
  const double off = y / pred - 1;
  const double clip = runs_ <= kOpenRuns ? HUGE_VAL : kClip * usual;
  const double clipped = std::clamp(off, -clip, clip);
  spread_ += kSpreadRate * (std::min(std::abs(off), (kClip + 1) * usual) - spread_);
  learn(x, pred, pred * (1 + clipped), clipped == off ? kKeep : kKeepSurprised);
}

void BatchCost::learn(double x, double pred, double y, double keep) {
  const double w = 1 / (pred * pred);
  xx_ = keep * xx_ + w * x * x;
  x_ = keep * x_ + w * x;
  one_ = keep * one_ + w;
  yx_ = keep * yx_ + w * y * x;
  y_ = keep * y_ + w * y;
  const double ridge = std::max(kRidge * w, kRidgeOfAll * one_);
  const double before = slope_ / 2 + base_;
  const double a11 = xx_ + ridge;
  const double a22 = one_ + ridge;
  const double r1 = yx_ + ridge * slope_;
  const double r2 = y_ + ridge * base_;
  const double det = a11 * a22 - x_ * x_;
  slope_ = (r1 * a22 - r2 * x_) / det;
  base_ = (a11 * r2 - x_ * r1) / det;
  if (slope_ < 0) {
    slope_ = 0;
    base_ = r2 / a22;
  } else if (base_ < 0) {
    base_ = 0;
    slope_ = r1 / a11;
  }
  // What was learnt of a faster model is in smaller units: it would outweigh all that is new.
  const double slower = std::min(before / std::max(slope_ / 2 + base_, 1e-9), 1.0);
  for (double* sum : {&xx_, &x_, &one_, &yx_, &y_}) *sum *= slower * slower;
}

double BatchCost::expect_ns(int64_t rows) const {
  return slope_ * static_cast<double>(rows) / rows_max_ + base_;
}

double BatchCost::least_ns(int64_t rows) const {
  return known() ? expect_ns(rows) * std::max(0.0, 1 - kSure * spread_) : 0;
}

double BatchCost::most_ns(int64_t rows) const {
  return known() ? expect_ns(rows) * (1 + kSure * spread_) : 0;
}

int64_t BatchCost::rows_within(double ns) const {
  if (ns < base_) return 0;
  if (slope_ <= 0 || (ns - base_) / slope_ >= 1) return static_cast<int64_t>(rows_max_);
  return static_cast<int64_t>((ns - base_) / slope_ * rows_max_);
}

}  // namespace slip::serving
