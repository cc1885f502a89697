#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/budget.h"
#include "http/gate.h"
#include "http/server.h"
#include "sys/clock.h"
#include "sys/net.h"

// What tests of http/ and of the wires share: a server on a free port of loopback, a raw client
// that sees every byte, a gate that knows two tokens. Nothing of it is in the server's binary.
namespace slip::http::testing {

// "Bearer good" is principal "alice" with every right, "Bearer reader" may only read; anything
// else is nobody.
class TwoTokens final : public Gate {
 public:
  Result<Ctx> authenticate(const Credentials& credentials) override;
  Status authorize(const Ctx& ctx, const Permission& permission) override;
};

struct RawReply {
  int status = 0;
  std::string head;  // With the blank line.
  std::string body;  // Decoded from chunks.
  std::string header(std::string_view lower_name) const;
};

// Writes bytes, reads replies; waits at most ten seconds for anything.
class RawClient {
 public:
  explicit RawClient(uint16_t port);
  void send(std::string_view bytes);
  RawReply reply(bool to_head = false);           // Status 0 when the connection ended instead.
  std::string read_until(std::string_view mark);  // What came, mark included; short at the end.
  bool closed();  // Waits for the server's end; false: it sent bytes.
  RawReply get(std::string_view target, std::string_view extra = "");

 private:
  bool fill();
  std::unique_ptr<Conn> conn_;
  std::string in_;
};

struct WorldOptions {
  ServerOptions server = {};
  int64_t budget_bytes = 256 << 20;
  Pool::Options pool = {};
  Clock* clock = nullptr;  // The real one.
  Log* log = nullptr;
  Probe* probe = nullptr;
  store::Blobs* blobs = nullptr;
  Replays* replays = nullptr;
  Pool* waiting_pool = nullptr;
};

// A started server and everything it needs.
class World {
 public:
  explicit World(std::vector<Route> rows, WorldOptions options = {});
  ~World();
  Server& server() { return *server_; }
  uint16_t port() const { return server_->port(); }
  RawClient client() const { return RawClient(port()); }
  // Waits until so many bytes lie in the server's sockets that it hasn't read: loopback hands over
  // what a client sent when the kernel finds the time. False: they didn't come in ten seconds.
  bool await_unread(size_t bytes) const;

  Budget budget;
  TwoTokens gate;

 private:
  std::unique_ptr<Pool> pool_;
  std::unique_ptr<Server> server_;
};

// A public GET row that answers `body`, for tests that need any row.
Route simple_row(std::string path, std::string body);
// A public row with a blocking handler; without one it answers 200 and nothing.
Route public_row(Method method, std::string path, Blocking handler, Body body = no_body());

}  // namespace slip::http::testing
