#include "wire/databricks/request.h"

#include <array>

#include "base/error_map.h"
#include "base/text.h"

namespace slip::wire::databricks {
namespace {

struct CodeName {
  Code code;
  std::string_view name;
};
constexpr std::array<CodeName, 10> kCodes = {{
    {Code::kInvalid, "INVALID_PARAMETER_VALUE"},
    {Code::kNotFound, "RESOURCE_DOES_NOT_EXIST"},
    {Code::kExists, "RESOURCE_ALREADY_EXISTS"},
    {Code::kConflict, "RESOURCE_CONFLICT"},
    {Code::kUnauthorized, "UNAUTHENTICATED"},
    {Code::kForbidden, "PERMISSION_DENIED"},
    {Code::kExhausted, "RESOURCE_EXHAUSTED"},
    {Code::kUnavailable, "TEMPORARILY_UNAVAILABLE"},
    {Code::kTimeout, "DEADLINE_EXCEEDED"},
    {Code::kUnsupported, "NOT_IMPLEMENTED"},
}};

}  // namespace

http::Reply render_error(const Error& error, const Ctx&) {
  std::string_view name = "INTERNAL_ERROR";
  for (const CodeName& row : kCodes)
    if (row.code == error.code) name = row.name;
  http::Reply reply;
  reply.status = code_row(error.code).http_status;
  reply.body = codec::to_json(codec::Json::object(
      {{"error_code", name}, {"message", error.text}, {"reason", error.reason}}));
  return reply;
}

// Body or query as one object; what the query says is text.
Result<codec::Json> fields_of(const http::Request& request) {
  if (!trim(request.body).empty()) {
    codec::Json body = TRY(codec::parse_json(request.body));
    if (!body.is_object())
      return invalid("request.body_not_object", "the body must be a JSON object");
    return body;
  }
  codec::Json out = codec::Json::object();
  for (const auto& [key, value] : request.query) out.set(key, value);
  return out;
}

Result<std::string> required(const codec::Json& in, std::string_view key) {
  std::string out = TRY(codec::string_or(in, key, ""));
  if (out.empty())
    return invalid("request.missing_field",
                   concat({"Missing value for required parameter '", key, "'."}));
  return out;
}

}  // namespace slip::wire::databricks
