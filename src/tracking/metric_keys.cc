#include "tracking/metric_keys.h"

#include "base/text.h"

namespace slip::tracking {

std::string in_project(std::string_view project, std::string_view name) {
  return concat({project, std::string_view("\0", 1), name});
}

std::optional<int64_t> MetricKeys::find(std::string_view project, std::string_view key) const {
  const std::string both = in_project(project, key);
  return known_.with([&](const auto& known) -> std::optional<int64_t> {
    const auto found = known.find(both);
    if (found == known.end()) return std::nullopt;
    return found->second;
  });
}

void MetricKeys::remember(std::string_view project, std::string_view key, int64_t key_n) {
  known_.with([&](auto& known) {
    if (known.size() >= kMetricKeysRemembered) known.clear();
    known[in_project(project, key)] = key_n;
  });
}

}  // namespace slip::tracking
