#include <algorithm>
#include <atomic>
#include <iterator>
#include <vector>

#include <gtest/gtest.h>

#include "base/budget.h"
#include "base/text.h"
#include "http/event_stream.h"
#include "http/server.h"
#include "sys/log.h"
#include "sys/sync.h"
#include "test/fake/clock.h"
#include "test/http/world.h"

// What the server does not put up with: malformed and smuggled requests, slow ones, too many, and
// how it ends.
namespace slip::http {
namespace {

using slip::test::FakeClock;
using testing::public_row;
using testing::RawClient;
using testing::simple_row;
using testing::World;

Route body_row() {
  return public_row(
      Method::kPost, "/body",
      [](const Ctx&, Request& request) -> Result<Reply> {
        Reply reply;
        reply.body = request.body;
        return reply;
      },
      memory(100'000));
}

// A handler that waits until the test lets it go.
class Latch {
 public:
  void open() {
    {
      const sys::Lock lock(mutex_);
      open_ = true;
    }
    changed_.notify_all();
  }
  void wait() {
    sys::Lock lock(mutex_);
    ++waiting_;
    changed_.notify_all();
    while (!open_) changed_.wait(lock);
  }
  void await_waiting(int n) {
    sys::Lock lock(mutex_);
    while (waiting_ < n) changed_.wait(lock);
  }

 private:
  sys::Mutex mutex_;
  sys::CondVar changed_;
  bool open_ = false;
  int waiting_ = 0;
};

Route slow_row(Latch& latch) {
  return public_row(Method::kGet, "/slow", [&latch](const Ctx&, Request&) -> Result<Reply> {
    latch.wait();
    return Reply{};
  });
}

struct BadCase {
  std::string_view name;
  std::string request;
  int status;
};

const std::string kHost = "Host: localhost\r\n";

// Where two parties could disagree about the end of a message.
std::vector<BadCase> smuggled() {
  return {
      {"two lengths",
       "POST /body HTTP/1.1\r\n" + kHost + "Content-Length: 3\r\nContent-Length: 4\r\n\r\nabcd",
       400},
      {"the same length twice",
       "POST /body HTTP/1.1\r\n" + kHost + "Content-Length: 3\r\nContent-Length: 3\r\n\r\nabc",
       400},
      {"a list of lengths", "POST /body HTTP/1.1\r\n" + kHost + "Content-Length: 3, 4\r\n\r\nabcd",
       400},
      {"signed length", "POST /body HTTP/1.1\r\n" + kHost + "Content-Length: +3\r\n\r\nabc", 400},
      {"negative length", "POST /body HTTP/1.1\r\n" + kHost + "Content-Length: -3\r\n\r\nabc", 400},
      {"hexadecimal length", "POST /body HTTP/1.1\r\n" + kHost + "Content-Length: 0x3\r\n\r\nabc",
       400},
      {"huge length",
       "POST /body HTTP/1.1\r\n" + kHost + "Content-Length: 99999999999999999999\r\n\r\nabc", 400},
      {"length and chunked",
       "POST /body HTTP/1.1\r\n" + kHost +
           "Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
       400},
      {"chunked and length",
       "POST /body HTTP/1.1\r\n" + kHost +
           "Transfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n0\r\n\r\n",
       400},
      {"chunked twice",
       "POST /body HTTP/1.1\r\n" + kHost +
           "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
       400},
      {"another coding",
       "POST /body HTTP/1.1\r\n" + kHost + "Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
       501},
      {"chunked, identity",
       "POST /body HTTP/1.1\r\n" + kHost + "Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n",
       501},
      {"disguised coding",
       "POST /body HTTP/1.1\r\n" + kHost + "Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n", 501},
      {"chunked in http/1.0",
       "POST /body HTTP/1.0\r\n" + kHost + "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400},
      {"bad chunk size",
       "POST /body HTTP/1.1\r\n" + kHost +
           "Transfer-Encoding: chunked\r\n\r\nxyz\r\nabc\r\n0\r\n\r\n",
       400},
      {"chunk without its end",
       "POST /body HTTP/1.1\r\n" + kHost +
           "Transfer-Encoding: chunked\r\n\r\n3\r\nabcde\r\n0\r\n\r\n",
       400},
      {"huge chunk size",
       "POST /body HTTP/1.1\r\n" + kHost +
           "Transfer-Encoding: chunked\r\n\r\nfffffffffffffffff\r\n",
       400},
      {"endless chunk extension",
       "POST /body HTTP/1.1\r\n" + kHost + "Transfer-Encoding: chunked\r\n\r\n1;" +
           std::string(200'000, 'x'),
       400},
  };
}

std::vector<BadCase> malformed() {
  return {
      {"no http", "hello\r\n\r\n", 400},
      {"tls on a plain port", std::string("\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\r\n\r\n", 14),
       400},
      {"no host", "GET /health HTTP/1.1\r\n\r\n", 400},
      {"two hosts", "GET /health HTTP/1.1\r\n" + kHost + "Host: evil\r\n\r\n", 400},
      {"stranger's host", "GET /health HTTP/1.1\r\nHost: evil.example\r\n\r\n", 403},
      {"absolute target of a stranger",
       "GET http://evil.example/health HTTP/1.1\r\n" + kHost + "\r\n", 403},
      {"http/2 preface", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505},
      {"unknown method", "BREW /health HTTP/1.1\r\n" + kHost + "\r\n", 501},
      {"connect", "CONNECT localhost:80 HTTP/1.1\r\n" + kHost + "\r\n", 501},
      {"trace", "TRACE /health HTTP/1.1\r\n" + kHost + "\r\n", 501},
      {"bare line feeds", "GET /health HTTP/1.1\nHost: localhost\n\n", 400},
      {"one bare line feed", "GET /health HTTP/1.1\r\nHost: localhost\n\r\n", 400},
      {"folded field", "GET /health HTTP/1.1\r\n" + kHost + "X: a\r\n b\r\n\r\n", 400},
      {"blank before the colon",
       "GET /health HTTP/1.1\r\n" + kHost + "Content-Length : 3\r\n\r\nabc", 400},
      {"control character", "GET /health HTTP/1.1\r\n" + kHost + "X: a\x01\r\n\r\n", 400},
      {"nul in a value", "GET /health HTTP/1.1\r\n" + kHost + std::string("X: a\0b\r\n\r\n", 10),
       400},
      {"header too long",
       "GET /health HTTP/1.1\r\n" + kHost + "X: " + std::string(40'000, 'x') + "\r\n\r\n", 431},
      {"header without end", "GET /health HTTP/1.1\r\n" + kHost + "X: " + std::string(70'000, 'x'),
       431},
      {"target too long", "GET /" + std::string(30'000, 'x') + " HTTP/1.1\r\n" + kHost + "\r\n",
       414},
      {"broken escape", "GET /%zz HTTP/1.1\r\n" + kHost + "\r\n", 400},
      {"dot segments", "GET /a/../health HTTP/1.1\r\n" + kHost + "\r\n", 400},
      {"broken escape in the query", "GET /health?a=%f HTTP/1.1\r\n" + kHost + "\r\n", 400},
      {"bad project", "GET /~.x/health HTTP/1.1\r\n" + kHost + "\r\n", 400},
  };
}

TEST(ServerLimits, MalformedAndSmuggledRequestsAreRefusedAndTheConnectionEnds) {
  World world({simple_row("/health", "OK"), body_row()});
  auto cases = malformed();
  std::ranges::move(smuggled(), std::back_inserter(cases));
  for (const BadCase& c : cases) {
    SCOPED_TRACE(c.name);
    RawClient client = world.client();
    client.send(c.request);
    const auto reply = client.reply();
    EXPECT_EQ(reply.status, c.status) << reply.body;
    EXPECT_EQ(reply.header("connection"), "close");
    EXPECT_TRUE(client.closed());
  }
  std::string many = "GET /health HTTP/1.1\r\n" + kHost;
  for (int i = 0; i < 101; ++i) many += concat({"X-", std::to_string(i), ": 1\r\n"});
  RawClient client = world.client();
  client.send(many + "\r\n");
  EXPECT_EQ(client.reply().status, 431);
}

TEST(ServerLimits, RefusalsOfWholeRequestsKeepTheConnection) {
  World world({simple_row("/health", "OK"), body_row()});
  RawClient client = world.client();
  EXPECT_EQ(client.get("/none").status, 404);
  EXPECT_EQ(client.get("/health/").status, 404);
  EXPECT_EQ(client.get("//none").status, 404);
  const auto doubled = client.get("/~p//health?a=//b");
  EXPECT_EQ(doubled.status, 308);
  EXPECT_EQ(doubled.header("location"), "/~p/health?a=//b");
  EXPECT_EQ(client.get("//health").header("location"), "/health");
  EXPECT_EQ(client.get("/HEALTH").status, 404);
  const auto wrong = client.get("/body");
  EXPECT_EQ(wrong.status, 405);
  EXPECT_EQ(wrong.header("allow"), "POST");
  client.send("OPTIONS /health HTTP/1.1\r\nHost: localhost\r\n\r\n");
  const auto options = client.reply();
  EXPECT_EQ(options.status, 204);
  EXPECT_EQ(options.header("allow"), "GET, HEAD, OPTIONS");
  client.send("HEAD /health HTTP/1.1\r\nHost: localhost\r\n\r\n");
  const auto head = client.reply(true);
  EXPECT_EQ(head.status, 200);
  EXPECT_EQ(head.header("content-length"), "2");
  // A method in disguise stays what it is.
  EXPECT_EQ(client.get("/health", "X-HTTP-Method-Override: DELETE\r\n").body, "OK");
}

TEST(ServerLimits, IdsAreTakenWhenSane) {
  World world({public_row(Method::kGet, "/ids", [](const Ctx& ctx, Request&) -> Result<Reply> {
    Reply reply;
    reply.body = concat({ctx.request_id, " ", ctx.trace_id});
    return reply;
  })});
  RawClient client = world.client();
  const std::string trace = "4bf92f3577b34da6a3ce929d0e0e4736";
  const std::string parent = "traceparent: 00-" + trace + "-00f067aa0ba902b7-01\r\n";
  const auto given = client.get("/ids", "X-Request-Id: abc-1.2\r\n" + parent);
  EXPECT_EQ(given.body, "abc-1.2 " + trace);
  EXPECT_EQ(given.header("x-request-id"), "abc-1.2");
  for (const std::string bad :
       {"x-request-id: <script>\r\n", "traceparent: 00-zz\r\n",
        "traceparent: 00-00000000000000000000000000000000-00f067aa0ba902b7-01\r\n",
        "traceparent: ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01\r\n"}) {
    SCOPED_TRACE(bad);
    const auto made = client.get("/ids", bad);
    EXPECT_EQ(made.body.size(), 13U + 1U + 32U);
    EXPECT_EQ(made.body.find("script"), std::string::npos);
  }
}

TEST(ServerLimits, OriginsOfStrangersChangeNothing) {
  std::atomic<int> changes = 0;
  World world({public_row(
                   Method::kPost, "/change",
                   [&](const Ctx&, Request&) -> Result<Reply> {
                     ++changes;
                     return Reply{};
                   },
                   memory(10)),
               simple_row("/health", "OK")});
  const auto post = [&](std::string_view origin) {
    RawClient client = world.client();
    client.send(concat(
        {"POST /change HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n", origin, "\r\n"}));
    return client.reply();
  };
  const auto refused = post("Origin: https://evil.example\r\n");
  EXPECT_EQ(refused.status, 403);
  EXPECT_EQ(refused.header("content-type"), "text/plain");
  EXPECT_EQ(post("Origin: null\r\n").status, 403);
  EXPECT_EQ(changes, 0);
  EXPECT_EQ(post("Origin: http://localhost:7070\r\n").status, 200);
  EXPECT_EQ(post("").status, 200);
  EXPECT_EQ(changes, 2);
  RawClient client = world.client();
  EXPECT_EQ(client.get("/health", "Origin: https://evil.example\r\n").status, 200);
}

TEST(ServerLimits, SlowClientsRunIntoTheirDeadlines) {
  FakeClock clock;
  World world({simple_row("/health", "OK"), body_row()},
              {.server = {.manual_ticks = true}, .clock = &clock});
  const auto pass = [&](int64_t ms) {
    RawClient other = world.client();
    other.get("/health");  // What was sent and written before has been taken note of by now.
    clock.advance_ms(ms);
    world.server().tick();
  };
  RawClient silent = world.client();
  RawClient head = world.client();
  head.send("GET /health HTTP/1.1\r\nHost: loc");
  RawClient body = world.client();
  body.send("POST /body HTTP/1.1\r\nHost: localhost\r\nContent-Length: 50000\r\n\r\nabc");
  RawClient good = world.client();
  EXPECT_EQ(good.get("/health").body, "OK");
  RawClient fast = world.client();
  fast.send("POST /body HTTP/1.1\r\nHost: localhost\r\nContent-Length: 12288\r\n\r\n");
  fast.send(std::string(6144, 'x'));
  pass(5'000);
  head.send("a");  // A byte now and then is no progress.
  pass(6'000);
  EXPECT_EQ(head.reply().status, 408);
  EXPECT_TRUE(head.closed());
  EXPECT_EQ(body.reply().status, 408);
  EXPECT_TRUE(body.closed());
  EXPECT_TRUE(silent.closed());
  fast.send(std::string(6144, 'x'));
  EXPECT_EQ(fast.reply().status, 200);
  EXPECT_EQ(good.get("/health").body, "OK");
  pass(70'000);
  EXPECT_EQ(good.get("/health").body, "OK");
  pass(76'000);
  EXPECT_TRUE(good.closed());
}

TEST(ServerLimits, TooMuchAtOnceIsRefusedAndPasses) {
  Latch latch;
  World world({slow_row(latch), simple_row("/health", "OK")},
              {.server = {.connections_max = 5}, .pool = {.threads_max = 1, .queue_max = 1}});
  RawClient a = world.client();
  a.send("GET /slow HTTP/1.1\r\nHost: localhost\r\n\r\n");
  latch.await_waiting(1);
  RawClient b = world.client();
  b.send("GET /slow HTTP/1.1\r\nHost: localhost\r\n\r\n");
  RawClient c = world.client();
  EXPECT_EQ(c.get("/health").body, "OK");  // So b is queued by now: one loop, in order.
  const auto full = c.get("/slow");
  EXPECT_EQ(full.status, 503);
  EXPECT_EQ(full.header("retry-after"), "1");
  EXPECT_EQ(c.get("/health").body, "OK");  // Inline rows need no pool.
  RawClient d = world.client();
  RawClient e = world.client();
  EXPECT_EQ(d.get("/health").body, "OK");
  EXPECT_EQ(e.get("/health").body, "OK");
  RawClient f = world.client();
  EXPECT_EQ(f.reply().status, 503);
  latch.open();
  EXPECT_EQ(a.reply().status, 200);
  EXPECT_EQ(b.reply().status, 200);
}

TEST(ServerLimits, WhatWaitsForOthersHoldsNobodyUp) {
  Latch latch;
  Route waits = slow_row(latch);
  waits.waits_for_others = true;
  const auto waiting = make_pool(real_executor(), real_clock(), {.threads_max = 1, .queue_max = 1});
  World world({std::move(waits), public_row(Method::kGet, "/quick", nullptr)},
              {.pool = {.threads_max = 1, .queue_max = 1}, .waiting_pool = waiting.get()});
  RawClient a = world.client();
  a.send("GET /slow HTTP/1.1\r\nHost: localhost\r\n\r\n");
  latch.await_waiting(1);
  RawClient b = world.client();
  b.send("GET /slow HTTP/1.1\r\nHost: localhost\r\n\r\n");
  RawClient c = world.client();
  EXPECT_EQ(c.get("/quick").status, 200);
  EXPECT_EQ(c.get("/slow").status, 503);  // Its own pool is full.
  EXPECT_EQ(c.get("/quick").status, 200);
  latch.open();
  EXPECT_EQ(a.reply().status, 200);
  EXPECT_EQ(b.reply().status, 200);
}

TEST(ServerLimits, DrainFinishesWhatIsInFlight) {
  Latch latch;
  World world({slow_row(latch), simple_row("/health", "OK")});
  RawClient busy = world.client();
  RawClient idle = world.client();
  EXPECT_EQ(idle.get("/health").body, "OK");
  busy.send("GET /slow HTTP/1.1\r\nHost: localhost\r\n\r\n");
  latch.await_waiting(1);
  const uint16_t port = world.port();
  auto drain = real_executor().spawn("drain", [&] { world.server().drain(10'000); });
  EXPECT_TRUE(idle.closed());  // So the draining has begun.
  EXPECT_FALSE(real_net().dial({"127.0.0.1", port}, real_clock().steady_ns() + 1'000'000'000).ok());
  latch.open();
  const auto reply = busy.reply();
  EXPECT_EQ(reply.status, 200);
  EXPECT_EQ(reply.header("connection"), "close");
  EXPECT_TRUE(busy.closed());
  drain->join();
  EXPECT_EQ(world.server().connections(), 0U);
}

TEST(ServerLimits, TheEndCutsWhatDoesNotFinish) {
  std::atomic<bool> saw_cancel = false;
  Latch entered;
  {
    World world(
        {public_row(Method::kGet, "/forever", [&](const Ctx& ctx, Request&) -> Result<Reply> {
          entered.open();
          while (!ctx.cancelled()) real_executor().spawn("nap", [] {})->join();
          saw_cancel = true;
          return Reply{};
        })});
    RawClient client = world.client();
    client.send("GET /forever HTTP/1.1\r\nHost: localhost\r\n\r\n");
    entered.wait();
    world.server().drain(0);
    EXPECT_TRUE(client.closed());
  }
  EXPECT_TRUE(saw_cancel);
}

TEST(ServerLimits, HandlersThatThrowOrForgetAnswer500) {
  Route threw = public_row(Method::kGet, "/throws", [](const Ctx&, Request&) -> Result<Reply> {
    return Reply{.status = std::vector<int>().at(1)};
  });
  Route inline_threw = simple_row("/inline-throws", "");
  inline_threw.inline_ = [](const Ctx&, Request&, Responder) {
    EXPECT_EQ(std::vector<int>().at(1), 0);
  };
  Route forgot = simple_row("/forgets", "");
  forgot.inline_ = [](const Ctx&, Request&, Responder) {};
  World world({threw, inline_threw, forgot, simple_row("/health", "OK")});
  RawClient client = world.client();
  for (const std::string_view path : {"/throws", "/inline-throws", "/forgets"}) {
    SCOPED_TRACE(path);
    EXPECT_EQ(client.get(path).status, 500);
  }
  EXPECT_EQ(client.get("/health").body, "OK");
}

TEST(ServerLimits, AnswersMayComeLaterFromAnyThread) {
  std::unique_ptr<Task> task;
  Route later = simple_row("/later", "");
  later.inline_ = [&](const Ctx& ctx, Request& request, Responder respond) {
    auto held = std::make_shared<Responder>(std::move(respond));
    task = real_executor().spawn("later", [held, &ctx, &request] {
      Reply reply;
      reply.body = concat({ctx.request_id, request.path});
      std::move (*held)(std::move(reply));
    });
  };
  Route turn = simple_row("/turn", "");
  turn.inline_ = [](const Ctx&, Request&, Responder respond) {
    auto held = std::make_shared<Responder>(std::move(respond));
    EXPECT_TRUE(at_turn_end([held] { std::move (*held)(Reply{.body = "turned"}); }));
  };
  World world({later, turn});
  RawClient client = world.client();
  EXPECT_EQ(client.get("/later", "x-request-id: r1\r\n").body, "r1/later");
  EXPECT_EQ(client.get("/turn").body, "turned");
  EXPECT_FALSE(at_turn_end([] {}));
}

// Replies of one turn leave together, but none waits long for others that are still being made.
TEST(ServerLimits, ALongTurnSendsWhatIsReady) {
  FakeClock clock;
  Latch gate;
  Latch held;
  const auto on_loop = [](std::string path, std::function<void()> work) {
    Route row = simple_row(std::move(path), "");
    row.inline_ = [work = std::move(work)](const Ctx&, Request&, Responder respond) {
      work();
      std::move(respond)(Reply{.body = "done"});
    };
    return row;
  };
  World world({on_loop("/gate", [&] { gate.wait(); }), on_loop("/plain", [] {}),
               on_loop("/takes-a-second", [&] { clock.advance_ms(1000); }),
               on_loop("/held", [&] { held.wait(); })},
              {.clock = &clock});
  std::vector<RawClient> clients;
  for (int i = 0; i < 4; ++i) {
    clients.push_back(world.client());
    EXPECT_EQ(clients.back().get("/plain").body, "done");  // The loop reads from it.
  }
  const auto ask = [&](size_t i, std::string_view path) {
    clients[i].send(concat({"GET ", path, " HTTP/1.1\r\nHost: localhost\r\n\r\n"}));
  };
  ask(0, "/gate");
  gate.await_waiting(1);
  ask(1, "/plain");  // These three are one turn.
  ask(2, "/takes-a-second");
  ask(3, "/held");
  gate.open();
  held.await_waiting(1);
  for (const size_t i : {0U, 1U, 2U}) EXPECT_EQ(clients[i].reply().body, "done");
  held.open();
  EXPECT_EQ(clients[3].reply().body, "done");
}

TEST(ServerLimits, EventsArePushedAndEndWithTheClient) {
  FakeClock clock;
  const auto events = std::make_shared<EventStream>();
  World world({public_row(Method::kGet, "/events",
                          [&](const Ctx&, Request& request) -> Result<Reply> {
                            events->send({"1", "", request.header("last-event-id")});
                            Reply reply;
                            reply.events = events;
                            return reply;
                          }),
               simple_row("/health", "OK")},
              {.server = {.manual_ticks = true}, .clock = &clock});
  {
    RawClient client = world.client();
    client.send("GET /events HTTP/1.1\r\nHost: localhost\r\nLast-Event-ID: 7\r\n\r\n");
    EXPECT_NE(client.read_until("\r\n\r\n").find("text/event-stream"), std::string::npos);
    EXPECT_TRUE(client.read_until("\n\n").ends_with("id: 1\ndata: 7\n\n"));
    EXPECT_TRUE(events->send({"2", "change", "two\nlines"}));
    EXPECT_TRUE(
        client.read_until("\n\n").ends_with("id: 2\nevent: change\ndata: two\ndata: lines\n\n"));
    RawClient other = world.client();
    other.get("/health");  // The write has been taken note of by now.
    clock.advance_ms(16'000);
    world.server().tick();
    EXPECT_TRUE(client.read_until(": \n\n").ends_with(": \n\n"));
  }
  // The server learns of the end by itself; the producer by the next send after that.
  while (events->send({"3", "", "x"})) real_executor().spawn("nap", [] {})->join();
  EXPECT_FALSE(events->open());
  RawClient reader = world.client();
  reader.send("HEAD /events HTTP/1.1\r\nHost: localhost\r\n\r\n");
  EXPECT_EQ(reader.reply(true).header("content-type"), "text/event-stream");
  EXPECT_EQ(reader.get("/health").body, "OK");
}

TEST(ServerLimits, ABusyPortIsAClearError) {
  World first({simple_row("/health", "OK")});
  Budget budget(1 << 20);
  testing::TwoTokens gate;
  const auto pool = make_pool(real_executor(), real_clock(), {});
  const ServerParts parts{real_executor(), real_clock(), real_rng(), null_log(),
                          *pool,           budget,       gate};
  for (const int threads : {1, 2}) {
    auto second = Server::start(parts, {simple_row("/health", "OK")},
                                {.port = first.port(), .threads = threads});
    ASSERT_FALSE(second.ok());
    EXPECT_EQ(second.error().reason, "http.port_in_use");
  }
  EXPECT_EQ(Server::start(parts, {}, {.host = "nowhere"}).error().reason, "http.bind");
  EXPECT_EQ(Server::start(parts, {}, {.host = "192.0.2.1"}).error().reason, "http.bind");
  auto two = Server::start(parts, {simple_row("/health", "two")},
                           {.host = "localhost", .port = 0, .threads = 2});
  ASSERT_TRUE(two.ok());
  for (int i = 0; i < 20; ++i) {
    RawClient client((*two)->port());
    EXPECT_EQ(client.get("/health").body, "two");
  }
}

}  // namespace
}  // namespace slip::http
