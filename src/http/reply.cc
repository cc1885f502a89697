#include "http/reply.h"

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

void append_int(std::string* out, int64_t value) {
  std::array<char, 24> digits;
  const auto end = std::to_chars(digits.data(), digits.data() + digits.size(), value).ptr;
  out->append(digits.data(), end);
}

void append_value(std::string* out, std::string_view value) {
  if (value.find_first_of(std::string_view("\r\n\0", 3)) == std::string_view::npos) {
    out->append(value);
    return;
  }
  for (const char c : value) out->push_back(c == '\r' || c == '\n' || c == '\0' ? ' ' : c);
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
  switch (status) {
    case 200:
      return "OK";
    case 201:
      return "Created";
    case 202:
      return "Accepted";
    case 204:
      return "No Content";
    case 206:
      return "Partial Content";
    case 301:
      return "Moved Permanently";
    case 302:
      return "Found";
    case 303:
      return "See Other";
    case 304:
      return "Not Modified";
    case 307:
      return "Temporary Redirect";
    case 308:
      return "Permanent Redirect";
    case 400:
      return "Bad Request";
    case 401:
      return "Unauthorized";
    case 403:
      return "Forbidden";
    case 404:
      return "Not Found";
    case 405:
      return "Method Not Allowed";
    case 406:
      return "Not Acceptable";
    case 408:
      return "Request Timeout";
    case 409:
      return "Conflict";
    case 410:
      return "Gone";
    case 412:
      return "Precondition Failed";
    case 413:
      return "Content Too Large";
    case 414:
      return "URI Too Long";
    case 415:
      return "Unsupported Media Type";
    case 416:
      return "Range Not Satisfiable";
    case 417:
      return "Expectation Failed";
    case 422:
      return "Unprocessable Content";
    case 429:
      return "Too Many Requests";
    case 431:
      return "Request Header Fields Too Large";
    case 499:
      return "Client Closed Request";
    case 500:
      return "Internal Server Error";
    case 501:
      return "Not Implemented";
    case 503:
      return "Service Unavailable";
    case 504:
      return "Gateway Timeout";
    case 505:
      return "HTTP Version Not Supported";
    default:
      return status < 400 ? "OK" : "Error";
  }
}

void append_head(std::string* out, const ReplyHead& head) {
  if (head.status == 200) {
    out->append("HTTP/1.1 200 OK\r\nDate: ");
  } else {
    out->append("HTTP/1.1 ");
    append_int(out, head.status);
    out->append(" ").append(status_text(head.status)).append("\r\nDate: ");
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
