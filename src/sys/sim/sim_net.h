#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>

#include "sys/executor.h"
#include "sys/net.h"
#include "sys/sim/sim_rng.h"
#include "sys/sync.h"

// A network in memory: names, listeners, byte streams that are cut into odd pieces and, when the
// seed says so, reset in the middle. Deadlines are the simulated clock's.
namespace slip::sim {

class SimNet final : public Net {
 public:
  SimNet(Executor& executor, uint64_t seed) : executor_(executor), choice_(seed ^ 0x4e7) {}
  ~SimNet() override;

  void add_host(const std::string& host, const std::string& ip);
  // Each connection to (ip, port) becomes a task that runs `serve`.
  using Serve = std::function<void(Conn&)>;
  void listen(const std::string& ip, uint16_t port, Serve serve);
  // One in `n` reads and writes resets its connection; 0: never.
  void reset_one_in(uint64_t n);

  Result<std::vector<Address>> resolve(const std::string& host, uint16_t port) override;
  Result<std::unique_ptr<Conn>> dial(const Address& address, int64_t deadline_ns) override;

 private:
  friend class SimConn;
  struct Pipe;

  Executor& executor_;
  sys::Mutex mutex_;
  SimRng choice_;
  uint64_t reset_one_in_ = 0;
  std::multimap<std::string, std::string> hosts_;
  std::map<std::pair<std::string, uint16_t>, Serve> listeners_;
  std::vector<std::unique_ptr<Task>> tasks_;
};

}  // namespace slip::sim
