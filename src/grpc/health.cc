#include "grpc/health.h"

#include <utility>

#include <grpc/health/v1/health.pb.h>

#include "base/text.h"
#include "grpc/message_stream.h"

namespace slip::grpc {
namespace {

using ::grpc::health::v1::HealthCheckRequest;
using ::grpc::health::v1::HealthCheckResponse;

std::string message_of(int status) {
  HealthCheckResponse out;
  out.set_status(static_cast<HealthCheckResponse::ServingStatus>(status));
  return out.SerializeAsString();
}

Result<std::string> service_of(const Request& request) {
  HealthCheckRequest in;
  if (!in.ParseFromArray(request.message.data(), static_cast<int>(request.message.size())))
    return invalid("health.message", "this is no HealthCheckRequest");
  return std::move(*in.mutable_service());
}

Method row(std::string name, std::string summary) {
  Method out;
  out.name = "grpc.health.v1.Health/" + std::move(name);
  out.permission = {http::Right::kPublic, "server"};
  out.audit = http::Audit::kNone;
  out.message_bytes_max = 4 << 10;
  out.summary = std::move(summary);
  return out;
}

}  // namespace

struct Health::Watcher {
  std::string service;
  int told = 0;
  std::shared_ptr<MessageStream> stream;
};

Health::Health(Serving serving) : serving_(std::move(serving)) {}
Health::~Health() = default;

int Health::status_of(const std::string& service, bool stopped) const {
  const std::optional<bool> known = serving_(service);
  if (!known) return HealthCheckResponse::SERVICE_UNKNOWN;
  return *known && !stopped ? HealthCheckResponse::SERVING : HealthCheckResponse::NOT_SERVING;
}

Result<Reply> Health::check(const Request& request) const {
  const std::string service = TRY(service_of(request));
  const bool stopped = state_.with([](const State& s) { return s.stopped; });
  const int status = status_of(service, stopped);
  if (status == HealthCheckResponse::SERVICE_UNKNOWN)
    return not_found("health.unknown_service", concat({"no service `", service, "` is here"}));
  return Reply{message_of(status)};
}

Result<std::shared_ptr<MessageStream>> Health::watch(const Request& request) {
  Watcher watcher;
  watcher.service = TRY(service_of(request));
  watcher.stream = std::make_shared<MessageStream>();
  auto stream = watcher.stream;
  state_.with([&](State& s) {
    watcher.told = status_of(watcher.service, s.stopped);
    watcher.stream->send(message_of(watcher.told));
    std::erase_if(s.watchers, [](const Watcher& w) { return !w.stream->open(); });
    s.watchers.push_back(std::move(watcher));
  });
  return stream;
}

void Health::refresh() {
  state_.with([&](State& s) {
    std::erase_if(s.watchers, [](const Watcher& w) { return !w.stream->open(); });
    for (Watcher& w : s.watchers) {
      const int now = status_of(w.service, s.stopped);
      if (std::exchange(w.told, now) != now) w.stream->send(message_of(now));
    }
  });
}

void Health::stop() {
  state_.with([](State& s) { s.stopped = true; });
  refresh();
}

std::vector<Method> Health::methods() {
  std::vector<Method> out;
  Method once = row("Check", "Whether a service takes calls.");
  once.inline_ = [this](const Ctx&, Request& request, Responder respond) {
    std::move(respond)(check(request));
  };
  out.push_back(std::move(once));
  Method always = row("Watch", "The same, and again each time it changes.");
  always.kind = Kind::kServerStream;
  always.open = [this](const Ctx&, Request& request) { return watch(request); };
  out.push_back(std::move(always));
  return out;
}

}  // namespace slip::grpc
