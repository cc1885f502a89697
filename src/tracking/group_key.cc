#include "tracking/group_key.h"

#include <algorithm>
#include <cfloat>
#include <cmath>
#include <optional>

#include "base/text.h"

namespace slip::tracking {
namespace {

using Kind = GroupKey::Kind;

constexpr std::string_view kBelowId = "-Infinity";
constexpr std::string_view kAboveId = "Infinity";
constexpr std::string_view kNanId = "NaN";
constexpr std::string_view kAbsentId = "none";

// Narrower than this share of its greatest value a stretch would lie between two doubles.
constexpr double kNarrowest = 0x1p-48;
constexpr double kWidthLeast = 1e-290;
constexpr double kWidthMost = 1e308;

Error bad(std::string_view id) {
  return invalid("run_groups.group", concat({"'", id, "' is no group of runs"}));
}

std::optional<double> number_in(const std::string& text) {
  const std::optional<double> value = parse_double(text);
  return value && std::isfinite(*value) ? value : std::nullopt;
}

template <class T>
int sign(const T& a, const T& b) {
  return a < b ? -1 : b < a ? 1 : 0;
}

int compare_texts(const std::string& a, const std::string& b) {
  const auto x = number_in(a);
  const auto y = number_in(b);
  if (x.has_value() != y.has_value()) return x ? -1 : 1;
  if (x && *x != *y) return sign(*x, *y);
  return sign(a, b);  // "1" and "1.0" are two groups.
}

}  // namespace

std::string GroupKey::id() const {
  switch (kind) {
    case Kind::kText:
      return concat({"=", text});
    case Kind::kBelow:
      return std::string(kBelowId);
    case Kind::kStretch:
      return concat({format_double(low), "..", format_double(high)});
    case Kind::kAbove:
      return std::string(kAboveId);
    case Kind::kNan:
      return std::string(kNanId);
    case Kind::kAbsent:
      break;
  }
  return std::string(kAbsentId);
}

Result<GroupKey> parse_group_key(std::string_view id, bool of_metric) {
  GroupKey key;
  if (id == kAbsentId) return key;
  if (!of_metric) {
    if (!id.starts_with('=')) return bad(id);
    key.kind = Kind::kText;
    key.text = id.substr(1);
    return key;
  }
  if (id == kBelowId || id == kAboveId || id == kNanId) {
    key.kind = id == kBelowId ? Kind::kBelow : id == kAboveId ? Kind::kAbove : Kind::kNan;
    return key;
  }
  const size_t dots = id.find("..");
  if (dots == std::string_view::npos) return bad(id);
  const std::optional<double> low = parse_double(id.substr(0, dots));
  const std::optional<double> high = parse_double(id.substr(dots + 2));
  if (!low || !high || !std::isfinite(*low) || !std::isfinite(*high) || !(*low < *high))
    return bad(id);
  key.kind = Kind::kStretch;
  key.low = *low;
  key.high = *high;
  return key;
}

int compare(const GroupKey& a, const GroupKey& b, bool ascending) {
  const auto last = [](const GroupKey& key) { return key.kind >= Kind::kNan; };
  if (last(a) || last(b)) return sign(a.kind, b.kind);
  int out = sign(a.kind, b.kind);
  if (out == 0 && a.kind == Kind::kText) out = compare_texts(a.text, b.text);
  if (out == 0 && a.kind == Kind::kStretch) out = sign(a.low, b.low);
  if (out == 0 && a.kind == Kind::kStretch) out = sign(a.high, b.high);
  return ascending ? out : -out;
}

Stretches::Stretches(double least, double most, int64_t wanted) {
  const auto n = static_cast<double>(std::clamp<int64_t>(wanted, 1, kGroupBucketsMax));
  const double size = std::max(std::fabs(least), std::fabs(most));
  const double span = most / n - least / n;  // Of the ends apart the difference may be infinite.
  double width = span > 0 ? span : size > 0 ? size / 10 : 1;
  width = std::clamp(std::max(width, size * kNarrowest), kWidthLeast, kWidthMost);
  exponent_ = static_cast<int>(std::floor(std::log10(width)));
  const double share = width / std::pow(10.0, exponent_);
  mantissa_ = share <= 1 ? 1 : share <= 2 ? 2 : share <= 5 ? 5 : 10;
}

// One rounding only, so that cuts read as people write them: 0.3, not 0.30000000000000004.
double Stretches::edge(double index) const {
  const double units = index * mantissa_;
  return exponent_ < 0 ? units / std::pow(10.0, -exponent_) : units * std::pow(10.0, exponent_);
}

GroupKey Stretches::of(double value) const {
  GroupKey key;
  if (!std::isfinite(value)) {
    key.kind = std::isnan(value) ? Kind::kNan : value > 0 ? Kind::kAbove : Kind::kBelow;
    return key;
  }
  double index = std::floor(value / edge(1));
  while (edge(index) > value) --index;
  while (edge(index + 1) <= value) ++index;
  key.kind = Kind::kStretch;
  key.low = std::max(edge(index), -DBL_MAX) + 0.0;  // −0 is 0.
  key.high = std::min(edge(index + 1), DBL_MAX);
  return key;
}

}  // namespace slip::tracking
