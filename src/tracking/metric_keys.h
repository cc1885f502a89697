#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>

#include "sys/sync.h"

// Numbers of metric names (table metric_key), remembered once they are committed: they never
// change. Any thread.
namespace slip::tracking {

inline constexpr size_t kMetricKeysRemembered = 50'000;

// A name in a project as one key. No name holds U+0000.
std::string in_project(std::string_view project, std::string_view name);

class MetricKeys {
 public:
  std::optional<int64_t> find(std::string_view project, std::string_view key) const;
  void remember(std::string_view project, std::string_view key, int64_t key_n);

 private:
  sys::Guarded<std::unordered_map<std::string, int64_t>> known_;
};

}  // namespace slip::tracking
