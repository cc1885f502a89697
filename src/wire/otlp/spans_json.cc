#include <array>
#include <optional>
#include <utility>

#include "base/text.h"
#include "codec/json.h"
#include "wire/otlp/any_value.h"
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

Error bad(std::string_view what) {
  return invalid("otlp.syntax", concat({"Invalid OpenTelemetry format: ", what}));
}

Result<std::vector<Json>> list(const Json& object, std::string_view camel, std::string_view snake) {
  if (!object.is_object()) return bad(concat({camel, " is no part of an object"}));
  const Json* value = field(object, camel, snake);
  if (!value) return std::vector<Json>();
  if (!value->is_array()) return bad(concat({camel, " is no list"}));
  return value->items();
}

Result<int64_t> nanos(const Json& object, std::string_view camel, std::string_view snake) {
  const Json* value = field(object, camel, snake);
  if (!value) return int64_t{0};
  std::optional<int64_t> out;
  if (value->is_int()) out = value->as_int();
  if (value->is_string()) out = parse_int(value->as_string());
  if (out && *out >= 0) return *out;
  return bad(concat({camel, " is no time in nanoseconds"}));
}

struct IdField {
  std::string_view camel;
  std::string_view snake;
  size_t bytes;
  bool required;
};
// The raw bytes of an id of hex digits; empty when absent.
Result<std::string> read_id(const Json& body, const IdField& f) {
  const Json* value = field(body, f.camel, f.snake);
  if (!value || (value->is_string() && value->as_string().empty())) {
    if (f.required) return invalid("otlp.ids", concat({"A span without ", f.camel}));
    return std::string();
  }
  auto raw = value->is_string() ? from_hex(value->as_string()) : std::nullopt;
  if (!raw || raw->size() != f.bytes)
    return invalid("otlp.ids",
                   concat({f.camel, " must be ", std::to_string(2 * f.bytes), " hex digits"}));
  return std::move(*raw);
}

Result<Json> attributes_json(const Json& object) {
  Json out = Json::array();
  const std::vector<Json> items = TRY(list(object, "attributes", "attributes"));
  for (const Json& item : items) out.push(TRY(key_value_json(item, 0)));
  return out;
}

void set_unless_empty(Json* object, std::string_view name, Json items) {
  if (!items.items().empty()) object->set(name, std::move(items));
}

Result<Json> events_of(const Json& span) {
  Json out = Json::array();
  const std::vector<Json> events = TRY(list(span, "events", "events"));
  for (const Json& given : events) {
    if (!given.is_object()) return bad("an event is no object");
    Json event = Json::object();
    event.set("time_unix_nano", TRY(nanos(given, "timeUnixNano", "time_unix_nano")));
    if (const Json* name = given.find("name"); name && name->is_string()) event.set("name", *name);
    set_unless_empty(&event, "attributes", TRY(attributes_json(given)));
    out.push(std::move(event));
  }
  return out;
}

Result<Json> links_of(const Json& span) {
  Json out = Json::array();
  const std::vector<Json> links = TRY(list(span, "links", "links"));
  for (const Json& given : links) {
    if (!given.is_object()) return bad("a link is no object");
    Json link = Json::object();
    link.set("trace_id", to_base64(TRY(read_id(given, {"traceId", "trace_id", 16, false}))));
    link.set("span_id", to_base64(TRY(read_id(given, {"spanId", "span_id", 8, false}))));
    set_unless_empty(&link, "attributes", TRY(attributes_json(given)));
    out.push(std::move(link));
  }
  return out;
}

void read_status(const Json& body, tracking::Span* span, Json* rest) {
  const Json* status = body.find("status");
  if (!status || !status->is_object()) return;
  if (const Json* code = status->find("code")) {
    const bool number = code->is_int();
    const bool text = code->is_string();
    if ((number && code->as_int() == 2) || (text && code->as_string() == "STATUS_CODE_ERROR"))
      span->status = tracking::SpanStatus::kError;
    if ((number && code->as_int() == 1) || (text && code->as_string() == "STATUS_CODE_OK"))
      span->status = tracking::SpanStatus::kOk;
  }
  if (const Json* said = status->find("message"); said && said->is_string())
    if (!said->as_string().empty()) rest->set("status_message", *said);
}

