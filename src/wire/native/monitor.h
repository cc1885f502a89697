#pragma once

#include <vector>

#include "http/route.h"

namespace slip::monitor {
class Monitor;
}

// Drift, accuracy and alerts of deployments; labels in, logged predictions out.
namespace slip::wire::native {

inline constexpr int64_t kLabelsBodyBytesMax = 8 << 20;

struct MonitorApp {
  monitor::Monitor& monitor;
};
std::vector<http::Route> monitor_routes(MonitorApp app);

}  // namespace slip::wire::native
