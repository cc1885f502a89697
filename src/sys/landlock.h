#pragma once

#include <string>
#include <vector>

#include "base/result.h"

// Landlock: what a process and all it becomes may reach in the file system, by place; and, where
// the kernel can, that it reaches no TCP port, no abstract socket and signals nobody outside.
// Layout: https://docs.kernel.org/userspace-api/landlock.html
namespace slip::sys {

struct Places {
  std::vector<std::string> readable;    // Files, or folders with all below; missing ones are none.
  std::vector<std::string> executable;  // Files; readable, too.
  std::vector<std::string> writable;    // Devices; readable, too.
  std::vector<std::string> scratch;     // Folders in which files and folders may come and go.
};

// The kernel's version of it; 0: none.
int landlock_version();
// For this thread; it can't be taken back. After no_new_privs. kUnsupported `jail.landlock`.
Status restrict_files(const Places& places);

}  // namespace slip::sys
