#pragma once

#include <memory>

#include "wire/oip/oip.h"
#include "wire/oip/regions.h"
#include "wire/oip/server_settings.h"

// What the protocol's control calls keep, the same for REST and gRPC. In memory only: it is what
// clients of this process have said to it. Any thread.
namespace slip::wire::oip {

class Control {
 public:
  explicit Control(const App& app) : regions(app.client_shm), log(app.log_level, app.switch_log) {}
  Regions regions;
  TraceSettings trace;
  LogSettings log;
};

// Made at the first call; before the server takes requests.
inline Control& control_of(App& app) {
  if (!app.control) app.control = std::make_shared<Control>(app);
  return *app.control;
}

}  // namespace slip::wire::oip
