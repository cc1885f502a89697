#include "wire/mlflow/proto_in.h"

#include <cmath>
#include <utility>

#include "base/text.h"

namespace slip::wire::mlflow {
namespace {

using codec::Json;

constexpr std::string_view kSeeDocs =
    "See the API docs for more information about request parameters.";

std::string camel(std::string_view name) {
  std::string out;
  for (size_t i = 0; i < name.size(); ++i) {
    const bool raise = name[i] == '_' && i + 1 < name.size();
    if (raise) ++i;
    const char c = name[i];
    out += raise && c >= 'a' && c <= 'z' ? static_cast<char>(c - 32) : c;
  }
  return out;
}

std::string_view python_type(const Json& value) {
  switch (value.kind()) {
    case Json::Kind::kNull:
      return "NoneType";
    case Json::Kind::kBool:
      return "bool";
    case Json::Kind::kInt:
      return "int";
    case Json::Kind::kDouble:
      return "float";
    case Json::Kind::kString:
      return "str";
    case Json::Kind::kArray:
      return "list";
    case Json::Kind::kObject:
      return "dict";
  }
  return "?";
}

std::optional<int64_t> as_int64(const Json& value) {
  if (value.is_int()) return value.as_int();
  if (value.is_string()) return parse_int(value.as_string());
  if (value.kind() != Json::Kind::kDouble) return std::nullopt;
  const double d = value.as_double();  // 3.0 is an integer to protobuf, 3.5 is not.
  if (d != std::floor(d) || std::abs(d) > 9007199254740992.0) return std::nullopt;
  return static_cast<int64_t>(d);
}

// A GET's arguments: one value a string, several a list.
Json from_query(const http::Request& request) {
  Json out = Json::object();
  for (const auto& [name, value] : request.query) {
    const Json* before = out.find(name);
    if (!before) {
      out.set(name, value);
      continue;
    }
    Json list = before->is_array() ? *before : Json::array({*before});
    list.push(value);
    out.set(name, std::move(list));
  }
  return out;
}

Result<Json> from_body(const http::Request& request) {
  if (trim(request.body).empty()) return Json::object();
  const auto bad = [](const Error& e) {
    return invalid("mlflow.json", concat({"Malformed JSON in the request body: ", e.text}));
  };
  Result<Json> parsed = codec::parse_json(request.body, codec::NonFinite::kToken);
  if (!parsed.ok()) return bad(parsed.error());
  if (parsed->is_string()) {  // Old clients encode twice.
    const std::string inner = parsed->as_string();
    parsed = codec::parse_json(inner, codec::NonFinite::kToken);
    if (!parsed.ok()) return bad(parsed.error());
  }
  if (parsed->is_null()) return Json::object();
  if (!parsed->is_object()) return invalid("mlflow.json", "The request body is no JSON object");
  return parsed;
}

Status check_content_type(const http::Request& request) {
  if (request.method != http::Method::kPost && request.method != http::Method::kPut) return {};
  const std::string_view type = request.header("content-type");
  if (type.empty())
    return invalid("mlflow.content_type", "Bad Request. Content-Type header is missing.");
  if (iequals(trim(split(type, ';').front()), "application/json")) return {};
  return invalid("mlflow.content_type",
                 "Bad Request. Content-Type must be one of ['application/json'].");
}

}  // namespace

Result<In> In::of(const http::Request& request) {
  TRY(check_content_type(request));
  const bool get = request.method == http::Method::kGet || request.method == http::Method::kHead;
  const bool query = (get && !request.query.empty()) ||
                     (request.method == http::Method::kDelete && request.body.empty());
  Json object = query ? from_query(request) : TRY(from_body(request));
  for (const auto& [name, value] : request.params) {
    object.erase(camel(name));
    object.set(name, value);
  }
  return query ? of_query(std::move(object)) : In(std::move(object));
}

In In::of_query(Json object) {
  In out(std::move(object));
  out.query_ = true;
  return out;
}

Error In::missing(std::string_view name) const {
  return invalid("mlflow.missing", concat({"Missing value for required parameter '", path_of(name),
                                           "'. ", kSeeDocs}));
}

Error In::wrong_type(std::string_view name, const Json& value) const {
  std::string shown = codec::to_json(value);
  if (shown.size() > 200) shown = std::string(utf8_prefix(shown, 200)) + "…";
  return invalid("mlflow.type", concat({"Invalid value ", shown, " for parameter '", path_of(name),
                                        "' supplied:  Hint: Value was of type '",
                                        python_type(value), "'. ", kSeeDocs}));
}

Result<const Json*> In::find(std::string_view name) const {
  const Json* snake = object_.find(name);
  const std::string other = camel(name);
  const Json* spelled = other == name ? nullptr : object_.find(other);
  if (snake && spelled)
    return invalid("mlflow.both_spellings", concat({"Request specifies both '", name, "' and '",
                                                    other, "'; provide only one of them."}));
  const Json* out = snake ? snake : spelled;
  if (out && out->is_null()) out = nullptr;
  return out;
}

bool In::has(std::string_view name) const {
  const auto found = find(name);
  return found.ok() && *found;
}

Result<std::optional<std::string>> In::maybe_text(std::string_view name) const {
  const Json* value = TRY(find(name));
  if (!value) return std::optional<std::string>();
  if (value->is_string()) return std::optional(value->as_string());
  return wrong_type(name, *value);
}

Result<std::optional<int64_t>> In::maybe_integer(std::string_view name) const {
  const Json* value = TRY(find(name));
  if (!value) return std::optional<int64_t>();
  if (const auto i = as_int64(*value)) return std::optional(*i);
  return wrong_type(name, *value);
}

Result<std::string> In::text(std::string_view name) const {
  auto value = TRY(maybe_text(name));
  if (!value || value->empty()) return missing(name);
  return std::move(*value);
}

Result<int64_t> In::integer(std::string_view name) const {
  const auto value = TRY(maybe_integer(name));
  if (!value) return missing(name);
  return *value;
}

Result<double> In::number(std::string_view name) const {
  const Json* value = TRY(find(name));
  if (!value) return missing(name);
  if (value->is_number()) return value->as_double();
  if (value->is_string())
    if (const auto d = parse_double(value->as_string())) return *d;
  return wrong_type(name, *value);
}

Result<std::string> In::text_or(std::string_view name, std::string_view fallback) const {
  auto value = TRY(maybe_text(name));
  return value ? std::move(*value) : std::string(fallback);
}

Result<int64_t> In::integer_or(std::string_view name, int64_t fallback) const {
  return TRY(maybe_integer(name)).value_or(fallback);
}

Result<int64_t> In::integer_up_to(std::string_view name, int64_t fallback, int64_t max) const {
  const int64_t value = TRY(integer_or(name, fallback));
  if (value > max) return wrong_type(name, *TRY(find(name)));
  return value;
}

Result<bool> In::flag_or(std::string_view name, bool fallback) const {
  const Json* value = TRY(find(name));
  if (!value) return fallback;
  if (value->is_bool()) return value->as_bool();
  if (!query_ || !value->is_string()) return wrong_type(name, *value);
  if (iequals(value->as_string(), "true")) return true;
  if (iequals(value->as_string(), "false")) return false;
  return invalid("mlflow.type", concat({"Invalid boolean value: ", value->as_string(),
                                        ", must be 'true' or 'false'."}));
}

Result<std::vector<std::string>> In::texts(std::string_view name) const {
  std::vector<std::string> out;
  const Json* value = TRY(find(name));
  if (!value) return out;
  if (query_ && value->is_string()) return std::vector{value->as_string()};
  if (!value->is_array()) return wrong_type(name, *value);
  for (const Json& item : value->items()) {
    if (!item.is_string()) return wrong_type(name, *value);
    out.push_back(item.as_string());
  }
  return out;
}

Result<std::vector<In>> In::list(std::string_view name) const {
  std::vector<In> out;
  const Json* value = TRY(find(name));
  if (!value) return out;
  if (!value->is_array()) return wrong_type(name, *value);
  for (const Json& item : value->items()) {
    if (!item.is_object()) return wrong_type(name, item);
    out.emplace_back(item, concat({where_, name, "[", std::to_string(out.size()), "]."}));
  }
  return out;
}

Result<In> In::message(std::string_view name) const {
  const Json* value = TRY(find(name));
  if (!value) return In(Json::object(), path_of(name) + ".");
  if (!value->is_object()) return wrong_type(name, *value);
  return In(*value, path_of(name) + ".");
}

Result<std::optional<int64_t>> In::maybe_enum(std::string_view name, const EnumNames& names) const {
  const Json* value = TRY(find(name));
  if (!value) return std::optional<int64_t>();
  const auto end = names.first + static_cast<int64_t>(names.names.size());
  std::optional<int64_t> number = as_int64(*value);
  if (value->is_string())
    for (size_t i = 0; i < names.names.size(); ++i)
      if (names.names[i] == value->as_string()) number = names.first + static_cast<int64_t>(i);
  if (number && *number >= names.first && *number < end) return number;
  return wrong_type(name, *value);
}

Result<std::string> In::run_id() const {
  auto id = TRY(maybe_text("run_id"));
  if (!id || id->empty()) id = TRY(maybe_text("run_uuid"));
  if (!id || id->empty()) return missing("run_id");
  return std::move(*id);
}

}  // namespace slip::wire::mlflow
