#include <algorithm>
#include <string>
#include <vector>

#include "base/check.h"
#include "http/body.h"
#include "http/conditional.h"
#include "http/origin.h"
#include "http/parser.h"
#include "http/router.h"
#include "http/target.h"
#include "test/fuzz/fuzz.h"

// The way of a stranger's bytes through the server, without the socket. What must hold beyond "no
// crash": where a message ends doesn't depend on how its bytes were cut into pieces.
namespace slip::http {
namespace {

struct Outcome {
  std::string reason;  // "" when the message was whole.
  std::string target;
  std::string body;
  size_t used = 0;
  bool done = false;
  bool operator==(const Outcome&) const = default;
};

// As the connection does it: the head when it is complete, then the body piece by piece.
Outcome read_message(std::string_view bytes, size_t piece) {
  Outcome out;
  size_t seen = 0;
  size_t have = 0;
  size_t head_size = 0;
  while (head_size == 0) {
    if (have == bytes.size()) return {"more", "", "", 0, false};
    have = std::min(have + piece, bytes.size());
    const auto size = find_head(bytes.substr(0, have), seen);
    if (!size) return {size.error().reason, "", "", 0, false};
    seen = have;
    head_size = *size;
  }
  std::string block(bytes.substr(0, head_size));
  RequestHead head;
  const Status parsed = parse_request_head(&block, &head);
  if (!parsed) return {parsed.error().reason, "", "", 0, false};
  out.target = head.target;
  out.used = head_size;
  BodyDecoder body;
  body.start_length(head.content_length);
  if (head.chunked) body.start_chunked();
  while (!body.done()) {
    const auto used = body.feed(bytes.substr(out.used, have - out.used), &out.body);
    if (!used) return {used.error().reason, out.target, "", 0, false};
    out.used += *used;
    if (body.done() || have == bytes.size()) break;
    have = std::min(have + piece, bytes.size());
  }
  out.done = body.done();
  return out;
}

Router fuzz_router() {
  std::vector<Route> rows;
  for (const char* path : {"/", "/models", "/models/{name}", "/models/{name}/versions/{v}",
                           "/v1/models/{m}:predict", "/files/{path...}", "/a-{x}-b/c"}) {
    Route row;
    row.path = path;
    row.permission = {Right::kRead, "thing"};
    row.audit = Audit::kNone;
    row.summary = "Row.";
    row.blocking = [](const Ctx&, Request&) -> Result<Reply> { return Reply{}; };
    rows.push_back(std::move(row));
  }
  return Router::make(std::move(rows)).value();
}

}  // namespace

SLIP_FUZZ(http_request) {
  const std::string_view bytes = fuzz::as_text(data);
  const Outcome whole = read_message(bytes, bytes.size() + 1);
  for (const size_t piece : {1, 7, 64}) {
    const Outcome cut = read_message(bytes, piece);
    CHECK(cut.done == whole.done);
    CHECK(!whole.done || cut == whole);
  }
}

SLIP_FUZZ(http_response) {
  const std::string_view bytes = fuzz::as_text(data);
  const auto size = find_head(bytes, 0);
  if (!size || *size == 0) return;
  std::string block(bytes.substr(0, *size));
  ResponseHead head;
  if (!parse_response_head(&block, &head)) return;
  BodyDecoder body;
  body.start_until_end();
  if (head.content_length >= 0) body.start_length(head.content_length);
  if (head.chunked) body.start_chunked();
  std::string out;
  (void)body.feed(bytes.substr(*size), &out);
  (void)body.finish();
}

SLIP_FUZZ(http_target) {
  static const Router router = fuzz_router();
  static const HostPolicy hosts("127.0.0.1", {"example"}, {});
  const std::string_view text = fuzz::as_text(data);
  (void)hosts.check_host(text);
  (void)hosts.check_origin(text, "localhost:7070");
  const RangeAnswer range = answer_range(text, "", "tag", 1000);
  CHECK(range.first >= 0 && range.size >= 0 && range.first + range.size <= 1000);
  (void)matches_any(text, "tag");
  (void)accepts_gzip(text);
  const auto target = split_target(text);
  if (!target) return;
  CHECK(target->path.starts_with('/'));
  std::vector<std::pair<std::string, std::string>> query;
  (void)parse_query(target->query, &query);
  std::vector<std::pair<std::string_view, std::string>> params;
  const auto match = router.find(Method::kGet, target->path, &params);
  if (!match || !match->route) return;
  for (const auto& [name, value] : params) {
    CHECK(!name.empty() && value.find('\0') == std::string::npos);
    CHECK(value != "." && value != "..");
    CHECK(name == "path" || !value.empty());
  }
}

}  // namespace slip::http
