#include "app/webhook_sender.h"

#include <algorithm>
#include <utility>

#include "app/bounded_net.h"
#include "base/text.h"
#include "http/client.h"
#include "http/date.h"
#include "sys/clock.h"

namespace slip::app {
namespace {

notify::Answer failed(const Error& error) {
  notify::Answer out;
  out.error = concat({error.reason, ": ", error.text});
  return out;
}

// Seconds, or the time when to come back.
int64_t retry_after_ms(std::string_view text, int64_t now_ms) {
  constexpr int64_t kMost = int64_t{24} * 3'600'000;
  if (const auto seconds = parse_int(trim(text)))
    return std::clamp<int64_t>(*seconds, 0, kMost / 1000) * 1000;
  const auto at_s = http::parse_http_date(text, now_ms / 1000);
  return at_s ? std::clamp<int64_t>(*at_s * 1000 - now_ms, 0, kMost) : 0;
}

}  // namespace

notify::Answer WebhookSender::send(const notify::Outgoing& request) {
  const std::string_view url = request.url;
  const size_t begin = url.find("://");
  if (begin == url.npos) return failed(invalid("client.url", "no URL"));
  const size_t end = std::min(url.find_first_of("/?", begin + 3), url.size());
  http::ClientOptions options;
  options.url = url.substr(0, end);
  options.timeout_ms = kWebhookTimeoutMs;
  options.reply_bytes_max = kWebhookReplyBytesMax;
  options.public_only = options_.public_only;
  options.authorities = options_.authorities;
  options.system_authorities = true;
  BoundedNet net(deps_.net, resolver_, deps_.clock.steady_ns() + kWebhookTimeoutMs * 1'000'000);
  auto client = http::Client::make(net, deps_.clock, std::move(options));
  if (!client) return failed(client.error());

  notify::Answer out;
  http::Call call;
  call.method = http::Method::kPost;
  call.target = url.substr(end);
  if (!call.target.starts_with('/')) call.target.insert(0, "/");
  call.headers = request.headers;
  call.headers.emplace_back("Connection", "close");
  call.body = request.body;
  // What has taken the delivery has taken it, however much it says besides.
  bool taken = false;
  call.on_body = [&](std::string_view piece) -> Status {
    taken = true;
    const size_t room = static_cast<size_t>(kWebhookReplyBytesMax) - out.body.size();
    out.body.append(piece.substr(0, room));
    if (piece.size() > room) return exhausted("client.reply_too_large", "enough was read");
    return {};
  };
  auto reply = client->send(call);
  if (!reply && !taken) return failed(reply.error());
  out.status = reply ? reply->status : 200;
  if (reply && !reply->body.empty()) out.body = std::move(reply->body);
  if (reply)
    out.retry_after_ms = retry_after_ms(reply->header("retry-after"), deps_.clock.now_ms());
  if (!out.accepted()) out.error = concat({"answered ", std::to_string(out.status)});
  return out;
}

}  // namespace slip::app