void read_kind(const Json& body, Json* rest) {
  constexpr std::array<std::string_view, 6> kKinds = {
      "SPAN_KIND_UNSPECIFIED", "SPAN_KIND_INTERNAL", "SPAN_KIND_SERVER",
      "SPAN_KIND_CLIENT",      "SPAN_KIND_PRODUCER", "SPAN_KIND_CONSUMER"};
  const Json* kind = body.find("kind");
  if (!kind) return;
  for (size_t i = 1; i < kKinds.size(); ++i)
    if ((kind->is_int() && kind->as_int() == static_cast<int64_t>(i)) ||
        (kind->is_string() && kind->as_string() == kKinds[i]))
      rest->set("kind", kKinds[i]);
}

Result<tracking::Span> span_of(const Json& given) {
  if (!given.is_object()) return bad("a span is no object");
  tracking::Span span;
  span.trace_id = "tr-" + to_hex(TRY(read_id(given, {"traceId", "trace_id", 16, true})));
  span.span_id = to_hex(TRY(read_id(given, {"spanId", "span_id", 8, true})));
  span.parent_id = to_hex(TRY(read_id(given, {"parentSpanId", "parent_span_id", 8, false})));
  span.start_ns = TRY(nanos(given, "startTimeUnixNano", "start_time_unix_nano"));
  span.end_ns = TRY(nanos(given, "endTimeUnixNano", "end_time_unix_nano"));
  if (const Json* name = given.find("name"); name && name->is_string())
    span.name = name->as_string();
  tracking::AttributeWriter attributes;
  const std::vector<Json> items = TRY(list(given, "attributes", "attributes"));
  for (const Json& item : items) TRY(add_attribute(item, &attributes));
  span.attributes = attributes.take();
  Json rest = Json::object();
  if (const Json* state = field(given, "traceState", "trace_state");
      state && state->is_string() && !state->as_string().empty())
    rest.set("trace_state", *state);
  read_kind(given, &rest);
  if (const Json* flags = given.find("flags"); flags && flags->is_int()) rest.set("flags", *flags);
  set_unless_empty(&rest, "events", TRY(events_of(given)));
  set_unless_empty(&rest, "links", TRY(links_of(given)));
  read_status(given, &span, &rest);
  span.body = codec::to_json(rest);
  return span;
}

Status read_resource_spans(const Json& given, tracking::SpanBatch* out) {
  const size_t index = out->resources.size();
  out->resources.emplace_back();
  const std::vector<Json> scopes = TRY(list(given, "scopeSpans", "scope_spans"));
  if (const Json* resource = given.find("resource"); resource && resource->is_object()) {
    const std::vector<Json> items = TRY(list(*resource, "attributes", "attributes"));
    for (const Json& item : items) TRY(add_tag(item, &out->resources.back()));
  }
  for (const Json& scope : scopes) {
    const std::vector<Json> spans = TRY(list(scope, "spans", "spans"));
    for (const Json& span : spans) {
      out->spans.push_back(TRY(span_of(span)));
      out->spans.back().resource = index;
    }
  }
  return {};
}

}  // namespace

Result<tracking::SpanBatch> read_json(std::string_view text) {
  const Result<Json> request = codec::parse_json(text, codec::NonFinite::kString);
  if (!request.ok() || !request->is_object()) return bad("no JSON object");
  tracking::SpanBatch out;
  const std::vector<Json> resources = TRY(list(*request, "resourceSpans", "resource_spans"));
  for (const Json& resource : resources) TRY(read_resource_spans(resource, &out));
  return out;
}

}  // namespace slip::wire::otlp
