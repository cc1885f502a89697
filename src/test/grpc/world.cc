#include "test/grpc/world.h"

#include <algorithm>
#include <chrono>

#include <grpcpp/create_channel.h>
#include <grpcpp/generic/generic_stub.h>
#include <grpcpp/security/credentials.h>
#include <gtest/gtest.h>

#include "base/text.h"
#include "sys/executor.h"
#include "sys/log.h"
#include "sys/rng.h"

namespace slip::grpc::testing {
namespace {

::grpc::ByteBuffer wrap(const std::string& text) {
  const ::grpc::Slice slice(text);
  return {&slice, 1};
}

std::string unwrap(const ::grpc::ByteBuffer& buffer) {
  std::vector<::grpc::Slice> slices;
  EXPECT_TRUE(buffer.Dump(&slices).ok());
  std::string text;
  for (const ::grpc::Slice& s : slices)
    text.append(reinterpret_cast<const char*>(s.begin()), s.size());
  return text;
}

gpr_timespec in_ms(int64_t ms) {
  return gpr_time_add(gpr_now(GPR_CLOCK_MONOTONIC), gpr_time_from_millis(ms, GPR_TIMESPAN));
}

}  // namespace

struct ClientCall::Impl {
  Impl(::grpc::GenericStub& stub, const std::string& method, const Sent& sent, int64_t timeout_ms) {
    const bool named =
        std::ranges::any_of(sent, [](const auto& m) { return m.first == "authorization"; });
    if (!named) context.AddMetadata("authorization", "Bearer good");
    for (const auto& [name, value] : sent)
      if (!value.empty()) context.AddMetadata(name, value);
    context.set_deadline(in_ms(timeout_ms));
    call = stub.PrepareCall(&context, "/" + method, &queue);
    call->StartCall(nullptr);
    next();  // A refused call has started, too.
  }
  ~Impl() {
    context.TryCancel();
    queue.Shutdown();
    void* tag = nullptr;
    bool ok = false;
    while (queue.Next(&tag, &ok)) {}
  }
  bool next() {  // What was begun last is done; its outcome.
    void* tag = nullptr;
    bool ok = false;
    EXPECT_TRUE(queue.Next(&tag, &ok));
    return ok;
  }

  ::grpc::CompletionQueue queue;
  ::grpc::ClientContext context;
  std::unique_ptr<::grpc::GenericClientAsyncReaderWriter> call;
};

std::string Ended::trailing_value(const std::string& name) const {
  const auto found = trailing.find(name);
  return found == trailing.end() ? "" : found->second;
}

ClientCall::ClientCall(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
ClientCall::ClientCall(ClientCall&&) noexcept = default;
ClientCall::~ClientCall() = default;

bool ClientCall::send(const std::string& message) {
  impl_->call->Write(wrap(message), nullptr);
  return impl_->next();
}

void ClientCall::done() {
  impl_->call->WritesDone(nullptr);
  impl_->next();
}

bool ClientCall::receive(std::string* message) {
  ::grpc::ByteBuffer buffer;
  impl_->call->Read(&buffer, nullptr);
  if (!impl_->next()) return false;
  *message = unwrap(buffer);
  return true;
}

void ClientCall::cancel() { impl_->context.TryCancel(); }

Ended ClientCall::end() {
  ::grpc::Status status;
  impl_->call->Finish(&status, nullptr);
  impl_->next();
  Ended out{.code = status.error_code(), .text = status.error_message(), .trailing = {}};
  for (const auto& [name, value] : impl_->context.GetServerTrailingMetadata())
    out.trailing.emplace(std::string(name.data(), name.size()),
                         std::string(value.data(), value.size()));
  return out;
}

struct Client::Impl {
  explicit Impl(std::shared_ptr<::grpc::Channel> channel) : stub(std::move(channel)) {}
  ::grpc::GenericStub stub;
};

Client::Client(uint16_t port, const std::string& authority) {
  std::shared_ptr<::grpc::ChannelCredentials> how = ::grpc::InsecureChannelCredentials();
  ::grpc::ChannelArguments arguments;
  arguments.SetMaxReceiveMessageSize(-1);
  arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);  // A connection of its own.
  if (!authority.empty()) {
    how = ::grpc::SslCredentials(
        {.pem_root_certs = authority, .pem_private_key = {}, .pem_cert_chain = {}});
    arguments.SetSslTargetNameOverride("localhost");
  }
  impl_ = std::make_unique<Impl>(
      ::grpc::CreateCustomChannel(concat({"127.0.0.1:", std::to_string(port)}), how, arguments));
}
Client::~Client() = default;

ClientCall Client::open(const std::string& method, Sent sent) {
  return ClientCall(std::make_unique<ClientCall::Impl>(impl_->stub, method, sent, kPatienceMs));
}

Answer Client::ask(const std::string& method, const std::string& message, Sent sent,
                   int64_t timeout_ms) {
  ClientCall call(std::make_unique<ClientCall::Impl>(impl_->stub, method, sent, timeout_ms));
  if (call.send(message)) call.done();
  Answer out;
  call.receive(&out.message);
  static_cast<Ended&>(out) = call.end();
  return out;
}

World::World(std::vector<Method> rows, WorldOptions options) : budget(options.budget_bytes) {
  pool_ = make_pool(real_executor(), real_clock(), {});
  options.server.port = 0;
  auto server = Server::start({.executor = real_executor(),
                               .clock = options.clock ? *options.clock : real_clock(),
                               .rng = real_rng(),
                               .log = options.log ? *options.log : null_log(),
                               .pool = *pool_,
                               .budget = budget,
                               .gate = gate,
                               .probe = options.probe},
                              std::move(rows), std::move(options.server));
  EXPECT_TRUE(server.ok()) << (server ? "" : server.error().text);
  server_ = std::move(server).value();
}

World::~World() {
  server_.reset();
  pool_.reset();
}

Method inline_row(std::string name, Inline handler) {
  Method row;
  row.name = std::move(name);
  row.permission = {http::Right::kUse, "thing"};
  row.audit = http::Audit::kNone;
  row.summary = "Does it.";
  row.inline_ = std::move(handler);
  return row;
}

Method blocking_row(std::string name, Blocking handler) {
  Method row = inline_row(std::move(name), nullptr);
  row.blocking = std::move(handler);
  return row;
}

Method echo_row() {
  return inline_row("test.Echo/Say", [](const Ctx&, Request& request, Responder respond) {
    std::move(respond)(Reply{std::string(request.message)});
  });
}

}  // namespace slip::grpc::testing
