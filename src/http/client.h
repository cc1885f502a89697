#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "http/route.h"
#include "http/tls.h"
#include "sys/net.h"

namespace slip {
class Clock;
}

// A blocking HTTP/1.1 client over sys::Net, for the CLI, webhooks and tests: one connection, kept
// between calls, dialled again when the server has closed it. Follows no redirects, reads no proxy
// settings. One thread at a time.
//
// Errors: those of sys/net.h and http/tls.h; kInvalid `client.url`; kForbidden
// `client.address_not_public`; kExhausted `client.reply_too_large`; kUnavailable `http.truncated`;
// kInvalid `http.…` when the other side doesn't speak HTTP. Any status is a reply, not an error.
namespace slip::http {

struct Url {
  bool tls = false;
  std::string host;  // Without brackets.
  uint16_t port = 0;
  std::string authority;  // For the Host field.
  std::string base;       // Path without trailing '/'.
};
Result<Url> parse_url(std::string_view url);  // http and https; no userinfo, query or fragment.

struct ClientOptions {
  std::string url = {};
  int64_t timeout_ms = 30'000;  // For connecting, and for each wait for progress.
  int64_t reply_bytes_max = 64 << 20;
  bool public_only = false;  // For addresses that a request has influenced: refuse private ones.
  std::string authorities = {};      // PEM; "" for the system's.
  bool system_authorities = false;   // Also besides `authorities`.
  std::vector<Header> headers = {};  // On every request (Authorization, X-Slipway-Project).
};

struct Call {
  Method method = Method::kGet;
  std::string target = {};  // Path and query; the URL's base comes before it.
  std::vector<Header> headers = {};
  std::string body = {};
  Source* upload = nullptr;  // Instead of `body`; exactly `upload_bytes` of it.
  int64_t upload_bytes = 0;
  // Instead of ClientReply::body, for 2xx replies; an error ends the call.
  std::function<Status(std::string_view piece)> on_body = {};
};

struct ClientReply {
  int status = 0;
  std::vector<Header> headers;  // Names in lower case.
  std::string body;
  std::string_view header(std::string_view lower_name) const;  // "" when absent.
};

class Client {
 public:
  static Result<Client> make(Net& net, Clock& clock, ClientOptions options);
  ~Client();
  Client(Client&&) noexcept;
  Client& operator=(Client&&) noexcept;

  // GET, HEAD, PUT and DELETE without `upload` are sent a second time, on a new connection, when a
  // kept one turns out to be closed.
  Result<ClientReply> send(const Call& call);

 private:
  struct Impl;
  explicit Client(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace slip::http
