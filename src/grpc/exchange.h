#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"
#include "sys/ctx.h"

// A call of many messages that may block: what the client says, message by message, and then the
// replies, each made when the client is ready for it. So neither side holds more than one message
// for the other, however slow that is. On pool threads, one at a time; goes when the call ends,
// however it ends.
namespace slip::grpc {

class Exchange {
 public:
  virtual ~Exchange() = default;
  // A message of a bidi call, the first one too. An Error ends the call.
  virtual Status take(const Ctx& ctx, std::string_view message) = 0;
  // The next reply, once the client has said everything; nothing: that was all.
  virtual Result<std::optional<std::string>> next(const Ctx& ctx) = 0;
};

}  // namespace slip::grpc
