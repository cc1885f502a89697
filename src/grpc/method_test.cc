#include "grpc/method.h"

#include <gtest/gtest.h>

#include "grpc/exchange.h"
#include "grpc/message_stream.h"

namespace slip::grpc {
namespace {

Method good() {
  Method row;
  row.name = "a.B/C";
  row.permission = {http::Right::kRead, "thing"};
  row.audit = http::Audit::kNone;
  row.summary = "Does it.";
  row.blocking = [](const Ctx&, Request&) -> Result<Reply> { return Reply{}; };
  return row;
}

TEST(GrpcMethod, ARowThatLacksSomethingDoesNotStart) {
  struct Case {
    const char* says;
    void (*spoil)(Method&);
  };
  const Case cases[] = {
      {"package.Service/Method", [](Method& r) { r.name = "/a.B/C"; }},
      {"package.Service/Method", [](Method& r) { r.name = "a.B"; }},
      {"package.Service/Method", [](Method& r) { r.name = "a.B/"; }},
      {"package.Service/Method", [](Method& r) { r.name = "a b/C"; }},
      {"permission", [](Method& r) { r.permission = {}; }},
      {"audit", [](Method& r) { r.audit = http::Audit::kUnset; }},
      {"summary", [](Method& r) { r.summary.clear(); }},
      {"limit", [](Method& r) { r.message_bytes_max = 0; }},
      {"one handler", [](Method& r) { r.blocking = nullptr; }},
      {"one handler", [](Method& r) { r.inline_ = [](const Ctx&, Request&, Responder) {}; }},
      {"another kind", [](Method& r) { r.kind = Kind::kServerStream; }},
      {"renders errors",
       [](Method& r) {
         r.render_error = [](const Error& e, const Request&) -> Result<Reply> { return e; };
         r.kind = Kind::kBidi;
         r.blocking = nullptr;
         r.begin = [](const Ctx&, const Request&) -> Result<std::unique_ptr<Exchange>> {
           return internal("none", "");
         };
       }},
  };
  EXPECT_TRUE(check_methods({good()}).ok());
  for (const Case& c : cases) {
    Method row = good();
    c.spoil(row);
    const Status s = check_methods({row});
    ASSERT_FALSE(s.ok()) << c.says;
    EXPECT_EQ(s.error().reason, "methods.invalid");
    EXPECT_NE(s.error().text.find(c.says), std::string::npos) << s.error().text;
  }
  EXPECT_NE(check_methods({good(), good()}).error().text.find("twice"), std::string::npos);
}

TEST(GrpcMethod, ServicesAreNamedOnce) {
  std::vector<Method> rows(3, good());
  rows[1].name = "a.B/D";
  rows[2].name = "a.A/C";
  EXPECT_EQ(service_names(rows), (std::vector<std::string>{"a.A", "a.B"}));
}

TEST(GrpcMessageStream, GivesInOrderThenTheEnd) {
  MessageStream stream;
  int woken = 0;
  stream.attach([&] { ++woken; });
  EXPECT_TRUE(stream.send("1"));
  EXPECT_TRUE(stream.send("2"));
  EXPECT_EQ(woken, 1);
  stream.close(unavailable("test.end", "over"));
  EXPECT_FALSE(stream.send("3"));
  std::optional<Status> end;
  EXPECT_EQ(stream.take(&end), "1");
  EXPECT_FALSE(end);
  EXPECT_EQ(stream.take(&end), "2");
  EXPECT_EQ(stream.take(&end), std::nullopt);
  ASSERT_TRUE(end);
  EXPECT_EQ(end->error().reason, "test.end");
}

TEST(GrpcMessageStream, ASlowReaderIsCutOff) {
  MessageStream stream;
  const std::string half(MessageStream::kPendingBytesMax / 2, 'x');
  EXPECT_TRUE(stream.send(half));
  EXPECT_TRUE(stream.send(half));
  EXPECT_FALSE(stream.send("x"));
  EXPECT_FALSE(stream.open());
  std::optional<Status> end;
  EXPECT_EQ(stream.take(&end), std::nullopt);
  EXPECT_EQ(end->error().code, Code::kExhausted);
}

TEST(GrpcMessageStream, OnceTheClientHasGoneNothingIsKept) {
  MessageStream stream;
  EXPECT_TRUE(stream.send("1"));
  stream.detach();
  EXPECT_FALSE(stream.send("2"));
  std::optional<Status> end;
  EXPECT_EQ(stream.take(&end), std::nullopt);
}

}  // namespace
}  // namespace slip::grpc
