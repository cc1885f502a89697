#include "wire/mlflow/span_messages.h"

#include <array>
#include <utility>

#include "base/text.h"
#include "tracking/trace_spans.h"

namespace slip::wire::mlflow {
namespace {

using codec::Json;
using tracking::Attribute;
using tracking::Span;
using tracking::SpanStatus;

std::string base64_of_hex(std::string_view hex) {
  const auto raw = from_hex(hex);
  return raw ? to_base64(*raw) : std::string(hex);
}

std::string trace_id_of(const Span& span) {
  std::string_view id = span.trace_id;
  if (id.starts_with("tr-")) id.remove_prefix(3);
  return base64_of_hex(id);
}

std::string_view status_name(SpanStatus status) {
  constexpr std::array<std::string_view, 3> kNames = {"STATUS_CODE_UNSET", "STATUS_CODE_OK",
                                                      "STATUS_CODE_ERROR"};
  return kNames[static_cast<size_t>(status)];
}

Json parsed(std::string_view text) {
  Result<Json> out = codec::parse_json(text, codec::NonFinite::kToken);
  return out.ok() ? std::move(out).value() : Json();
}

// An AnyValue of plain JSON.
Json any_value(const Json& value) {
  switch (value.kind()) {
    case Json::Kind::kNull:
      break;
    case Json::Kind::kBool:
      return Json::object({{"bool_value", value}});
    case Json::Kind::kInt:
      return Json::object({{"int_value", value}});
    case Json::Kind::kDouble:
      return Json::object({{"double_value", value}});
    case Json::Kind::kString:
      return Json::object({{"string_value", value}});
    case Json::Kind::kArray: {
      Json list = Json::array();
      for (const Json& item : value.items()) list.push(any_value(item));
      return Json::object({{"array_value", Json::object({{"values", std::move(list)}})}});
    }
    case Json::Kind::kObject: {
      Json list = Json::array();
      for (const auto& [key, item] : value.members())
        list.push(Json::object({{"key", key}, {"value", any_value(item)}}));
      return Json::object({{"kvlist_value", Json::object({{"values", std::move(list)}})}});
    }
  }
  return Json::object();
}

Json any_value(const Attribute& a) {
  switch (a.type) {
    case 's':
    case 'q':
      return Json::object({{"string_value", a.text()}});
    case 'x':
      return Json::object({{"bytes_value", a.value}});
    case 'J':
      return parsed(a.value);
    case 'n':
      return Json::object();
    default:
      return any_value(parsed(a.value));
  }
}

// As a data file has it: each value as JSON text.
std::string dumped(const Attribute& a) {
  switch (a.type) {
    case 's':
    case 'q':
    case 'x': {
      std::string out;
      codec::append_json_string(&out, a.text());
      return out;
    }
    case 'n':
      return "null";
    default:
      return std::string(a.value);
  }
}

Json plain(const Json& any);

Json plain_list(const Json* list, bool keyed) {
  Json out = keyed ? Json::object() : Json::array();
  if (!list || !list->is_object()) return out;
  const Json* values = list->find("values");
  if (!values || !values->is_array()) return out;
  for (const Json& item : values->items()) {
    if (!keyed) {
      out.push(plain(item));
      continue;
    }
    const Json* key = item.find("key");
    const Json* value = item.find("value");
    if (key && key->is_string()) out.set(key->as_string(), value ? plain(*value) : Json());
  }
  return out;
}

// The JSON behind an AnyValue.
Json plain(const Json& any) {
  if (!any.is_object() || any.members().empty()) return {};
  const auto& [name, value] = any.members().front();
  if (name == "array_value") return plain_list(&value, false);
  if (name == "kvlist_value") return plain_list(&value, true);
  if (name == "int_value" && value.is_string())
    if (const auto number = parse_int(value.as_string())) return *number;
  return value;
}

Json plain_attributes(const Json* list) {
  Json out = Json::object();
  if (!list || !list->is_array()) return out;
  for (const Json& item : list->items()) {
    const Json* key = item.find("key");
    const Json* value = item.find("value");
    if (key && key->is_string() && value) out.set(key->as_string(), plain(*value));
  }
  return out;
}

// Numbers that protobuf's mapping may have written as text.
Json number_of(const Json* value) {
  if (!value) return int64_t{0};
  if (value->is_string())
    if (const auto number = parse_int(value->as_string())) return *number;
  return *value;
}

Json events_of(const Json& body) {
  Json out = Json::array();
  const Json* events = body.find("events");
  if (!events || !events->is_array()) return out;
  for (const Json& event : events->items()) {
    const Json* name = event.find("name");
    out.push(Json::object({{"name", name ? *name : Json("")},
                           {"time_unix_nano", number_of(event.find("time_unix_nano"))},
                           {"attributes", plain_attributes(event.find("attributes"))}}));
  }
  return out;
}

Json links_of(const Json& body) {
  Json out = Json::array();
  const Json* links = body.find("links");
  if (!links || !links->is_array()) return out;
  const auto hex = [](const Json* id) {
    const auto raw = id && id->is_string() ? from_base64(id->as_string()) : std::nullopt;
    return raw ? to_hex(*raw) : std::string();
  };
  for (const Json& link : links->items())
    out.push(Json::object({{"trace_id", "tr-" + hex(link.find("trace_id"))},
                           {"span_id", hex(link.find("span_id"))},
                           {"attributes", plain_attributes(link.find("attributes"))}}));
  return out;
}

Json entry_of(const Span& span) {
  const Json body = parsed(span.body);
  Json attributes = Json::object();
  if (span.attributes.empty())
    for (const auto& [key, value] : plain_attributes(body.find("attributes")).members())
      attributes.set(key, codec::to_json(value, 0, codec::NonFinite::kToken));
  tracking::each_attribute(span.attributes,
                           [&](const Attribute& a) { attributes.set(a.key, dumped(a)); });
  const Json* said = body.find("status_message");
  Json out = Json::object(
      {{"trace_id", trace_id_of(span)},
       {"span_id", base64_of_hex(span.span_id)},
       {"parent_span_id", span.parent_id.empty() ? Json() : Json(base64_of_hex(span.parent_id))},
       {"name", span.name},
       {"start_time_unix_nano", span.start_ns},
       {"end_time_unix_nano", span.end_ns > 0 ? Json(span.end_ns) : Json()},
       {"events", events_of(body)}});
  out.set("status",
          Json::object({{"code", status_name(span.status)}, {"message", said ? *said : Json("")}}));
  out.set("attributes", std::move(attributes));
  out.set("links", links_of(body));
  return out;
}

}  // namespace

Json span_message(const Span& span) {
  Json body = parsed(span.body);
  if (body.find("trace_id")) return body;  // Kept whole, before attributes had a column.
  Json out =
      Json::object({{"trace_id", trace_id_of(span)}, {"span_id", base64_of_hex(span.span_id)}});
  if (!span.parent_id.empty()) out.set("parent_span_id", base64_of_hex(span.parent_id));
  out.set("name", span.name);
  out.set("start_time_unix_nano", span.start_ns);
  if (span.end_ns > 0) out.set("end_time_unix_nano", span.end_ns);
  Json attributes = Json::array();
  tracking::each_attribute(span.attributes, [&](const Attribute& a) {
    attributes.push(Json::object({{"key", a.key}, {"value", any_value(a)}}));
  });
  if (!attributes.items().empty()) out.set("attributes", std::move(attributes));
  Json status = Json::object();
  if (const Json* said = body.find("status_message")) status.set("message", *said);
  status.set("code", status_name(span.status));
  out.set("status", std::move(status));
  if (body.is_object())
    for (const auto& [name, value] : body.members())
      if (name != "status_message") out.set(name, value);
  return out;
}

Json trace_data(const std::vector<Span>& spans) {
  Json list = Json::array();
  for (const Span& span : spans) list.push(entry_of(span));
  return Json::object({{"spans", std::move(list)}});
}

}  // namespace slip::wire::mlflow
