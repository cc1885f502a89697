#pragma once

#include <memory>
#include <string>
#include <vector>

#include "sys/executor.h"
#include "sys/net.h"

namespace slip {
class Clock;
}

// A network on which nothing waits longer than it was given: the system's name resolution can't be
// interrupted, so it happens on threads of its own, and who asked goes on without the answer. Any
// thread.
namespace slip::app {

class Resolver {
 public:
  Resolver(Net& net, Executor& executor, Clock& clock);
  // kTimeout `net.timeout` also while all threads wait for names that don't come.
  Result<std::vector<Address>> resolve(const std::string& host, uint16_t port, int64_t deadline_ns);

 private:
  Net& net_;
  const std::unique_ptr<Pool> pool_;  // Its end waits for what is being resolved.
};

// Ends everything at `end_ns`, whatever deadline a call has besides.
class BoundedNet final : public Net {
 public:
  BoundedNet(Net& net, Resolver& resolver, int64_t end_ns)
      : net_(net), resolver_(resolver), end_(end_ns) {}
  Result<std::vector<Address>> resolve(const std::string& host, uint16_t port) override;
  Result<std::unique_ptr<Conn>> dial(const Address& address, int64_t deadline_ns) override;

 private:
  Net& net_;
  Resolver& resolver_;
  const int64_t end_;
};

}  // namespace slip::app
