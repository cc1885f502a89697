// A closed-loop client for prepared requests: each connection sends its share of a file's requests one after
// the other, each as soon as the one before was answered. Latency counts from the first byte sent to the last
// byte received.
//
//   load PORT CONNECTIONS FILE [SECONDS]
//
// FILE: requests as raw bytes, each behind its length (4 bytes, little endian). They are sent once, request i by
// connection i mod CONNECTIONS; with SECONDS the file is started over until the time is up. Prints one JSON object;
// times are microseconds. Exit 1 when a connection broke or an answer was not 200; the first such is printed.
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <fstream>
#include <iterator>
#include <string>
#include <string_view>
#include <vector>

#include "../http/client.h"

namespace {

using namespace client;

struct Connection {
  int fd = -1;
  size_t next = 0;  // Index of the request in flight.
  int64_t begun_ns = 0;
  bool over = false;
  std::string in;
};

class Load {
 public:
  Load(uint16_t port, size_t connections, std::vector<std::string_view> requests, double seconds)
      : poll_(epoll_create1(0)), requests_(std::move(requests)), connections_(connections) {
    if (seconds > 0) until_ns_ = now_ns() + static_cast<int64_t>(seconds * 1e9);
    for (size_t i = 0; i < connections; ++i) {
      Connection& c = connections_[i];
      c.fd = dial(port);
      c.next = i;
      epoll_event event{};
      event.events = EPOLLIN;
      event.data.u64 = i;
      epoll_ctl(poll_, EPOLL_CTL_ADD, c.fd, &event);
    }
  }

  void run() {
    const int64_t begun = now_ns();
    for (Connection& c : connections_) send_next(c);
    while (open_ > 0) {
      std::array<epoll_event, 64> events{};
      // One connection: spin, so that the generator's own wake-up isn't counted as the server's time.
      const int n = epoll_wait(poll_, events.data(), static_cast<int>(events.size()), connections_.size() == 1 ? 0 : -1);
      for (int i = 0; i < n; ++i) receive(connections_[events[static_cast<size_t>(i)].data.u64]);
    }
    took_s = static_cast<double>(now_ns() - begun) / 1e9;
  }

  std::vector<int64_t> latency_ns;
  int64_t bad = 0;
  int64_t bytes_in = 0;
  double took_s = 0;

 private:
  void send_next(Connection& c) {
    if (until_ns_ != 0) {
      if (now_ns() >= until_ns_) return finish(c);
      c.next %= requests_.size();
    } else if (c.next >= requests_.size()) {
      return finish(c);
    }
    std::string_view rest = requests_[c.next];
    c.begun_ns = now_ns();
    ++open_;
    while (!rest.empty()) {
      const ssize_t n = send(c.fd, rest.data(), rest.size(), MSG_NOSIGNAL);
      if (n <= 0) return broken(c);
      rest.remove_prefix(static_cast<size_t>(n));
    }
  }

  void finish(Connection& c) { c.over = true; }

  void broken(Connection& c) {
    if (bad++ == 0) std::fprintf(stderr, "load: a connection broke (%s)\n", std::strerror(errno));
    --open_;
    c.over = true;
    epoll_ctl(poll_, EPOLL_CTL_DEL, c.fd, nullptr);
  }

  void receive(Connection& c) {
    static std::array<char, 1 << 20> piece;
    const ssize_t n = recv(c.fd, piece.data(), piece.size(), MSG_DONTWAIT);
    if (n < 0 && errno == EAGAIN) return;
    if (n <= 0) {
      if (!c.over) broken(c);
      return;
    }
    c.in.append(piece.data(), static_cast<size_t>(n));
    const size_t size = reply_size(c.in);
    if (size == 0) return;
    latency_ns.push_back(now_ns() - c.begun_ns);
    bytes_in += static_cast<int64_t>(size);
    if (!c.in.starts_with("HTTP/1.1 200") && bad++ == 0)
      std::fprintf(stderr, "load: %.600s\n", c.in.c_str());
    c.in.erase(0, size);
    --open_;
    c.next += connections_.size();
    send_next(c);
  }

  int poll_;
  std::vector<std::string_view> requests_;
  std::vector<Connection> connections_;
  int64_t until_ns_ = 0;
  size_t open_ = 0;
};

double at(const std::vector<int64_t>& sorted, double share) {
  if (sorted.empty()) return 0;
  return static_cast<double>(sorted[static_cast<size_t>(share * static_cast<double>(sorted.size() - 1))]) / 1000;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 4) return 2;
  std::ifstream file(argv[3], std::ios::binary);
  const std::string bytes((std::istreambuf_iterator<char>(file)), {});
  std::vector<std::string_view> requests = split(bytes);
  if (requests.empty()) return 2;
  Load load(static_cast<uint16_t>(std::atoi(argv[1])), std::strtoul(argv[2], nullptr, 10), std::move(requests),
            argc > 4 ? std::atof(argv[4]) : 0);
  const int64_t cpu = now_ns(CLOCK_PROCESS_CPUTIME_ID);
  load.run();
  const double busy = static_cast<double>(now_ns(CLOCK_PROCESS_CPUTIME_ID) - cpu) / 1e9 / load.took_s;
  auto& all = load.latency_ns;
  std::sort(all.begin(), all.end());
  std::printf("{\"answered\":%zu,\"bad\":%lld,\"seconds\":%.4f,\"rate\":%.1f,\"p50_us\":%.1f,\"p95_us\":%.1f,"
              "\"p99_us\":%.1f,\"max_us\":%.1f,\"client_busy\":%.3f,\"bytes_in\":%lld}\n",
              all.size(), static_cast<long long>(load.bad), load.took_s, static_cast<double>(all.size()) / load.took_s,
              at(all, 0.5), at(all, 0.95), at(all, 0.99), at(all, 1.0), busy, static_cast<long long>(load.bytes_in));
  return load.bad == 0 ? 0 : 1;
}
