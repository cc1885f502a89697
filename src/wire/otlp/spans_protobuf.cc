#include <array>
#include <utility>

#include "base/protobuf.h"
#include "base/text.h"
#include "codec/json.h"
#include "wire/otlp/any_value.h"
#include "wire/otlp/otlp.h"

// ProtoField numbers below are those of opentelemetry/proto/trace/v1 and resource/v1.
namespace slip::wire::otlp {
namespace {

using codec::Json;

constexpr std::array<std::string_view, 6> kKinds = {"SPAN_KIND_UNSPECIFIED", "SPAN_KIND_INTERNAL",
                                                    "SPAN_KIND_SERVER",      "SPAN_KIND_CLIENT",
                                                    "SPAN_KIND_PRODUCER",    "SPAN_KIND_CONSUMER"};

// Event: 1 time, 2 name, 3 attributes.
Result<Json> event(std::string_view bytes) {
  Json out = Json::object();
  Json attributes = Json::array();
  ProtoReader reader(bytes);
  while (const auto f = TRY(reader.next())) {
    if (f->number == 1) out.set("time_unix_nano", static_cast<int64_t>(f->value));
    if (f->number == 2) out.set("name", text_of(f->bytes));
    if (f->number == 3) attributes.push(TRY(key_value_json(f->bytes, 0)));
  }
  if (!attributes.items().empty()) out.set("attributes", std::move(attributes));
  return out;
}

// Link: 1 trace, 2 span, 3 state, 4 attributes.
Result<Json> link(std::string_view bytes) {
  Json out = Json::object();
  Json attributes = Json::array();
  ProtoReader reader(bytes);
  while (const auto f = TRY(reader.next())) {
    if (f->number == 1) out.set("trace_id", to_base64(f->bytes));
    if (f->number == 2) out.set("span_id", to_base64(f->bytes));
    if (f->number == 3) out.set("trace_state", text_of(f->bytes));
    if (f->number == 4) attributes.push(TRY(key_value_json(f->bytes, 0)));
  }
  if (!attributes.items().empty()) out.set("attributes", std::move(attributes));
  return out;
}

// What a span's body is made of; most spans have none of it.
struct Rest {
  std::string status_message;
  std::string trace_state;
  uint64_t kind = 0;
  uint64_t flags = 0;
  Json events = Json::array();
  Json links = Json::array();

  std::string body() && {
    if (status_message.empty() && trace_state.empty() && kind == 0 && flags == 0 &&
        events.items().empty() && links.items().empty())
      return "{}";
    Json out = Json::object();
    if (!trace_state.empty()) out.set("trace_state", std::move(trace_state));
    if (kind > 0 && kind < kKinds.size()) out.set("kind", kKinds[kind]);
    if (flags != 0) out.set("flags", static_cast<int64_t>(flags & 0xffffffff));
    if (!events.items().empty()) out.set("events", std::move(events));
    if (!links.items().empty()) out.set("links", std::move(links));
    if (!status_message.empty()) out.set("status_message", std::move(status_message));
    return codec::to_json(out);
  }
};

// Status: 2 message, 3 code (1 ok, 2 error).
Status read_status(std::string_view bytes, tracking::Span* span, Rest* rest) {
  ProtoReader reader(bytes);
  while (const auto f = TRY(reader.next())) {
    if (f->number == 2) rest->status_message = text_of(f->bytes);
    if (f->number == 3)
      span->status = f->value == 2   ? tracking::SpanStatus::kError
                     : f->value == 1 ? tracking::SpanStatus::kOk
                                     : tracking::SpanStatus::kUnset;
  }
  return {};
}

Status read_id(std::string_view bytes, size_t wanted, std::string_view prefix, std::string* out) {
  if (bytes.size() != wanted)
    return invalid("otlp.ids", wanted == 16 ? "A trace id has 16 bytes" : "A span id has 8 bytes");
  out->assign(prefix).append(to_hex(bytes));
  return {};
}

Status span_field(const ProtoField& f, tracking::Span* span, tracking::AttributeWriter* attributes,
                  Rest* rest) {
  switch (f.number) {
    case 1:
      return read_id(f.bytes, 16, "tr-", &span->trace_id);
    case 2:
      return read_id(f.bytes, 8, "", &span->span_id);
    case 3:
      rest->trace_state = text_of(f.bytes);
      return {};
    case 4:
      if (f.bytes.empty()) return {};
      return read_id(f.bytes, 8, "", &span->parent_id);
    case 5:
      span->name = text_of(f.bytes);
      return {};
    case 6:
      rest->kind = f.value;
      return {};
    case 7:
      span->start_ns = static_cast<int64_t>(f.value);
      return {};
    case 8:
      span->end_ns = static_cast<int64_t>(f.value);
      return {};
    case 9:
      return add_attribute(f.bytes, attributes);
    case 11:
      rest->events.push(TRY(event(f.bytes)));
      return {};
    case 13:
      rest->links.push(TRY(link(f.bytes)));
      return {};
    case 15:
      return read_status(f.bytes, span, rest);
    case 16:
      rest->flags = f.value;
      return {};
    default:
      return {};  // Counts of what the sender dropped; fields to come.
  }
}

Result<tracking::Span> span_of(std::string_view bytes) {
  tracking::Span span;
  tracking::AttributeWriter attributes;
  Rest rest;
  ProtoReader reader(bytes);
  while (const auto f = TRY(reader.next())) TRY(span_field(*f, &span, &attributes, &rest));
  if (span.trace_id.empty() || span.span_id.empty())
    return invalid("otlp.ids", "A span without trace id or span id");
  if (span.start_ns < 0 || span.end_ns < 0)
    return invalid("otlp.ids", "A span's time is beyond the year 2262");
  span.attributes = attributes.take();
  span.body = std::move(rest).body();
  return span;
}

// Resource: 1 attributes.
Result<std::vector<tracking::Tag>> resource_of(std::string_view bytes) {
  std::vector<tracking::Tag> out;
  ProtoReader reader(bytes);
  while (const auto f = TRY(reader.next()))
    if (f->number == 1) TRY(add_tag(f->bytes, &out));
  return out;
}

// ResourceSpans: 1 resource, 2 scope_spans; in it 2 spans.
Status read_resource_spans(std::string_view bytes, tracking::SpanBatch* out) {
  const size_t index = out->resources.size();
  out->resources.emplace_back();
  ProtoReader reader(bytes);
  while (const auto f = TRY(reader.next())) {
    if (f->number == 1) out->resources.back() = TRY(resource_of(f->bytes));
    if (f->number != 2) continue;
    ProtoReader spans(f->bytes);
    while (const auto span = TRY(spans.next())) {
      if (span->number != 2) continue;
      out->spans.push_back(TRY(span_of(span->bytes)));
      out->spans.back().resource = index;
    }
  }
  return {};
}

}  // namespace

Result<tracking::SpanBatch> read_protobuf(std::string_view bytes) {
  tracking::SpanBatch out;
  const Status read = [&]() -> Status {
    ProtoReader request(bytes);  // 1 resource_spans.
    while (const auto resource = TRY(request.next()))
      if (resource->number == 1) TRY(read_resource_spans(resource->bytes, &out));
    return {};
  }();
  if (!read.ok() && read.error().reason == "protobuf.syntax")
    return invalid("otlp.syntax", concat({"Invalid OpenTelemetry format: ", read.error().text}));
  TRY(read);
  return out;
}

}  // namespace slip::wire::otlp
