#include "app/bounded_net.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "base/text.h"
#include "sys/clock.h"
#include "sys/sync.h"

namespace slip::app {
namespace {

// A resolver that hangs does so for half a minute; who waits for it goes on after ten seconds.
constexpr size_t kResolvingAtOnce = 64;

// What a thread finds, for as long as anybody wants it.
struct Found {
  sys::Mutex mutex;
  sys::CondVar done;
  std::optional<Result<std::vector<Address>>> addresses;
};

// The client waits so long for each piece; a peer that trickles must not hold a thread.
class BoundedConn final : public Conn {
 public:
  BoundedConn(std::unique_ptr<Conn> conn, int64_t end_ns) : conn_(std::move(conn)), end_(end_ns) {}
  Result<size_t> read(std::span<char> out, int64_t deadline_ns) override {
    return conn_->read(out, std::min(deadline_ns, end_));
  }
  Status write(std::string_view bytes, int64_t deadline_ns) override {
    return conn_->write(bytes, std::min(deadline_ns, end_));
  }

 private:
  std::unique_ptr<Conn> conn_;
  const int64_t end_;
};

}  // namespace

Resolver::Resolver(Net& net, Executor& executor, Clock& clock)
    : net_(net),
      pool_(make_pool(executor, clock,
                      {.name = "resolver",
                       .threads_max = kResolvingAtOnce,
                       .queue_max = kResolvingAtOnce,
                       .idle_ms = 10'000})) {}

Result<std::vector<Address>> Resolver::resolve(const std::string& host, uint16_t port,
                                               int64_t deadline_ns) {
  const auto found = std::make_shared<Found>();
  const auto late = [&] {
    return timed_out("net.timeout", concat({host, " was not resolved in time"}));
  };
  const Status queued = pool_->submit([this, found, host, port] {
    Result<std::vector<Address>> addresses = net_.resolve(host, port);
    const sys::Lock lock(found->mutex);
    found->addresses = std::move(addresses);
    found->done.notify_all();
  });
  if (!queued.ok()) return late();
  sys::Lock lock(found->mutex);
  while (!found->addresses)
    if (!found->done.wait_until(lock, deadline_ns) && !found->addresses) return late();
  return *std::move(found->addresses);
}

Result<std::vector<Address>> BoundedNet::resolve(const std::string& host, uint16_t port) {
  return resolver_.resolve(host, port, end_);
}

Result<std::unique_ptr<Conn>> BoundedNet::dial(const Address& address, int64_t deadline_ns) {
  std::unique_ptr<Conn> conn = TRY(net_.dial(address, std::min(deadline_ns, end_)));
  return std::unique_ptr<Conn>(std::make_unique<BoundedConn>(std::move(conn), end_));
}

}  // namespace slip::app
