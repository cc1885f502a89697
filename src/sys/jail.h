#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "base/result.h"

// A process gives away what it won't need, for ever, and becomes a program that runs code of
// strangers. Each part is tried on its own, and what came of it is told: some need a right or a
// kernel that isn't there. One thread, the only one of its process.
namespace slip::sys {

struct JailPart {
  std::string name;  // "user", "capabilities", "privileges", "limits", "files", "calls", "parent"
  bool holds = false;
  std::string text;  // "landlock 7", or why not.
};

// Becomes `user` (a name or a number), without further groups. kInvalid `jail.user`.
Status become_user(const std::string& user);

// A folder of its own in memory, which goes with the process: nothing of `needed` lies below it.
// "": the kernel doesn't let it. Before all else, while there is one thread.
std::string make_scratch(const std::vector<std::string>& needed, int64_t bytes);

struct JailSpec {
  std::string program;                // Absolute; outlives the process as it is.
  std::vector<std::string> readable;  // Besides the system's libraries, see jail.cc.
  std::string scratch;                // Of make_scratch().
  bool own_user = false;              // Nobody else runs as this one: threads can be counted.
  int64_t memory_bytes = 0;           // Written memory; `address_bytes`: mapped in any way.
  int64_t address_bytes = 0;
};
// Descriptors from `keep` + 1 on are closed.
std::vector<JailPart> enter_jail(const JailSpec& spec, int keep);

// Replaces the process; only with the program of the jail.
Error exec_jailed(const JailSpec& spec, const std::vector<std::string>& argv,
                  const std::map<std::string, std::string>& env);

}  // namespace slip::sys
