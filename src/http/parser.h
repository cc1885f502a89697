#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"

// The head of an HTTP/1.x message off the wire, strict where laxity lets two parties disagree about
// where a message ends: bare LF, folded fields, both framings, a repeated Content-Length or Host,
// any coding but plain "chunked" are refused. Boost.Beast's parser does the grammar; http/body.h
// does the body. Pure.
//
// Errors (the server answers and closes): kInvalid `http.syntax`, `http.framing`, `http.host`,
// `http.version` (505), `http.transfer_coding` (501), `http.header_too_large` (431).
namespace slip::http {

inline constexpr size_t kHeadBytesMax = 32 << 10;
inline constexpr size_t kFieldsMax = 100;

using HeaderView = std::pair<std::string_view, std::string_view>;

struct RequestHead {  // Views into the block given to parse_request_head.
  std::string_view method;
  std::string_view target;
  bool http11 = true;
  std::vector<HeaderView> headers;  // Names in lower case.
  std::string_view host;
  bool keep_alive = true;
  bool chunked = false;
  bool has_body = false;       // Chunked, or a length above 0.
  int64_t content_length = 0;  // 0 when chunked.
  std::string_view expect;
};

// Bytes of the head at the start of `in`, blank line included; 0 when it isn't complete yet.
// `seen`: bytes already looked at in an earlier call.
Result<size_t> find_head(std::string_view in, size_t seen);

// `block`: exactly one head. Field names are turned to lower case in place.
Status parse_request_head(std::string* block, RequestHead* head);

// The client's half: the same strictness for what a server answers.
struct ResponseHead {  // Views into the block given to parse_response_head.
  int status = 0;
  std::vector<HeaderView> headers;  // Names in lower case.
  bool keep_alive = true;
  bool chunked = false;
  int64_t content_length = -1;  // Negative: not said; until the stream ends, unless chunked.
};
Status parse_response_head(std::string* block, ResponseHead* head);

}  // namespace slip::http
