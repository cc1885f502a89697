#include "http/exchange.h"

#include <algorithm>

#include "base/error_map.h"
#include "base/guard.h"
#include "base/text.h"
#include "codec/compress.h"
#include "codec/hash.h"
#include "http/conditional.h"
#include "http/reply.h"
#include "http/request_ids.h"

namespace slip::http {
namespace {

constexpr size_t kBodyKeptBytes = 256 << 10;  // Capacity that a connection keeps between requests.
constexpr int64_t kDeflateRatioMax = 1032;    // Of the format itself.

bool parse_method(std::string_view text, Method* out) {
  for (size_t i = 0; i < kMethodCount; ++i)
    if (text == method_name(static_cast<Method>(i))) {
      *out = static_cast<Method>(i);
      return true;
    }
  return false;
}

std::string single_slashes(std::string_view path) {
  std::string out;
  for (const char c : path)
    if (c != '/' || !out.ends_with('/')) out += c;
  return out;
}

}  // namespace

void Exchange::reset() {
  answered.store(false, std::memory_order_relaxed);
  answered_on_loop = false;
  body_bytes = 0;
  request.target = request.path = request.peer = {};
  request.params.clear();
  request.query.clear();
  request.headers.clear();
  request.draft.reset();
  if (request.body.capacity() > kBodyKeptBytes) request.body = {};
  request.body.clear();
  route = nullptr;
  method_known = options = gzip_body = false;
  methods = 0;
  leases.clear();
  reserved = 0;
}

Status Exchange::reserve(int64_t bytes) {
  if (bytes <= reserved) return {};
  leases.push_back(TRY(shared.parts.budget.reserve(Share::kBodies, bytes - reserved)));
  reserved = bytes;
  return {};
}

Status Exchange::identify() {
  const std::string_view asked = request.header("x-request-id");
  if (sane_request_id(asked)) ctx.request_id.assign(asked);
  const std::string_view trace = trace_of_parent(request.header("traceparent"));
  if (!trace.empty()) ctx.trace_id.assign(trace);
  options = head.method == "OPTIONS";
  method_known = parse_method(head.method, &request.method);
  if (!method_known && !options)
    return invalid("http.method_unknown", "the server knows no such method");
  return {};
}

// Clients that join a server's address and a path leave "//" between them, and follow where they
// are sent.
bool Exchange::answers_without_doubled_slashes() const {
  if (request.path.find("//") == std::string_view::npos) return false;
  if (!request.target.starts_with('/')) return false;
  std::vector<std::pair<std::string_view, std::string>> params;
  const auto match = shared.router.find(request.method, single_slashes(request.path), &params);
  return match.ok() && match->methods != 0;
}

Status Exchange::moved() {
  const size_t query = request.target.find('?');
  const std::string_view rest =
      query == std::string_view::npos ? std::string_view() : request.target.substr(query);
  // Begins with one slash: a second would name another host.
  moved_to = concat({single_slashes(request.target.substr(0, query)), rest});
  return not_found("http.moved", concat({"this is at ", moved_to}));
}

Status Exchange::find_route() {
  const Router::Match match =
      TRY(shared.router.find(request.method, request.path, &request.params));
  methods = match.methods;
  route = options ? nullptr : match.route;
  if (methods == 0 && answers_without_doubled_slashes()) return moved();
  if (methods == 0)
    return not_found("http.no_route", concat({"nothing answers at ", request.path}));
  if (!route && !options)
    return invalid("http.method_not_allowed",
                   concat({head.method, " isn't possible here; ", Router::allow(methods), " is"}));
  return {};
}

Status Exchange::check_caller(const Target& target, std::string_view peer) {
  std::string_view project = target.project;
  if (project.empty()) project = request.header("x-slipway-project");
  if (project.empty()) project = request.header("x-mlflow-workspace");
  if (!project.empty()) TRY(check_project(project));
  if (route->permission.right == Right::kPublic) {
    ctx.actor_uid = "anonymous";
    ctx.actor_kind = "anonymous";
    ctx.project.text = project.empty() ? std::string_view(kDefaultProject) : project;
    return route->admit ? route->admit(request, &ctx) : Status();
  }
  const std::string_view authorization = request.header("authorization");
  Ctx caller = TRY(shared.parts.gate.authenticate({authorization, project, peer}));
  caller.request_id = std::move(ctx.request_id);
  caller.trace_id = std::move(ctx.trace_id);
  caller.deadline_ns = ctx.deadline_ns;
  caller.cancel = std::move(ctx.cancel);
  ctx = std::move(caller);
  return shared.parts.gate.authorize(ctx, route->permission);
}

Status Exchange::check_body() {
  if (!head.expect.empty() && !iequals(head.expect, "100-continue"))
    return invalid("http.expectation", "the only expectation is 100-continue");
  const std::string_view encoding = request.header("content-encoding");
  gzip_body =
      iequals(encoding, "gzip") || iequals(encoding, "x-gzip") || iequals(encoding, "deflate");
  const bool known = encoding.empty() || iequals(encoding, "identity") || gzip_body;
  if (head.has_body && (!known || (gzip_body && route->body.kind == BodyKind::kSpool)))
    return invalid("http.content_encoding", "this route doesn't take that Content-Encoding");
  if (route->body.kind == BodyKind::kNone) {
    if (head.content_length > 0) return invalid("http.body_unexpected", "no body belongs here");
    return {};
  }
  if (head.content_length > route->body.limit_bytes)
    return invalid("http.body_too_large",
                   concat({"the body may have at most ", format_size(route->body.limit_bytes)}));
  if (route->body.kind == BodyKind::kMemory) {
    TRY(reserve(head.content_length));
    request.body.reserve(static_cast<size_t>(head.content_length) + 64);  // simdjson's padding.
  }
  return {};
}

Status Exchange::admit(std::string_view peer) {
  TRY(parse_request_head(&block, &head));
  std::swap(request.headers, head.headers);
  request.peer = peer;
  request.target = head.target;
  TRY(identify());
  const Target target = TRY(split_target(head.target, shared.options.prefix));
  request.path = target.path;
  const std::string_view host = target.authority.empty() ? head.host : target.authority;
  if (host.empty() || host != known_host) {
    TRY(shared.hosts.check_host(host));
    known_host = host;
  }
  if (mutates()) TRY(shared.hosts.check_origin(request.header("origin"), host));
  TRY(parse_query(target.query, &request.query));
  TRY(find_route());
  if (options) return {};
  TRY(check_caller(target, peer));
  return check_body();
}

Status Exchange::decode_body() {
  if (!gzip_body || request.body.empty()) return {};
  const int64_t limit = route->body.limit_bytes;
  const auto compressed = static_cast<int64_t>(request.body.size());
  TRY(reserve(compressed + std::min(limit, compressed * kDeflateRatioMax)));
  auto plain = codec::gzip_decompress(request.body, static_cast<size_t>(limit));
  if (!plain && plain.error().code == Code::kExhausted)
    return invalid("http.body_too_large",
                   concat({"the body may have at most ", format_size(limit), " unpacked"}));
  if (!plain) return invalid("body.encoding", "the body isn't what its Content-Encoding says");
  request.body = std::move(plain).value();
  return {};
}

Reply Exchange::render(const Error& error) {
  const bool browser = request.header("accept").find("text/html") != std::string_view::npos;
  Reply out = render_error(route, error, ctx, browser);
  if (error.reason == "http.host_not_allowed" || error.reason == "http.origin_not_allowed") {
    out.content_type = "text/plain";
    out.body = error.text;
  }
  if (error.reason == "http.moved") {
    out.status = 308;
    out.headers.emplace_back("Location", moved_to);
  }
  if (methods != 0 && out.status == 405) out.headers.emplace_back("Allow", Router::allow(methods));
  if (out.status >= 500)
    shared.parts.log.error("request failed", {{"reason", error.reason},
                                              {"text", error.text},
                                              {"path", request.path},
                                              {"request_id", ctx.request_id},
                                              {"trace_id", ctx.trace_id}});
  return out;
}

Result<Reply> Exchange::run_handler() {
  return TRY(
      guarded(Code::kInternal, "handler.threw", [&] { return route->blocking(ctx, request); }));
}

// A repeated write gets the first one's answer. What the handler has done stands even if keeping
// its answer fails; then the key is just as good as none.
Result<Reply> Exchange::run_once(std::string_view idempotency_key) {
  TRY(check_idempotency_key(idempotency_key));
  Replays& replays = *shared.parts.replays;
  const std::string length = std::to_string(request.draft ? request.draft->size() : -1);
  const std::string fingerprint =
      codec::sha256(concat({head.method, "\n", request.target, "\n", length, "\n", request.body}))
          .hex();
  const Replays::Key key{idempotency_key, fingerprint};
  auto kept = TRY(replays.begin(ctx, key));
  if (kept) {
    Reply out;
    out.status = kept->status;
    out.content_type = std::move(kept->content_type);
    out.body = std::move(kept->body);
    out.headers.emplace_back("Idempotency-Replayed", "true");
    return out;
  }
  Result<Reply> result = run_handler();
  Reply out = result ? std::move(*result) : render(result.error());
  const bool whole = !out.blob && !out.stream && !out.events && out.headers.empty() &&
                     static_cast<int64_t>(out.body.size()) <= kReplayBodyBytesMax;
  const Status noted = whole && out.status < 500 && out.status != 429
                           ? replays.keep(ctx, key, {out.status, out.content_type, out.body})
                           : replays.forget(ctx, key);
  if (!noted)
    shared.parts.log.warn("idempotency key not noted",
                          {{"reason", noted.error().reason}, {"request_id", ctx.request_id}});
  return out;
}

Reply Exchange::run_blocking() {
  const auto run = [&]() -> Result<Reply> {
    TRY(decode_body());
    const std::string_view key = mutates() ? request.header("idempotency-key") : "";
    if (key.empty() || !shared.parts.replays || route->permission.right == Right::kPublic)
      return run_handler();
    return run_once(key);
  };
  Result<Reply> result = run();
  Reply out = result ? std::move(*result) : render(result.error());
  compress(&out);
  request.draft.reset();  // What a handler left uncommitted is forgotten here, not on the loop.
  return out;
}

void Exchange::compress(Reply* out) const {
  if (!route->compresses) return;
  if (static_cast<int64_t>(out->body.size()) < kGzipBytesMin || !compressible(out->content_type) ||
      find_header(out->headers, "content-encoding"))
    return;
  out->headers.emplace_back("Vary", "Accept-Encoding");
  if (!accepts_gzip(request.header("accept-encoding"))) return;
  out->body = codec::gzip_compress(out->body, 4);
  out->headers.emplace_back("Content-Encoding", "gzip");
  for (auto& [name, value] : out->headers)  // Other bytes, so no longer the strong tag's.
    if (iequals(name, "etag") && value.starts_with('"')) value.insert(0, "W/");
}

void Exchange::run_inline() {
  Responder responder(shared_from_this());
  auto ran = guarded(Code::kInternal, "handler.threw",
                     [&] { route->inline_(ctx, request, std::move(responder)); });
  if (!ran)  // Its responder has answered 500 on the way out.
    shared.parts.log.error("handler threw", {{"text", ran.error().text}, {"path", request.path}});
}

void Exchange::abandon() {
  answer(render(internal("request.unanswered", "the handler gave no answer")));
}

}  // namespace slip::http
