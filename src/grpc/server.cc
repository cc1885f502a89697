#include "grpc/server.h"

#include <algorithm>
#include <utility>

#include <absl/synchronization/mutex.h>
#include <google/protobuf/stubs/logging.h>
#include <grpc/support/log.h>
#include <grpcpp/resource_quota.h>
#include <grpcpp/server.h>
#include <grpcpp/server_builder.h>

#include "base/text.h"
#include "grpc/core.h"
#include "sys/clock.h"
#include "sys/log.h"

namespace slip::grpc {
namespace {

constexpr int64_t kQuotaBytesMin = 64 << 20;
constexpr int kKeepaliveMs = 60'000;
constexpr int kKeepaliveMsMax = 20'000;
constexpr int kHandshakeMsMax = 10'000;
constexpr int kPingPauseMsMin = 10'000;  // Clients that ping more often are told off.

// The library has one place for its own lines, for the whole process: the server that started last.
std::atomic<Log*> library_log{nullptr};

void take_library_line(gpr_log_func_args* line) {
  Log* const log = library_log.load();
  if (log) log->warn("grpc library", {{"text", std::string_view(line->message)}});
}

std::string address_of(const ServerOptions& options) {
  const std::string& host = options.host;
  const bool bare_v6 = host.find(':') != host.npos && !host.starts_with('[');
  return concat({bare_v6 ? "[" : "", host, bare_v6 ? "]" : "", ":", std::to_string(options.port)});
}

std::shared_ptr<::grpc::ServerCredentials> credentials_of(const ServerOptions& options) {
  if (options.tls_certificate.empty()) return ::grpc::InsecureServerCredentials();
  ::grpc::SslServerCredentialsOptions tls;
  tls.pem_key_cert_pairs.push_back({options.tls_key, options.tls_certificate});
  return ::grpc::SslServerCredentials(tls);
}

void limit(::grpc::ServerBuilder* builder, const Shared& shared) {
  int64_t largest = 1;
  for (const Method& row : shared.rows) largest = std::max(largest, row.message_bytes_max);
  builder->SetMaxReceiveMessageSize(static_cast<int>(std::min(largest, int64_t{INT32_MAX})));
  builder->SetMaxSendMessageSize(-1);
  builder->AddChannelArgument(GRPC_ARG_ALLOW_REUSEPORT, 0);  // Two servers don't share a port.
  builder->AddChannelArgument(GRPC_ARG_MAX_METADATA_SIZE, static_cast<int>(kMetadataBytesMax));
  builder->AddChannelArgument(GRPC_ARG_MAX_CONCURRENT_STREAMS, kStreamsPerConnectionMax);
  builder->AddChannelArgument(GRPC_ARG_MAX_CONNECTION_IDLE_MS,
                              static_cast<int>(shared.options.idle_ms));
  // A peer that takes nothing off its socket: neither replies nor the end of a call reach it.
  builder->AddChannelArgument(GRPC_ARG_KEEPALIVE_TIME_MS, kKeepaliveMs);
  builder->AddChannelArgument(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, kKeepaliveMsMax);
  builder->AddChannelArgument(GRPC_ARG_SERVER_HANDSHAKE_TIMEOUT_MS, kHandshakeMsMax);
  builder->AddChannelArgument(GRPC_ARG_HTTP2_MIN_RECV_PING_INTERVAL_WITHOUT_DATA_MS,
                              kPingPauseMsMin);
  // What connections hold of messages that nobody has read yet. The library kills connections when
  // it runs short, so it has some room besides what handlers may hold.
  ::grpc::ResourceQuota quota("slipway");
  quota.Resize(static_cast<size_t>(shared.parts.budget.limit(Share::kBodies) +
                                   2 * shared.options.message_bytes_max + kQuotaBytesMin));
  builder->SetResourceQuota(quota);
}

}  // namespace

Shared::Shared(ServerParts parts_, ServerOptions options_, std::vector<Method> rows_)
    : parts(parts_), options(std::move(options_)), rows(std::move(rows_)) {
  for (const Method& row : rows) by_name[row.name] = &row;
}

struct Server::Impl {
  Impl(ServerParts parts, ServerOptions options, std::vector<Method> rows)
      : shared(parts, std::move(options), std::move(rows)) {}

  Shared shared;
  int port = 0;
  std::unique_ptr<::grpc::Server> server;
  std::vector<std::shared_ptr<Queue>> queues;
  std::vector<std::unique_ptr<Task>> loops;
  bool stopped = false;
};

Server::Server(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Server::~Server() { drain(0); }

Result<std::unique_ptr<Server>> Server::start(ServerParts parts, std::vector<Method> rows,
                                              ServerOptions options) {
  TRY(check_methods(rows));
  for (Method& row : rows)
    row.message_bytes_max = std::min(row.message_bytes_max, options.message_bytes_max);
  auto impl = std::make_unique<Impl>(parts, std::move(options), std::move(rows));
  Shared& shared = impl->shared;
  library_log.store(&parts.log);
  gpr_set_log_function(&take_library_line);
  google::protobuf::SetLogHandler(nullptr);  // It would tell of each damaged message.
  // Debian's build of absl would keep a graph of who waits for whom, at every lock of gRPC's.
  absl::SetMutexDeadlockDetectionMode(absl::OnDeadlockCycle::kIgnore);
  ::grpc::ServerBuilder builder;
  limit(&builder, shared);
  const std::string address = address_of(shared.options);
  builder.AddListeningPort(address, credentials_of(shared.options), &impl->port);
  builder.RegisterAsyncGenericService(&shared.service);
  const int threads = std::max(1, shared.options.threads);
  for (int i = 0; i < threads; ++i)
    impl->queues.push_back(std::make_shared<Queue>(shared, builder.AddCompletionQueue()));
  impl->server = builder.BuildAndStart();
  if (!impl->server || impl->port == 0) {
    for (const auto& queue : impl->queues) {
      queue->close();
      queue->run();
    }
    impl->stopped = true;
    return conflict("grpc.port_in_use",
                    concat({"can't listen on ", address,
                            ": something already does, or it is no address of this machine"}))
        .with_hint("stop it, or choose another port (0 picks a free one)");
  }
  for (const auto& queue : impl->queues) {
    for (int i = 0; i < Queue::kArmed; ++i) queue->arm();
    impl->loops.push_back(parts.executor.spawn("grpc", [q = queue.get()] { q->run(); }));
  }
  return std::unique_ptr<Server>(new Server(std::move(impl)));
}

uint16_t Server::port() const { return static_cast<uint16_t>(impl_->port); }
const std::vector<Method>& Server::rows() const { return impl_->shared.rows; }
size_t Server::calls() const { return impl_->shared.calls.size(); }

void Server::drain(int64_t patience_ms) {
  Impl& s = *impl_;
  if (std::exchange(s.stopped, true)) return;
  s.shared.draining.store(true);
  for (const auto& queue : s.queues)
    queue->post([q = queue.get()] {
      // Copied, because a call that ends leaves the set.
      const std::vector<Call*> all(q->live.begin(), q->live.end());
      for (Call* call : all) call->drain();
    });
  const gpr_timespec patience = gpr_time_from_millis(patience_ms, GPR_TIMESPAN);
  s.server->Shutdown(gpr_time_add(gpr_now(GPR_CLOCK_MONOTONIC), patience));
  s.shared.calls.wait_none(INT64_MAX);
  for (const auto& queue : s.queues) queue->close();
  s.loops.clear();
  s.server.reset();
  Log* mine = &s.shared.parts.log;
  library_log.compare_exchange_strong(mine, nullptr);
}

}  // namespace slip::grpc
