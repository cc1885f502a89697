#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "codec/json.h"
#include "http/route.h"
#include "sys/ctx.h"

// What the files of our own REST (/api/slipway/v1) share: JSON in and out, pages, numbers in paths.
// Each file of this folder offers `std::vector<http::Route> NAME_routes(NameApp)` with a struct of
// the references it needs; app/routes.cc puts them together. Errors are the server's problem
// documents. Pure; any thread.
namespace slip::wire::native {

inline constexpr std::string_view kBase = "/api/slipway/v1";
inline constexpr int64_t kPageMax = 1000;
inline constexpr int64_t kPageDefault = 100;

std::string at(std::string_view path);  // kBase + path

http::Reply json_reply(const codec::Json& value, int status = 200);
// The body as an object; kInvalid `request.body_not_object` and parse_json's.
Result<codec::Json> body_object(const http::Request& request);

struct Page {
  int64_t limit = kPageDefault;
  std::string after;  // Key of the last item of the page before, "" at first.
};
// ?limit= and ?page_token=. kInvalid `request.limit|request.page_token`.
Result<Page> page_of(const http::Request& request);
// {"items": […], "next_page_token": …}. `last_key`: of the last item when more may follow, else "".
codec::Json page_json(std::vector<codec::Json> items, std::string_view last_key);

// kInvalid `request.query`. Absent: nothing.
Result<std::optional<int64_t>> query_int(const http::Request& request, std::string_view name);
std::string query_text(const http::Request& request, std::string_view name);  // "" when absent.
// A {name} of the path that is a whole number ≥ 0. kNotFound `request.path`.
Result<int64_t> param_int(const http::Request& request, std::string_view name);

}  // namespace slip::wire::native
