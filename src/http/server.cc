#include "http/server.h"

#include <array>
#include <cstdlib>

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/ip/address.hpp>
#include <boost/asio/post.hpp>

#include "base/text.h"
#include "http/connection.h"
#include "http/core.h"
#include "http/date.h"
#include "http/target.h"

namespace slip::http {
namespace {

constexpr int kBacklog = 4096;
constexpr int kPortTries = 8;
constexpr std::string_view kTooMany =
    "HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\nRetry-After: 1\r\n"
    "Connection: close\r\n\r\n";

thread_local Core* t_core = nullptr;

using Endpoint = asio::ip::tcp::endpoint;
using ReusePort = asio::detail::socket_option::boolean<SOL_SOCKET, SO_REUSEPORT>;

Status bind_error(const boost::system::error_code& ec, const Endpoint& at) {
  const std::string where = concat({at.address().to_string(), ":", std::to_string(at.port())});
  if (ec == asio::error::address_in_use)
    return conflict("http.port_in_use", concat({"something already listens on ", where}))
        .with_hint("stop it, or choose another port (0 picks a free one)");
  return invalid("http.bind", concat({"can't listen on ", where, ": ", ec.message()}));
}

Status open_acceptor(Acceptor& acceptor, const Endpoint& at, bool shared) {
  boost::system::error_code ec;
  acceptor.open(at.protocol(), ec);
  if (!ec) acceptor.set_option(asio::socket_base::reuse_address(true), ec);
  if (!ec && shared) acceptor.set_option(ReusePort(true), ec);
  if (!ec) acceptor.bind(at, ec);
  if (!ec) acceptor.listen(kBacklog, ec);
  return ec ? bind_error(ec, at) : Status();
}

}  // namespace

Core* current_core() { return t_core; }
void set_current_core(Core* core) { t_core = core; }

bool at_turn_end(std::function<void()> fn) {
  if (!t_core) return false;
  t_core->at_turn_end(std::move(fn));
  return true;
}

Core::Core(Shared& shared_, uint64_t seed)
    : shared(shared_), random_state(seed), wheel(shared_.parts.clock.steady_ns() / 1'000'000) {
  read_clock();
}

int64_t Core::read_clock() {
  now_ns = shared.parts.clock.steady_ns();
  if (now_ns / 1'000'000'000 != date_s) {
    date_s = now_ns / 1'000'000'000;
    date = http_date(shared.parts.clock.now_us() / 1'000'000);
  }
  return now_ns;
}

uint64_t Core::random() {
  random_state += 0x9e3779b97f4a7c15;  // splitmix64
  uint64_t z = random_state;
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
  z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
  return z ^ (z >> 31);
}

// Runs while there are connections, so an idle server doesn't wake up.
void Core::schedule_tick() {
  if (ticking || shared.options.manual_ticks || (connections.empty() && !accept_stuck)) return;
  ticking = true;
  ticker.expires_after(std::chrono::milliseconds(Wheel::kTickMs));
  ticker.async_wait([this](const boost::system::error_code& ec) {
    ticking = false;
    if (ec) return;
    look_at_timeouts();
    schedule_tick();
  });
}

void Core::look_at_timeouts() {
  read_clock();
  wheel.advance(now_ms(), [](Wheel::Node& node) {
    // Held, because what the deadline does may drop the last reference.
    const auto held = static_cast<Connection::Timer&>(node).connection->shared_from_this();
    held->on_deadline();
  });
  if (std::exchange(accept_stuck, false)) accept();
}

void Core::await_turn_end() {
  if (std::exchange(turn_end_posted_, true)) return;
  turn_began_ns_ = now_ns;
  // Behind everything that is ready now.
  asio::post(io, [this] {
    turn_end_posted_ = false;
    end_turn();
  });
}

void Core::at_turn_end(std::function<void()> job) {
  turn_jobs_.push_back(std::move(job));
  await_turn_end();
}

void Core::settle_at_turn_end(std::shared_ptr<Connection> connection) {
  unsettled_.push_back(std::move(connection));
  await_turn_end();
}

void Core::end_turn_if_long() {
  if (!turn_end_posted_ || now_ns - turn_began_ns_ < kTurnNsMax) return;
  end_turn();
  turn_began_ns_ = now_ns;
}

// The jobs first: they give answers, which the connections then send.
void Core::end_turn() {
  ending_jobs_.swap(turn_jobs_);
  for (const std::function<void()>& job : ending_jobs_) job();
  ending_jobs_.clear();
  ending_.swap(unsettled_);
  for (const std::shared_ptr<Connection>& connection : ending_) connection->settle();
  ending_.clear();
}

namespace {

void take(const std::shared_ptr<Core>& core, Socket socket) {
  boost::system::error_code ec;
  Shared& shared = core->shared;
  if (shared.connections.size() >= shared.options.connections_max) {
    socket.non_blocking(true, ec);
    socket.send(asio::buffer(kTooMany.data(), kTooMany.size()), 0, ec);
    return;
  }
  socket.set_option(asio::ip::tcp::no_delay(true), ec);
  core->read_clock();
  std::make_shared<Connection>(core, std::move(socket))->start();
  core->schedule_tick();
}

}  // namespace

void Core::accept() {
  acceptor.async_accept([this](const boost::system::error_code& ec, Socket socket) {
    if (!acceptor.is_open()) return;
    if (ec == asio::error::no_descriptors || ec == asio::error::no_memory) {
      accept_stuck = true;  // Tried again at the next tick; spinning wouldn't free any.
      schedule_tick();
      return;
    }
    if (!ec) take(self.lock(), std::move(socket));
    accept();
  });
}

struct Server::Impl {
  Impl(ServerParts parts, ServerOptions options, Router router)
      : shared(parts, std::move(options), std::move(router)) {}

