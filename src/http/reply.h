#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "base/result.h"
#include "http/route.h"

// How answers look on the wire: the head in one append, errors as problem documents. Pure.
namespace slip::http {

// {"type","title","status","detail","code","hint","retryable","trace_id"} (RFC 9457). The default
// RenderError.
Reply render_problem(const Error& error, const Ctx& ctx);

// The status of an Error: base/error_map.h, but for the reasons that HTTP has its own number for
// (413, 431, …).
int http_status(const Error& error);

// What the server answers for `error` on `route` (may be null): rendered as its protocol wants,
// with the status above, Retry-After where retrying later helps, WWW-Authenticate on 401.
Reply render_error(const Route* route, const Error& error, const Ctx& ctx, bool browser);

std::string_view status_text(int status);

struct ReplyHead {
  int status = 200;
  std::string_view date;
  std::string_view content_type;  // "": none.
  int64_t content_length = 0;     // Negative: none.
  std::string_view request_id;
  bool chunked = false;
  bool close = false;
  bool phrase_in_capitals = false;
  std::span<const Header> headers;
};
// Line ends inside values become blanks; a header can't be smuggled in by a value.
void append_head(std::string* out, const ReplyHead& head);

const std::string* find_header(std::span<const Header> headers, std::string_view name);

}  // namespace slip::http
