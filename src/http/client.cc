#include "http/client.h"

#include <algorithm>
#include <array>

#include "base/text.h"
#include "http/body.h"
#include "http/parser.h"
#include "sys/clock.h"

namespace slip::http {
namespace {

constexpr size_t kPieceBytes = 64 << 10;

bool repeatable(const Call& call) {
  return !call.upload && call.method != Method::kPost && call.method != Method::kPatch;
}

bool has_line_end(std::string_view text) {
  return text.find_first_of(std::string_view("\r\n\0", 3)) != std::string_view::npos;
}

Result<std::string> request_head(const Url& url, const ClientOptions& options, const Call& call) {
  std::string out = concat({method_name(call.method), " ", url.base, call.target, " HTTP/1.1\r\n",
                            "Host: ", url.authority, "\r\n"});
  if (!call.target.starts_with('/') || call.target.find(' ') != std::string::npos ||
      has_line_end(call.target))
    return invalid("client.url", "the target must be a percent-encoded path");
  const int64_t length = call.upload ? call.upload_bytes : static_cast<int64_t>(call.body.size());
  if (length > 0 || call.method == Method::kPost || call.method == Method::kPut ||
      call.method == Method::kPatch)
    out.append(concat({"Content-Length: ", std::to_string(length), "\r\n"}));
  for (const auto* headers : {&options.headers, &call.headers})
    for (const auto& [name, value] : *headers) {
      if (has_line_end(name) || has_line_end(value))
        return invalid("client.header", concat({"the value of ", name, " has a line end"}));
      out.append(concat({name, ": ", value, "\r\n"}));
    }
  return out.append("\r\n");
}

}  // namespace

Result<Url> parse_url(std::string_view text) {
  const auto bad = [&](std::string_view why) {
    return invalid("client.url", concat({"'", text, "' ", why}));
  };
  Url url;
  std::string_view rest = text;
  if (iequals(rest.substr(0, 8), "https://")) {
    url.tls = true;
    rest.remove_prefix(8);
  } else if (iequals(rest.substr(0, 7), "http://")) {
    rest.remove_prefix(7);
  } else {
    return bad("is no http or https URL");
  }
  if (has_line_end(text) || text.find_first_of("@?# ") != std::string_view::npos)
    return bad("has user information, a query, a fragment or blanks");
  const size_t slash = std::min(rest.find('/'), rest.size());
  const std::string_view authority = rest.substr(0, slash);
  url.authority = authority;
  url.base = rest.substr(slash);
  while (url.base.ends_with('/')) url.base.pop_back();
  const bool v6 = authority.starts_with('[');
  const size_t close = v6 ? authority.find(']') : 0;
  if (close == std::string_view::npos) return bad("has a '[' without ']'");
  const size_t colon = std::min(authority.find(':', close), authority.size());
  url.host = v6 ? authority.substr(1, close - 1) : authority.substr(0, colon);
  url.port = url.tls ? 443 : 80;
  if (colon < authority.size()) {
    const auto port = parse_int(authority.substr(colon + 1));
    if (!port || *port < 1 || *port > 65535) return bad("has no valid port");
    url.port = static_cast<uint16_t>(*port);
  }
  if (url.host.empty()) return bad("has no host");
  return url;
}

std::string_view ClientReply::header(std::string_view lower_name) const {
  for (const auto& [name, value] : headers)
    if (name == lower_name) return value;
  return {};
}

struct Client::Impl {
  Impl(Net& net_, Clock& clock_, ClientOptions options_, Url url_)
      : net(net_), clock(clock_), options(std::move(options_)), url(std::move(url_)) {}

  int64_t deadline() { return clock.steady_ns() + options.timeout_ms * 1'000'000; }
  Status connect();
  Status write(std::string_view bytes);
  Status upload(const Call& call);
  Result<size_t> fill();  // 0: the server has closed.
  Result<ClientReply> receive(const Call& call);
  Result<bool> receive_head(bool head_only, ClientReply* reply, BodyDecoder* body);
  Status receive_body(const Call& call, ClientReply* reply, BodyDecoder* body);
  bool stale();
  Result<ClientReply> once(const Call& call, const std::string& head);
  void drop() {
    conn.reset();
    tls.reset();
    in.clear();
    started = false;
  }

