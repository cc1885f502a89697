#pragma once

#include <cstdint>
#include <string>
#include <utility>

#include "app/bounded_net.h"
#include "notify/webhooks.h"

namespace slip {
class Clock;
class Executor;
class Net;
}  // namespace slip

// Webhooks over HTTP: one connection a request, to the very address that was checked, certificates
// by the system's authorities and those that the operator names, no redirects, no proxy, bounded in
// time and size. Any thread.
namespace slip::app {

inline constexpr int64_t kWebhookTimeoutMs = 10'000;  // From name to last byte.
inline constexpr int64_t kWebhookReplyBytesMax = 64 << 10;

class WebhookSender final : public notify::Sender {
 public:
  struct Deps {
    Net& net;
    Executor& executor;
    Clock& clock;
  };
  struct Options {
    bool public_only = true;
    std::string authorities = {};  // PEM, besides the system's.
  };
  WebhookSender(Deps deps, Options options)
      : deps_(deps), options_(std::move(options)), resolver_(deps.net, deps.executor, deps.clock) {}
  notify::Answer send(const notify::Outgoing& request) override;

 private:
  const Deps deps_;
  const Options options_;
  Resolver resolver_;
};

}  // namespace slip::app
