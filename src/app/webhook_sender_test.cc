#include "app/webhook_sender.h"

#include <array>

#include <gtest/gtest.h>

#include "base/text.h"
#include "sys/clock.h"
#include "sys/sim/sim_executor.h"
#include "sys/sim/sim_net.h"

namespace slip::app {
namespace {

constexpr std::string_view kPublicIp = "93.184.215.14";

notify::Outgoing to(const std::string& url) { return {.url = url, .headers = {}, .body = "{}"}; }

// Reads a whole request, then says `reply`.
void answer(Conn& conn, Clock& clock, const std::string& reply) {
  const int64_t end = clock.steady_ns() + int64_t{60} * 1'000'000'000;
  std::string got;
  std::array<char, 512> piece{};
  while (!got.ends_with("{}")) {
    const auto n = conn.read(piece, end);
    if (!n.ok() || *n == 0) return;
    got.append(piece.data(), *n);
  }
  ignore(conn.write(reply, end), "the sender may have gone");
}

// What sending to a receiver that says this comes to, on a simulated network.
notify::Answer told(const std::string& reply) {
  notify::Answer out;
  sim::SimExecutor world(7);
  world.run([&] {
    sim::SimNet net(world, 7);
    net.add_host("hooks.example", std::string(kPublicIp));
    net.listen(std::string(kPublicIp), 80, [&](Conn& conn) { answer(conn, world.clock(), reply); });
    WebhookSender sender({net, world, world.clock()}, {});
    out = sender.send(to("http://hooks.example/x?y=1"));
  });
  return out;
}

std::string refusal(const std::string& retry_after) {
  return concat({"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\nRetry-After: ",
                 retry_after, "\r\n\r\n"});
}

TEST(WebhookSender, WaitsAsTheReceiverAsks) {
  // The simulated day is Tue, 14 Nov 2023, 22:13:20.
  struct Case {
    const char* retry_after;
    int64_t least_ms;
    int64_t most_ms;
  };
  const Case cases[] = {
      {"90", 90'000, 90'000},
      {"0", 0, 0},
      {"-5", 0, 0},
      {"9999999", 86'400'000, 86'400'000},
      {"Tue, 14 Nov 2023 22:15:20 GMT", 119'000, 120'000},
      {"Tuesday, 14-Nov-23 22:15:20 GMT", 119'000, 120'000},
      {"Tue Nov 14 22:15:20 2023", 119'000, 120'000},
      {"Tue, 14 Nov 2023 22:00:00 GMT", 0, 0},
      {"Tue, 14 Nov 2034 22:00:00 GMT", 86'400'000, 86'400'000},
      {"soon", 0, 0},
  };
  for (const Case& c : cases) {
    const notify::Answer got = told(refusal(c.retry_after));
    EXPECT_EQ(got.status, 503) << c.retry_after;
    EXPECT_GE(got.retry_after_ms, c.least_ms) << c.retry_after;
    EXPECT_LE(got.retry_after_ms, c.most_ms) << c.retry_after;
  }
  EXPECT_TRUE(told("HTTP/1.1 204 No Content\r\n\r\n").accepted());
}

// Answers for names only after an hour.
class StuckNet final : public Net {
 public:
  explicit StuckNet(sim::SimExecutor& world) : world_(world) {}
  Result<std::vector<Address>> resolve(const std::string&, uint16_t port) override {
    world_.sleep_until(world_.clock().steady_ns() + int64_t{3600} * 1'000'000'000);
    return std::vector<Address>{{std::string(kPublicIp), port}};
  }
  Result<std::unique_ptr<Conn>> dial(const Address&, int64_t) override {
    return unavailable("net.refused", "nobody comes here");
  }

 private:
  sim::SimExecutor& world_;
};

TEST(WebhookSender, ANameThatIsntResolvedHoldsNobodyForLong) {
  sim::SimExecutor world(3);
  world.run([&] {
    StuckNet net(world);
    WebhookSender sender({net, world, world.clock()}, {});
    for (int i = 0; i < 3; ++i) {
      const int64_t begun = world.clock().steady_ns();
      const notify::Answer got = sender.send(to("http://hooks.example/"));
      EXPECT_EQ(got.status, 0);
      EXPECT_TRUE(got.error.starts_with("net.timeout")) << got.error;
      EXPECT_LE(world.clock().steady_ns() - begun, (kWebhookTimeoutMs + 1) * 1'000'000);
    }
  });
}

TEST(WebhookSender, GoesToPublicAddressesOnly) {
  sim::SimExecutor world(5);
  world.run([&] {
    sim::SimNet net(world, 5);
    net.add_host("inside.example", "10.0.0.7");
    int calls = 0;
    net.listen("10.0.0.7", 80, [&](Conn& conn) {
      ++calls;
      answer(conn, world.clock(), "HTTP/1.1 204 No Content\r\n\r\n");
    });
    WebhookSender careful({net, world, world.clock()}, {});
    EXPECT_TRUE(
        careful.send(to("http://inside.example/")).error.starts_with("client.address_not_public"));
    EXPECT_EQ(calls, 0);
    WebhookSender told_so({net, world, world.clock()}, {.public_only = false});
    EXPECT_EQ(told_so.send(to("http://inside.example/")).status, 204);
  });
}

}  // namespace
}  // namespace slip::app
