#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "http/route.h"
#include "sys/log.h"

namespace slip {
class Pool;
}
namespace slip::serving {
class Serving;
}

// The Open Inference Protocol (v2) over REST, with Triton's extensions: a deployment's name is the
// model's name. Errors are {"error": "…"}. Infer runs on the I/O thread when the model is cheap, on
// the pool when it is dear or when its log waits for the disk.
namespace slip::wire::oip {

inline constexpr int64_t kInferBodyBytesMax = 64 << 20;

class Control;  // wire/oip/control.h

struct App {
  serving::Serving& serving;
  Pool& pool;
  std::string server_name;  // "slipway"
  std::string server_version;
  bool client_shm = false;  // Whether clients may register shared memory.
  Level log_level = Level::kInfo;
  std::function<void(Level, bool)> switch_log = nullptr;  // May be null: levels stay as they are.
  std::shared_ptr<Control> control = nullptr;  // Made by the first of routes() and methods().
};

// `app` must outlive the rows.
std::vector<http::Route> routes(App& app);

http::Reply render_error(const Error& error, const Ctx& ctx);

}  // namespace slip::wire::oip
