#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/result.h"
#include "sys/net.h"

// Child processes by argument vector, never by shell, and what the process knows of itself.
namespace slip {

struct SpawnOptions {
  // argv[0] is looked up in PATH unless it holds a slash.
  std::vector<std::string> argv = {};
  std::map<std::string, std::string> env = {};  // Added to (and overriding) the parent's.
  bool inherit_env = true;                      // False: `env` is all there is.
  std::string cwd = {};
  int stdout_fd = -1;  // Inherited when negative.
  int stderr_fd = -1;
};

struct Exit {
  int code = 0;  // Valid when signal == 0.
  int signal = 0;
};

class Child {
 public:
  virtual ~Child() = default;  // Kills and reaps what still runs.
  virtual int64_t pid() const = 0;
  virtual Result<Exit> wait(int64_t timeout_ms) = 0;  // kTimeout `process.running`.
  virtual Status signal(int number) = 0;
};

// A child that is talked to: its descriptor 3 is the other end of `conn`. It has no input.
struct Connected {
  std::unique_ptr<Child> child;
  std::unique_ptr<Conn> conn;
  // The last of what it wrote to standard output and error; it is kept in memory.
  std::function<std::string(size_t bytes_max)> printed;
};

class Process {
 public:
  virtual ~Process() = default;
  virtual Result<std::unique_ptr<Child>> spawn(const SpawnOptions& options) = 0;
  virtual Result<Connected> spawn_connected(const SpawnOptions& options);
  virtual std::string env(const std::string& name) const = 0;  // Empty when unset.
  virtual std::string working_dir() const = 0;                 // "/" when it is gone.
  virtual int64_t resident_bytes() const = 0;                  // VmRSS.
  virtual int64_t memory_limit_bytes() const = 0;              // cgroup's, else the machine's.
  virtual int cpu_count() const = 0;                           // Usable by this process.
};

Process& real_process();

// ONNX Runtime of the wheel reports its use to its maker, and keeps an identifier of this machine
// in the user's cache, unless a variable forbids it before the library is opened: it is forbidden.
// Called first thing in main, and where the library is opened.
void forbid_library_telemetry();

}  // namespace slip
