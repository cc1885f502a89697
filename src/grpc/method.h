#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"
#include "http/permission.h"
#include "sys/ctx.h"

// A method is data, as a route of http/ is: the server, `slipway dump methods`, reflection and the
// generated test that calls every method as nobody read these rows. The server refuses to start
// with a row that names no permission or no audit class, or with two rows of one name. Messages are
// bytes here: a wire knows what they mean.
namespace slip::grpc {

using Metadata = std::pair<std::string, std::string>;

struct Request {
  std::string_view message;  // The bytes of one message; they stay until it is answered.
  std::vector<std::pair<std::string_view, std::string_view>> metadata;  // Names in lower case.
  std::string_view peer;                                                // "127.0.0.1:53122"

  std::string_view header(std::string_view lower_name) const;  // "" when absent.
};

struct Reply {
  std::string message;
  std::vector<Metadata> trailing = {};  // Of a unary call; a stream's messages carry none.
};

// One shot, any thread; an Error ends the call with its code (base/error_map.h). Destroyed
// unanswered, it answers kInternal `request.unanswered`. The handler's Ctx and Request stay where
// they are until the answer has been given.
class Responder {
 public:
  class Impl {
   public:
    virtual ~Impl() = default;
    virtual void answer(Result<Reply> reply) = 0;
    virtual bool cancelled() const = 0;
  };
  Responder() = default;
  explicit Responder(std::shared_ptr<Impl> impl) : impl_(std::move(impl)) {}
  Responder(Responder&&) noexcept = default;
  Responder& operator=(Responder&& other) noexcept {
    Responder old(std::exchange(impl_, std::move(other.impl_)));
    return *this;
  }
  ~Responder();
  void operator()(Result<Reply> reply) && {
    std::exchange(impl_, nullptr)->answer(std::move(reply));
  }
  bool cancelled() const { return impl_->cancelled(); }

 private:
  std::shared_ptr<Impl> impl_;
};

class Exchange;       // grpc/exchange.h
class MessageStream;  // grpc/message_stream.h

// One message in, one out. A bidi row's handler is called for each message of the stream, the next
// one once the last is answered, so replies keep their order and a slow client slows itself only.
using Blocking = std::function<Result<Reply>(const Ctx&, Request&)>;
using Inline = std::function<void(const Ctx&, Request&, Responder)>;
// One message in, many out, as they come; on an I/O thread, so it never blocks.
using Open = std::function<Result<std::shared_ptr<MessageStream>>(const Ctx&, Request&)>;
// Many messages, either way or both, on the pool. The request holds the first message, or none when
// a bidi call ended without one.
using Begin = std::function<Result<std::unique_ptr<Exchange>>(const Ctx&, const Request&)>;
// As http::FindNeeds: which objects the message is about, read exactly as the handler reads it.
using FindNeeds = std::function<Result<std::vector<http::Need>>(const Ctx&, const Request&)>;
// For protocols that carry errors as messages: what the error of a call, or of one message of a
// stream, becomes. An Error ends it.
using RenderError = Result<Reply> (*)(const Error&, const Request&);

enum class Kind : uint8_t { kUnary, kServerStream, kBidi };
std::string_view kind_name(Kind kind);

inline constexpr int64_t kMessageBytesMax = 4 << 20;

struct Method {
  std::string name;  // "inference.GRPCInferenceService/ModelInfer"
  Kind kind = Kind::kUnary;
  http::Permission permission;
  http::Audit audit = http::Audit::kUnset;
  int64_t message_bytes_max = kMessageBytesMax;  // Of one message in.
  std::string summary;
  Blocking blocking;  // Exactly one: of the first two, or `open` of a server stream, or `begin` of
  Inline inline_;     // a stream of either kind.
  Open open;
  Begin begin;
  FindNeeds needs;  // On::kObject and kObjects.
  RenderError render_error = nullptr;
  bool hides_as_missing = true;  // What may not be read is "not found"; else "forbidden".
};

// kInvalid `methods.invalid`, naming every offender.
Status check_methods(const std::vector<Method>& rows);
// "inference.GRPCInferenceService" of each row, once, sorted.
std::vector<std::string> service_names(const std::vector<Method>& rows);

}  // namespace slip::grpc
