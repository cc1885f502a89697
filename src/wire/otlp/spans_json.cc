#include <array>
#include <optional>
#include <utility>

#include "base/text.h"
#include "codec/json.h"
#include "wire/otlp/otlp.h"

namespace slip::wire::otlp {
namespace {

using codec::Json;

// A field in either spelling; null when absent.
const Json* field(const Json& object, std::string_view camel, std::string_view snake) {
  const Json* out = object.find(camel);
  if (!out) out = object.find(snake);
  return out && !out->is_null() ? out : nullptr;
}

Result<std::vector<Json>> list(const Json& object, std::string_view camel, std::string_view snake) {
  const Json* value = field(object, camel, snake);
  if (!value) return std::vector<Json>();
  if (!value->is_array())
    return invalid("otlp.syntax", concat({"Invalid OpenTelemetry format: ", camel, " is no list"}));
  return value->items();
}

Result<int64_t> nanos(const Json& object, std::string_view camel, std::string_view snake) {
  const Json* value = field(object, camel, snake);
  if (!value) return int64_t{0};
  std::optional<int64_t> out;
  if (value->is_int()) out = value->as_int();
  if (value->is_string()) out = parse_int(value->as_string());
  if (out && *out >= 0) return *out;
  return invalid("otlp.syntax",
                 concat({"Invalid OpenTelemetry format: ", camel, " is no time in nanoseconds"}));
}

// Reads an id of hex digits and puts its base64 form into `body` under the name of protobuf.
struct IdField {
  std::string_view camel;
  std::string_view snake;
  size_t bytes;
  bool required;
};
Result<std::string> take_id(Json* body, const IdField& f) {
  const Json* value = field(*body, f.camel, f.snake);
  if (!value || (value->is_string() && value->as_string().empty())) {
    if (f.required) return invalid("otlp.ids", concat({"A span without ", f.camel}));
    return std::string();
  }
  const auto raw = value->is_string() ? from_hex(value->as_string()) : std::nullopt;
  if (!raw || raw->size() != f.bytes)
    return invalid("otlp.ids",
                   concat({f.camel, " must be ", std::to_string(2 * f.bytes), " hex digits"}));
  body->erase(f.camel);
  body->set(f.snake, to_base64(*raw));
  return to_hex(*raw);
}

Result<tracking::Span> span_of(Json body) {
  if (!body.is_object()) return invalid("otlp.syntax", "A span is no JSON object");
  tracking::Span span;
  span.trace_id = "tr-" + TRY(take_id(&body, {"traceId", "trace_id", 16, true}));
  span.span_id = TRY(take_id(&body, {"spanId", "span_id", 8, true}));
  span.parent_id = TRY(take_id(&body, {"parentSpanId", "parent_span_id", 8, false}));
  span.start_ns = TRY(nanos(body, "startTimeUnixNano", "start_time_unix_nano"));
  span.end_ns = TRY(nanos(body, "endTimeUnixNano", "end_time_unix_nano"));
  if (const Json* name = body.find("name"); name && name->is_string())
    span.name = name->as_string();
  if (const Json* status = body.find("status"); status && status->is_object())
    if (const Json* code = status->find("code"))
      span.failed = (code->is_int() && code->as_int() == 2) ||
                    (code->is_string() && code->as_string() == "STATUS_CODE_ERROR");
  std::vector<Json> links = TRY(list(body, "links", "links"));
  for (Json& link : links) {
    if (!link.is_object()) return invalid("otlp.syntax", "A link is no JSON object");
    TRY(take_id(&link, {"traceId", "trace_id", 16, false}));
    TRY(take_id(&link, {"spanId", "span_id", 8, false}));
  }
  if (!links.empty()) body.set("links", Json::array(std::move(links)));
  span.body = codec::to_json(body);
  return span;
}

}  // namespace

Result<std::vector<tracking::Span>> read_json(std::string_view text) {
  const Result<Json> request = codec::parse_json(text, codec::NonFinite::kString);
  if (!request.ok() || !request->is_object())
    return invalid("otlp.syntax", "Invalid OpenTelemetry format: no JSON object");
  std::vector<tracking::Span> out;
  for (const Json& resource : TRY(list(*request, "resourceSpans", "resource_spans")))
    for (const Json& scope : TRY(list(resource, "scopeSpans", "scope_spans")))
      for (Json& span : TRY(list(scope, "spans", "spans")))
        out.push_back(TRY(span_of(std::move(span))));
  return out;
}

}  // namespace slip::wire::otlp
