#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"
#include "cli/command.h"
#include "codec/json.h"
#include "http/route.h"

namespace slip {
class Clock;
class Net;
class Process;
}  // namespace slip

// The server that a command talks to: --server, else SLIPWAY_URL, else loopback; credentials from
// SLIPWAY_TOKEN, project from --project or SLIPWAY_PROJECT. Paths are below /api/slipway/v1.
// An answer of 400 or more is an Error with the server's own code, text and hint. One thread.
namespace slip::cli {

inline constexpr int64_t kPagesMax = 1000;  // Of one list; a longer one is cut with an error.

class Remote {
 public:
  virtual ~Remote() = default;
  // `body` null: none. kUnavailable `net.…` when nothing answers.
  virtual Result<codec::Json> call(http::Method method, std::string_view path,
                                   const codec::Json* body) = 0;
  // POST of `bytes` bytes as they come out of `from`.
  virtual Result<codec::Json> upload(std::string_view path, http::Source& from, int64_t bytes) = 0;
  // GET of bytes, handed on as they arrive; an error of `on_piece` ends it.
  virtual Status download(std::string_view path,
                          const std::function<Status(std::string_view piece)>& on_piece);
  // The same for any address of the server; PUT of bytes to any.
  virtual Status fetch(std::string_view target,
                       const std::function<Status(std::string_view piece)>& on_piece);
  virtual Status put(std::string_view target, http::Source& from, int64_t bytes);
  virtual std::string url() const { return {}; }
  // Any address of the server, "/health" too; the answer's bytes.
  virtual Result<std::string> raw(http::Method method, std::string_view target,
                                  const std::string& body);
  // POST of JSON with one header more.
  virtual Result<std::string> post_with(std::string_view target, const http::Header& header,
                                        const std::string& body);

  Result<codec::Json> get(std::string_view path);
  Result<codec::Json> post(std::string_view path, const codec::Json& body);
  // All pages of a list, as one {"items": […]}.
  Result<codec::Json> all(std::string_view path);
};

// Makes the Remote that a call's options name; tests put a fake server here.
using Connect = std::function<Result<std::unique_ptr<Remote>>(const Call& call)>;
Connect connect_by_http(Net& net, Clock& clock, Process& process);

// "?a=1&b=x%20y", values encoded, empty ones left out; "" when nothing is left.
std::string query_of(const std::vector<std::pair<std::string_view, std::string>>& values);

// The Error that an answer of 400 or more stands for; `body` may be anything.
Error error_of(int status, std::string_view body);

}  // namespace slip::cli
