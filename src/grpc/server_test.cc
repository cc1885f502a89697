#include "grpc/server.h"

#include <gtest/gtest.h>

#include "base/error_map.h"
#include "base/text.h"
#include "grpc/message_stream.h"
#include "sys/log.h"
#include "sys/sync.h"
#include "test/grpc/method_sweep.h"
#include "test/grpc/world.h"

namespace slip::grpc {
namespace {

using testing::Answer;
using testing::blocking_row;
using testing::Client;
using testing::ClientCall;
using testing::echo_row;
using testing::inline_row;
using testing::World;
using testing::WorldOptions;

constexpr const char* kSay = "test.Echo/Say";
constexpr int64_t kPatienceNs = 10'000'000'000;

// A flag that one thread raises and another waits for.
class Event {
 public:
  void raise() {
    const sys::Lock lock(mutex_);
    raised_ = true;
    changed_.notify_all();
  }
  bool await() {
    const int64_t deadline = real_clock().steady_ns() + kPatienceNs;
    sys::Lock lock(mutex_);
    while (!raised_)
      if (!changed_.wait_until(lock, deadline)) return false;
    return true;
  }

 private:
  sys::Mutex mutex_;
  sys::CondVar changed_;
  bool raised_ = false;
};

TEST(GrpcServer, AnswersByBothShapesOfHandlers) {
  World world({echo_row(),
               blocking_row("test.Echo/Shout", [](const Ctx&, Request& request) -> Result<Reply> {
                 return Reply{concat({request.message, "!"})};
               })});
  Client client = world.client();
  const std::string large(3 << 20, 'x');  // Comes in many pieces.
  for (const std::string& message : {std::string(), std::string("hello"), large}) {
    const Answer said = client.ask(kSay, message);
    EXPECT_EQ(said.code, 0) << said.text;
    EXPECT_TRUE(said.message == message);
    EXPECT_EQ(client.ask("test.Echo/Shout", message).message.size(), message.size() + 1);
  }
}

TEST(GrpcServer, AnErrorIsItsCodeTextAndReason) {
  World world({blocking_row("test.E/Fail", [](const Ctx&, Request& request) -> Result<Reply> {
    const auto number = static_cast<Code>(request.message[0] - 'a');
    return Error{number, "test.reason", "why \xc3\xa4", "do \n that"};
  })});
  Client client = world.client();
  for (int i = 0; i < kCodeCount; ++i) {
    const Answer answer = client.ask("test.E/Fail", std::string(1, static_cast<char>('a' + i)));
    EXPECT_EQ(answer.code, code_row(static_cast<Code>(i)).grpc_status);
    EXPECT_EQ(answer.text, "why \xc3\xa4");
    EXPECT_EQ(answer.trailing_value("x-slipway-reason"), "test.reason");
    EXPECT_EQ(answer.trailing_value("x-slipway-hint"), "do ? that");
  }
}

TEST(GrpcServer, TrailingMetadataIsMadeSafe) {
  World world({blocking_row("test.T/Tell", [](const Ctx& ctx, Request&) -> Result<Reply> {
    return Reply{"", {{"x-odd", "a\x01\xff"}, {"x-project", ctx.project.text}}};
  })});
  Client client = world.client();
  const Answer answer =
      client.ask("test.T/Tell", "", {{"x-request-id", "r-1"}, {"x-slipway-project", "team"}});
  EXPECT_EQ(answer.trailing_value("x-odd"), "a??");
  EXPECT_EQ(answer.trailing_value("x-project"), "team");
  EXPECT_EQ(answer.trailing_value("x-request-id"), "r-1");
  const Answer other = client.ask("test.T/Tell", "", {{"x-mlflow-workspace", "space"}});
  EXPECT_EQ(other.trailing_value("x-project"), "space");
  EXPECT_EQ(other.trailing_value("x-request-id").size(), 13U);
  EXPECT_EQ(client.ask("test.T/Tell", "", {{"x-slipway-project", "../x"}}).code, 3);
}

TEST(GrpcServer, StrangersAreTurnedAway) {
  World world({echo_row()});
  testing::sweep_methods(world.server().rows(), {.port = world.port(),
                                                 .authorization = "Bearer good",
                                                 .foreign_authorization = "Bearer slp_foreign",
                                                 .public_rows = {}});
  Client client = world.client();
  EXPECT_EQ(client.ask(kSay, "", {{"authorization", "Bearer reader"}}).code, 7);
  EXPECT_EQ(client.ask("test.Echo/Nothing", "").code, 12);
  EXPECT_EQ(client.ask("other", "").code, 12);
}

TEST(GrpcServer, LimitsRefuseAndTheServerLivesOn) {
  Method small = echo_row();
  small.name = "test.Echo/Small";
  small.message_bytes_max = 10;
  Method large = echo_row();
  large.message_bytes_max = 1 << 30;  // Above what the server allows.
  WorldOptions options;
  options.server.message_bytes_max = 1 << 20;
  options.budget_bytes = 1 << 20;
  World world({small, large}, options);
  EXPECT_EQ(world.server().rows()[1].message_bytes_max, 1 << 20);
  Client client = world.client();
  EXPECT_EQ(client.ask("test.Echo/Small", std::string(10, 'x')).code, 0);
  const Answer refused = client.ask("test.Echo/Small", std::string(11, 'x'));
  EXPECT_EQ(refused.code, 8);
  EXPECT_EQ(refused.trailing_value("x-slipway-reason"), "call.message_too_large");
  EXPECT_EQ(client.ask(kSay, std::string((1 << 20) + 1, 'x')).code, 8);
  const Answer no_room = client.ask(kSay, std::string(900 << 10, 'x'));
  EXPECT_EQ(no_room.trailing_value("x-slipway-reason"), "memory.share_full");
  EXPECT_EQ(client.ask(kSay, "x").code, 0);
  EXPECT_EQ(world.budget.used(Share::kBodies), 0);
}

TEST(GrpcServer, OnlySoManyCallsAtOnce) {
  Event began;
  Event go_on;
  WorldOptions options;
  options.server.calls_max = 1;
  World world({echo_row(), blocking_row("test.Echo/Wait",
                                        [&](const Ctx&, Request&) -> Result<Reply> {
                                          began.raise();
                                          EXPECT_TRUE(go_on.await());
                                          return Reply{"done"};
                                        })},
              options);
  Client client = world.client();
  ClientCall waiting = client.open("test.Echo/Wait");
  ASSERT_TRUE(waiting.send(""));
  ASSERT_TRUE(began.await());
  const Answer refused = client.ask(kSay, "x");
  EXPECT_EQ(refused.code, 8);
  EXPECT_EQ(refused.trailing_value("x-slipway-reason"), "call.too_many");
  go_on.raise();
  std::string message;
  EXPECT_TRUE(waiting.receive(&message));
  EXPECT_EQ(message, "done");
  EXPECT_EQ(waiting.end().code, 0);
}

TEST(GrpcServer, StrangersCannotTakeAllTheRoom) {
  Method open = echo_row();
  open.name = "test.Echo/Open";
  open.kind = Kind::kBidi;
  open.permission = {http::Right::kPublic, "server"};
  Method closed = open;
  closed.name = "test.Echo/Closed";
  closed.permission = {http::Right::kUse, "thing"};
  WorldOptions options;
  options.server.streams_max = 8;
  World world({open, closed}, options);
  Client client = world.client();
  std::vector<ClientCall> calls;
  std::string message;
  const auto begin = [&](const char* name) {
    calls.push_back(client.open(name));
    return calls.back().send("x") && calls.back().receive(&message);
  };
  EXPECT_TRUE(begin("test.Echo/Open"));
  EXPECT_TRUE(begin("test.Echo/Open"));
  EXPECT_FALSE(begin("test.Echo/Open"));
  EXPECT_EQ(calls.back().end().trailing_value("x-slipway-reason"), "call.too_many_streams");
  for (int i = 0; i < 6; ++i) EXPECT_TRUE(begin("test.Echo/Closed")) << i;
  EXPECT_FALSE(begin("test.Echo/Closed"));
}

TEST(GrpcServer, AMessageThatDoesNotComeIsNotWaitedFor) {
  WorldOptions options;
  options.server.stall_ms = 50;
  options.server.message_bytes_max = 1 << 10;
  World world({echo_row()}, options);
  Client client = world.client();
  ClientCall silent = client.open(kSay);
  std::string message;
  EXPECT_FALSE(silent.receive(&message));
  const auto ended = silent.end();
  EXPECT_EQ(ended.code, 4);
  EXPECT_EQ(ended.trailing_value("x-slipway-reason"), "call.message_late");
}

// The code of the first call that ends.
struct FirstEnd final : Probe {
  void finished(const Ctx&, const Finished& what) override {
    code = what.code;
    ended.raise();
  }
  Event ended;
  std::atomic<int> code{-1};
};

TEST(GrpcServer, AReplyThatNobodyTakesIsGivenUp) {
  FirstEnd probe;
  WorldOptions options;
  options.server.bytes_per_second_min = 1 << 29;
  options.server.stall_ms = 50;
  options.probe = &probe;
  World world({inline_row("test.Echo/Much",
                          [](const Ctx&, Request&, Responder respond) {
                            std::move(respond)(Reply{std::string(48 << 20, 'x')});
                          })},
              options);
  Client client = world.client();
  ClientCall deaf = client.open("test.Echo/Much");  // Its window is smaller than the reply.
  ASSERT_TRUE(deaf.send(""));
  const int64_t sent_ns = real_clock().steady_ns();
  // Takes its connection's bytes, but not the call's.
  const auto polling = real_executor().spawn("poll", [&] { deaf.end(); });
  EXPECT_TRUE(probe.ended.await());
  EXPECT_EQ(probe.code, 1);
  EXPECT_LT(real_clock().steady_ns() - sent_ns, kPatienceNs / 2);  // Before the client's own end.
  deaf.cancel();
  polling->join();
}

TEST(GrpcServer, AHandlerLearnsThatItsClientHasGone) {
  Event began;
  Event seen;
  World world({blocking_row("test.Echo/Wait", [&](const Ctx& ctx, Request&) -> Result<Reply> {
    began.raise();
    const int64_t deadline = real_clock().steady_ns() + kPatienceNs;
    while (!ctx.cancelled() && real_clock().steady_ns() < deadline) {}
    if (ctx.cancelled()) seen.raise();
    return Reply{};
  })});
  Client client = world.client();
  {
    ClientCall call = client.open("test.Echo/Wait");
    ASSERT_TRUE(call.send(""));
    ASSERT_TRUE(began.await());
    call.cancel();
    EXPECT_EQ(call.end().code, 1);
  }
  EXPECT_TRUE(seen.await());
}

TEST(GrpcServer, TheClientsDeadlineIsTheHandlers) {
  std::atomic<int64_t> left_ns{0};
  World world({inline_row("test.Echo/Left", [&](const Ctx& ctx, Request&, Responder respond) {
    left_ns = ctx.deadline_ns - real_clock().steady_ns();
    std::move(respond)(Reply{});
  })});
  Client client = world.client();
  EXPECT_EQ(client.ask("test.Echo/Left", "", {}, 5'000).code, 0);
  EXPECT_GT(left_ns, 0);
  EXPECT_LE(left_ns, 6'000'000'000);  // The library rounds up.
}

TEST(GrpcServer, AnUnansweredCallIsAnsweredAndALateOneToo) {
  Event keep;
  Responder kept;
  World world({inline_row("test.Echo/Forget", [](const Ctx&, Request&, Responder) {}),
               inline_row("test.Echo/Keep", [&](const Ctx&, Request&, Responder respond) {
                 kept = std::move(respond);
                 keep.raise();
               })});
  Client client = world.client();
  const Answer forgotten = client.ask("test.Echo/Forget", "");
  EXPECT_EQ(forgotten.code, 13);
  EXPECT_EQ(forgotten.trailing_value("x-slipway-reason"), "request.unanswered");
  ClientCall call = client.open("test.Echo/Keep");
  ASSERT_TRUE(call.send(""));
  ASSERT_TRUE(keep.await());
  std::move(kept)(Reply{"late"});  // From a thread that is no queue's.
  std::string message;
  EXPECT_TRUE(call.receive(&message));
  EXPECT_EQ(message, "late");
}

Method bidi_row(Inline handler) {
  Method row = inline_row("test.Echo/Chat", std::move(handler));
  row.kind = Kind::kBidi;
  return row;
}

TEST(GrpcServer, AStreamAnswersMessageAfterMessage) {
  World world({bidi_row([](const Ctx&, Request& request, Responder respond) {
    if (request.message == "stop") return std::move(respond)(invalid("test.stop", "stopped"));
    std::move(respond)(Reply{concat({request.message, "!"})});
  })});
  Client client = world.client();
  ClientCall call = client.open("test.Echo/Chat");
  std::string message;
  for (int i = 0; i < 50; ++i) {
    ASSERT_TRUE(call.send(std::to_string(i)));
    ASSERT_TRUE(call.receive(&message));
    EXPECT_EQ(message, std::to_string(i) + "!");
  }
  call.done();
  EXPECT_FALSE(call.receive(&message));
  EXPECT_EQ(call.end().code, 0);
  ClientCall stopped = client.open("test.Echo/Chat");
  ASSERT_TRUE(stopped.send("stop"));
  EXPECT_FALSE(stopped.receive(&message));
  EXPECT_EQ(stopped.end().text, "stopped");
}

TEST(GrpcServer, ARenderedErrorLeavesTheStreamOpen) {
  Method row = bidi_row([](const Ctx&, Request& request, Responder respond) {
    if (request.message == "bad") return std::move(respond)(invalid("test.bad", "it is bad"));
    std::move(respond)(Reply{"good"});
  });
  row.message_bytes_max = 10;
  row.render_error = [](const Error& error, const Request& request) -> Result<Reply> {
    if (!request.header("x-strict").empty()) return error;
    return Reply{error.text};
  };
  World world({row, echo_row()});  // The largest limit is the library's, which ends the call.
  Client client = world.client();
  ClientCall call = client.open("test.Echo/Chat");
  std::string message;
  for (const char* say : {"bad", "ok", "far too long", "ok"}) {
    ASSERT_TRUE(call.send(say));
    ASSERT_TRUE(call.receive(&message)) << say;
    EXPECT_EQ(message == "good", std::string_view(say) == "ok") << say;
  }
  ClientCall strict = client.open("test.Echo/Chat", {{"x-strict", "1"}});
  ASSERT_TRUE(strict.send("bad"));
  EXPECT_FALSE(strict.receive(&message));
  EXPECT_EQ(strict.end().code, 3);
}

struct Pushed {
  std::shared_ptr<MessageStream> stream = std::make_shared<MessageStream>();
  Event opened;
  Method row() {
    Method out = inline_row("test.Echo/Listen", nullptr);
    out.kind = Kind::kServerStream;
    out.open = [this](const Ctx&, Request& request) -> Result<std::shared_ptr<MessageStream>> {
      if (request.message == "no") return forbidden("test.no", "not this");
      opened.raise();
      return stream;
    };
    return out;
  }
};

TEST(GrpcServer, AServerStreamWritesWhatIsPushed) {
  Pushed pushed;
  World world({pushed.row()});
  Client client = world.client();
  ClientCall call = client.open("test.Echo/Listen");
  ASSERT_TRUE(call.send("yes"));
  call.done();
  ASSERT_TRUE(pushed.opened.await());
  std::string message;
  for (int i = 0; i < 20; ++i) {
    EXPECT_TRUE(pushed.stream->send(std::to_string(i)));
    if (i % 3 == 0) {
      EXPECT_TRUE(call.receive(&message));
    }
  }
  for (int i = 7; i < 20; ++i) EXPECT_TRUE(call.receive(&message));
  EXPECT_EQ(message, "19");
  pushed.stream->close(conflict("test.end", "over"));
  EXPECT_FALSE(call.receive(&message));
  EXPECT_EQ(call.end().code, 9);
  EXPECT_EQ(client.ask("test.Echo/Listen", "no").code, 7);
}

TEST(GrpcServer, AProducerMayOutliveClientAndServer) {
  Pushed pushed;
  {
    World world({pushed.row()});
    Client client = world.client();
    ClientCall call = client.open("test.Echo/Listen");
    ASSERT_TRUE(call.send("yes"));
    ASSERT_TRUE(pushed.opened.await());
    call.cancel();
    EXPECT_EQ(call.end().code, 1);
    const int64_t deadline = real_clock().steady_ns() + kPatienceNs;
    while (pushed.stream->open() && real_clock().steady_ns() < deadline) {}
    EXPECT_FALSE(pushed.stream->send("into nowhere"));
  }
  pushed.stream->close();
}

TEST(GrpcServer, DrainingEndsStreamsThatRestAndWaitsForCalls) {
  Pushed pushed;
  Event began;
  Event go_on;
  World world({pushed.row(), bidi_row([](const Ctx&, Request&, Responder respond) {
                 std::move(respond)(Reply{"ok"});
               }),
               blocking_row("test.Echo/Wait", [&](const Ctx&, Request&) -> Result<Reply> {
                 began.raise();
                 EXPECT_TRUE(go_on.await());
                 return Reply{"finished"};
               })});
  Client client = world.client();
  ClientCall chat = client.open("test.Echo/Chat");
  std::string message;
  ASSERT_TRUE(chat.send("x"));
  ASSERT_TRUE(chat.receive(&message));
  ClientCall listening = client.open("test.Echo/Listen");
  ASSERT_TRUE(listening.send("yes"));
  ASSERT_TRUE(pushed.opened.await());
  ClientCall waiting = client.open("test.Echo/Wait");
  ASSERT_TRUE(waiting.send(""));
  ASSERT_TRUE(began.await());
  const auto draining = real_executor().spawn("drain", [&] { world.server().drain(8'000); });
  EXPECT_FALSE(chat.receive(&message));
  EXPECT_EQ(chat.end().code, 14);
  EXPECT_FALSE(listening.receive(&message));
  EXPECT_EQ(listening.end().code, 14);
  go_on.raise();
  EXPECT_TRUE(waiting.receive(&message));
  EXPECT_EQ(message, "finished");
  EXPECT_EQ(waiting.end().code, 0);
  draining->join();
  EXPECT_EQ(world.server().calls(), 0U);
}

TEST(GrpcServer, WhatIsReadyTogetherEndsItsTurnTogether) {
  std::atomic<int> turns{0};
  World world({inline_row("test.Echo/Turn", [&](const Ctx&, Request&, Responder respond) {
    auto waiting = std::make_shared<Responder>(std::move(respond));
    EXPECT_TRUE(at_turn_end([&turns, waiting] {
      ++turns;
      std::move (*waiting)(Reply{"turned"});
    }));
  })});
  Client client = world.client();
  for (int i = 0; i < 5; ++i) EXPECT_EQ(client.ask("test.Echo/Turn", "").message, "turned");
  EXPECT_EQ(turns, 5);
  EXPECT_FALSE(at_turn_end([] {}));  // This thread is no queue's.
}

TEST(GrpcServer, ReportsWhatEnded) {
  struct Counts final : Probe {
    void finished(const Ctx& ctx, const Finished& what) override {
      const sys::Lock lock(mutex);
      lines.push_back(concat({what.method ? what.method->name : "none", " ",
                              std::to_string(what.code), " ", std::to_string(what.bytes_in), " ",
                              std::to_string(what.bytes_out), " ", ctx.actor_uid}));
    }
    sys::Mutex mutex;
    std::vector<std::string> lines;
  } probe;
  {
    WorldOptions options;
    options.probe = &probe;
    World world({echo_row()}, options);
    Client client = world.client();
    client.ask(kSay, "12345");
    client.ask("test.Echo/Nothing", "");
  }
  EXPECT_EQ(probe.lines,
            (std::vector<std::string>{"test.Echo/Say 0 5 5 alice", "none 12 0 0 local"}));
}

TEST(GrpcServer, APortHasOneServerAndBadRowsNone) {
  World world({echo_row()});
  const ServerParts parts{.executor = real_executor(),
                          .clock = real_clock(),
                          .rng = real_rng(),
                          .log = null_log(),
                          .pool = world.pool(),
                          .budget = world.budget,
                          .gate = world.gate};
  ServerOptions options;
  options.port = world.port();
  EXPECT_EQ(Server::start(parts, {echo_row()}, options).error().reason, "grpc.port_in_use");
  options.port = 0;
  EXPECT_EQ(Server::start(parts, {echo_row(), echo_row()}, options).error().reason,
            "methods.invalid");
  Client client = world.client();
  EXPECT_EQ(client.ask(kSay, "still").message, "still");
}

}  // namespace
}  // namespace slip::grpc
