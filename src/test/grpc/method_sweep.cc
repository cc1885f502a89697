#include "test/grpc/method_sweep.h"

#include <algorithm>
#include <array>

#include <gtest/gtest.h>

#include "test/grpc/world.h"

namespace slip::grpc::testing {
namespace {

constexpr int kOk = 0;
constexpr int kUnknown = 2;
constexpr int kExhausted = 8;
constexpr int kInternal = 13;
constexpr int kUnauthenticated = 16;

// The first message of a call and how it ended; streams are given up after one.
int code_of(Client& client, const Method& row, const std::string& message, const Sent& sent) {
  if (row.kind == Kind::kUnary) return client.ask(row.name, message, sent).code;
  ClientCall call = client.open(row.name, sent);
  if (call.send(message)) call.done();
  std::string reply;
  if (row.kind == Kind::kServerStream && call.receive(&reply)) return kOk;  // It may never end.
  while (call.receive(&reply)) {}
  return call.end().code;
}

void as_nobody(Client& client, const Method& row, const MethodSweep& sweep) {
  EXPECT_EQ(code_of(client, row, "", {{"authorization", ""}}), kUnauthenticated) << "as nobody";
  EXPECT_EQ(code_of(client, row, "", {{"authorization", sweep.foreign_authorization}}),
            kUnauthenticated)
      << "foreign token";
  EXPECT_EQ(code_of(client, row, "", {{"authorization", ""}, {"x-slipway-project", "other"}}),
            kUnauthenticated)
      << "in another project";
}

}  // namespace

void sweep_methods(const std::vector<Method>& rows, const MethodSweep& sweep) {
  Client client(sweep.port);
  std::vector<std::string> open;
  const Sent rights = {{"authorization", sweep.authorization}};
  for (const Method& row : rows) {
    SCOPED_TRACE(row.name);
    if (row.permission.right == http::Right::kPublic) {
      open.push_back(row.name);
    } else {
      as_nobody(client, row, sweep);
    }
    const auto beyond = static_cast<size_t>(row.message_bytes_max) + 1;
    const int oversized = code_of(client, row, std::string(beyond, '\n'), rights);
    // A row that renders errors as messages says it there, or ends.
    EXPECT_TRUE(oversized == kExhausted || (row.render_error && oversized == kOk)) << oversized;
    for (const std::string& garbage :
         {std::string("\xff\xff\xff\xff"),
          std::string("\x0a\x05"
                      "ab"),
          std::string(5, '\0'), std::string(3000, '\x0b'), std::string("\x0a\x02\xc3\x28")}) {
      const int code = code_of(client, row, garbage, rights);
      EXPECT_TRUE(code != kUnknown && code != kInternal && code != kUnauthenticated)
          << "garbage answered by " << code;
    }
  }
  std::ranges::sort(open);
  EXPECT_EQ(open, sweep.public_rows);
}

}  // namespace slip::grpc::testing
