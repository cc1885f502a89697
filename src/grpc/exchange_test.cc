#include "grpc/exchange.h"

#include <gtest/gtest.h>

#include "base/text.h"
#include "grpc/server.h"
#include "sys/sync.h"
#include "test/grpc/world.h"

namespace slip::grpc {
namespace {

using testing::Client;
using testing::ClientCall;
using testing::World;

constexpr const char* kPut = "test.Files/Put";
constexpr const char* kGet = "test.Files/Get";

// What the exchanges of a world have done; any thread.
class Count {
 public:
  struct Seen {
    int alive = 0;
    int taken = 0;
    int made = 0;
  };
  void add(int Seen::* what, int by) {
    const sys::Lock lock(mutex_);
    seen_.*what += by;
    changed_.notify_all();
  }
  Seen seen() const {
    const sys::Lock lock(mutex_);
    return seen_;
  }
  bool await(const std::function<bool(const Seen&)>& holds) {
    const int64_t deadline = real_clock().steady_ns() + 10'000'000'000;
    sys::Lock lock(mutex_);
    while (!holds(seen_))
      if (!changed_.wait_until(lock, deadline)) return false;
    return true;
  }

 private:
  mutable sys::Mutex mutex_;
  sys::CondVar changed_;
  Seen seen_;
};
using Seen = Count::Seen;

// Takes lines, then gives them back in reverse; "bad" is refused, "after" makes the replies fail.
class Lines final : public Exchange {
 public:
  explicit Lines(Count* count) : count_(count) { count_->add(&Seen::alive, 1); }
  ~Lines() override { count_->add(&Seen::alive, -1); }
  Status take(const Ctx&, std::string_view message) override {
    count_->add(&Seen::taken, 1);
    if (message == "bad") return invalid("test.bad", "a bad line");
    lines_.emplace_back(message);
    return {};
  }
  Result<std::optional<std::string>> next(const Ctx&) override {
    if (lines_.empty()) return std::optional<std::string>();
    std::string line = std::move(lines_.back());
    lines_.pop_back();
    if (line == "after") return conflict("test.after", "too late");
    count_->add(&Seen::made, 1);
    return std::optional(std::move(line));
  }

 private:
  Count* count_;
  std::vector<std::string> lines_;
};

// "N SIZE": so many messages of that size.
class Numbers final : public Exchange {
 public:
  Numbers(Count* count, int64_t left, size_t size) : count_(count), left_(left), size_(size) {
    count_->add(&Seen::alive, 1);
  }
  ~Numbers() override { count_->add(&Seen::alive, -1); }
  Status take(const Ctx&, std::string_view) override { return internal("test.take", "never"); }
  Result<std::optional<std::string>> next(const Ctx&) override {
    if (left_-- == 0) return std::optional<std::string>();
    count_->add(&Seen::made, 1);
    return std::optional(std::string(size_, 'x'));
  }

