#pragma once

#include <string>
#include <string_view>

#include "codec/json.h"
#include "http/route.h"

// What the rows of this wire have in common: how a request is read and a refusal written.
namespace slip::wire::databricks {

http::Reply render_error(const Error& error, const Ctx& ctx);
// Body or query as one object; what the query says is text.
Result<codec::Json> fields_of(const http::Request& request);
// kInvalid `request.missing_field` also for an empty text.
Result<std::string> required(const codec::Json& in, std::string_view key);

}  // namespace slip::wire::databricks
