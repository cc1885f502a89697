#include <utility>

#include "base/text.h"
#include "codec/json.h"
#include "wire/otlp/otlp.h"
#include "wire/otlp/protobuf.h"

// Field numbers below are those of opentelemetry/proto/trace/v1 and common/v1.
namespace slip::wire::otlp {
namespace {

using codec::Json;

std::string text_of(const Field& f) {
  // Attribute texts must be UTF-8; what is not is kept as base64 rather than lost.
  return is_utf8(f.bytes) ? std::string(f.bytes) : to_base64(f.bytes);
}

Json int_text(uint64_t value) { return std::to_string(static_cast<int64_t>(value)); }

Result<Json> any_value(std::string_view bytes, int depth);

// KeyValue: 1 key, 2 value.
Result<Json> key_value(std::string_view bytes, int depth) {
  std::string key;
  Json value = Json::object();
  FieldReader reader(bytes);
  while (const auto f = TRY(reader.next())) {
    if (f->number == 1) key = text_of(*f);
    if (f->number == 2) value = TRY(any_value(f->bytes, depth + 1));
  }
  return Json::object({{"key", key}, {"value", std::move(value)}});
}

// ArrayValue and KeyValueList: 1 values.
Result<Json> values(std::string_view bytes, bool keyed, int depth) {
  Json list = Json::array();
  FieldReader reader(bytes);
  while (const auto f = TRY(reader.next()))
    if (f->number == 1)
      list.push(keyed ? TRY(key_value(f->bytes, depth)) : TRY(any_value(f->bytes, depth + 1)));
  return Json::object({{"values", std::move(list)}});
}

Result<Json> any_value(std::string_view bytes, int depth) {
  if (depth > kDepthMax) return invalid("otlp.syntax", "An attribute is nested too deeply");
  Json out = Json::object();
  FieldReader reader(bytes);
  while (const auto f = TRY(reader.next())) {
    switch (f->number) {
      case 1:
        out = Json::object({{"string_value", text_of(*f)}});
        break;
      case 2:
        out = Json::object({{"bool_value", f->value != 0}});
        break;
      case 3:
        out = Json::object({{"int_value", int_text(f->value)}});
        break;
      case 4:
        out = Json::object({{"double_value", f->as_double()}});
        break;
      case 5:
        out = Json::object({{"array_value", TRY(values(f->bytes, false, depth))}});
        break;
      case 6:
        out = Json::object({{"kvlist_value", TRY(values(f->bytes, true, depth))}});
        break;
      case 7:
        out = Json::object({{"bytes_value", to_base64(f->bytes)}});
        break;
      default:
        break;
    }
  }
  return out;
}

// Event: 1 time, 2 name, 3 attributes. Link: 1 trace, 2 span, 3 state, 4 attributes.
Result<Json> event(std::string_view bytes) {
  Json out = Json::object();
  Json attributes = Json::array();
  FieldReader reader(bytes);
  while (const auto f = TRY(reader.next())) {
    if (f->number == 1) out.set("time_unix_nano", std::to_string(f->value));
    if (f->number == 2) out.set("name", text_of(*f));
    if (f->number == 3) attributes.push(TRY(key_value(f->bytes, 0)));
  }
  if (!attributes.items().empty()) out.set("attributes", std::move(attributes));
  return out;
}

Result<Json> link(std::string_view bytes) {
  Json out = Json::object();
  Json attributes = Json::array();
  FieldReader reader(bytes);
  while (const auto f = TRY(reader.next())) {
    if (f->number == 1) out.set("trace_id", to_base64(f->bytes));
    if (f->number == 2) out.set("span_id", to_base64(f->bytes));
    if (f->number == 3) out.set("trace_state", text_of(*f));
    if (f->number == 4) attributes.push(TRY(key_value(f->bytes, 0)));
  }
  if (!attributes.items().empty()) out.set("attributes", std::move(attributes));
  return out;
}

// Status: 2 message, 3 code (1 ok, 2 error).
Result<Json> status(std::string_view bytes, bool* failed) {
  Json out = Json::object();
  FieldReader reader(bytes);
  while (const auto f = TRY(reader.next())) {
    if (f->number == 2) out.set("message", text_of(*f));
    if (f->number != 3) continue;
    *failed = f->value == 2;
    out.set("code", f->value == 2   ? "STATUS_CODE_ERROR"
                    : f->value == 1 ? "STATUS_CODE_OK"
                                    : "STATUS_CODE_UNSET");
  }
  return out;
}

struct Lists {
  Json attributes = Json::array();
  Json events = Json::array();
  Json links = Json::array();
};

Status span_field(const Field& f, tracking::Span* span, Json* body, Lists* lists) {
  switch (f.number) {
    case 1:
      if (f.bytes.size() != 16) return invalid("otlp.ids", "A trace id has 16 bytes");
      span->trace_id = "tr-" + to_hex(f.bytes);
      body->set("trace_id", to_base64(f.bytes));
      break;
    case 2:
      if (f.bytes.size() != 8) return invalid("otlp.ids", "A span id has 8 bytes");
      span->span_id = to_hex(f.bytes);
      body->set("span_id", to_base64(f.bytes));
      break;
    case 3:
      body->set("trace_state", text_of(f));
      break;
    case 4:
      span->parent_id = to_hex(f.bytes);
      if (!f.bytes.empty()) body->set("parent_span_id", to_base64(f.bytes));
      break;
    case 5:
      body->set("name", span->name = text_of(f));
      break;
    case 6:
      body->set("kind", static_cast<int64_t>(f.value & 7));
      break;
    case 7:
      span->start_ns = static_cast<int64_t>(f.value);
      body->set("start_time_unix_nano", std::to_string(f.value));
      break;
    case 8:
      span->end_ns = static_cast<int64_t>(f.value);
      body->set("end_time_unix_nano", std::to_string(f.value));
      break;
    case 9:
      lists->attributes.push(TRY(key_value(f.bytes, 0)));
      break;
    case 11:
      lists->events.push(TRY(event(f.bytes)));
      break;
    case 13:
      lists->links.push(TRY(link(f.bytes)));
      break;
    case 15:
      body->set("status", TRY(status(f.bytes, &span->failed)));
      break;
    case 16:
      body->set("flags", static_cast<int64_t>(f.value & 0xffffffff));
      break;
    default:
      break;  // Counts of what the sender dropped; fields to come.
  }
  return {};
}

Result<tracking::Span> span_of(std::string_view bytes) {
  tracking::Span span;
  Json body = Json::object();
  Lists lists;
  FieldReader reader(bytes);
  while (const auto f = TRY(reader.next())) TRY(span_field(*f, &span, &body, &lists));
  if (span.trace_id.empty() || span.span_id.empty())
    return invalid("otlp.ids", "A span without trace id or span id");
  if (span.start_ns < 0 || span.end_ns < 0)
    return invalid("otlp.ids", "A span's time is beyond the year 2262");
  if (!lists.attributes.items().empty()) body.set("attributes", std::move(lists.attributes));
  if (!lists.events.items().empty()) body.set("events", std::move(lists.events));
  if (!lists.links.items().empty()) body.set("links", std::move(lists.links));
  span.body = codec::to_json(body);
  return span;
}

}  // namespace

Result<std::vector<tracking::Span>> read_protobuf(std::string_view bytes) {
  std::vector<tracking::Span> out;
  FieldReader request(bytes);  // 1 resource_spans; in it 2 scope_spans; in it 2 spans.
  while (const auto resource = TRY(request.next())) {
    if (resource->number != 1) continue;
    FieldReader scopes(resource->bytes);
    while (const auto scope = TRY(scopes.next())) {
      if (scope->number != 2) continue;
      FieldReader spans(scope->bytes);
      while (const auto span = TRY(spans.next()))
        if (span->number == 2) out.push_back(TRY(span_of(span->bytes)));
    }
  }
  return out;
}

}  // namespace slip::wire::otlp
