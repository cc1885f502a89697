#pragma once

#include <string>
#include <string_view>

namespace slip {
class Process;
}

// What the server starts as a worker: this binary again, which looks at the Python it was given,
// tells the server through descriptor 3 how well it is confined, confines itself, and becomes that
// Python with worker.py. One thread, in a process of its own.
namespace slip::worker {

inline constexpr std::string_view kJailWord = "worker-jail";

// Doesn't come back when all is well; else the exit status, after the server was told.
int jail_main(Process& process, std::string_view spec_json);

}  // namespace slip::worker
