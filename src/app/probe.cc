#include "app/probe.h"

#include "base/text.h"
#include "sys/clock.h"
#include "sys/process.h"

namespace slip::app {

using telemetry::MetricKind;

std::span<const telemetry::MetricRow> server_metrics() {
  static constexpr std::array<telemetry::MetricRow, 13> kRows = {{
      {"slipway_http_requests_total", MetricKind::kCounter, "method,route,code",
       "Requests answered, by class of status (2xx, …)."},
      {"slipway_http_request_duration_seconds", MetricKind::kHistogram, "method,route",
       "From the end of the head to the last byte of the reply."},
      {"slipway_http_body_in_bytes_total", MetricKind::kCounter, "", "Bytes of request bodies."},
      {"slipway_http_body_out_bytes_total", MetricKind::kCounter, "", "Bytes of reply bodies."},
      {"slipway_grpc_requests_total", MetricKind::kCounter, "method,code",
       "Calls that have ended."},
      {"slipway_grpc_request_duration_seconds", MetricKind::kHistogram, "method",
       "From the first byte of a call to its end; of streams, their life."},
      {"slipway_grpc_message_in_bytes_total", MetricKind::kCounter, "", "Bytes of messages in."},
      {"slipway_grpc_message_out_bytes_total", MetricKind::kCounter, "", "Bytes of messages out."},
      {"slipway_memory_used_bytes", MetricKind::kGauge, "share", "Held by a share of the budget."},
      {"slipway_memory_limit_bytes", MetricKind::kGauge, "share", "What a share may hold."},
      {"process_resident_memory_bytes", MetricKind::kGauge, "", "Resident memory."},
      {"slipway_uptime_seconds", MetricKind::kGauge, "", "Since the server was started."},
      {"slipway_live_listeners", MetricKind::kGauge, "", "Open streams of /events."},
  }};
  return kRows;
}

RouteProbe::RouteProbe(telemetry::Metrics& metrics, const std::vector<http::Route>& rows)
    : bytes_in_(metrics.counter("slipway_http_body_in_bytes_total")),
      bytes_out_(metrics.counter("slipway_http_body_out_bytes_total")) {
  unmatched_ = make(metrics, "", "unmatched");
  for (const http::Route& row : rows)
    routes_[{row.method, row.path}] =
        make(metrics, std::string(http::method_name(row.method)), row.path);
}

RouteProbe::PerRoute RouteProbe::make(telemetry::Metrics& metrics, const std::string& method,
                                      const std::string& path) {
  static constexpr std::array<const char*, kClasses> kCodes = {"none", "1xx", "2xx",
                                                               "3xx",  "4xx", "5xx"};
  PerRoute out;
  for (size_t i = 0; i < kClasses; ++i)
    out.by_class[i] = &metrics.counter("slipway_http_requests_total",
                                       {{"method", method}, {"route", path}, {"code", kCodes[i]}});
  out.duration = &metrics.histogram("slipway_http_request_duration_seconds",
                                    {{"method", method}, {"route", path}});
  return out;
}

void RouteProbe::bind(const std::vector<http::Route>& rows) {
  for (const http::Route& row : rows) bound_[&row] = routes_.at({row.method, row.path});
  is_bound_.store(true, std::memory_order_release);
}

const RouteProbe::PerRoute& RouteProbe::at(const http::Route* route) const {
  if (route == nullptr) return unmatched_;
  if (!is_bound_.load(std::memory_order_acquire)) {
    const auto found = routes_.find({route->method, route->path});
    return found == routes_.end() ? unmatched_ : found->second;
  }
  const auto found = bound_.find(route);
  return found == bound_.end() ? unmatched_ : found->second;
}

void RouteProbe::finished(const Ctx&, const http::Finished& what) {
  const PerRoute& counters = at(what.route);
  const size_t cls =
      what.status >= 100 && what.status < 600 ? static_cast<size_t>(what.status / 100) : 0;
  counters.by_class[cls]->add();
  counters.duration->observe_ns(what.duration_ns);
  if (what.body_in_bytes) bytes_in_.add(what.body_in_bytes);
  if (what.body_out_bytes) bytes_out_.add(what.body_out_bytes);
}

MethodProbe::MethodProbe(telemetry::Metrics& metrics, const std::vector<grpc::Method>& rows)
    : bytes_in_(metrics.counter("slipway_grpc_message_in_bytes_total")),
      bytes_out_(metrics.counter("slipway_grpc_message_out_bytes_total")) {
  unmatched_ = make(metrics, "unmatched");
  for (const grpc::Method& row : rows) methods_[row.name] = make(metrics, row.name);
}

MethodProbe::PerMethod MethodProbe::make(telemetry::Metrics& metrics,
                                         const std::string& method) const {
  static constexpr std::array<const char*, kCodes> kNames = {"OK",
                                                             "CANCELLED",
                                                             "UNKNOWN",
                                                             "INVALID_ARGUMENT",
                                                             "DEADLINE_EXCEEDED",
                                                             "NOT_FOUND",
                                                             "ALREADY_EXISTS",
                                                             "PERMISSION_DENIED",
                                                             "RESOURCE_EXHAUSTED",
                                                             "FAILED_PRECONDITION",
                                                             "ABORTED",
                                                             "OUT_OF_RANGE",
                                                             "UNIMPLEMENTED",
                                                             "INTERNAL",
                                                             "UNAVAILABLE",
                                                             "DATA_LOSS",
                                                             "UNAUTHENTICATED"};
  PerMethod out;
  for (size_t i = 0; i < kCodes; ++i)
    out.by_code[i] =
        &metrics.counter("slipway_grpc_requests_total", {{"method", method}, {"code", kNames[i]}});
  out.duration = &metrics.histogram("slipway_grpc_request_duration_seconds", {{"method", method}});
  return out;
}

void MethodProbe::bind(const std::vector<grpc::Method>& rows) {
  for (const grpc::Method& row : rows) bound_[&row] = methods_.at(row.name);
  is_bound_.store(true, std::memory_order_release);
}

void MethodProbe::finished(const Ctx&, const grpc::Finished& what) {
  const PerMethod* counters = &unmatched_;
  if (what.method != nullptr && is_bound_.load(std::memory_order_acquire))
    counters = &bound_.at(what.method);
  else if (what.method != nullptr)
    counters = &methods_.find(what.method->name)->second;
  counters->by_code[static_cast<size_t>(what.code)]->add();
  counters->duration->observe_ns(what.duration_ns);
  if (what.bytes_in) bytes_in_.add(what.bytes_in);
  if (what.bytes_out) bytes_out_.add(what.bytes_out);
}

void collect_process(telemetry::Metrics& metrics, ProcessParts parts) {
  metrics.collect([parts](std::vector<telemetry::Sample>* out) {
    for (size_t i = 0; i < kShareCount; ++i) {
      const Share share = static_cast<Share>(i);
      const telemetry::Labels labels = {{"share", std::string(share_name(share))}};
      out->push_back(
          {"slipway_memory_used_bytes", labels, static_cast<double>(parts.budget.used(share))});
      out->push_back(
          {"slipway_memory_limit_bytes", labels, static_cast<double>(parts.budget.limit(share))});
    }
    out->push_back(
        {"process_resident_memory_bytes", {}, static_cast<double>(parts.process.resident_bytes())});
    out->push_back({"slipway_uptime_seconds",
                    {},
                    static_cast<double>(parts.clock.steady_ns() - parts.started_ns) * 1e-9});
  });
}

}  // namespace slip::app
