// The client of ./dev bench serving: one thread, HTTP/1.1 or gRPC (HTTP/2 frames of our own), closed or open loop.
//
//   load http|grpc PORT CONNECTIONS STREAMS SECONDS FILE [key=value ...]
//
// FILE holds requests behind their lengths (4 bytes, little endian): whole HTTP requests, or gRPC messages. They are
// sent in turn, so that a server doesn't see the same row twice in a row. STREAMS are the calls that a connection has
// under way at once; HTTP has one. Keys:
//   rate=R     open loop: requests are due at fixed moments, and latency counts from the moment one was due, not from
//              when it could be sent: a delay of the server can't hide the requests behind it
//   drop=1     of an open loop: what finds no free connection is given up by the client (`unsent`), as by a client
//              whose pool is empty; otherwise it waits, and its wait counts
//   count=TEXT how many good replies have TEXT in them
//   path=P     method of gRPC
//   show=1     sends one request, prints the reply's bytes and ends
//
// Prints one JSON object; times are microseconds. A closed loop of one request at a time and an open loop spin, so
// that the client's own wake-up isn't counted as the server's time. `client_busy` is the share of its core that the
// client used (near 1 in a closed loop: the client was the limit; of spinning loops it says nothing).
// Exit status 1 when a connection broke or a reply was neither good nor 429 or 503; the first such is printed.
#include <sys/epoll.h>
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
#include <deque>
#include <fstream>
#include <iterator>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "../http/client.h"

namespace {

using namespace client;

// ---- What both protocols have

enum class Verdict { kGood, kShed, kBad };

struct Call {
  uint32_t stream = 0;
  int64_t begun_ns = 0;  // Of an open loop: when it was due.
  bool data = false;     // gRPC: a message has come.
};

struct Connection {
  int fd = -1;
  bool alive = true;
  bool writing = false;  // Waits for room in the socket.
  std::string in, out;
  std::vector<Call> calls;
  // HTTP/2.
  bool greeted = false;        // The server's settings have come.
  uint32_t next_stream = 1;
  int64_t send_window = 65535;
  int64_t received = 0;        // Bytes of data since the last grant.
};

// ---- HTTP/2

enum Frame : uint8_t { kData = 0, kHeaders = 1, kReset = 3, kSettings = 4, kPing = 6, kGoAway = 7, kWindow = 8 };

void put32(std::string* out, uint32_t n) {
  for (int shift = 24; shift >= 0; shift -= 8) out->push_back(static_cast<char>(n >> shift));
}

uint32_t get32(std::string_view in) {
  uint32_t n = 0;
  for (size_t i = 0; i < 4; ++i) n = n << 8 | static_cast<uint8_t>(in[i]);
  return n;
}

void put_frame(std::string* out, Frame type, uint8_t flags, uint32_t stream, std::string_view payload) {
  const auto size = static_cast<uint32_t>(payload.size());
  for (int shift = 16; shift >= 0; shift -= 8) out->push_back(static_cast<char>(size >> shift));
  out->push_back(static_cast<char>(type));
  out->push_back(static_cast<char>(flags));
  put32(out, stream);
  out->append(payload);
}

std::string number(uint32_t n) {
  std::string out;
  put32(&out, n);
  return out;
}

std::string greeting() {
  std::string out = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
  std::string settings("\0\2", 2);  // No pushes; large windows.
  put32(&settings, 0);
  settings.append("\0\4", 2);
  put32(&settings, 1 << 24);
  put_frame(&out, kSettings, 0, 0, settings);
  put_frame(&out, kWindow, 0, 0, number(1 << 30));
  return out;
}

// The first request of a connection names its headers and has the server remember them; the others refer to that.
std::string header_block(bool first, std::string_view path, std::string_view authority) {
  std::string out = "\x83\x86";  // POST, http.
  if (!first) return out + "\xc1\xc0\xbf\xbe";
  const auto text = [&out](std::string_view name_or_index, std::string_view value) {
    out.append(name_or_index);
    out.push_back(static_cast<char>(value.size()));
    out.append(value);
  };
  text("\x44", path);
  text("\x41", authority);
  text("\x5f", "application/grpc");
  text("\x40\x02te", "trailers");
  return out;
}

// ---- The loop

struct Options {
  bool grpc = false;
  uint16_t port = 0;
  size_t connections = 1, streams = 1;
  double seconds = 1, rate = 0;
  bool drop = false, show = false;
  std::string count, path = "/inference.GRPCInferenceService/ModelInfer";
};

struct Totals {
  std::vector<int64_t> latency_ns;  // Of good ones.
  int64_t shed = 0, retry_after = 0, bad = 0, broken = 0, unsent = 0, counted = 0, offered = 0;
};

class Load {
 public:
  Load(const Options& o, std::vector<std::string> requests)
      : o_(o), poll_(epoll_create1(0)), requests_(std::move(requests)), connections_(o.connections),
        authority_("127.0.0.1:" + std::to_string(o.port)) {
    for (size_t i = 0; i < connections_.size(); ++i) {
      Connection& c = connections_[i];
      c.fd = dial(o.port);
      epoll_event event{};
      event.events = EPOLLIN;
      event.data.u64 = i;
      epoll_ctl(poll_, EPOLL_CTL_ADD, c.fd, &event);
      if (o.grpc) {
        c.out = greeting();
        flush(c);
      } else {
        c.greeted = true;
      }
    }
    while (o.grpc && std::any_of(connections_.begin(), connections_.end(),
                                 [](const Connection& c) { return c.alive && !c.greeted; }))
      collect(1000);
    for (size_t i = connections_.size(); i-- > 0;) free_.push_back(i);
  }

