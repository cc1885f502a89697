#include "wire/otlp/any_value.h"

#include <array>
#include <utility>

#include "base/protobuf.h"
#include "base/text.h"
#include "wire/otlp/otlp.h"

// ProtoField numbers are those of opentelemetry/proto/common/v1.
namespace slip::wire::otlp {
namespace {

using codec::Json;
using tracking::AttributeWriter;

Error too_deep() { return invalid("otlp.syntax", "An attribute is nested too deeply"); }

struct KeyValue {
  std::string_view key;
  std::string_view value;  // An AnyValue.
};
Result<KeyValue> split_pair(std::string_view bytes) {
  KeyValue out;
  ProtoReader reader(bytes);
  while (const auto f = TRY(reader.next())) {
    if (f->number == 1) out.key = f->bytes;
    if (f->number == 2) out.value = f->bytes;
  }
  return out;
}

// The last field that is set, as protobuf has it for a oneof; number 0 when none is.
Result<ProtoField> field_of(std::string_view any) {
  ProtoField out;
  ProtoReader reader(any);
  while (const auto f = TRY(reader.next()))
    if (f->number <= 7) out = *f;
  return out;
}

void append_text(std::string* out, std::string_view bytes) {
  if (is_utf8(bytes))
    codec::append_json_string(out, bytes);
  else
    codec::append_json_string(out, to_base64(bytes));
}

Result<bool> append_plain(std::string* out, std::string_view any, int depth);

// ArrayValue and KeyValueList: 1 values.
Result<bool> append_list(std::string* out, std::string_view bytes, bool keyed, int depth) {
  if (depth > kDepthMax) return too_deep();
  out->push_back(keyed ? '{' : '[');
  bool faithful = true;
  bool first = true;
  ProtoReader reader(bytes);
  while (const auto f = TRY(reader.next())) {
    if (f->number != 1) continue;
    if (!std::exchange(first, false)) out->append(", ");
    std::string_view any = f->bytes;
    if (keyed) {
      const KeyValue pair = TRY(split_pair(f->bytes));
      append_text(out, pair.key);
      out->append(": ");
      any = pair.value;
    }
    faithful = TRY(append_plain(out, any, depth + 1)) && faithful;
  }
  out->push_back(keyed ? '}' : ']');
  return faithful;
}

// As Python's json.dumps would write it; false when something got lost.
Result<bool> append_plain(std::string* out, std::string_view any, int depth) {
  const ProtoField f = TRY(field_of(any));
  switch (f.number) {
    case 1:
      append_text(out, f.bytes);
      return true;
    case 2:
      out->append(f.value != 0 ? "true" : "false");
      return true;
    case 3:
      out->append(std::to_string(static_cast<int64_t>(f.value)));
      return true;
    case 4:
      tracking::append_number(out, f.as_double());
      return true;
    case 5:
    case 6:
      return append_list(out, f.bytes, f.number == 6, depth);
    case 7:
      append_text(out, to_base64(f.bytes));
      return false;
    default:
      out->append("null");
      return true;
  }
}

Result<Json> any_json(std::string_view any, int depth) {
  if (depth > kDepthMax) return too_deep();
  const ProtoField f = TRY(field_of(any));
  switch (f.number) {
    case 1:
      return Json::object({{"string_value", text_of(f.bytes)}});
    case 2:
      return Json::object({{"bool_value", f.value != 0}});
    case 3:
      return Json::object({{"int_value", static_cast<int64_t>(f.value)}});
    case 4:
      return Json::object({{"double_value", f.as_double()}});
    case 5:
    case 6: {
      Json list = Json::array();
      ProtoReader reader(f.bytes);
      while (const auto item = TRY(reader.next())) {
        if (item->number != 1) continue;
        list.push(f.number == 6 ? TRY(key_value_json(item->bytes, depth + 1))
                                : TRY(any_json(item->bytes, depth + 1)));
      }
      return Json::object({{f.number == 5 ? "array_value" : "kvlist_value",
                            Json::object({{"values", std::move(list)}})}});
    }
    case 7:
      return Json::object({{"bytes_value", to_base64(f.bytes)}});
    default:
      return Json::object();
  }
}

// ---- JSON
constexpr std::array<std::pair<std::string_view, std::string_view>, 7> kNames = {
    {{"stringValue", "string_value"},
     {"boolValue", "bool_value"},
     {"intValue", "int_value"},
     {"doubleValue", "double_value"},
     {"arrayValue", "array_value"},
     {"kvlistValue", "kvlist_value"},
     {"bytesValue", "bytes_value"}}};

struct Chosen {
  std::string_view name;  // In snake_case; "" when nothing is set.
  const Json* value = nullptr;
};
Chosen choose(const Json* any) {
  Chosen out;
  if (!any || !any->is_object()) return out;
  for (const auto& [camel, snake] : kNames) {
    const Json* value = any->find(camel);
    if (!value) value = any->find(snake);
    if (value && !value->is_null()) out = {snake, value};
  }
  return out;
}

std::optional<int64_t> integer_of(const Json& value) {
  if (value.is_int()) return value.as_int();
  if (value.is_string()) return parse_int(value.as_string());
  return std::nullopt;
}

std::optional<double> number_of(const Json& value) {
  if (value.is_number()) return value.as_double();
  if (value.is_string()) return parse_double(value.as_string());
  return std::nullopt;
}

Error bad_value() { return invalid("otlp.syntax", "Invalid OpenTelemetry format: a value"); }

Result<std::vector<Json>> values_of(const Json& list) {
  const Json* values = list.is_object() ? list.find("values") : nullptr;
  if (!values) return std::vector<Json>();
  if (!values->is_array()) return bad_value();
  return values->items();
}

struct JsonPair {
  std::string key;
  const Json* value = nullptr;
};
Result<JsonPair> split_pair(const Json& key_value) {
  if (!key_value.is_object()) return bad_value();
  const Json* key = key_value.find("key");
  if (!key || !key->is_string()) return bad_value();
  return JsonPair{key->as_string(), key_value.find("value")};
}

Result<Json> any_json(const Json* any, int depth) {
  if (depth > kDepthMax) return too_deep();
  const Chosen c = choose(any);
  if (c.name.empty()) return Json::object();
  if (c.name == "string_value" || c.name == "bytes_value") {
    if (!c.value->is_string()) return bad_value();
    return Json::object({{std::string(c.name), *c.value}});
  }
  if (c.name == "bool_value") {
    if (!c.value->is_bool()) return bad_value();
    return Json::object({{"bool_value", *c.value}});
  }
  if (c.name == "int_value") {
    const auto number = integer_of(*c.value);
    if (!number) return bad_value();
    return Json::object({{"int_value", *number}});
  }
  if (c.name == "double_value") {
    const auto number = number_of(*c.value);
    if (!number) return bad_value();
    return Json::object({{"double_value", *number}});
  }
  Json list = Json::array();
  const std::vector<Json> values = TRY(values_of(*c.value));
  for (const Json& item : values)
    list.push(c.name == "kvlist_value" ? TRY(key_value_json(item, depth + 1))
                                       : TRY(any_json(&item, depth + 1)));
  return Json::object({{std::string(c.name), Json::object({{"values", std::move(list)}})}});
}

// As append_plain of the binary form; of what any_json returned.
bool append_plain(std::string* out, const Json& any) {
  if (!any.is_object() || any.members().empty()) {
    out->append("null");
    return true;
  }
  const auto& [name, value] = any.members().front();
  if (name == "double_value") {
    tracking::append_number(out, value.as_double());
    return true;
  }
  if (name != "array_value" && name != "kvlist_value") {
    out->append(codec::to_json(value));
    return name != "bytes_value";
  }
  const bool keyed = name == "kvlist_value";
  bool faithful = true;
  bool first = true;
  out->push_back(keyed ? '{' : '[');
  for (const Json& item : value.find("values")->items()) {
    if (!std::exchange(first, false)) out->append(", ");
    if (keyed) {
      append_text(out, item.find("key")->as_string());
      out->append(": ");
    }
    faithful = append_plain(out, keyed ? *item.find("value") : item) && faithful;
  }
  out->push_back(keyed ? '}' : ']');
  return faithful;
}

}  // namespace

std::string text_of(std::string_view bytes) {
  return is_utf8(bytes) ? std::string(bytes) : to_base64(bytes);
}

Status add_attribute(std::string_view key_value, AttributeWriter* out) {
  const KeyValue pair = TRY(split_pair(key_value));
  const std::string key = text_of(pair.key);
  const ProtoField f = TRY(field_of(pair.value));
  switch (f.number) {
    case 1:
      if (is_utf8(f.bytes))
        out->text(key, f.bytes);
      else
        out->text(key, to_base64(f.bytes));
      return {};
    case 2:
      out->flag(key, f.value != 0);
      return {};
    case 3:
      out->integer(key, static_cast<int64_t>(f.value));
      return {};
    case 4:
      out->number(key, f.as_double());
      return {};
    case 5:
    case 6: {
      std::string plain;
      if (TRY(append_list(&plain, f.bytes, f.number == 6, 0)))
        out->json(key, plain);
      else
        out->otlp(key, codec::to_json(TRY(any_json(pair.value, 0))));
      return {};
    }
    case 7:
      out->bytes(key, f.bytes);
      return {};
    default:
      out->none(key);
      return {};
  }
}

Result<Json> key_value_json(std::string_view key_value, int depth) {
  const KeyValue pair = TRY(split_pair(key_value));
  Json value = TRY(any_json(pair.value, depth + 1));
  return Json::object({{"key", text_of(pair.key)}, {"value", std::move(value)}});
}

Status add_tag(std::string_view key_value, std::vector<tracking::Tag>* out) {
  const KeyValue pair = TRY(split_pair(key_value));
  const ProtoField f = TRY(field_of(pair.value));
  tracking::Tag tag{text_of(pair.key), {}};
  if (f.number == 1)
    tag.value = text_of(f.bytes);
  else
    TRY(append_plain(&tag.value, pair.value, 0));
  out->push_back(std::move(tag));
  return {};
}

Status add_attribute(const Json& key_value, AttributeWriter* out) {
  const JsonPair pair = TRY(split_pair(key_value));
  const Json any = TRY(any_json(pair.value, 0));
  if (any.members().empty()) {
    out->none(pair.key);
    return {};
  }
  const auto& [name, value] = any.members().front();
  if (name == "string_value") {
    out->text(pair.key, value.as_string());
  } else if (name == "bool_value") {
    out->flag(pair.key, value.as_bool());
  } else if (name == "int_value") {
    out->integer(pair.key, value.as_int());
  } else if (name == "double_value") {
    out->number(pair.key, value.as_double());
  } else if (name == "bytes_value") {
    out->bytes(pair.key, from_base64(value.as_string()).value_or(value.as_string()));
  } else {
    std::string plain;
    if (append_plain(&plain, any))
      out->json(pair.key, plain);
    else
      out->otlp(pair.key, codec::to_json(any));
  }
  return {};
}

Result<Json> key_value_json(const Json& key_value, int depth) {
  const JsonPair pair = TRY(split_pair(key_value));
  Json value = TRY(any_json(pair.value, depth + 1));
  return Json::object({{"key", pair.key}, {"value", std::move(value)}});
}

Status add_tag(const Json& key_value, std::vector<tracking::Tag>* out) {
  const JsonPair pair = TRY(split_pair(key_value));
  const Json any = TRY(any_json(pair.value, 0));
  tracking::Tag tag{pair.key, {}};
  if (!any.members().empty() && any.members().front().first == "string_value")
    tag.value = any.members().front().second.as_string();
  else
    append_plain(&tag.value, any);
  out->push_back(std::move(tag));
  return {};
}

}  // namespace slip::wire::otlp
