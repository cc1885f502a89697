#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

// How values become histogram bins, fixed once by a reference sample. Pure; immutable after make().
namespace slip::stats {

// Numeric: borders at quantiles of the reference, so every bin holds about the same share of it;
// equal borders collapse, a single
// value gets a border on each side. Bin i holds border[i-1] <= x < border[i]; the first and last
// are open. One more bin takes NaN (missing values drift too).
class NumericBins {
 public:
  // `wanted` ≥ 2. Infinities are values; NaN is not.
  static NumericBins make(std::span<const double> reference, size_t wanted);
  static NumericBins from_borders(std::vector<double> borders);
  size_t size() const { return borders_.size() + 2; }
  size_t bin(double x) const;
  const std::vector<double>& borders() const { return borders_; }

 private:
  std::vector<double> borders_;
};

// Categories: the `kept` most frequent of the reference (ties by name), then one bin for the rest.
class CategoryBins {
 public:
  static CategoryBins make(std::span<const std::string> reference, size_t kept);
  static CategoryBins from_names(std::vector<std::string> names);
  size_t size() const { return names_.size() + 1; }
  size_t bin(std::string_view value) const;
  const std::vector<std::string>& names() const { return names_; }  // Sorted.

 private:
  std::vector<std::string> names_;
};

}  // namespace slip::stats
