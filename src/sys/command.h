#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include "base/result.h"
#include "sys/process.h"

// A program run to its end while what it writes is handed on. The pipes are read until the program
// has ended, even when a grandchild keeps them open. SIGINT, SIGTERM and SIGHUP that come
// meanwhile go on to the program, and the caller hears of them when it has ended. One thread; not
// beside wait_stop_signal().
namespace slip {

using OnOutput = std::function<void(std::string_view piece)>;

struct Finished {
  Exit exit;
  int stop_signal = 0;  // The last that came while it ran; 0: none.
};

// An empty function leaves that stream as the caller's own.
Result<Finished> run_command(Process& process, SpawnOptions options, const OnOutput& on_out,
                             const OnOutput& on_err);

struct Printed {
  int code = 0;  // 128 and the signal's number when one ended it.
  std::string out;
  std::string err;
};
// Keeps what it prints, up to `bytes_max` of each stream; kExhausted `process.too_much`. A stop
// signal that came meanwhile then ends this process, too.
Result<Printed> output_of(Process& process, const SpawnOptions& options, int64_t bytes_max);

}  // namespace slip
