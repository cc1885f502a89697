#pragma once

#include <string>
#include <vector>

#include "http/route.h"

namespace slip {
class Pool;
}
namespace slip::serving {
class Serving;
}

// The Open Inference Protocol (v2) over REST: a deployment's name is the model's name. Errors are
// {"error": "…"}. Infer runs on the I/O thread when the model is cheap, on the pool when it is dear
// or when its log waits for the disk.
namespace slip::wire::oip {

inline constexpr int64_t kInferBodyBytesMax = 64 << 20;

struct App {
  serving::Serving& serving;
  Pool& pool;
  std::string server_name;  // "slipway"
  std::string server_version;
};

// `app` must outlive the rows.
std::vector<http::Route> routes(App& app);

http::Reply render_error(const Error& error, const Ctx& ctx);

}  // namespace slip::wire::oip
