#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/result.h"

// A seccomp filter (classic BPF over number and arguments of a system call) for code of strangers:
// computing, threads, memory, reading files and the streams it was given go on; sockets, other
// processes, the system's settings and other kernel doors are refused with EPERM, and what is newer
// than this list with ENOSYS. Calls of another architecture end the process. Building it is pure.
// Layout: https://docs.kernel.org/userspace-api/seccomp_filter.html
namespace slip::sys {

struct BpfInstruction {  // As the kernel's sock_filter.
  uint16_t code = 0;
  uint8_t if_true = 0;
  uint8_t if_false = 0;
  uint32_t k = 0;
};

struct FilterRules {
  int64_t pid = 0;       // Of the process: the only one that it may signal.
  uint64_t program = 0;  // Address of the path that execve may be called with; no other one.
  // Nothing can be opened for writing, made, renamed or deleted: for kernels that can't say where.
  bool read_only = false;
};

std::vector<BpfInstruction> make_filter(const FilterRules& rules);
// For this thread and what it becomes; it can't be taken back. After no_new_privs.
Status install_filter(const std::vector<BpfInstruction>& filter);

}  // namespace slip::sys
