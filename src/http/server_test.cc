#include "http/server.h"

#include <gtest/gtest.h>

#include "base/text.h"
#include "sys/sync.h"
#include "test/http/world.h"

namespace slip::http {
namespace {

using testing::RawClient;
using testing::simple_row;
using testing::World;

Route row(Method method, std::string path, Blocking handler, Body body = no_body()) {
  Route r;
  r.method = method;
  r.path = std::move(path);
  r.permission = {Right::kRead, "thing"};
  r.audit = Audit::kNone;
  r.summary = "Does it.";
  r.body = body;
  r.blocking = std::move(handler);
  return r;
}

Result<Reply> echo(const Ctx& ctx, Request& request) {
  Reply reply;
  reply.content_type = "text/plain";
  reply.body = concat({ctx.actor_uid, " ", ctx.project.text, " ", request.path, " ", request.body});
  return reply;
}

TEST(Server, AnswersInlineAndBlockingRows) {
  World world({simple_row("/health", "OK"), row(Method::kPost, "/echo", echo, memory(1000))});
  RawClient client = world.client();
  const auto health = client.get("/health");
  EXPECT_EQ(health.status, 200);
  EXPECT_EQ(health.body, "OK");
  EXPECT_FALSE(health.header("date").empty());
  EXPECT_FALSE(health.header("x-request-id").empty());
  client.send(
      "POST /~blue/echo?x=1 HTTP/1.1\r\nHost: 127.0.0.1:7\r\nAuthorization: Bearer good\r\n"
      "Content-Length: 5\r\n\r\nhello");
  EXPECT_EQ(client.reply().body, "alice blue /echo hello");
  client.send(
      "POST /echo HTTP/1.1\r\nHost: [::1]\r\nAuthorization: Bearer good\r\n"
      "Transfer-Encoding: chunked\r\nx-slipway-project: red\r\n\r\n"
      "3\r\nabc\r\n2;note=1\r\nde\r\n0\r\nTrailer: x\r\n\r\n");
  EXPECT_EQ(client.reply().body, "alice red /echo abcde");
  EXPECT_EQ(client.get("/none").status, 404);
  EXPECT_EQ(client.get("/echo").status, 405);
  client.send("POST /echo HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n");
  EXPECT_EQ(client.reply().status, 401);
}

TEST(Server, AClientThatLeftBeforeItsAnswerHarmsNobody) {
  sys::Mutex mutex;
  sys::CondVar changed;
  int entered = 0;
  int released = 0;
  World world({simple_row("/health", "OK"),
               row(Method::kGet, "/slow", [&](const Ctx&, Request&) -> Result<Reply> {
                 sys::Lock lock(mutex);
                 const int mine = ++entered;
                 changed.notify_all();
                 while (released < mine) changed.wait(lock);
                 return Reply{};
               })});
  for (int i = 1; i <= 20; ++i) {
    {
      RawClient client = world.client();
      client.send("GET /slow HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer good\r\n\r\n");
      sys::Lock lock(mutex);
      while (entered < i) changed.wait(lock);
    }
    EXPECT_EQ(world.client().get("/health").status, 200);  // The loop has seen the client go.
    {
      const sys::Lock lock(mutex);
      released = i;
    }
    changed.notify_all();
    EXPECT_EQ(world.client().get("/health").status, 200);
  }
}

TEST(Server, KeepsThePipelinesOrder) {
  World world({simple_row("/a", "A"), row(Method::kGet, "/b", echo)});
  RawClient client = world.client();
  std::string burst;
  for (int i = 0; i < 50; ++i) {
    burst += "GET /a HTTP/1.1\r\nHost: localhost\r\n\r\n";
    burst +=
        concat({"GET /b HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer good\r\n"
                "x-slipway-project: p",
                std::to_string(i), "\r\n\r\n"});
  }
  client.send(burst);
  for (int i = 0; i < 50; ++i) {
    EXPECT_EQ(client.reply().body, "A");
    EXPECT_EQ(client.reply().body, concat({"alice p", std::to_string(i), " /b "}));
  }
}

}  // namespace
}  // namespace slip::http