 private:
  Count* count_;
  int64_t left_;
  size_t size_;
};

Method row(std::string name, Kind kind, Begin begin) {
  Method m = testing::inline_row(std::move(name), nullptr);
  m.kind = kind;
  m.begin = std::move(begin);
  return m;
}

std::vector<Method> rows(Count* count) {
  std::vector<Method> out;
  out.push_back(row(kPut, Kind::kBidi,
                    [count](const Ctx&, const Request&) -> Result<std::unique_ptr<Exchange>> {
                      return std::unique_ptr<Exchange>(std::make_unique<Lines>(count));
                    }));
  out.push_back(
      row(kGet, Kind::kServerStream,
          [count](const Ctx&, const Request& request) -> Result<std::unique_ptr<Exchange>> {
            const auto words = split(request.message, ' ');
            if (words.size() != 2) return not_found("test.ticket", "no such ticket");
            return std::unique_ptr<Exchange>(std::make_unique<Numbers>(
                count, parse_int(words[0]).value(), static_cast<size_t>(*parse_int(words[1]))));
          }));
  return out;
}

void await_none(Count& count) {
  EXPECT_TRUE(count.await([](const Seen& seen) { return seen.alive == 0; }));
}

TEST(GrpcExchange, TakesEverythingThenReplies) {
  Count count;
  World world(rows(&count));
  Client client = world.client();
  ClientCall call = client.open(kPut);
  for (int i = 0; i < 200; ++i) ASSERT_TRUE(call.send(std::to_string(i)));
  call.done();
  std::string message;
  for (int i = 199; i >= 0; --i) {
    ASSERT_TRUE(call.receive(&message));
    EXPECT_EQ(message, std::to_string(i));
  }
  EXPECT_FALSE(call.receive(&message));
  EXPECT_EQ(call.end().code, 0);
  ClientCall empty = client.open(kPut);
  empty.done();
  EXPECT_FALSE(empty.receive(&message));
  EXPECT_EQ(empty.end().code, 0);
  await_none(count);
}

TEST(GrpcExchange, AnErrorEndsItWhereverItComes) {
  Count count;
  World world(rows(&count));
  Client client = world.client();
  std::string message;
  ClientCall bad = client.open(kPut);
  ASSERT_TRUE(bad.send("good"));
  ASSERT_TRUE(bad.send("bad"));
  EXPECT_FALSE(bad.receive(&message));
  EXPECT_EQ(bad.end().trailing_value("x-slipway-reason"), "test.bad");
  ClientCall late = client.open(kPut);
  ASSERT_TRUE(late.send("after"));
  ASSERT_TRUE(late.send("first"));
  late.done();
  ASSERT_TRUE(late.receive(&message));
  EXPECT_EQ(message, "first");
  EXPECT_FALSE(late.receive(&message));
  EXPECT_EQ(late.end().text, "too late");
  EXPECT_EQ(client.ask(kGet, "none").trailing_value("x-slipway-reason"), "test.ticket");
  await_none(count);
}

// gRPC isn't instrumented: each byte that it carries would be looked into as a race.
#if !defined(SLIPWAY_TSAN)
TEST(GrpcExchange, ASlowClientSlowsTheReplies) {
  Count count;
  World world(rows(&count));
  Client client = world.client();
  ClientCall call = client.open(kGet);
  ASSERT_TRUE(call.send("1000 1000000"));
  call.done();
  std::string message;
  for (int i = 0; i < 10; ++i) ASSERT_TRUE(call.receive(&message));
  EXPECT_LT(count.seen().made, 200);  // What the transport holds, and not all of it.
  call.cancel();
  EXPECT_NE(call.end().code, 0);
  await_none(count);
  EXPECT_LT(count.seen().made, 1000);
}
#endif

TEST(GrpcExchange, AClientThatGoesMidwayLeavesNothing) {
  Count count;
  World world(rows(&count));
  Client client = world.client();
  for (int i = 0; i < 20; ++i) {
    ClientCall call = client.open(kPut);
    ASSERT_TRUE(call.send("x"));
    call.cancel();
    EXPECT_EQ(call.end().code, 1);
  }
  await_none(count);
  EXPECT_EQ(client.ask(kGet, "1 5").message, "xxxxx");
}

TEST(GrpcExchange, DrainingEndsOneThatWaitsForItsClient) {
  Count count;
  World world(rows(&count));
  Client client = world.client();
  ClientCall call = client.open(kPut);
  ASSERT_TRUE(call.send("x"));
  ASSERT_TRUE(count.await([](const Seen& seen) { return seen.taken == 1; }));
  world.server().drain(8'000);
  EXPECT_EQ(call.end().code, 14);
  await_none(count);
}

TEST(GrpcExchange, RowsAreChecked) {
  Count count;
  std::vector<Method> good = rows(&count);
  EXPECT_TRUE(check_methods(good).ok());
  good[0].kind = Kind::kUnary;
  EXPECT_FALSE(check_methods(good).ok());
  good[0].kind = Kind::kBidi;
  good[0].blocking = [](const Ctx&, Request&) -> Result<Reply> { return Reply{}; };
  EXPECT_FALSE(check_methods(good).ok());
}

}  // namespace
}  // namespace slip::grpc
