#include <cstdio>

#include <malloc.h>
#include <unistd.h>

#include "app/commands.h"
#include "core/worker/jail.h"
#include "sys/clock.h"
#include "sys/fs.h"
#include "sys/log.h"
#include "sys/process.h"
#include "sys/rng.h"

namespace {

// A thread that allocates gets an arena of its own otherwise, up to eight a core, and what a burst
// left in one is never given back.
void keep_memory_small() {
  mallopt(M_ARENA_MAX, 2);
  mallopt(M_MMAP_THRESHOLD, 256 << 10);
  mallopt(M_TRIM_THRESHOLD, 1 << 20);
}

void print(std::FILE* to, std::string_view text) {
  std::fwrite(text.data(), 1, text.size(), to);
  std::fflush(to);
}

}  // namespace

int main(int argc, char** argv) {
  using namespace slip;
  keep_memory_small();
  forbid_library_telemetry();
  const std::vector<std::string> words(argv + 1, argv + argc);
  // No command for people: how the server starts its workers.
  if (words.size() == 2 && words[0] == worker::kJailWord)
    return worker::jail_main(real_process(), words[1]);
  const app::Sys sys{real_fs(),      real_clock(),    real_rng(),
                     real_process(), real_executor(), null_log()};
  cli::Terminal terminal{[](std::string_view text) { print(stdout, text); },
                         [](std::string_view text) { print(stderr, text); },
                         ::isatty(STDOUT_FILENO) != 0};
  cli::Commands commands(app::common_options());
  app::add_all(commands, sys);
  return commands.run(words, terminal);
}
