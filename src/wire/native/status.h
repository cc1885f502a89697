#pragma once

#include <functional>
#include <string>
#include <vector>

#include "base/budget.h"
#include "codec/json.h"
#include "http/route.h"

namespace slip {
class Clock;
class Process;
}  // namespace slip

// What the server is and how it fares, and the plain pages beside the API: /health, /metrics.
namespace slip::wire::native {

struct StatusApp {
  Clock& clock;
  Process& process;
  const Budget& budget;
  std::string version;
  std::string git;
  std::string data_dir;
  std::string db;
  bool auth = false;
  int64_t started_ns = 0;                  // Steady clock.
  std::function<int64_t()> models_loaded;  // May be empty: 0.
  std::function<std::string()> metrics;    // Prometheus text.
  std::function<codec::Json()> redis;      // Of features; may be empty: they lie in memory.
};
std::vector<http::Route> status_routes(StatusApp app);

}  // namespace slip::wire::native
