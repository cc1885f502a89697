#include "wire/native/native.h"

#include "base/text.h"

namespace slip::wire::native {

std::string at(std::string_view path) { return concat({kBase, path}); }

http::Reply json_reply(const codec::Json& value, int status) {
  http::Reply reply;
  reply.status = status;
  reply.body = codec::to_json(value);
  return reply;
}

Result<codec::Json> body_object(const http::Request& request) {
  codec::Json body = TRY(codec::parse_json(request.body));
  if (!body.is_object())
    return invalid("request.body_not_object", "the body must be a JSON object");
  return body;
}

Result<Page> page_of(const http::Request& request) {
  Page page;
  if (const std::optional<int64_t> limit = TRY(query_int(request, "limit"))) {
    if (*limit < 1 || *limit > kPageMax)
      return invalid("request.limit", "limit is 1 to " + std::to_string(kPageMax));
    page.limit = *limit;
  }
  if (const std::string* token = request.query_value("page_token"); token && !token->empty()) {
    const std::optional<std::string> key = from_base64(*token);
    if (!key || !is_utf8(*key))
      return invalid("request.page_token", "page_token isn't one that this server gave");
    page.after = *key;
  }
  return page;
}

codec::Json page_json(std::vector<codec::Json> items, std::string_view last_key) {
  codec::Json out = codec::Json::object();
  out.set("items", codec::Json::array(std::move(items)));
  if (!last_key.empty()) out.set("next_page_token", to_base64(last_key));
  return out;
}

Result<std::optional<int64_t>> query_int(const http::Request& request, std::string_view name) {
  const std::string* text = request.query_value(name);
  if (text == nullptr || text->empty()) return std::optional<int64_t>();
  const std::optional<int64_t> value = parse_int(*text);
  if (!value) return invalid("request.query", concat({name, " must be a whole number"}));
  return value;
}

std::string query_text(const http::Request& request, std::string_view name) {
  const std::string* text = request.query_value(name);
  return text ? *text : std::string();
}

Result<int64_t> param_int(const http::Request& request, std::string_view name) {
  const std::optional<int64_t> value = parse_int(request.param(name));
  if (!value || *value < 0)
    return not_found("request.path", concat({"'", request.param(name), "' is no ", name}));
  return *value;
}

}  // namespace slip::wire::native
