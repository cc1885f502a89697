#pragma once

#include <memory>
#include <string>

#include "app/bounded_net.h"
#include "codec/json.h"
#include "core/telemetry/metrics.h"
#include "features/redis_mirror.h"
#include "http/tls.h"
#include "wire/feast/redis_messages.h"

// The Redis that features are served from, by the settings redis_…: names are resolved and
// connections wrapped in TLS here; what lies in it is features/redis_mirror.h's. Any thread.
//
// Errors: kInvalid `redis.url`, `tls.certificate`; a Redis that doesn't answer is none.
namespace slip::app {

class Config;
struct Sys;

// Names are resolved in bounded time; with a context everything goes through TLS, to a server whose
// certificate carries the name.
class RedisNet final : public Net {
 public:
  RedisNet(Net& net, Executor& executor, Clock& clock, int64_t timeout_ms)
      : net_(net), clock_(clock), timeout_ms_(timeout_ms), resolver_(net, executor, clock) {}
  Status use_tls(const std::string& host, const std::string& authorities);

  Result<std::vector<Address>> resolve(const std::string& host, uint16_t port) override;
  Result<std::unique_ptr<Conn>> dial(const Address& address, int64_t deadline_ns) override;

 private:
  Net& net_;
  Clock& clock_;
  const int64_t timeout_ms_;
  Resolver resolver_;
  std::unique_ptr<http::TlsContext> tls_;
  std::string host_;
};

class OnlineRedis {
 public:
  static Result<std::unique_ptr<OnlineRedis>> open(const Sys& sys, const Config& config);

  features::RedisMirror& mirror() { return *mirror_; }
  const features::RedisMirror& mirror() const { return *mirror_; }
  codec::Json facts() const;  // For /status.

 private:
  OnlineRedis() = default;

  wire::feast::RedisMessages messages_;
  std::unique_ptr<RedisNet> net_;
  std::unique_ptr<store::Redis> writes_;
  std::unique_ptr<store::Redis> reads_;
  std::unique_ptr<features::RedisMirror> mirror_;
};

std::span<const telemetry::MetricRow> redis_metrics();
void collect_redis(telemetry::Metrics& metrics, const OnlineRedis& redis);

}  // namespace slip::app