  Shared shared;
  std::vector<std::shared_ptr<Core>> cores;
  std::vector<asio::executor_work_guard<Executor1>> work;
  std::vector<std::unique_ptr<Task>> loops;
  uint16_t port = 0;
  bool stopped = false;

  Status listen();
  void run(Core& core) const;
  // Runs `f(core)` on every loop and waits.
  void everywhere(const std::function<void(Core&)>& f);
};

Status Server::Impl::listen() {
  boost::system::error_code ec;
  // The one name that needs no resolver.
  const bool local = shared.options.host == "localhost";
  const auto address = asio::ip::make_address(local ? "127.0.0.1" : shared.options.host, ec);
  if (ec) return invalid("http.bind", concat({"'", shared.options.host, "' is no IP address"}));
  const bool any = shared.options.port == 0;
  for (int attempt = 1;; ++attempt) {
    // SO_REUSEPORT would let two servers share a port in silence, so a plain socket asks first.
    Endpoint at(address, shared.options.port);
    {
      Acceptor probe(cores[0]->io);
      TRY(open_acceptor(probe, at, false));
      at.port(probe.local_endpoint(ec).port());
    }
    Status opened;
    for (const auto& core : cores) {
      opened = open_acceptor(core->acceptor, at, true);
      if (!opened) break;
    }
    port = at.port();
    if (opened || !any || attempt == kPortTries) return opened;
    for (const auto& core : cores) core->acceptor.close(ec);
  }
}

void Server::Impl::run(Core& core) const {
  set_current_core(&core);
  const int64_t spin_ns = int64_t{shared.options.spin_us} * 1000;
  if (spin_ns == 0) {
    core.io.run();
  } else {
    Clock& clock = shared.parts.clock;
    int64_t until = 0;
    while (!core.io.stopped()) {
      if (core.io.poll() > 0) {
        until = clock.steady_ns() + spin_ns;
      } else if (clock.steady_ns() >= until && core.io.run_one() > 0) {
        until = clock.steady_ns() + spin_ns;
      }
    }
  }
  set_current_core(nullptr);
}

void Server::Impl::everywhere(const std::function<void(Core&)>& f) {
  sys::Mutex mutex;
  sys::CondVar done;
  size_t left = cores.size();
  for (const auto& core : cores)
    asio::post(core->io, [&, c = core.get()] {
      f(*c);
      const sys::Lock lock(mutex);
      if (--left == 0) done.notify_all();
    });
  sys::Lock lock(mutex);
  while (left > 0) done.wait(lock);
}

Server::Server(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Server::~Server() { drain(0); }

Result<std::unique_ptr<Server>> Server::start(ServerParts parts, std::vector<Route> rows,
                                              ServerOptions options) {
  TRY(check_prefix(options.prefix));
  for (const Route& row : rows)
    if (row.body.kind == BodyKind::kSpool && !parts.blobs)
      return invalid("routes.invalid", concat({row.path, ": spools, but there are no blobs"}));
  Router router = TRY(Router::make(std::move(rows)));
  auto impl = std::make_unique<Impl>(parts, std::move(options), std::move(router));
  Shared& shared = impl->shared;
  if (!shared.options.tls_certificate.empty())
    shared.tls = TRY(TlsContext::server(shared.options.tls_certificate, shared.options.tls_key));
  for (int i = 0; i < std::max(1, shared.options.threads); ++i) {
    impl->cores.push_back(std::make_shared<Core>(shared, parts.rng.u64()));
    impl->cores.back()->self = impl->cores.back();
  }
  TRY(impl->listen());
  for (const auto& core : impl->cores) {
    impl->work.emplace_back(core->io.get_executor());
    core->accept();
    impl->loops.push_back(
        parts.executor.spawn("http", [raw = impl.get(), c = core.get()] { raw->run(*c); }));
  }
  return std::unique_ptr<Server>(new Server(std::move(impl)));
}

uint16_t Server::port() const { return impl_->port; }
const std::vector<Route>& Server::rows() const { return impl_->shared.router.rows(); }
size_t Server::connections() const { return impl_->shared.connections.size(); }
void Server::tick() {
  impl_->everywhere([](Core& core) { core.look_at_timeouts(); });
}

void Server::drain(int64_t patience_ms) {
  Impl& s = *impl_;
  if (std::exchange(s.stopped, true)) return;
  s.shared.draining.store(true);
  s.everywhere([](Core& core) {
    boost::system::error_code ignored;
    core.acceptor.close(ignored);
    // Copied, because a connection that closes leaves the set.
    const std::vector<Connection*> all(core.connections.begin(), core.connections.end());
    for (Connection* connection : all) {
      const auto held = connection->weak_from_this().lock();
      if (held) held->drain();
    }
  });
  if (patience_ms > 0)
    s.shared.connections.wait_none(s.shared.parts.clock.steady_ns() + patience_ms * 1'000'000);
  s.everywhere([](Core& core) {
    const std::vector<Connection*> all(core.connections.begin(), core.connections.end());
    for (Connection* connection : all) {
      const auto held = connection->weak_from_this().lock();
      if (held) held->abort();
    }
  });
  s.shared.jobs.wait_none(INT64_MAX);
  s.everywhere([](Core& core) { core.ticker.cancel(); });
  s.work.clear();  // The loops end when nothing is left to run.
  s.loops.clear();
}

}  // namespace slip::http
