#include "http/client.h"

#include <gtest/gtest.h>

#include "base/text.h"
#include "sys/clock.h"
#include "test/http/world.h"

namespace slip::http {
namespace {

using testing::public_row;
using testing::simple_row;
using testing::World;

Client client_of(uint16_t port, ClientOptions options = {}) {
  options.url = concat({"http://127.0.0.1:", std::to_string(port)});
  return Client::make(real_net(), real_clock(), std::move(options)).value();
}

Route echo_row() {
  return public_row(
      Method::kPost, "/base/echo",
      [](const Ctx&, Request& request) -> Result<Reply> {
        Reply reply;
        reply.status = 201;
        reply.body = concat({request.header("x-one"), request.header("x-two"), request.body});
        return reply;
      },
      memory(1 << 20));
}

class Counting final : public Source {
 public:
  explicit Counting(size_t total) : left_(total) {}
  Result<size_t> read(std::span<char> out) override {
    const size_t n = std::min({left_, out.size(), size_t{50'000}});
    std::fill_n(out.begin(), n, 'z');
    left_ -= n;
    return n;
  }

 private:
  size_t left_;
};

TEST(Client, SpeaksWithTheServer) {
  World world({echo_row(), simple_row("/health", "OK"),
               public_row(Method::kGet, "/stream", [](const Ctx&, Request&) -> Result<Reply> {
                 Reply reply;
                 reply.stream = std::make_unique<Counting>(300'000);
                 return reply;
               })});
  Client client = client_of(world.port(), {.headers = {{"X-One", "1"}}});
  const auto health = client.send({.target = "/health"});
  ASSERT_TRUE(health.ok()) << health.error().text;
  EXPECT_EQ(health->body, "OK");
  EXPECT_EQ(health->header("content-type"), "text/plain");
  const auto echo = client.send({.method = Method::kPost,
                                 .target = "/base/echo",
                                 .headers = {{"X-Two", "2"}},
                                 .body = "three"});
  ASSERT_TRUE(echo.ok());
  EXPECT_EQ(echo->status, 201);
  EXPECT_EQ(echo->body, "12three");
  Counting upload(500'000);
  const auto up = client.send({.method = Method::kPost,
                               .target = "/base/echo",
                               .upload = &upload,
                               .upload_bytes = 500'000});
  ASSERT_TRUE(up.ok());
  EXPECT_EQ(up->body.size(), 500'001U);
  size_t streamed = 0;
  const auto down = client.send({.target = "/stream", .on_body = [&](std::string_view piece) {
                                   streamed += piece.size();
                                   return Status();
                                 }});
  ASSERT_TRUE(down.ok());
  EXPECT_EQ(streamed, 300'000U);
  const auto head = client.send({.method = Method::kHead, .target = "/health"});
  ASSERT_TRUE(head.ok());
  EXPECT_EQ(head->header("content-length"), "2");
  EXPECT_EQ(client.send({.target = "/none"})->status, 404);
  EXPECT_EQ(world.server().connections(), 1U);
}

TEST(Client, SeesEarlyRefusalsOfUploads) {
  World world({echo_row()});
  Client client = client_of(world.port());
  Counting upload(8 << 20);
  const auto reply = client.send({.method = Method::kPost,
                                  .target = "/base/echo",
                                  .upload = &upload,
                                  .upload_bytes = 8 << 20});
  ASSERT_TRUE(reply.ok()) << reply.error().text;
  EXPECT_EQ(reply->status, 413);
}

TEST(Client, DialsAgainWhenTheServerHasClosed) {
  auto world = std::make_unique<World>(std::vector<Route>{simple_row("/health", "OK")});
  const uint16_t port = world->port();
  Client client = client_of(port, {.timeout_ms = 5000});
  EXPECT_TRUE(client.send({.target = "/health"}).ok());
  world->server().drain(0);
  EXPECT_EQ(client.send({.target = "/health"}).error().reason, "net.refused");
}

TEST(Client, RefusesWhatItMust) {
  World world({simple_row("/health", std::string(5000, 'x'))});
  EXPECT_EQ(
      client_of(world.port(), {.reply_bytes_max = 1000}).send({.target = "/health"}).error().reason,
      "client.reply_too_large");
  EXPECT_EQ(
      client_of(world.port(), {.public_only = true}).send({.target = "/health"}).error().reason,
      "client.address_not_public");
  Client client = client_of(world.port());
  EXPECT_EQ(client.send({.target = "no-slash"}).error().reason, "client.url");
  EXPECT_EQ(client.send({.target = "/a b"}).error().reason, "client.url");
  EXPECT_EQ(client.send({.target = "/health", .headers = {{"X", "a\r\nY: b"}}}).error().reason,
            "client.header");
}

TEST(Client, ParsesUrls) {
  const std::pair<std::string_view, std::string_view> cases[] = {
      {"http://localhost:7070", "localhost 7070 "},
      {"HTTP://h", "h 80 "},
      {"https://h/", "h 443 "},
      {"https://h:8443/base/", "h 8443 /base"},
      {"http://[::1]:7/x", "::1 7 /x"},
      {"http://u@h/", ""},
      {"http://h:0", ""},
      {"http://h:x", ""},
      {"http://", ""},
      {"ftp://h", ""},
      {"http://h?x", ""},
      {"http://[::1", ""},
  };
  for (const auto& [text, want] : cases) {
    SCOPED_TRACE(text);
    const auto url = parse_url(text);
    EXPECT_EQ(url ? concat({url->host, " ", std::to_string(url->port), " ", url->base}) : "", want);
  }
}

}  // namespace
}  // namespace slip::http
