#include "sys/net.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>

#include <arpa/inet.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/text.h"
#include "sys/clock.h"
#include "sys/posix.h"

namespace slip {
namespace {

Error from_errno(int code, std::string_view what) {
  std::array<char, 128> buffer;
  std::string text = concat({what, ": ", strerror_r(code, buffer.data(), buffer.size())});
  if (code == ECONNREFUSED) return unavailable("net.refused", std::move(text));
  if (code == ETIMEDOUT) return timed_out("net.timeout", std::move(text));
  if (code == EPIPE || code == ECONNRESET) return unavailable("net.closed", std::move(text));
  return unavailable("net.unreachable", std::move(text));
}

// Waits for `events` on `fd`; kTimeout when the deadline comes first.
Status await(int fd, short events, int64_t deadline_ns) {
  for (;;) {
    int timeout_ms = -1;
    if (deadline_ns != INT64_MAX) {
      const int64_t left_ms = (deadline_ns - real_clock().steady_ns() + 999'999) / 1'000'000;
      timeout_ms = static_cast<int>(std::clamp<int64_t>(left_ms, 0, INT32_MAX));
    }
    pollfd watch{.fd = fd, .events = events, .revents = 0};
    const int n = ::poll(&watch, 1, timeout_ms);
    if (n > 0) return {};
    if (n == 0) return timed_out("net.timeout", "the peer did not answer in time");
    if (errno != EINTR) return from_errno(errno, "poll");
  }
}

class StreamConn final : public Conn {
 public:
  explicit StreamConn(int fd) : fd_(fd) {}
  ~StreamConn() override { ::close(fd_); }
  StreamConn(const StreamConn&) = delete;
  StreamConn& operator=(const StreamConn&) = delete;

  Result<size_t> read(std::span<char> out, int64_t deadline_ns) override {
    for (;;) {
      const ssize_t n = ::recv(fd_, out.data(), out.size(), 0);
      if (n >= 0) return static_cast<size_t>(n);
      if (errno == EINTR) continue;
      if (errno != EAGAIN) return from_errno(errno, "receive");
      TRY(await(fd_, POLLIN, deadline_ns));
    }
  }

  Status write(std::string_view bytes, int64_t deadline_ns) override {
    while (!bytes.empty()) {
      const ssize_t n = ::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (n >= 0) {
        bytes.remove_prefix(static_cast<size_t>(n));
        continue;
      }
      if (errno == EINTR) continue;
      if (errno != EAGAIN) return from_errno(errno, "send");
      TRY(await(fd_, POLLOUT, deadline_ns));
    }
    return {};
  }

 private:
  const int fd_;
};

struct SocketAddress {
  sockaddr_storage storage{};
  socklen_t length = 0;
};

Result<SocketAddress> to_sockaddr(const Address& a) {
  SocketAddress out;
  auto* v4 = reinterpret_cast<sockaddr_in*>(&out.storage);
  auto* v6 = reinterpret_cast<sockaddr_in6*>(&out.storage);
  if (::inet_pton(AF_INET, a.ip.c_str(), &v4->sin_addr) == 1) {
    v4->sin_family = AF_INET;
    v4->sin_port = htons(a.port);
    out.length = sizeof *v4;
    return out;
  }
  if (::inet_pton(AF_INET6, a.ip.c_str(), &v6->sin6_addr) == 1) {
    v6->sin6_family = AF_INET6;
    v6->sin6_port = htons(a.port);
    out.length = sizeof *v6;
    return out;
  }
  return invalid("net.address", "`" + a.ip + "` is not a numeric address");
}

class RealNet final : public Net {
 public:
  Result<std::vector<Address>> resolve(const std::string& host, uint16_t port) override {
    addrinfo hints{};
    hints.ai_socktype = SOCK_STREAM;
    addrinfo* found = nullptr;
    if (const int rc = ::getaddrinfo(host.c_str(), nullptr, &hints, &found); rc != 0)
      return not_found("net.unknown_host", concat({host, ": ", ::gai_strerror(rc)}));
    std::vector<Address> out;
    for (const addrinfo* a = found; a != nullptr; a = a->ai_next) {
      std::array<char, INET6_ADDRSTRLEN> text{};
      const void* raw =
          a->ai_family == AF_INET
              ? static_cast<void*>(&reinterpret_cast<sockaddr_in*>(a->ai_addr)->sin_addr)
              : static_cast<void*>(&reinterpret_cast<sockaddr_in6*>(a->ai_addr)->sin6_addr);
      if (::inet_ntop(a->ai_family, raw, text.data(), text.size()) != nullptr)
        out.push_back({text.data(), port});
    }
    ::freeaddrinfo(found);
    return out;
  }

  Result<std::unique_ptr<Conn>> dial(const Address& address, int64_t deadline_ns) override {
    const SocketAddress to = TRY(to_sockaddr(address));
    const int fd = ::socket(to.storage.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0) return from_errno(errno, "socket");
    auto conn = std::make_unique<StreamConn>(fd);
    const int one = 1;
    ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    if (::connect(fd, reinterpret_cast<const sockaddr*>(&to.storage), to.length) != 0) {
      if (errno != EINPROGRESS) return from_errno(errno, "connect to " + address.ip);
      TRY(await(fd, POLLOUT, deadline_ns));
      int code = 0;
      socklen_t size = sizeof code;
      ::getsockopt(fd, SOL_SOCKET, SO_ERROR, &code, &size);
      if (code != 0) return from_errno(code, "connect to " + address.ip);
    }
    return conn;
  }
};

struct Prefix {
  uint32_t base;
  int bits;
};
// IANA special-purpose registry (RFC 6890 and successors), plus multicast and reserved space.
constexpr std::array<Prefix, 15> kPrivateV4 = {{{0x00000000, 8},
                                                {0x0a000000, 8},
                                                {0x64400000, 10},
                                                {0x7f000000, 8},
                                                {0xa9fe0000, 16},
                                                {0xac100000, 12},
                                                {0xc0000000, 24},
                                                {0xc0000200, 24},
                                                {0xc0586300, 24},
                                                {0xc0a80000, 16},
                                                {0xc6120000, 15},
                                                {0xc6336400, 24},
                                                {0xcb007100, 24},
                                                {0xe0000000, 4},
                                                {0xf0000000, 4}}};

bool is_public_v4(uint32_t ip) {
  for (const Prefix& p : kPrivateV4)
    if ((ip ^ p.base) >> (32 - p.bits) == 0) return false;
  return true;
}

uint32_t word(const uint8_t* b) {
  return uint32_t{b[0]} << 24 | uint32_t{b[1]} << 16 | uint32_t{b[2]} << 8 | b[3];
}

bool is_public_v6(const std::array<uint8_t, 16>& b) {
  if ((b[0] & 0xe0) != 0x20) return false;  // Only 2000::/3 is global unicast …
  if (b[0] == 0x20 && b[1] == 0x02) return is_public_v4(word(&b[2]));  // … 6to4 carries an IPv4,
  const uint32_t high = word(&b[0]);
  if (high == 0x20010db8) return false;                 // documentation,
  if ((high & 0xfffffe00) == 0x20010000) return false;  // Teredo, ORCHID and relatives,
  return (high & 0xfffff000) != 0x3fff0000;             // documentation again (RFC 9637).
}

}  // namespace

std::unique_ptr<Conn> posix::stream_conn(int fd) { return std::make_unique<StreamConn>(fd); }

Net& real_net() {
  static RealNet net;
  return net;
}

bool is_public_ip(std::string_view ip) {
  const std::string text(ip);
  in_addr v4{};
  if (::inet_pton(AF_INET, text.c_str(), &v4) == 1) return is_public_v4(ntohl(v4.s_addr));
  std::array<uint8_t, 16> v6{};
  if (::inet_pton(AF_INET6, text.c_str(), v6.data()) == 1) return is_public_v6(v6);
  return false;
}

}  // namespace slip
