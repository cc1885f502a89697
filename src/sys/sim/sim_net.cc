#include "sys/sim/sim_net.h"

#include <algorithm>

namespace slip::sim {

// One direction of a connection.
struct SimNet::Pipe {
  sys::Mutex mutex;
  sys::CondVar ready;
  std::string bytes;
  bool closed = false;
  bool reset = false;
};

class SimConn final : public Conn {
 public:
  using PipePtr = std::shared_ptr<SimNet::Pipe>;
  SimConn(SimNet& net, PipePtr in, PipePtr out)
      : net_(net), in_(std::move(in)), out_(std::move(out)) {}
  ~SimConn() override {
    end(*out_, false);
    end(*in_, false);
  }

  Result<size_t> read(std::span<char> out, int64_t deadline_ns) override {
    TRY(maybe_reset());
    const size_t piece = 1 + draw(out.size());
    sys::Lock lock(in_->mutex);
    while (in_->bytes.empty() && !in_->closed && !in_->reset)
      if (!in_->ready.wait_until(lock, deadline_ns))
        return timed_out("net.timeout", "the peer did not answer in time");
    if (in_->reset) return unavailable("net.closed", "connection reset");
    const size_t n = std::min({piece, out.size(), in_->bytes.size()});
    std::copy_n(in_->bytes.data(), n, out.data());
    in_->bytes.erase(0, n);
    return n;
  }

  Status write(std::string_view bytes, int64_t) override {
    TRY(maybe_reset());
    {
      const sys::Lock lock(out_->mutex);
      if (out_->reset || out_->closed) return unavailable("net.closed", "connection closed");
      out_->bytes += bytes;
    }
    out_->ready.notify_all();
    return {};
  }

 private:
  static void end(SimNet::Pipe& pipe, bool reset) {
    {
      const sys::Lock lock(pipe.mutex);
      pipe.closed = true;
      pipe.reset = pipe.reset || reset;
    }
    pipe.ready.notify_all();
  }
  size_t draw(size_t n) {
    const sys::Lock lock(net_.mutex_);
    return n == 0 ? 0 : static_cast<size_t>(net_.choice_.below(n));
  }
  Status maybe_reset() {
    bool unlucky = false;
    {
      const sys::Lock lock(net_.mutex_);
      unlucky = net_.choice_.one_in(net_.reset_one_in_);
    }
    if (!unlucky) return {};
    end(*in_, true);
    end(*out_, true);
    return unavailable("net.closed", "connection reset (simulated)");
  }

  SimNet& net_;
  const PipePtr in_;
  const PipePtr out_;
};

SimNet::~SimNet() {
  for (const std::unique_ptr<Task>& task : tasks_) task->join();
}

void SimNet::add_host(const std::string& host, const std::string& ip) {
  const sys::Lock lock(mutex_);
  hosts_.emplace(host, ip);
}

void SimNet::listen(const std::string& ip, uint16_t port, Serve serve) {
  const sys::Lock lock(mutex_);
  listeners_[{ip, port}] = std::move(serve);
}

void SimNet::reset_one_in(uint64_t n) {
  const sys::Lock lock(mutex_);
  reset_one_in_ = n;
}

Result<std::vector<Address>> SimNet::resolve(const std::string& host, uint16_t port) {
  const sys::Lock lock(mutex_);
  std::vector<Address> out;
  const auto [first, last] = hosts_.equal_range(host);
  for (auto it = first; it != last; ++it) out.push_back({it->second, port});
  if (out.empty()) return not_found("net.unknown_host", host + ": unknown host");
  return out;
}

Result<std::unique_ptr<Conn>> SimNet::dial(const Address& address, int64_t) {
  Serve serve;
  {
    const sys::Lock lock(mutex_);
    const auto found = listeners_.find({address.ip, address.port});
    if (found == listeners_.end())
      return unavailable("net.refused", address.ip + ": connection refused");
    serve = found->second;
  }
  auto up = std::make_shared<Pipe>();
  auto down = std::make_shared<Pipe>();
  std::unique_ptr<Task> task = executor_.spawn("sim-peer", [this, serve, up, down] {
    SimConn conn(*this, up, down);
    serve(conn);
  });
  const sys::Lock lock(mutex_);
  tasks_.push_back(std::move(task));
  return std::make_unique<SimConn>(*this, down, up);
}

}  // namespace slip::sim
