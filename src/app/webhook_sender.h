#pragma once

#include <cstdint>

#include "notify/webhooks.h"

namespace slip {
class Clock;
class Net;
}  // namespace slip

// Webhooks over HTTP: one connection a request, to the very address that was checked, certificates
// by the system's authorities, no redirects, no proxy, bounded in time and size. Any thread.
namespace slip::app {

inline constexpr int64_t kWebhookTimeoutMs = 10'000;  // From name to last byte.
inline constexpr int64_t kWebhookReplyBytesMax = 64 << 10;

class WebhookSender final : public notify::Sender {
 public:
  WebhookSender(Net& net, Clock& clock, bool public_only)
      : net_(net), clock_(clock), public_only_(public_only) {}
  notify::Answer send(const notify::Outgoing& request) override;

 private:
  Net& net_;
  Clock& clock_;
  const bool public_only_;
};

}  // namespace slip::app
