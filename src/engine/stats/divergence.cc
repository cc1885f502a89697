#include "engine/stats/divergence.h"

#include <cmath>

#include <boost/math/distributions/chi_squared.hpp>

#include "base/check.h"
#include "engine/stats/sum.h"

namespace slip::stats {
namespace {

double total(std::span<const double> counts) {
  Sum sum;
  for (const double c : counts) sum.add(c);
  return sum.value();
}

// What an empty bin of this side counts as.
double floor_share(std::span<const double> counts, double all) {
  double smallest = 1;
  for (const double c : counts)
    if (c > 0) smallest = std::min(smallest, c / all);
  return smallest <= 1e-4 ? smallest / 1e6 : 1e-4;
}

}  // namespace

double psi(std::span<const double> reference, std::span<const double> current) {
  CHECK(reference.size() == current.size());
  const double r_all = total(reference);
  const double c_all = total(current);
  if (r_all <= 0 || c_all <= 0) return 0;
  const double r_floor = floor_share(reference, r_all);
  const double c_floor = floor_share(current, c_all);
  Sum sum;
  for (size_t i = 0; i < reference.size(); ++i) {
    const double r = reference[i] > 0 ? reference[i] / r_all : r_floor;
    const double c = current[i] > 0 ? current[i] / c_all : c_floor;
    // Empty on both sides says nothing about a difference.
    if (reference[i] > 0 || current[i] > 0) sum.add((r - c) * std::log(r / c));
  }
  return sum.value();
}

double jensen_shannon(std::span<const double> p, std::span<const double> q) {
  CHECK(p.size() == q.size());
  const double p_all = total(p);
  const double q_all = total(q);
  if (p_all <= 0 || q_all <= 0) return 0;
  Sum sum;
  for (size_t i = 0; i < p.size(); ++i) {
    const double a = p[i] / p_all;
    const double b = q[i] / q_all;
    const double m = (a + b) / 2;
    if (a > 0) sum.add(a * std::log(a / m));
    if (b > 0) sum.add(b * std::log(b / m));
  }
  return std::sqrt(std::max(0.0, sum.value() / 2));
}

double psi_by_chance(int64_t bins, double n, double m, double alpha) {
  if (bins < 2 || n <= 0 || m <= 0) return 0;
  return chi_square_upper(static_cast<double>(bins - 1), alpha) * (1 / n + 1 / m);
}

double jensen_shannon_by_chance(int64_t bins, double n, double m, double alpha) {
  return std::sqrt(psi_by_chance(bins, n, m, alpha) / 8);
}

double chi_square_upper(double degrees, double alpha) {
  CHECK(degrees >= 1 && alpha > 0 && alpha < 1);
  const boost::math::chi_squared_distribution<double> law(degrees);
  return boost::math::quantile(boost::math::complement(law, alpha));
}

}  // namespace slip::stats
