// An open-loop load generator: requests are due at fixed moments whether or not the server keeps
// up, and a request's latency counts from the moment it was due. A closed loop (wrk) waits with the
// server and so leaves out the very delays that a user would see (coordinated omission).
//
//   openloop PORT RATE SECONDS CONNECTIONS FILE
//
// FILE holds one request as raw bytes. Prints one JSON object; times are microseconds.
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <deque>
#include <fstream>
#include <iterator>
#include <string>
#include <string_view>
#include <vector>

#include "client.h"

namespace {

using namespace client;

struct Connection {
  int fd = -1;
  int64_t due_ns = 0;  // Of the request in flight; 0: idle.
  std::string in;
};

struct Totals {
  int64_t sent = 0;
  int64_t bad_status = 0;
  int64_t broken = 0;
  std::vector<int64_t> latency_ns;
};

class Load {
 public:
  Load(uint16_t port, size_t connections, std::string request)
      : poll_(epoll_create1(0)), request_(std::move(request)), connections_(connections) {
    for (size_t i = 0; i < connections_.size(); ++i) {
      connections_[i].fd = dial(port);
      epoll_event event{};
      event.events = EPOLLIN;
      event.data.u64 = i;
      epoll_ctl(poll_, EPOLL_CTL_ADD, connections_[i].fd, &event);
      idle_.push_back(i);
    }
  }

  void run(double rate, double seconds) {
    const int64_t begun = now_ns();
    const auto total = static_cast<int64_t>(rate * seconds);
    const int64_t give_up = begun + static_cast<int64_t>((seconds + 10) * 1e9);
    int64_t planned = 0;
    while (now_ns() < give_up) {
      const int64_t now = now_ns();
      for (; planned < total; ++planned) {
        const int64_t due = begun + static_cast<int64_t>(static_cast<double>(planned) * 1e9 / rate);
        if (due > now) break;
        waiting_.push_back(due);
      }
      send_waiting();
      if (planned == total && waiting_.empty() && idle_.size() + lost_ == connections_.size())
        break;
      collect();
    }
    unanswered = static_cast<int64_t>(waiting_.size() + connections_.size() - idle_.size() - lost_);
    took_s = static_cast<double>(now_ns() - begun) / 1e9;
  }

  Totals totals;
  int64_t unanswered = 0;
  double took_s = 0;

 private:
  void send_waiting() {
    while (!waiting_.empty() && !idle_.empty()) {
      Connection& c = connections_[idle_.back()];
      if (send(c.fd, request_.data(), request_.size(), MSG_NOSIGNAL) !=
          static_cast<ssize_t>(request_.size())) {
        idle_.pop_back();
        ++lost_;
        ++totals.broken;
        continue;
      }
      idle_.pop_back();
      c.due_ns = waiting_.front();
      waiting_.pop_front();
      ++totals.sent;
    }
  }

  // Spins instead of sleeping: the generator has a core of its own, and a late wake-up would be
  // counted as the server's delay.
  void collect() {
    std::array<epoll_event, 64> events{};
    const int n = epoll_wait(poll_, events.data(), static_cast<int>(events.size()), 0);
    for (int i = 0; i < n; ++i) {
      const size_t index = events[static_cast<size_t>(i)].data.u64;
      receive(connections_[index], index);
    }
  }

  void receive(Connection& c, size_t index) {
    std::array<char, 65536> piece;
    const ssize_t n = recv(c.fd, piece.data(), piece.size(), MSG_DONTWAIT);
    if (n <= 0) {
      if (n < 0 && errno == EAGAIN) return;
      close(c.fd);
      ++totals.broken;
      ++lost_;
      if (c.due_ns == 0) std::erase(idle_, index);
      return;
    }
    c.in.append(piece.data(), static_cast<size_t>(n));
    const size_t size = reply_size(c.in);
    if (size == 0) return;
    totals.latency_ns.push_back(now_ns() - c.due_ns);
    if (!c.in.starts_with("HTTP/1.1 200")) ++totals.bad_status;
    c.in.erase(0, size);
    c.due_ns = 0;
    idle_.push_back(index);
  }

  int poll_;
  std::string request_;
  std::vector<Connection> connections_;
  std::vector<size_t> idle_;
  size_t lost_ = 0;
  std::deque<int64_t> waiting_;
};

double at(const std::vector<int64_t>& sorted, double share) {
  if (sorted.empty()) return 0;
  const auto i = static_cast<size_t>(share * static_cast<double>(sorted.size() - 1));
  return static_cast<double>(sorted[i]) / 1000;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 6) return 2;
  std::ifstream file(argv[5], std::ios::binary);
  std::string request((std::istreambuf_iterator<char>(file)), {});
  const double rate = std::atof(argv[2]);
  const double seconds = std::atof(argv[3]);
  Load load(static_cast<uint16_t>(std::atoi(argv[1])), std::strtoul(argv[4], nullptr, 10),
            std::move(request));
  load.run(rate, seconds);
  auto& all = load.totals.latency_ns;
  std::sort(all.begin(), all.end());
  std::printf(
      "{\"rate\":%.0f,\"achieved\":%.0f,\"sent\":%lld,\"answered\":%zu,\"bad_status\":%lld,"
      "\"broken\":%lld,\"unanswered\":%lld,\"p50_us\":%.1f,\"p90_us\":%.1f,\"p99_us\":%.1f,"
      "\"p999_us\":%.1f,\"max_us\":%.1f}\n",
      rate, static_cast<double>(all.size()) / load.took_s, static_cast<long long>(load.totals.sent),
      all.size(), static_cast<long long>(load.totals.bad_status),
      static_cast<long long>(load.totals.broken), static_cast<long long>(load.unanswered),
      at(all, 0.5), at(all, 0.9), at(all, 0.99), at(all, 0.999), at(all, 1.0));
}
