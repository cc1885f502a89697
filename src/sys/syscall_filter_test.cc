#include "sys/syscall_filter.h"

#include <cerrno>
#include <cstddef>
#include <cstring>

#include <fcntl.h>
#include <gtest/gtest.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>

namespace slip::sys {
namespace {

#if defined(__x86_64__)
constexpr uint32_t kHere = AUDIT_ARCH_X86_64;
constexpr uint32_t kElsewhere = AUDIT_ARCH_AARCH64;
#else
constexpr uint32_t kHere = AUDIT_ARCH_AARCH64;
constexpr uint32_t kElsewhere = AUDIT_ARCH_X86_64;
#endif

struct Machine {
  const std::vector<BpfInstruction>& program;
  const seccomp_data& data;
  size_t at = 0;
  uint32_t accumulator = 0;
  std::optional<uint32_t> answer;

  // The instructions that the filter is made of; anything else is a test's failure.
  void step() {
    ASSERT_LT(at, program.size()) << "it ran off its end";
    const BpfInstruction& i = program[at++];
    switch (i.code) {
      case BPF_LD | BPF_W | BPF_ABS:
        ASSERT_LE(i.k + 4, sizeof data);
        std::memcpy(&accumulator, reinterpret_cast<const char*>(&data) + i.k, 4);
        break;
      case BPF_ALU | BPF_AND | BPF_K:
        accumulator &= i.k;
        break;
      case BPF_JMP | BPF_JEQ | BPF_K:
        at += accumulator == i.k ? i.if_true : i.if_false;
        break;
      case BPF_JMP | BPF_JGE | BPF_K:
        at += accumulator >= i.k ? i.if_true : i.if_false;
        break;
      case BPF_JMP | BPF_JSET | BPF_K:
        at += (accumulator & i.k) != 0 ? i.if_true : i.if_false;
        break;
      case BPF_RET | BPF_K:
        answer = i.k;
        break;
      default:
        FAIL() << "instruction " << i.code;
    }
  }
};

uint32_t run(const std::vector<BpfInstruction>& program, const seccomp_data& data) {
  Machine machine{program, data, 0, 0, {}};
  while (!machine.answer && !testing::Test::HasFatalFailure()) machine.step();
  return machine.answer.value_or(0);
}

constexpr uint64_t kProgram = 0x7f12'3456'789a;
constexpr int64_t kPid = 4711;
constexpr uint32_t kAllow = SECCOMP_RET_ALLOW;
constexpr uint32_t kRefuse = SECCOMP_RET_ERRNO | EPERM;
constexpr uint32_t kAbsent = SECCOMP_RET_ERRNO | ENOSYS;
constexpr uint32_t kReadOnly = SECCOMP_RET_ERRNO | EROFS;

uint32_t verdict(bool read_only, long number, std::initializer_list<uint64_t> arguments = {}) {
  seccomp_data data{};
  data.nr = static_cast<int>(number);
  data.arch = kHere;
  std::copy(arguments.begin(), arguments.end(), data.args);
  return run(make_filter({kPid, kProgram, read_only}), data);
}

TEST(SyscallFilterTest, CallsByNumberAndArguments) {
  constexpr uint64_t kThread = CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD;
  const struct {
    const char* what;
    long number;
    std::vector<uint64_t> arguments;
    uint32_t want;
  } kRows[] = {
      {"read", SYS_read, {3}, kAllow},
      {"write", SYS_write, {3}, kAllow},
      {"mmap", SYS_mmap, {}, kAllow},
      {"futex", SYS_futex, {}, kAllow},
      {"openat to write: Landlock's affair", SYS_openat, {0, 0, O_WRONLY}, kAllow},
      {"exit", SYS_exit_group, {}, kAllow},
      {"a socket", SYS_socket, {AF_INET, SOCK_STREAM}, kRefuse},
      {"even a local one", SYS_socket, {AF_UNIX, SOCK_STREAM}, kRefuse},
      {"connect", SYS_connect, {3}, kRefuse},
      {"a pair", SYS_socketpair, {AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC}, kAllow},
      {"a pair of datagrams", SYS_socketpair, {AF_UNIX, SOCK_DGRAM}, kRefuse},
      {"a pair of another family", SYS_socketpair, {AF_TIPC, SOCK_STREAM}, kRefuse},
      {"send", SYS_sendto, {3, 0, 0, 0, 0}, kAllow},
      {"send to an address", SYS_sendto, {3, 0, 0, 0, 0x1234}, kRefuse},
      {"send to a high address", SYS_sendto, {3, 0, 0, 0, uint64_t{1} << 40}, kRefuse},
      {"a thread", SYS_clone, {kThread}, kAllow},
      {"a process", SYS_clone, {SIGCHLD}, kRefuse},
      {"a process as vfork", SYS_clone, {CLONE_VM | CLONE_VFORK | SIGCHLD}, kRefuse},
      {"clone3", 435, {}, kAbsent},
      {"the program", SYS_execve, {kProgram}, kAllow},
      {"another program", SYS_execve, {kProgram + 1}, kRefuse},
      {"low half of it", SYS_execve, {kProgram & UINT32_MAX}, kRefuse},
      {"high half of it", SYS_execve, {kProgram ^ 1}, kRefuse},
      {"execveat", SYS_execveat, {}, kRefuse},
      {"a signal to itself", SYS_tgkill, {kPid, kPid, 6}, kAllow},
      {"a signal to others", SYS_kill, {1, 9}, kRefuse},
      {"a signal to all", SYS_kill, {static_cast<uint64_t>(-1), 9}, kRefuse},
      {"its own limits", SYS_prlimit64, {0, 7}, kAllow},
      {"its own limits by pid", SYS_prlimit64, {kPid, 7}, kAllow},
      {"others' limits", SYS_prlimit64, {1, 7}, kRefuse},
      {"ptrace", SYS_ptrace, {}, kRefuse},
      {"mount", SYS_mount, {}, kRefuse},
      {"unshare", SYS_unshare, {CLONE_NEWUSER}, kRefuse},
      {"bpf", SYS_bpf, {}, kRefuse},
      {"io_uring", 425, {}, kRefuse},
      {"memory file", SYS_memfd_create, {}, kRefuse},
      {"chmod", SYS_fchmodat, {}, kRefuse},
      {"terminal input", SYS_ioctl, {0, TIOCSTI}, kRefuse},
      {"terminal size", SYS_ioctl, {0, TIOCGWINSZ}, kAllow},
      {"signals by descriptor", SYS_fcntl, {3, F_SETOWN, 1}, kRefuse},
      {"flags", SYS_fcntl, {3, F_GETFL}, kAllow},
      {"what isn't known", 463, {}, kAbsent},
      {"what will come", 700, {}, kAbsent},
  };
  for (const auto& row : kRows) {
    seccomp_data data{};
    data.nr = static_cast<int>(row.number);
    data.arch = kHere;
    std::copy(row.arguments.begin(), row.arguments.end(), data.args);
    EXPECT_EQ(run(make_filter({kPid, kProgram, false}), data), row.want) << row.what;
  }
}

TEST(SyscallFilterTest, WithoutPlacesNothingIsWritten) {
  EXPECT_EQ(verdict(true, SYS_openat, {0, 0, O_RDONLY | O_CLOEXEC | O_DIRECTORY}), kAllow);
  for (const uint64_t flags : {O_WRONLY, O_RDWR, O_RDONLY | O_CREAT, O_RDONLY | O_TRUNC})
    EXPECT_EQ(verdict(true, SYS_openat, {0, 0, flags}), kReadOnly) << flags;
  EXPECT_EQ(verdict(true, SYS_unlinkat), kReadOnly);
  EXPECT_EQ(verdict(true, 437), kAbsent);  // openat2: its flags lie in memory.
  EXPECT_EQ(verdict(false, SYS_unlinkat), kAllow);
}

TEST(SyscallFilterTest, OtherArchitecturesEndTheProcess) {
  seccomp_data data{};
  data.nr = SYS_read;
  data.arch = kElsewhere;
  EXPECT_EQ(run(make_filter({kPid, kProgram, false}), data), SECCOMP_RET_KILL_PROCESS);
#if defined(__x86_64__)
  data.arch = kHere;
  data.nr = 0x40000000;
  EXPECT_EQ(run(make_filter({kPid, kProgram, false}), data), SECCOMP_RET_KILL_PROCESS);
#endif
}

// No number may run off the end or into an instruction that isn't there.
TEST(SyscallFilterTest, EveryNumberHasAnAnswer) {
  for (const bool read_only : {false, true})
    for (long number = 0; number < 1000; ++number) {
      const uint32_t answer = verdict(read_only, number);
      EXPECT_TRUE(answer == kAllow || answer == kRefuse || answer == kAbsent || answer == kReadOnly)
          << number;
    }
}

}  // namespace
}  // namespace slip::sys
