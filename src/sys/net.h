#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

// Outgoing byte streams with deadlines, for the CLI, webhooks and other clients of ours. (Incoming
// HTTP lives in http/, on Asio.) Names are resolved once and the checked address is dialled, so a
// name cannot change its mind between check and use.
//
// Errors: kUnavailable `net.refused|net.unreachable|net.closed`, kNotFound `net.unknown_host`,
// kTimeout `net.timeout`.
namespace slip {

struct Address {
  std::string ip;  // Numeric, IPv4 or IPv6.
  uint16_t port = 0;
};

class Conn {
 public:
  virtual ~Conn() = default;
  // At least one byte, or 0 at the end of the stream.
  virtual Result<size_t> read(std::span<char> out, int64_t deadline_ns) = 0;
  virtual Status write(std::string_view bytes, int64_t deadline_ns) = 0;
};

class Net {
 public:
  virtual ~Net() = default;
  virtual Result<std::vector<Address>> resolve(const std::string& host, uint16_t port) = 0;
  virtual Result<std::unique_ptr<Conn>> dial(const Address& address, int64_t deadline_ns) = 0;
};

Net& real_net();

// Loopback, private, link-local, carrier-grade, documentation, multicast and mapped forms: what a
// request-influenced address must not reach unless the operator allowed it.
bool is_public_ip(std::string_view ip);

}  // namespace slip
