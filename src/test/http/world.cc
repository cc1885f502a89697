#include "test/http/world.h"

#include <charconv>
#include <fstream>
#include <sstream>

#include <gtest/gtest.h>

#include "base/text.h"
#include "sys/executor.h"
#include "sys/log.h"
#include "sys/rng.h"

namespace slip::http::testing {
namespace {

constexpr int64_t kPatienceNs = 10'000'000'000;

int64_t deadline() { return real_clock().steady_ns() + kPatienceNs; }

}  // namespace

Result<Ctx> TwoTokens::authenticate(const Credentials& credentials) {
  Ctx ctx;
  ctx.actor_kind = "user";
  if (credentials.authorization == "Bearer good") {
    ctx.actor_uid = "alice";
  } else if (credentials.authorization == "Bearer reader") {
    ctx.actor_uid = "reader";
  } else {
    return unauthorized("auth.required", "who are you?");
  }
  if (!credentials.project.empty()) ctx.project.text = credentials.project;
  return ctx;
}

Status TwoTokens::authorize(const Ctx& ctx, const Permission& permission) {
  if (ctx.actor_uid == "reader" && permission.right > Right::kRead)
    return forbidden("auth.forbidden", "readers only read");
  return {};
}

std::string RawReply::header(std::string_view lower_name) const {
  for (std::string_view line : split(head, '\n')) {
    const size_t colon = line.find(':');
    if (colon != std::string_view::npos && iequals(line.substr(0, colon), lower_name))
      return std::string(trim(line.substr(colon + 1)));
  }
  return {};
}

RawClient::RawClient(uint16_t port) {
  auto conn = real_net().dial({"127.0.0.1", port}, deadline());
  EXPECT_TRUE(conn.ok()) << (conn ? "" : conn.error().text);
  if (conn) conn_ = std::move(conn).value();
}

void RawClient::send(std::string_view bytes) {
  if (conn_) ignore(conn_->write(bytes, deadline()), "a server that refused has stopped reading");
}

bool RawClient::fill() {
  if (!conn_) return false;
  std::array<char, 16384> piece;
  const auto n = conn_->read(piece, deadline());
  if (!n || *n == 0) {
    EXPECT_TRUE(n || n.error().code != Code::kTimeout) << "the server keeps silent";
    conn_.reset();
    return false;
  }
  in_.append(piece.data(), *n);
  return true;
}

std::string RawClient::read_until(std::string_view mark) {
  size_t at = 0;
  while ((at = in_.find(mark)) == std::string::npos)
    if (!fill()) return std::exchange(in_, {});
  std::string out = in_.substr(0, at + mark.size());
  in_.erase(0, out.size());
  return out;
}

RawReply RawClient::reply(bool to_head) {
  RawReply out;
  out.head = read_until("\r\n\r\n");
  if (!out.head.starts_with("HTTP/1.1 ") || !out.head.ends_with("\r\n\r\n")) return {};
  std::from_chars(out.head.data() + 9, out.head.data() + 12, out.status);
  if (to_head || out.status == 204 || out.status == 304 || out.status == 100) return out;
  if (out.header("transfer-encoding") == "chunked") {
    while (true) {
      const std::string line = read_until("\r\n");
      size_t size = 0;
      std::from_chars(line.data(), line.data() + line.size(), size, 16);
      while (in_.size() < size + 2)
        if (!fill()) return {};
      out.body.append(in_, 0, size);
      in_.erase(0, size + 2);
      if (size == 0) return out;
    }
  }
  const auto length = parse_int(out.header("content-length"));
  const auto size = static_cast<size_t>(length.value_or(0));
  while (in_.size() < size)
    if (!fill()) return {};
  out.body = in_.substr(0, size);
  in_.erase(0, size);
  return out;
}

bool RawClient::closed() {
  while (in_.empty() && fill()) {}
  return in_.empty();
}

RawReply RawClient::get(std::string_view target, std::string_view extra) {
  send(concat({"GET ", target, " HTTP/1.1\r\nHost: localhost\r\n", extra, "\r\n"}));
  return reply();
}

World::World(std::vector<Route> rows, WorldOptions options) : budget(options.budget_bytes) {
  Clock& clock = options.clock ? *options.clock : real_clock();
  pool_ = make_pool(real_executor(), real_clock(), options.pool);
  options.server.port = 0;
  ServerParts parts{real_executor(),
                    clock,
                    real_rng(),
                    options.log ? *options.log : null_log(),
                    *pool_,
                    budget,
                    gate,
                    options.probe,
                    options.blobs,
                    options.replays,
                    options.waiting_pool};
  auto server = Server::start(parts, std::move(rows), std::move(options.server));
  EXPECT_TRUE(server.ok()) << (server ? "" : server.error().text);
  server_ = std::move(server).value();
}

bool World::await_unread(size_t bytes) const {
  const int64_t until = deadline();
  while (real_clock().steady_ns() < until) {
    size_t unread = 0;
    std::ifstream sockets("/proc/self/net/tcp");
    for (std::string line; std::getline(sockets, line);) {  // sl, local, remote, state, tx:rx, …
      std::istringstream fields(line);
      std::string slot, local, remote, state, queues;
      fields >> slot >> local >> remote >> state >> queues;
      const auto after_colon = [](const std::string& pair) {
        return pair.find(':') == std::string::npos
                   ? 0
                   : std::stoul(pair.substr(pair.find(':') + 1), nullptr, 16);
      };
      if (state == "01" && after_colon(local) == port()) unread += after_colon(queues);
    }
    if (unread >= bytes) return true;
  }
  return false;
}

World::~World() {
  server_.reset();
  pool_.reset();
}

Route public_row(Method method, std::string path, Blocking handler, Body body) {
  Route row;
  row.method = method;
  row.path = std::move(path);
  row.permission = {Right::kPublic, {}};
  row.audit = Audit::kNone;
  row.summary = "Does it.";
  row.body = body;
  row.blocking =
      handler ? std::move(handler) : [](const Ctx&, Request&) -> Result<Reply> { return Reply{}; };
  return row;
}

Route simple_row(std::string path, std::string body) {
  Route row;
  row.path = std::move(path);
  row.permission = {Right::kPublic, {}};
  row.audit = Audit::kNone;
  row.summary = "Answers a fixed text.";
  row.inline_ = [body = std::move(body)](const Ctx&, Request&, Responder respond) {
    Reply reply;
    reply.content_type = "text/plain";
    reply.body = body;
    std::move(respond)(std::move(reply));
  };
  return row;
}

}  // namespace slip::http::testing
