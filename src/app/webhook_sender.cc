#include "app/webhook_sender.h"

#include <algorithm>
#include <memory>
#include <utility>

#include "base/text.h"
#include "http/client.h"
#include "sys/clock.h"
#include "sys/net.h"

namespace slip::app {
namespace {

// The client waits so long for each piece; a receiver that trickles must not hold a thread.
class BoundedConn final : public Conn {
 public:
  BoundedConn(std::unique_ptr<Conn> conn, int64_t end_ns) : conn_(std::move(conn)), end_(end_ns) {}
  Result<size_t> read(std::span<char> out, int64_t deadline_ns) override {
    return conn_->read(out, std::min(deadline_ns, end_));
  }
  Status write(std::string_view bytes, int64_t deadline_ns) override {
    return conn_->write(bytes, std::min(deadline_ns, end_));
  }

 private:
  std::unique_ptr<Conn> conn_;
  const int64_t end_;
};

class BoundedNet final : public Net {
 public:
  BoundedNet(Net& net, int64_t end_ns) : net_(net), end_(end_ns) {}
  Result<std::vector<Address>> resolve(const std::string& host, uint16_t port) override {
    return net_.resolve(host, port);
  }
  Result<std::unique_ptr<Conn>> dial(const Address& address, int64_t deadline_ns) override {
    std::unique_ptr<Conn> conn = TRY(net_.dial(address, std::min(deadline_ns, end_)));
    return std::unique_ptr<Conn>(std::make_unique<BoundedConn>(std::move(conn), end_));
  }

 private:
  Net& net_;
  const int64_t end_;
};

notify::Answer failed(const Error& error) {
  notify::Answer out;
  out.error = concat({error.reason, ": ", error.text});
  return out;
}

// Seconds; a receiver that names a date gets the usual wait.
int64_t retry_after_ms(std::string_view text) {
  const auto seconds = parse_int(trim(text));
  if (!seconds || *seconds < 0) return 0;
  return std::min(*seconds, int64_t{86'400}) * 1000;
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
  options.public_only = public_only_;
  BoundedNet net(net_, clock_.steady_ns() + kWebhookTimeoutMs * 1'000'000);
  auto client = http::Client::make(net, clock_, std::move(options));
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
  if (reply) out.retry_after_ms = retry_after_ms(reply->header("retry-after"));
  if (!out.accepted()) out.error = concat({"answered ", std::to_string(out.status)});
  return out;
}

}  // namespace slip::app
