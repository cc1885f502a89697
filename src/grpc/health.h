#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "grpc/method.h"
#include "sys/sync.h"

// grpc.health.v1: whether the server, or one of its services, takes calls. Public, so that probes
// need no credentials. Watchers hear of a change when refresh() finds one; whoever changes what
// `serving` looks at calls it. Any thread.
namespace slip::grpc {

class Health {
 public:
  // Whether a service takes calls; "": the server as a whole. Never blocks. Unknown services are
  // nothing.
  using Serving = std::function<std::optional<bool>(const std::string& service)>;
  explicit Health(Serving serving);
  ~Health();

  void refresh();
  void stop();  // Everything is NOT_SERVING from now on, and watchers are told.
  // Must outlive the rows.
  std::vector<Method> methods();

 private:
  struct Watcher;
  struct State {
    bool stopped = false;
    std::vector<Watcher> watchers;
  };
  int status_of(const std::string& service, bool stopped) const;
  Result<Reply> check(const Request& request) const;
  Result<std::shared_ptr<MessageStream>> watch(const Request& request);

  const Serving serving_;
  sys::Guarded<State> state_;
};

}  // namespace slip::grpc
