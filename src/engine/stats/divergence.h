#pragma once

#include <cstdint>
#include <span>

// How far apart two histograms over the same bins are, and how far apart two samples of one
// distribution would be by chance. Pure functions; counts are non-negative and finite.
namespace slip::stats {

// Population stability index: sum over bins of (r - c) ln(r / c), r and c the shares of reference
// and current. A bin that is empty on one side counts as 1e-4 there (1e-6 of the smallest share
// when that share is below 1e-4), without renormalising; this is what Evidently 0.7 computes.
// Zero bins or an empty side: 0.
double psi(std::span<const double> reference, std::span<const double> current);

// Jensen-Shannon distance, natural logarithm: sqrt((KL(p,m) + KL(q,m)) / 2), m the mean; between 0
// and sqrt(ln 2) = 0.8326. As scipy.spatial.distance.jensenshannon. An empty side: 0.
double jensen_shannon(std::span<const double> p, std::span<const double> q);

// The value that `psi` exceeds with probability `alpha` although both samples (of n and m rows,
// over `bins` bins) come from one distribution: chi-square(bins - 1) quantile times (1/n + 1/m)
// (Yurdakul & Naranjo 2020, "Statistical properties of the population stability index").
double psi_by_chance(int64_t bins, double n, double m, double alpha);
// The same for `jensen_shannon`: 8 JSD nm/(n+m) is asymptotically chi-square(bins - 1).
double jensen_shannon_by_chance(int64_t bins, double n, double m, double alpha);

// Upper quantile: P(X > x) = alpha for X ~ chi-square(degrees). degrees ≥ 1, 0 < alpha < 1.
double chi_square_upper(double degrees, double alpha);

}  // namespace slip::stats