  void run() {
    begun_ns_ = now_ns();
    until_ns_ = begun_ns_ + static_cast<int64_t>(o_.seconds * 1e9);
    o_.rate > 0 ? run_open() : run_closed();
    took_s = static_cast<double>(std::max(last_ns_, until_ns_) - begun_ns_) / 1e9;
  }

  Totals totals;
  double took_s = 0;

 private:
  void run_closed() {
    for (Connection& c : connections_) {
      for (size_t i = 0; i < o_.streams; ++i) start(c, now_ns());
      flush(c);
    }
    const bool spin = o_.connections * o_.streams == 1;
    const int64_t give_up = until_ns_ + int64_t{10'000'000'000};
    while (under_way_ > 0 && now_ns() < give_up) collect(spin ? 0 : 1000);
    totals.broken += static_cast<int64_t>(under_way_);
  }

  void run_open() {
    const auto total = static_cast<int64_t>(o_.rate * o_.seconds);
    const int64_t give_up = until_ns_ + int64_t{10'000'000'000};
    int64_t planned = 0;
    for (int64_t now = now_ns(); now < give_up; now = now_ns()) {
      for (; planned < total; ++planned) {
        const int64_t due = begun_ns_ + static_cast<int64_t>(static_cast<double>(planned) * 1e9 / o_.rate);
        if (due > now) break;
        ++totals.offered;
        if (o_.drop && free_.empty())
          ++totals.unsent;
        else
          waiting_.push_back(due), send_waiting();
      }
      send_waiting();
      if (planned == total && waiting_.empty() && under_way_ == 0) break;
      collect(0);
    }
    totals.broken += static_cast<int64_t>(under_way_ + waiting_.size());
  }

  // Oldest connection first, so that the load is spread over all of them.
  void send_waiting() {
    while (!waiting_.empty() && !free_.empty()) {
      Connection& c = connections_[free_.front()];
      if (!c.alive || c.calls.size() + 1 >= o_.streams) free_.pop_front();
      if (!c.alive) continue;
      start(c, waiting_.front());
      waiting_.pop_front();
      flush(c);
    }
  }

  void start(Connection& c, int64_t begun_ns) {
    const std::string& request = requests_[turn_++ % requests_.size()];
    if (!o_.grpc) {
      c.calls.push_back({.stream = 0, .begun_ns = begun_ns});
      c.out.append(request);
    } else {
      const uint32_t stream = c.next_stream;
      c.next_stream += 2;
      c.calls.push_back({.stream = stream, .begun_ns = begun_ns});
      put_frame(&c.out, kHeaders, 0x4, stream, header_block(stream == 1, o_.path, authority_));
      std::string message(1, '\0');
      put32(&message, static_cast<uint32_t>(request.size()));
      message.append(request);
      c.send_window -= static_cast<int64_t>(message.size());
      put_frame(&c.out, kData, 0x1, stream, message);
    }
    ++under_way_;
  }

  void flush(Connection& c) {
    while (!c.out.empty() && c.alive && c.send_window >= 0) {
      const ssize_t n = send(c.fd, c.out.data(), c.out.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
      if (n < 0 && errno == EAGAIN) return watch(c, true);
      if (n <= 0) return broken(c);
      c.out.erase(0, static_cast<size_t>(n));
    }
    if (c.writing) watch(c, false);
  }

  void watch(Connection& c, bool writing) {
    if (c.writing == writing) return;
    c.writing = writing;
    epoll_event event{};
    event.events = writing ? EPOLLIN | EPOLLOUT : EPOLLIN;
    event.data.u64 = static_cast<uint64_t>(&c - connections_.data());
    epoll_ctl(poll_, EPOLL_CTL_MOD, c.fd, &event);
  }

  void broken(Connection& c) {
    if (totals.broken == 0) std::fprintf(stderr, "load: a connection broke (%s)\n", std::strerror(errno));
    totals.broken += static_cast<int64_t>(std::max<size_t>(c.calls.size(), 1));
    under_way_ -= c.calls.size();
    c.calls.clear();
    c.alive = false;
    epoll_ctl(poll_, EPOLL_CTL_DEL, c.fd, nullptr);
    close(c.fd);
  }

  void collect(int wait_ms) {
    std::array<epoll_event, 128> events{};
    const int n = epoll_wait(poll_, events.data(), static_cast<int>(events.size()), wait_ms);
    for (int i = 0; i < n; ++i) {
      Connection& c = connections_[events[static_cast<size_t>(i)].data.u64];
      if (events[static_cast<size_t>(i)].events & (EPOLLIN | EPOLLHUP | EPOLLERR)) receive(c);
      if (c.alive) flush(c);
    }
  }

  void receive(Connection& c) {
    static std::array<char, 1 << 18> piece;
    const ssize_t n = recv(c.fd, piece.data(), piece.size(), MSG_DONTWAIT);
    if (n < 0 && errno == EAGAIN) return;
    if (n <= 0) return broken(c);
    std::string_view all(piece.data(), static_cast<size_t>(n));
    if (!c.in.empty()) {
      c.in.append(all);
      all = c.in;
    }
    const size_t used = o_.grpc ? frames(c, all) : replies(c, all);
    std::string rest(all.substr(used));
    c.in = std::move(rest);
  }

  size_t replies(Connection& c, std::string_view all) {
    size_t used = 0;
    while (const size_t size = reply_size(all.substr(used))) {
      const std::string_view reply = all.substr(used, size);
      used += size;
      if (c.calls.empty()) return used;
      const std::string_view status = reply.substr(9, 3);
      Verdict verdict = status == "200" ? Verdict::kGood : Verdict::kBad;
      if (status == "429" || status == "503") {
        verdict = Verdict::kShed;
        totals.retry_after += header(reply.substr(0, reply.find("\r\n\r\n")), "retry-after").empty() ? 0 : 1;
      }
      end(c, 0, verdict, reply);
    }
    return used;
  }

  size_t frames(Connection& c, std::string_view all) {
    size_t used = 0;
    while (all.size() - used >= 9) {
      const std::string_view head = all.substr(used);
      const size_t size = get32(head) >> 8;
      if (head.size() < 9 + size) break;
      used += 9 + size;
      frame(c, static_cast<uint8_t>(head[3]), static_cast<uint8_t>(head[4]), get32(head.substr(5)), head.substr(9, size));
      if (!c.alive) break;
    }
    return used;
  }

  void frame(Connection& c, uint8_t type, uint8_t flags, uint32_t stream, std::string_view payload) {
    switch (type) {
      case kSettings:
        if (flags & 1) return;
        c.greeted = true;
        return put_frame(&c.out, kSettings, 1, 0, {});
      case kPing:
        if (!(flags & 1)) put_frame(&c.out, kPing, 1, 0, payload);
        return;
      case kWindow:
        if (stream == 0) c.send_window += get32(payload);
        return;
      case kGoAway:
        return broken(c);
      case kReset:
        return end(c, stream, Verdict::kBad, "the stream was reset");
      case kData:
        c.received += static_cast<int64_t>(payload.size());
        if (c.received > 1 << 28) {
          put_frame(&c.out, kWindow, 0, 0, number(static_cast<uint32_t>(c.received)));
          c.received = 0;
        }
        for (Call& call : c.calls) call.data = call.data || call.stream == stream;
        if (!o_.count.empty() && payload.find(o_.count) != std::string_view::npos) ++totals.counted;
        if (o_.show) show(payload);
        [[fallthrough]];
      case kHeaders:
        // Refused calls end without a message; there is nothing else between the two kinds of a unary call's end.
        if (flags & 1) {
          const auto at = std::find_if(c.calls.begin(), c.calls.end(), [&](const Call& x) { return x.stream == stream; });
          end(c, stream, at != c.calls.end() && at->data ? Verdict::kGood : Verdict::kShed, payload);
        }
        return;
      default:
        return;
    }
  }

  static void show(std::string_view bytes) { std::fwrite(bytes.data(), 1, bytes.size(), stdout); }

  void end(Connection& c, uint32_t stream, Verdict verdict, std::string_view reply) {
    const auto at = std::find_if(c.calls.begin(), c.calls.end(), [&](const Call& x) { return x.stream == stream; });
    if (at == c.calls.end()) return;
    last_ns_ = now_ns();
    if (verdict == Verdict::kGood) {
      totals.latency_ns.push_back(last_ns_ - at->begun_ns);
      if (!o_.grpc && !o_.count.empty() && reply.find(o_.count) != std::string_view::npos) ++totals.counted;
      if (!o_.grpc && o_.show) show(reply);
    } else if (verdict == Verdict::kShed) {
      ++totals.shed;
    } else if (totals.bad++ == 0) {
      std::fprintf(stderr, "load: %.600s\n", std::string(reply).c_str());
    }
    *at = c.calls.back();
    c.calls.pop_back();
    --under_way_;
    if (o_.show) {
      until_ns_ = last_ns_;
    } else if (o_.rate > 0) {
      if (c.calls.size() + 1 == o_.streams) free_.push_back(static_cast<size_t>(&c - connections_.data()));
    } else if (last_ns_ < until_ns_) {
      start(c, last_ns_);
    }
  }

  Options o_;
  int poll_;
  std::vector<std::string> requests_;
  std::vector<Connection> connections_;
  std::string authority_;
  std::deque<size_t> free_;       // Connections that have room for a call.
  std::deque<int64_t> waiting_;   // When each was due.
  size_t under_way_ = 0, turn_ = 0;
  int64_t begun_ns_ = 0, until_ns_ = 0, last_ns_ = 0;
};

double at(const std::vector<int64_t>& sorted, double share) {
  if (sorted.empty()) return 0;
  return static_cast<double>(sorted[static_cast<size_t>(share * static_cast<double>(sorted.size() - 1))]) / 1000;
}

Options parse(int argc, char** argv) {
  Options o;
  o.grpc = std::string_view(argv[1]) == "grpc";
  o.port = static_cast<uint16_t>(std::atoi(argv[2]));
  o.connections = std::strtoul(argv[3], nullptr, 10);
  o.streams = o.grpc ? std::strtoul(argv[4], nullptr, 10) : 1;
  o.seconds = std::atof(argv[5]);
  const std::map<std::string_view, std::string*> texts = {{"count", &o.count}, {"path", &o.path}};
  for (int i = 7; i < argc; ++i) {
    const std::string_view word = argv[i], key = word.substr(0, word.find('='));
    const std::string value(word.substr(std::min(word.size(), key.size() + 1)));
    if (texts.contains(key)) *texts.at(key) = value;
    if (key == "rate") o.rate = std::atof(value.c_str());
    if (key == "drop") o.drop = value == "1";
    if (key == "show") o.show = value == "1";
  }
  if (o.show) o.connections = o.streams = 1;
  return o;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 7) return 2;
  const Options o = parse(argc, argv);
  std::ifstream file(argv[6], std::ios::binary);
  const std::string bytes((std::istreambuf_iterator<char>(file)), {});
  const std::vector<std::string_view> parts = split(bytes);
  std::vector<std::string> requests(parts.begin(), parts.end());
  if (requests.empty()) return 2;
  Load load(o, std::move(requests));
  const int64_t cpu = now_ns(CLOCK_PROCESS_CPUTIME_ID);
  load.run();
  const double busy = static_cast<double>(now_ns(CLOCK_PROCESS_CPUTIME_ID) - cpu) / 1e9 / load.took_s;
  const Totals& t = load.totals;
  const bool good = t.bad == 0 && t.broken == 0;
  if (o.show) return good && t.shed == 0 ? 0 : 1;
  std::vector<int64_t> all = t.latency_ns;
  std::sort(all.begin(), all.end());
  const auto n = [](int64_t x) { return static_cast<long long>(x); };
  std::printf("{\"good\":%zu,\"shed\":%lld,\"retry_after\":%lld,\"bad\":%lld,\"broken\":%lld,\"unsent\":%lld,\"counted\":%lld,"
              "\"offered\":%lld,\"seconds\":%.4f,\"rate\":%.1f,\"p50_us\":%.1f,\"p90_us\":%.1f,\"p99_us\":%.1f,"
              "\"p999_us\":%.1f,\"max_us\":%.1f,\"client_busy\":%.3f}\n",
              all.size(), n(t.shed), n(t.retry_after), n(t.bad), n(t.broken), n(t.unsent), n(t.counted), n(t.offered),
              load.took_s, static_cast<double>(all.size()) / load.took_s, at(all, 0.5), at(all, 0.9), at(all, 0.99),
              at(all, 0.999), at(all, 1.0), busy);
  return good ? 0 : 1;
}