  Net& net;
  Clock& clock;
  ClientOptions options;
  Url url;
  std::unique_ptr<TlsContext> tls_context;
  std::unique_ptr<Conn> conn;
  std::unique_ptr<TlsSession> tls;
  std::string in;
  bool started = false;  // A byte of this call's reply has come.
  bool keep = false;
};

Status Client::Impl::connect() {
  drop();
  const auto addresses = TRY(net.resolve(url.host, url.port));
  if (options.public_only)
    for (const Address& address : addresses)
      if (!is_public_ip(address.ip))
        return forbidden("client.address_not_public",
                         concat({url.host, " leads to ", address.ip, ", which isn't public"}));
  Status last = not_found("net.unknown_host", concat({url.host, " has no address"}));
  for (const Address& address : addresses) {
    auto dialled = net.dial(address, deadline());
    if (dialled) {
      conn = std::move(dialled).value();
      last = {};
      break;
    }
    last = std::move(dialled).error();
  }
  TRY(last);
  if (!url.tls) return {};
  if (!tls_context)
    tls_context = TRY(TlsContext::client(options.authorities, options.system_authorities));
  tls = std::make_unique<TlsSession>(*tls_context, url.host);
  std::string wire;
  TRY(tls->start(&wire));
  TRY(conn->write(wire, deadline()));
  while (!tls->ready())
    if (TRY(fill()) == 0) return unavailable("tls.handshake", "the server closed the connection");
  return {};
}

Status Client::Impl::write(std::string_view bytes) {
  if (!tls) return conn->write(bytes, deadline());
  std::string wire;
  TRY(tls->send(bytes, &wire));
  return conn->write(wire, deadline());
}

Result<size_t> Client::Impl::fill() {
  std::array<char, kPieceBytes> piece;
  const size_t n = TRY(conn->read(piece, deadline()));
  if (n == 0) return size_t{0};
  if (!tls) {
    in.append(piece.data(), n);
    return n;
  }
  std::string wire;
  const Status got = tls->receive({piece.data(), n}, &in, &wire);
  if (!wire.empty()) TRY(conn->write(wire, deadline()));
  TRY(got);
  return tls->ended() && in.empty() ? size_t{0} : n;
}

Status Client::Impl::upload(const Call& call) {
  if (!call.upload) return call.body.empty() ? Status() : write(call.body);
  std::string piece(kPieceBytes, '\0');
  int64_t left = call.upload_bytes;
  while (left > 0) {
    const auto want = static_cast<size_t>(std::min<int64_t>(left, kPieceBytes));
    const size_t n = TRY(call.upload->read({piece.data(), want}));
    if (n == 0) return invalid("client.upload_short", "the upload ended early");
    TRY(write({piece.data(), n}));
    left -= static_cast<int64_t>(n);
  }
  return {};
}

// False: it was an interim reply (1xx).
Result<bool> Client::Impl::receive_head(bool head_only, ClientReply* reply, BodyDecoder* body) {
  size_t seen = 0;
  size_t size = 0;
  while ((size = TRY(find_head(in, seen))) == 0) {
    seen = in.size();
    if (TRY(fill()) == 0)
      return unavailable(in.empty() ? "net.closed" : "http.truncated",
                         "the server closed the connection");
    started = true;
  }
  started = true;
  std::string block = in.substr(0, size);
  in.erase(0, size);
  ResponseHead head;
  TRY(parse_response_head(&block, &head));
  if (head.status < 200) return false;
  reply->status = head.status;
  keep = head.keep_alive;
  if (head_only || head.status == 204 || head.status == 304) {
    body->start_length(0);
  } else if (head.chunked) {
    body->start_chunked();
  } else if (head.content_length >= 0) {
    body->start_length(head.content_length);
  } else {
    body->start_until_end();
  }
  for (const auto& [name, value] : head.headers) reply->headers.emplace_back(name, value);
  return true;
}

Status Client::Impl::receive_body(const Call& call, ClientReply* reply, BodyDecoder* body) {
  const bool stream = call.on_body && reply->status >= 200 && reply->status < 300;
  std::string piece;
  std::string* into = stream ? &piece : &reply->body;
  while (!body->done()) {
    const size_t used = TRY(body->feed(in, into));
    in.erase(0, used);
    if (stream && !piece.empty()) TRY(call.on_body(std::exchange(piece, {})));
    if (static_cast<int64_t>(reply->body.size()) > options.reply_bytes_max)
      return exhausted("client.reply_too_large",
                       concat({"the reply is larger than ", format_size(options.reply_bytes_max)}));
    if (body->done()) break;
    if (TRY(fill()) > 0) continue;
    keep = false;
    return body->finish();
  }
  return {};
}

Result<ClientReply> Client::Impl::receive(const Call& call) {
  ClientReply reply;
  BodyDecoder body;
  while (!TRY(receive_head(call.method == Method::kHead, &reply, &body))) {}
  TRY(receive_body(call, &reply, &body));
  return reply;
}

// True when the server has closed the kept connection, or has said something unasked.
bool Client::Impl::stale() {
  std::array<char, 1> byte;
  const auto n = conn->read(byte, clock.steady_ns());
  return n || n.error().code != Code::kTimeout;
}

Result<ClientReply> Client::Impl::once(const Call& call, const std::string& head) {
  started = false;
  keep = false;
  TRY(write(head));
  // A server that refuses early stops reading; what it said is worth more than the broken pipe.
  const Status uploaded = upload(call);
  if (!uploaded && uploaded.error().reason == "client.upload_short") return uploaded.error();
  auto reply = receive(call);
  if (!uploaded) {
    keep = false;
    if (!reply) return uploaded.error();
  }
  return reply;
}

Client::Client(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Client::~Client() = default;
Client::Client(Client&&) noexcept = default;
Client& Client::operator=(Client&&) noexcept = default;

Result<Client> Client::make(Net& net, Clock& clock, ClientOptions options) {
  Url url = TRY(parse_url(options.url));
  return Client(std::make_unique<Impl>(net, clock, std::move(options), std::move(url)));
}

Result<ClientReply> Client::send(const Call& call) {
  Impl& s = *impl_;
  const std::string head = TRY(request_head(s.url, s.options, call));
  const bool kept = s.conn && !s.stale();
  if (!kept) TRY(s.connect());
  auto reply = s.once(call, head);
  if (!reply && kept && !s.started && repeatable(call) &&
      reply.error().code == Code::kUnavailable) {
    TRY(s.connect());
    reply = s.once(call, head);
  }
  if (!reply || !s.keep || !s.in.empty()) s.drop();
  return reply;
}

}  // namespace slip::http
