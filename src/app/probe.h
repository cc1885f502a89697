#pragma once

#include <array>
#include <atomic>
#include <map>
#include <memory>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "base/budget.h"
#include "core/telemetry/metrics.h"
#include "grpc/server.h"
#include "http/probe.h"

namespace slip {
class Clock;
class Process;
}  // namespace slip

// Counts what the server reports, by route and class of status: one look-up by address and relaxed
// adds. Any thread.
namespace slip::app {

std::span<const telemetry::MetricRow> server_metrics();

class RouteProbe final : public http::Probe {
 public:
  RouteProbe(telemetry::Metrics& metrics, const std::vector<http::Route>& rows);
  void finished(const Ctx& ctx, const http::Finished& what) override;
  // Once the server runs: its own rows, so that an address is enough to find one's counters.
  void bind(const std::vector<http::Route>& rows);

 private:
  static constexpr size_t kClasses = 6;  // 0: no status; 1xx … 5xx.
  struct PerRoute {
    std::array<telemetry::Counter*, kClasses> by_class{};
    telemetry::Histogram* duration = nullptr;
  };
  const PerRoute& at(const http::Route* route) const;
  PerRoute make(telemetry::Metrics& metrics, const std::string& method, const std::string& path);

  std::map<std::pair<http::Method, std::string>, PerRoute> routes_;
  PerRoute unmatched_;
  std::unordered_map<const http::Route*, PerRoute> bound_;
  std::atomic<bool> is_bound_{false};
  telemetry::Counter& bytes_in_;
  telemetry::Counter& bytes_out_;
};

// The same for calls of gRPC, by method and code.
class MethodProbe final : public grpc::Probe {
 public:
  MethodProbe(telemetry::Metrics& metrics, const std::vector<grpc::Method>& rows);
  void finished(const Ctx& ctx, const grpc::Finished& what) override;
  void bind(const std::vector<grpc::Method>& rows);  // Once the server runs.

 private:
  static constexpr size_t kCodes = 17;
  struct PerMethod {
    std::array<telemetry::Counter*, kCodes> by_code{};
    telemetry::Histogram* duration = nullptr;
  };
  PerMethod make(telemetry::Metrics& metrics, const std::string& method) const;

  std::map<std::string, PerMethod, std::less<>> methods_;
  PerMethod unmatched_;
  std::unordered_map<const grpc::Method*, PerMethod> bound_;
  std::atomic<bool> is_bound_{false};
  telemetry::Counter& bytes_in_;
  telemetry::Counter& bytes_out_;
};

// Process and budget, at scrape time.
struct ProcessParts {
  Clock& clock;
  Process& process;
  const Budget& budget;
  int64_t started_ns = 0;
};
void collect_process(telemetry::Metrics& metrics, ProcessParts parts);

}  // namespace slip::app
