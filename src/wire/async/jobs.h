#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "core/later/later.h"
#include "http/route.h"

// How requests that are answered later look over HTTP, and the rows below /v2/async. Private to
// wire/async/.
namespace slip::wire::async {

inline constexpr const char* kGrpcMethod = "GRPC";  // Instead of HTTP's.

// Of the connection, of one exchange, or credentials: not kept with the request.
bool is_kept(std::string_view lower_name);
bool is_transient(int http_status);

// `base`: what comes before /v2/async.
std::string place_of(const later::Job& job, std::string_view base);
http::Reply job_reply(const later::Job& job, std::string_view base, int status = 200);
// As the row gave it.
http::Reply answer_reply(later::Answer answer);

std::vector<http::Route> job_routes(later::Later& later);

}  // namespace slip::wire::async
