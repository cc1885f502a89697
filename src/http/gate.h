#pragma once

#include <string_view>

#include "base/result.h"
#include "http/permission.h"
#include "sys/ctx.h"

// Who is calling, and may they? The server asks before it reads a body; core/auth answers from an
// immutable snapshot in memory. I/O threads: an implementation never waits for a disk or a socket.
namespace slip::http {

struct Credentials {
  std::string_view authorization;  // Header value, "" when absent: Bearer or Basic.
  std::string_view project;        // From /~PROJECT or a header, "" when not named.
  std::string_view peer;           // "127.0.0.1:53122"
};

class Gate {
 public:
  virtual ~Gate() = default;
  // Actor and project of the Ctx; the server adds ids, deadline and cancel. Called for every route
  // but the public ones. kUnauthorized (answered 401 with WWW-Authenticate), kExhausted when a
  // password is tried too often.
  virtual Result<Ctx> authenticate(const Credentials& credentials) = 0;
  virtual Status authorize(const Ctx& ctx, const Permission& permission) = 0;  // kForbidden.
};

}  // namespace slip::http
