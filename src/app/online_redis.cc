#include "app/online_redis.h"

#include <array>

#include "app/settings.h"
#include "app/world.h"
#include "sys/clock.h"
#include "sys/fs.h"

namespace slip::app {
namespace {

constexpr size_t kPieceBytes = 64 << 10;

// A stream inside TLS. One thread at a time, as any other.
class TlsConn final : public Conn {
 public:
  TlsConn(std::unique_ptr<Conn> conn, const http::TlsContext& context, const std::string& host)
      : conn_(std::move(conn)), session_(context, host) {}

  Status shake_hands(int64_t deadline_ns) {
    std::string wire;
    TRY(session_.start(&wire));
    TRY(conn_->write(wire, deadline_ns));
    while (!session_.ready())
      if (TRY(receive(deadline_ns)) == 0)
        return unavailable("tls.handshake", "the server closed the connection");
    return {};
  }

  Result<size_t> read(std::span<char> out, int64_t deadline_ns) override {
    while (plain_.empty() && !session_.ended())
      if (TRY(receive(deadline_ns)) == 0) return size_t{0};
    const size_t n = std::min(out.size(), plain_.size());
    std::copy_n(plain_.data(), n, out.data());
    plain_.erase(0, n);
    return n;
  }

  Status write(std::string_view bytes, int64_t deadline_ns) override {
    std::string wire;
    TRY(session_.send(bytes, &wire));
    return conn_->write(wire, deadline_ns);
  }

 private:
  Result<size_t> receive(int64_t deadline_ns) {
    std::array<char, kPieceBytes> piece;
    const size_t n = TRY(conn_->read(piece, deadline_ns));
    if (n == 0) return n;
    std::string wire;
    const Status got = session_.receive({piece.data(), n}, &plain_, &wire);
    if (!wire.empty()) TRY(conn_->write(wire, deadline_ns));
    TRY(got);
    return n;
  }

  std::unique_ptr<Conn> conn_;
  http::TlsSession session_;
  std::string plain_;
};

}  // namespace

Status RedisNet::use_tls(const std::string& host, const std::string& authorities) {
  tls_ = TRY(http::TlsContext::client(authorities, true));
  host_ = host;
  return {};
}

Result<std::vector<Address>> RedisNet::resolve(const std::string& host, uint16_t port) {
  return resolver_.resolve(host, port, clock_.steady_ns() + timeout_ms_ * 1'000'000);
}

Result<std::unique_ptr<Conn>> RedisNet::dial(const Address& address, int64_t deadline_ns) {
  std::unique_ptr<Conn> conn = TRY(net_.dial(address, deadline_ns));
  if (!tls_) return conn;
  auto out = std::make_unique<TlsConn>(std::move(conn), *tls_, host_);
  TRY(out->shake_hands(deadline_ns));
  return std::unique_ptr<Conn>(std::move(out));
}

Result<std::unique_ptr<OnlineRedis>> OnlineRedis::open(const Sys& sys, const Config& config) {
  std::unique_ptr<OnlineRedis> out(new OnlineRedis());
  store::Redis::Options options;
  options.url = TRY(store::parse_redis_url(config.text("redis_url")));
  options.timeout_ms = std::max<int64_t>(1, config.number("redis_timeout_ms"));
  options.connections =
      static_cast<size_t>(std::max<int64_t>(1, config.number("redis_connections")));
  out->net_ = std::make_unique<RedisNet>(real_net(), sys.executor, sys.clock, options.timeout_ms);
  if (options.url.tls) {
    std::string authorities;
    if (const std::string& file = config.text("redis_ca_file"); !file.empty())
      authorities = TRY(read_file(sys.fs, file, 1 << 20));
    TRY(out->net_->use_tls(options.url.host, authorities));
  }
  const store::Redis::Deps deps{*out->net_, sys.clock};
  out->reads_ = std::make_unique<store::Redis>(deps, options);
  options.connections = 1;
  options.ordered = true;
  out->writes_ = std::make_unique<store::Redis>(deps, options);
  features::RedisMirror::Options layout;
  if (config.text("redis_layout") == "feast") layout.feast = &out->messages_;
  layout.feast_layout.versioned = config.on("redis_versioned_names");
  layout.feast_layout.expire_s = config.number("redis_expire_s");
  out->mirror_ =
      TRY(features::RedisMirror::open({*out->writes_, *out->reads_, sys.fs, sys.clock, sys.rng,
                                       sys.log, config.text("data_dir") + "/features"},
                                      layout));
  return out;
}

codec::Json OnlineRedis::facts() const {
  const features::RedisMirror::Facts f = mirror_->facts();
  return codec::Json::object({{"url", f.url},
                              {"layout", f.layout},
                              {"up", f.up},
                              {"filling", f.filling},
                              {"pending", f.pending},
                              {"lag_seconds", f.lag_s},
                              {"servers", f.servers},
                              {"eviction", f.eviction}});
}

std::span<const telemetry::MetricRow> redis_metrics() {
  using telemetry::MetricKind;
  static constexpr std::array<telemetry::MetricRow, 10> kRows = {{
      {"slipway_redis_up", MetricKind::kGauge, "", "1 while Redis takes what is written."},
      {"slipway_redis_filling", MetricKind::kGauge, "",
       "1 while Redis, found empty, is filled again; nothing is read then."},
      {"slipway_redis_pending_entities", MetricKind::kGauge, "",
       "Entities whose rows are in the log and not in Redis yet."},
      {"slipway_redis_lag_seconds", MetricKind::kGauge, "",
       "How long the oldest of these has waited."},
      {"slipway_redis_written_total", MetricKind::kCounter, "", "Entities written to Redis."},
      {"slipway_redis_failures_total", MetricKind::kCounter, "",
       "Exchanges with Redis that failed."},
      {"slipway_redis_damaged_total", MetricKind::kCounter, "",
       "Entities asked for whose value in Redis can't be read; what is known here is written "
       "again."},
      {"slipway_redis_connects_total", MetricKind::kCounter, "", "Connections made to Redis."},
      {"slipway_redis_refills_total", MetricKind::kCounter, "",
       "Times that Redis was found empty, or older than it was."},
      {"slipway_redis_returns_total", MetricKind::kCounter, "",
       "Of these, times that it had gone back in time."},
  }};
  return kRows;
}

void collect_redis(telemetry::Metrics& metrics, const OnlineRedis& redis) {
  metrics.collect([&redis](std::vector<telemetry::Sample>* out) {
    const features::RedisMirror::Facts f = redis.mirror().facts();
    const auto add = [&](std::string_view name, double value) {
      out->push_back({name, {}, value});
    };
    add("slipway_redis_up", f.up ? 1 : 0);
    add("slipway_redis_filling", f.filling ? 1 : 0);
    add("slipway_redis_pending_entities", static_cast<double>(f.pending));
    add("slipway_redis_lag_seconds", f.lag_s);
    add("slipway_redis_written_total", static_cast<double>(f.written));
    add("slipway_redis_failures_total", static_cast<double>(f.failures));
    add("slipway_redis_damaged_total", static_cast<double>(f.damaged));
    add("slipway_redis_connects_total", static_cast<double>(f.connects));
    add("slipway_redis_refills_total", static_cast<double>(f.refills));
    add("slipway_redis_returns_total", static_cast<double>(f.returns));
  });
}

}  // namespace slip::app
