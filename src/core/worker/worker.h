#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "sys/ctx.h"

namespace slip {
class Clock;
class Executor;
class Log;
class Process;
}  // namespace slip

// Python functions of strangers on rows, in processes of their own that can reach nothing (jail.h);
// the server itself never opens a pickle. A worker belongs to one project for as long as it lives,
// runs one call at a time, is started when first needed and ended when idle.
//
// Invariant: whatever comes from a worker is checked here before it is returned: rows, columns,
// types, size. A function that keeps killing its workers is refused for a while.
// Any thread; call() blocks.
namespace slip::worker {

struct PythonOutput {
  std::string name;
  // As Arrow writes it: bool, int8 … uint64, float, double, string, binary, date32[day],
  // timestamp[us], timestamp[us, tz=UTC], list<item: T>.
  std::string type;
};

struct PythonFunction {
  enum class Mode : uint8_t {
    kPandas,           // f(DataFrame) → DataFrame
    kPython,           // f(dict of lists) → dict of lists
    kPythonSingleton,  // f(dict of values) → dict of values, a row at a time
  };
  std::string name;  // For errors: "on-demand view ratio".
  Mode mode = Mode::kPandas;
  // Python text that defines `entry` (empty: the last function in it); decorators that nothing
  // defines are left out, and np, pd, datetime, math … are there. May be empty.
  std::string source;
  std::string entry;
  // Of dill or cloudpickle; opened in the worker alone, and preferred to `source`, which is what is
  // left when it can't be opened.
  std::string pickle;
  std::vector<PythonOutput> lists;    // Columns of the rows that are JSON text of lists of a type.
  std::vector<PythonOutput> outputs;  // What comes back, in this order; other columns are dropped.
};

struct Options {
  std::string python = "python3";  // A path, or a name to find in PATH; "off": no functions.
  size_t count = 1;                // Processes at most.
  bool strict = false;             // None is started that isn't isolated as it can be at best.
  std::string user;                // Whom they run as, by name or number; empty: as the server.
  int64_t memory_bytes = int64_t{1} << 30;
  int64_t call_ms = 30'000;  // Beyond it a worker is ended, even if the caller has left before.
  int64_t start_ms = 60'000;
  int64_t idle_ms = 600'000;
  size_t request_bytes_max = 256 << 20;
  size_t answer_bytes_max = 64 << 20;
  size_t waiting_max = 256;
  std::vector<std::string> private_dirs;  // Must not lie where workers may read: the data.
  // How the jail of one is started; tests have others.
  std::vector<std::string> launcher = {"/proc/self/exe", "worker-jail"};
};

struct Part {  // Of the isolation.
  std::string name;
  bool holds = false;
  std::string text;
};
struct Level {
  std::string python;               // The interpreter and its version; "" before the first start.
  std::vector<std::string> absent;  // Modules that it doesn't have, of those one may want.
  std::vector<Part> parts;
  std::string problem;  // Why the last start failed; "".

  std::string text() const;  // "capabilities (none), …; not: user (…)"
};

struct Counters {
  std::map<std::string, int64_t> calls;  // By outcome: "ok", or the error's reason.
  int64_t starts = 0;
  int64_t busy_us = 0;
  int64_t running = 0;
};

class Workers {
 public:
  virtual ~Workers() = default;

  // Rows as an Arrow IPC stream, and as such what the function made of them: as many rows, the
  // columns that it promises. Waits until ctx.deadline_ns at most.
  //
  // kInvalid `worker.failed` (what the function raised and where, without paths of the host),
  // `worker.function` (it can't be read), `worker.output` (a column is missing or of another type),
  // `worker.rows`; kTimeout `worker.deadline`; kExhausted `worker.memory`, `worker.too_large`,
  // `worker.busy`; kUnavailable `worker.died`, `worker.refused`, `worker.unavailable` (what is
  // missing); kUnsupported `worker.off`.
  virtual Result<std::string> call(const Ctx& ctx, const PythonFunction& function,
                                   std::string_view arrow_stream) = 0;
  // Starts one for the project of `ctx`, if none of it is there, and waits for it.
  virtual Status warm(const Ctx& ctx) = 0;
  // What waits or runs is given up soon, and nothing is begun any more; the destructor does it too.
  virtual void stop() = 0;

  virtual Level level() const = 0;
  virtual Counters counters() const = 0;
};

struct Deps {
  Process& process;
  Clock& clock;
  Executor& executor;
  Log& log;
};
std::unique_ptr<Workers> make_workers(const Deps& deps, Options options);

}  // namespace slip::worker
