#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/budget.h"
#include "grpc/server.h"
#include "sys/clock.h"
#include "test/http/world.h"

// What tests of grpc/ and of the wires share: a server on a free port of loopback and a client that
// speaks bytes. Each wait ends after ten seconds. Nothing of it is in the server's binary.
namespace slip::grpc::testing {

struct Ended {
  int code = 0;
  std::string text;
  std::multimap<std::string, std::string> trailing;
  std::string trailing_value(const std::string& name) const;  // "" when absent.
};
struct Answer : Ended {
  std::string message;
};

// What no call takes that goes well; checked for races everything takes many times as long.
#if defined(SLIPWAY_TSAN)
inline constexpr int64_t kPatienceMs = 120'000;
#else
inline constexpr int64_t kPatienceMs = 10'000;
#endif

using Sent = std::vector<std::pair<std::string, std::string>>;

// A call that is under way; used from one thread.
class ClientCall {
 public:
  ClientCall(ClientCall&&) noexcept;
  ~ClientCall();
  bool send(const std::string& message);  // False: the call has ended.
  void done();                            // Sends no more.
  bool receive(std::string* message);     // False: no more come.
  void cancel();
  Ended end();

 private:
  friend class Client;
  struct Impl;
  explicit ClientCall(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

class Client {
 public:
  // `authority`: PEM of whoever vouches for the server; "": no TLS.
  explicit Client(uint16_t port, const std::string& authority = "");
  ~Client();
  // Sends "authorization: Bearer good" unless `sent` has another one.
  Answer ask(const std::string& method, const std::string& message, Sent sent = {},
             int64_t timeout_ms = kPatienceMs);
  ClientCall open(const std::string& method, Sent sent = {});

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

struct WorldOptions {
  ServerOptions server = {};
  int64_t budget_bytes = 256 << 20;
  Clock* clock = nullptr;  // The real one.
  Log* log = nullptr;
  Probe* probe = nullptr;
};

// A started server and everything it needs.
class World {
 public:
  explicit World(std::vector<Method> rows, WorldOptions options = {});
  ~World();
  Server& server() { return *server_; }
  Pool& pool() { return *pool_; }
  uint16_t port() const { return server_->port(); }
  Client client() const { return Client(port()); }

  Budget budget;
  http::testing::TwoTokens gate;

 private:
  std::unique_ptr<Pool> pool_;
  std::unique_ptr<Server> server_;
};

// Rows that anybody who is somebody may use.
Method inline_row(std::string name, Inline handler);
Method blocking_row(std::string name, Blocking handler);
Method echo_row();  // "test.Echo/Say": the message again.

}  // namespace slip::grpc::testing
