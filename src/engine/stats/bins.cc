#include "engine/stats/bins.h"

#include <algorithm>
#include <cmath>
#include <map>

#include "base/check.h"

namespace slip::stats {

NumericBins NumericBins::make(std::span<const double> reference, size_t wanted) {
  CHECK(wanted >= 2);
  std::vector<double> sorted;
  for (const double x : reference)
    if (!std::isnan(x)) sorted.push_back(x);
  std::sort(sorted.begin(), sorted.end());
  NumericBins bins;
  for (size_t i = 1; i < wanted && !sorted.empty(); ++i) {
    const double border = sorted[i * sorted.size() / wanted];
    // A border at the minimum would make an empty first bin.
    if (border > sorted.front() && (bins.borders_.empty() || border > bins.borders_.back()))
      bins.borders_.push_back(border);
  }
  // Nearly all of one value: quantiles see nothing else, yet below, at and above it differ.
  if (bins.borders_.empty() && !sorted.empty())
    bins.borders_ = {sorted.front(), std::nextafter(sorted.front(), HUGE_VAL)};
  return bins;
}

NumericBins NumericBins::from_borders(std::vector<double> borders) {
  CHECK(std::is_sorted(borders.begin(), borders.end()));
  NumericBins bins;
  bins.borders_ = std::move(borders);
  return bins;
}

size_t NumericBins::bin(double x) const {
  if (std::isnan(x)) return borders_.size() + 1;
  const auto above = std::upper_bound(borders_.begin(), borders_.end(), x);
  return static_cast<size_t>(above - borders_.begin());
}

CategoryBins CategoryBins::make(std::span<const std::string> reference, size_t kept) {
  std::map<std::string_view, int64_t> counts;
  for (const std::string& value : reference) ++counts[value];
  std::vector<std::pair<int64_t, std::string_view>> ranked;
  for (const auto& [name, count] : counts) ranked.emplace_back(-count, name);
  std::sort(ranked.begin(), ranked.end());
  if (ranked.size() > kept) ranked.resize(kept);
  std::vector<std::string> names;
  for (const auto& [count, name] : ranked) names.emplace_back(name);
  return from_names(std::move(names));
}

CategoryBins CategoryBins::from_names(std::vector<std::string> names) {
  CategoryBins bins;
  bins.names_ = std::move(names);
  std::sort(bins.names_.begin(), bins.names_.end());
  return bins;
}

size_t CategoryBins::bin(std::string_view value) const {
  const auto found = std::lower_bound(names_.begin(), names_.end(), value);
  if (found == names_.end() || *found != value) return names_.size();
  return static_cast<size_t>(found - names_.begin());
}

}  // namespace slip::stats
