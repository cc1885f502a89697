#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "codec/json.h"
#include "http/route.h"
#include "wire/oip/calls.h"

// What the files of the REST form have in common. Private to wire/oip/.
namespace slip::wire::oip {

http::Reply json_reply(const codec::Json& body, int status = 200);
http::Route rest_row(http::Method method, std::string path, http::Right right, std::string summary);
http::Route rest_get(std::string path, http::Right right, std::string summary,
                     http::Blocking handle);
// Takes a JSON body of the usual size.
http::Route rest_post(std::string path, http::Right right, std::string summary,
                      http::Blocking handle);
// The row is about the deployment in its {model}. From memory: also on an I/O thread.
void guard(const App& app, http::Route* r);

Result<Target> target_of(const App& app, const Ctx& ctx, const http::Request& request);
// The body as an object; nothing at all is an empty one. kInvalid `oip.body`.
Result<codec::Json> body_object(const http::Request& request);

// Rows of one file each.
std::vector<http::Route> infer_routes(App& app);
std::vector<http::Route> generate_routes(App& app);
std::vector<http::Route> model_control_routes(App& app);
std::vector<http::Route> setting_routes(App& app);
std::vector<http::Route> region_routes(App& app);

// "/v2/models/{model}" and "/v2/models/{model}/versions/{version}".
inline constexpr std::string_view kModelPaths[] = {"/v2/models/{model}",
                                                   "/v2/models/{model}/versions/{version}"};

}  // namespace slip::wire::oip
