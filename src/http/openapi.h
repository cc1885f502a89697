#pragma once

#include <span>
#include <string>
#include <string_view>

#include "base/result.h"
#include "http/route.h"

// The rows as an OpenAPI 3.1 document: the same rows give the same bytes, whatever their order, so
// the committed copy can be compared with what the server would say. Pure.
namespace slip::http {

// kInvalid `routes.schema` when a row's schema is no JSON object.
Result<std::string> openapi(std::span<const Route> rows, std::string_view version);

}  // namespace slip::http
