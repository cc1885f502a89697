#pragma once

#include <functional>
#include <string>
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
  // For who may watch with what; from serving and data.
  std::function<Result<std::string>(const Ctx&, const std::string& deployment)> deployment_uid;
  std::function<Result<std::string>(const Ctx&, const std::string& dataset)> dataset_uid;
};
std::vector<http::Route> monitor_routes(MonitorApp app);

}  // namespace slip::wire::native
