#include "http/reply.h"

#include <algorithm>
#include <array>
#include <charconv>

#include "base/error_map.h"
#include "base/text.h"
#include "codec/json.h"

namespace slip::http {
namespace {

struct ReasonRow {
  std::string_view reason;
  int status;
};
constexpr std::array kReasons = {
    ReasonRow{"http.method_not_allowed", 405},
    ReasonRow{"http.timeout", 408},
    ReasonRow{"http.body_too_large", 413},
    ReasonRow{"http.target_too_long", 414},
    ReasonRow{"http.content_encoding", 415},
    ReasonRow{"http.media_type", 415},
    ReasonRow{"http.range", 416},
    ReasonRow{"http.expectation", 417},
    ReasonRow{"http.header_too_large", 431},
    ReasonRow{"http.transfer_coding", 501},
    ReasonRow{"http.version", 505},
    ReasonRow{"http.method_unknown", 501},
};

struct StatusRow {
  int status;
  std::string_view text;
};
constexpr std::array kStatuses = {
    StatusRow{200, "OK"},
    StatusRow{201, "Created"},
    StatusRow{202, "Accepted"},
    StatusRow{204, "No Content"},
    StatusRow{206, "Partial Content"},
    StatusRow{301, "Moved Permanently"},
    StatusRow{302, "Found"},
    StatusRow{303, "See Other"},
    StatusRow{304, "Not Modified"},
    StatusRow{307, "Temporary Redirect"},
    StatusRow{308, "Permanent Redirect"},
    StatusRow{400, "Bad Request"},
    StatusRow{401, "Unauthorized"},
    StatusRow{403, "Forbidden"},
    StatusRow{404, "Not Found"},
    StatusRow{405, "Method Not Allowed"},
    StatusRow{406, "Not Acceptable"},
    StatusRow{408, "Request Timeout"},
    StatusRow{409, "Conflict"},
    StatusRow{410, "Gone"},
    StatusRow{412, "Precondition Failed"},
    StatusRow{413, "Content Too Large"},
    StatusRow{414, "URI Too Long"},
    StatusRow{415, "Unsupported Media Type"},
    StatusRow{416, "Range Not Satisfiable"},
    StatusRow{417, "Expectation Failed"},
    StatusRow{422, "Unprocessable Content"},
    StatusRow{429, "Too Many Requests"},
    StatusRow{431, "Request Header Fields Too Large"},
    StatusRow{499, "Client Closed Request"},
    StatusRow{500, "Internal Server Error"},
    StatusRow{501, "Not Implemented"},
    StatusRow{503, "Service Unavailable"},
    StatusRow{504, "Gateway Timeout"},
    StatusRow{505, "HTTP Version Not Supported"},
};

void append_int(std::string* out, int64_t value) {
  std::array<char, 24> digits;
  const auto end = std::to_chars(digits.data(), digits.data() + digits.size(), value).ptr;
  out->append(digits.data(), end);
}

void append_value(std::string* out, std::string_view value) {
  const auto bad = [](char c) { return c == '\r' || c == '\n' || c == '\0'; };
  if (std::ranges::none_of(value, bad)) {
    out->append(value);
    return;
  }
  for (const char c : value) out->push_back(bad(c) ? ' ' : c);
}

void append_member(std::string* out, std::string_view name, std::string_view value) {
  out->append(",\"").append(name).append("\":");
  codec::append_json_string(out, value);
}

}  // namespace

int http_status(const Error& error) {
  if (error.reason.starts_with("http."))
    for (const ReasonRow& row : kReasons)
      if (row.reason == error.reason) return row.status;
  return code_row(error.code).http_status;
}

Reply render_problem(const Error& error, const Ctx& ctx) {
  const CodeRow& row = code_row(error.code);
  Reply reply;
  reply.status = http_status(error);
  reply.content_type = "application/problem+json";
  std::string& out = reply.body;
  out = R"({"type":"about:blank")";
  append_member(&out, "title", row.title);
  out.append(",\"status\":");
  append_int(&out, reply.status);
  append_member(&out, "detail", error.text);
  append_member(&out, "code", error.reason);
  if (!error.hint.empty()) append_member(&out, "hint", error.hint);
  out.append(row.retryable ? ",\"retryable\":true" : ",\"retryable\":false");
  append_member(&out, "trace_id", ctx.trace_id);
  out.push_back('}');
  return reply;
}

Reply render_error(const Route* route, const Error& error, const Ctx& ctx, bool browser) {
  Reply reply =
      route && route->render_error ? route->render_error(error, ctx) : render_problem(error, ctx);
  if (error.reason.starts_with("http.")) reply.status = http_status(error);
  const bool wait = reply.status == 429 || reply.status == 503;
  if (wait && !find_header(reply.headers, "retry-after"))
    reply.headers.emplace_back("Retry-After", "1");
  if (reply.status == 401 && !find_header(reply.headers, "www-authenticate"))
    // A page that people open gets the browser's own dialogue; scripts and clients get none.
    reply.headers.emplace_back(
        "WWW-Authenticate",
        browser ? "Basic realm=\"slipway\", charset=\"UTF-8\"" : "Bearer realm=\"slipway\"");
  return reply;
}

std::string_view status_text(int status) {
  for (const StatusRow& row : kStatuses)
    if (row.status == status) return row.text;
  return status < 400 ? "OK" : "Error";
}

void append_head(std::string* out, const ReplyHead& head) {
  if (head.status == 200) {
    out->append("HTTP/1.1 200 OK\r\nDate: ");
  } else {
    out->append("HTTP/1.1 ");
    append_int(out, head.status);
    out->append(" ");
    for (const char c : status_text(head.status))
      out->push_back(head.phrase_in_capitals && c >= 'a' && c <= 'z' ? static_cast<char>(c - 32)
                                                                     : c);
    out->append("\r\nDate: ");
  }
  out->append(head.date);
  if (!head.content_type.empty()) {
    out->append("\r\nContent-Type: ");
    append_value(out, head.content_type);
  }
  if (head.chunked) {
    out->append("\r\nTransfer-Encoding: chunked");
  } else if (head.content_length >= 0) {
    out->append("\r\nContent-Length: ");
    append_int(out, head.content_length);
  }
  out->append("\r\nX-Content-Type-Options: nosniff");
  if (!head.request_id.empty()) out->append("\r\nx-request-id: ").append(head.request_id);
  if (head.close) out->append("\r\nConnection: close");
  for (const auto& [name, value] : head.headers) {
    out->append("\r\n");
    append_value(out, name);
    out->append(": ");
    append_value(out, value);
  }
  out->append("\r\n\r\n");
}

const std::string* find_header(std::span<const Header> headers, std::string_view name) {
  for (const auto& [key, value] : headers)
    if (iequals(key, name)) return &value;
  return nullptr;
}

}  // namespace slip::http
