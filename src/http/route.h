#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"
#include "http/permission.h"
#include "store/blobs.h"
#include "sys/ctx.h"

// A route is data: the server, /openapi.json, the audit, the limits page and the generated test
// that calls every route as nobody all read these rows. The server refuses to start with a row that
// names no permission or no audit class, or with two rows of one method and path.
namespace slip::http {

enum class Method : uint8_t { kGet, kHead, kPost, kPut, kPatch, kDelete };
std::string_view method_name(Method method);

enum class BodyKind : uint8_t {
  kNone,    // A body is refused (400), except an empty one.
  kMemory,  // Whole, up to `limit_bytes`, decompressed.
  kSpool,   // Streamed into a blob draft on the way in; the handler gets the draft.
};
struct Body {
  BodyKind kind = BodyKind::kNone;
  int64_t limit_bytes = 0;
};
inline constexpr int64_t kJsonBodyBytesMax = 8 << 20;
constexpr Body no_body() { return {}; }
constexpr Body memory(int64_t limit_bytes = kJsonBodyBytesMax) {
  return {BodyKind::kMemory, limit_bytes};
}
constexpr Body spool(int64_t limit_bytes) { return {BodyKind::kSpool, limit_bytes}; }

using Header = std::pair<std::string, std::string>;
class EventStream;  // http/event_stream.h

struct Request {
  Method method = Method::kGet;
  std::string_view target;  // As received, path and query.
  std::string_view path;    // Without /~PROJECT and query, percent-encoded as received.
  std::vector<std::pair<std::string_view, std::string>> params;  // {name} of the row, decoded.
  std::vector<std::pair<std::string, std::string>> query;        // Decoded, in order.
  std::vector<std::pair<std::string_view, std::string_view>> headers;  // Names in lower case.
  std::string body;                                                    // kMemory.
  std::unique_ptr<store::BlobDraft> draft;  // kSpool: everything written, not committed.
  std::string_view peer;                    // "127.0.0.1:53122"

  std::string_view header(std::string_view lower_name) const;   // "" when absent.
  const std::string& param(std::string_view name) const;        // CHECKs that the row has it.
  const std::string* query_value(std::string_view name) const;  // First; null when absent.
};

// Pulled chunk by chunk, by the pool because it may block, until it returns 0. An error before the
// first byte is answered as an error; a later one cuts the connection, so nobody takes half for
// all.
class Source {
 public:
  virtual ~Source() = default;
  virtual Result<size_t> read(std::span<char> out) = 0;
};

struct Reply {
  int status = 200;
  std::string content_type = "application/json";
  bool phrase_in_capitals = false;  // "400 BAD REQUEST": clients of Flask's servers match it.
  std::string body = {};
  std::vector<Header> headers = {};
  // Instead of `body`:
  std::unique_ptr<store::BlobReader> blob = {};  // Served with Range, ETag, If-None-Match support.
  std::string blob_etag = {};                    // Strong, without quotes.
  std::unique_ptr<Source> stream = {};           // Chunked.
  std::shared_ptr<EventStream> events = {};      // text/event-stream, until either side closes.
};

// One shot, any thread. Destroyed unanswered, it answers 500 `request.unanswered`. The handler's
// Ctx and Request stay where they are until the answer has been given.
class Responder {
 public:
  class Impl {
   public:
    virtual ~Impl() = default;
    virtual void answer(Reply reply) = 0;
    virtual bool cancelled() const = 0;
    virtual void abandon();  // Answers 500.
  };
  Responder() = default;
  explicit Responder(std::shared_ptr<Impl> impl) : impl_(std::move(impl)) {}
  Responder(Responder&&) noexcept = default;
  Responder& operator=(Responder&& other) noexcept {
    Responder old(std::exchange(impl_, std::move(other.impl_)));
    return *this;
  }
  ~Responder() {
    if (impl_) impl_->abandon();
  }
  void operator()(Reply reply) && { std::exchange(impl_, nullptr)->answer(std::move(reply)); }
  bool cancelled() const { return impl_->cancelled(); }

 private:
  std::shared_ptr<Impl> impl_;
};

// How a protocol renders an Error ({"error":…} of KServe, error_code of MLflow, RFC 9457 of ours).
using RenderError = Reply (*)(const Error&, const Ctx&);

// The two handler shapes of design.md. Bound to their application object by the wire's `routes()`
// function; `App` is whatever struct of references that wire declares.
using Blocking = std::function<Result<Reply>(const Ctx&, Request&)>;
using Inline = std::function<void(const Ctx&, Request&, Responder)>;
// Which objects the request is about, read from it exactly as the handler reads it. On the pool;
// for an inline row whose callers have rights on single objects only, too. kNotFound: there is no
// such object; the caller gets the same answer as for one that may not be read.
using FindNeeds = std::function<Result<std::vector<Need>>(const Ctx&, const Request&)>;
// Of a public row whose address carries a right of its own (a signed link): asked before the body
// is read, on an I/O thread, so it never blocks. May say in `ctx` for whom and in which project.
using Admit = std::function<Status(const Request&, Ctx* ctx)>;

struct Route {
  Method method = Method::kGet;
  std::string path;  // "/api/slipway/v1/models/{name}"; a last "{path...}" takes the rest.
  Permission permission;
  Audit audit = Audit::kUnset;
  Body body;
  std::string summary;  // One sentence for /openapi.json.
  Blocking blocking;    // Exactly one of the two.
  Inline inline_;
  FindNeeds needs;  // On::kObject and kObjects.
  Admit admit;      // Only of Right::kPublic.
  RenderError render_error = nullptr;
  // Of a blocking row: it calls somebody else's server, which may be slow. It runs on a pool of its
  // own, so that its waiting holds no thread of the others.
  bool waits_for_others = false;
  bool hides_as_missing = true;  // What may not be read is "not found"; else "forbidden".
  bool compresses = true;  // Replies, for clients that take it. Some say so and can't read them.
  // OpenAPI: names of schemas or examples may be added by the owner; may be empty.
  std::string request_schema;  // JSON Schema text, or empty.
  std::string reply_schema;
};

}  // namespace slip::http
