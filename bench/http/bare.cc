// The least an HTTP responder can do: one thread, epoll, no parser; counts blank lines and writes a
// fixed reply for each. What the server is measured against (bench/http.py).
#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cstdio>
#include <string>
#include <string_view>

namespace {

constexpr std::string_view kReply =
    "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 2\r\n\r\nOK";

int listen_on_loopback(uint16_t* port) {
  const int fd = socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in at{};
  at.sin_family = AF_INET;
  at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof at;
  if (fd < 0 || bind(fd, reinterpret_cast<sockaddr*>(&at), size) != 0 || listen(fd, 1024) != 0 ||
      getsockname(fd, reinterpret_cast<sockaddr*>(&at), &size) != 0)
    return -1;
  *port = ntohs(at.sin_port);
  return fd;
}

// False: the connection has ended.
bool serve(int fd, std::string* out) {
  std::array<char, 16384> in;
  const ssize_t n = recv(fd, in.data(), in.size(), MSG_DONTWAIT);
  if (n <= 0) return false;
  std::string_view text(in.data(), static_cast<size_t>(n));
  out->clear();
  for (size_t at = text.find("\r\n\r\n"); at != std::string_view::npos;
       at = text.find("\r\n\r\n", at + 4))
    out->append(kReply);
  return send(fd, out->data(), out->size(), MSG_NOSIGNAL) == static_cast<ssize_t>(out->size());
}

void watch(int poll, int fd) {
  epoll_event event{};
  event.events = EPOLLIN;
  event.data.fd = fd;
  epoll_ctl(poll, EPOLL_CTL_ADD, fd, &event);
}

}  // namespace

int main() {
  uint16_t port = 0;
  const int listener = listen_on_loopback(&port);
  if (listener < 0) return 1;
  std::printf("ready http=http://127.0.0.1:%u\n", port);
  std::fflush(stdout);
  const int poll = epoll_create1(0);
  watch(poll, listener);
  std::array<epoll_event, 256> events{};
  std::string out;
  while (true) {
    const int n = epoll_wait(poll, events.data(), static_cast<int>(events.size()), -1);
    for (int i = 0; i < n; ++i) {
      const int fd = events[static_cast<size_t>(i)].data.fd;
      if (fd == listener) {
        const int client = accept(listener, nullptr, nullptr);
        const int on = 1;
        setsockopt(client, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        watch(poll, client);
      } else if (!serve(fd, &out)) {
        close(fd);
      }
    }
  }
}
