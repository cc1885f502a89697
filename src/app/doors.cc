#include <algorithm>

#include "app/feature_metrics.h"
#include "app/inference_metrics.h"
#include "app/later_metrics.h"
#include "app/worker_metrics.h"
#include "app/world.h"
#include "base/text.h"
#include "sys/clock.h"
#include "sys/fs.h"
#include "sys/process.h"

// Where the server listens, and how it stops.
namespace slip::app {
namespace {

constexpr int64_t kGreetRedisMs = 2000;

struct TlsFiles {
  std::string certificate;
  std::string key;
};

Result<TlsFiles> read_tls(const World& w) {
  const std::string& certificate = w.config.text("tls_certificate");
  const std::string& key = w.config.text("tls_key");
  if (certificate.empty() != key.empty())
    return invalid("config.tls", "tls_certificate and tls_key belong together");
  TlsFiles out;
  if (certificate.empty()) return out;
  out.certificate = TRY(read_file(w.sys.fs, certificate, 1 << 20));
  out.key = TRY(read_file(w.sys.fs, key, 1 << 20));
  return out;
}

int threads_of(const World& w, std::string_view setting) {
  const int64_t threads = w.config.number(setting);
  return threads > 0 ? static_cast<int>(threads) : w.sys.process.cpu_count();
}

Status listen_http(World& w, std::vector<http::Route> rows, const TlsFiles& tls) {
  http::ServerOptions options;
  options.host = w.config.text("host");
  options.port = static_cast<uint16_t>(w.config.number("port"));
  options.threads = threads_of(w, "http_threads");
  options.hosts = w.config.list("allowed_hosts");
  options.origins = w.config.list("allowed_origins");
  options.prefix = w.config.text("static_prefix");
  options.access_log = w.config.on("access_log");
  options.tls_certificate = tls.certificate;
  options.tls_key = tls.key;
  w.probe = std::make_unique<RouteProbe>(w.metrics, rows);
  w.server = TRY(http::Server::start({.executor = w.sys.executor,
                                      .clock = w.sys.clock,
                                      .rng = w.sys.rng,
                                      .log = w.sys.log,
                                      .pool = *w.pool,
                                      .budget = w.budget,
                                      .gate = *w.gate,
                                      .probe = w.probe.get(),
                                      .blobs = w.blobs.get(),
                                      .replays = w.replays.get(),
                                      .waiting_pool = w.waiting_pool.get()},
                                     std::move(rows), options));
  w.probe->bind(w.server->rows());
  return {};
}

Status listen_grpc(World& w, std::vector<grpc::Method> rows, const TlsFiles& tls) {
  grpc::ServerOptions options;
  options.host = w.config.text("host");
  options.port = static_cast<uint16_t>(w.config.number("grpc_port"));
  options.threads = threads_of(w, "grpc_threads");
  options.message_bytes_max = w.config.number("max_body");
  options.access_log = w.config.on("access_log");
  options.tls_certificate = tls.certificate;
  options.tls_key = tls.key;
  w.method_probe = std::make_unique<MethodProbe>(w.metrics, rows);
  w.grpc_server = TRY(grpc::Server::start({.executor = w.sys.executor,
                                           .clock = w.sys.clock,
                                           .rng = w.sys.rng,
                                           .log = w.sys.log,
                                           .pool = *w.pool,
                                           .budget = w.budget,
                                           .gate = *w.gate,
                                           .probe = w.method_probe.get()},
                                          std::move(rows), options));
  w.method_probe->bind(w.grpc_server->rows());
  return {};
}

std::string address_of(const World& w, uint16_t port) {
  const std::string& host = w.config.text("host");
  const bool v6 = host.find(':') != host.npos && !host.starts_with('[');
  return concat({v6 ? "[" : "", host, v6 ? "]" : "", ":", std::to_string(port)});
}

}  // namespace

Status World::listen() {
  std::vector<http::Route> routes = TRY(prepare());
  std::vector<grpc::Method> methods = TRY(prepare_methods());
  const TlsFiles tls = TRY(read_tls(*this));
  collect_process(metrics, {sys.clock, sys.process, budget, started_ns});
  collect_features(metrics, *features);
  collect_inference(metrics, *serving, *response_cache);
  collect_streams(metrics, *streams);
  collect_score_streams(metrics, *score_streams);
  collect_workers(metrics, *workers);
  collect_later(metrics, *later);
  if (redis) collect_redis(metrics, *redis);
  metrics.collect([this](std::vector<telemetry::Sample>* out) {
    out->push_back({"slipway_live_listeners", {}, static_cast<double>(live->listeners())});
  });
  // Who asks as soon as this is ready finds what is deployed, and what fits into Redis within this
  // time; what fails is tried again.
  if (serving->refresh({}).ok()) serving_known = true;
  if (redis) TRY(redis->mirror().greet(kGreetRedisMs));
  TRY(listen_http(*this, std::move(routes), tls));
  TRY(listen_grpc(*this, std::move(methods), tls));
  jobs->start(static_cast<int>(config.number("job_runners")));
  later->start(static_cast<int>(config.number("async_runners")), async->runner());
  return {};
}

void World::stop() {
  const int64_t patience_ms = config.number("drain_ms");
  const int64_t until_ns = sys.clock.steady_ns() + patience_ms * 1'000'000;
  if (live) live->close();
  if (health) health->stop();
  if (later) later->stop();
  if (grpc_server) grpc_server->drain(patience_ms);
  if (server) server->drain(std::max<int64_t>(0, (until_ns - sys.clock.steady_ns()) / 1'000'000));
  if (streams) streams->stop();
  if (score_streams) score_streams->stop();
  if (workers) workers->stop();
  if (redis) redis->mirror().stop();
  if (jobs) jobs->stop();
  // What it writes now needn't be written at the next start; without it, it is.
  if (redis) ignore(redis->mirror().leave(), "the next start writes it");
  grpc_server.reset();
  server.reset();
  predict_pool.reset();  // What still runs there reads what goes after this.
}

std::string World::http_url() const {
  return concat({config.text("tls_certificate").empty() ? "http://" : "https://",
                 address_of(*this, server->port())});
}

std::string World::grpc_address() const { return address_of(*this, grpc_server->port()); }

}  // namespace slip::app
