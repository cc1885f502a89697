#include "sys/syscall_filter.h"

#include <array>
#include <cerrno>
#include <cstddef>
#include <cstring>

#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#include "base/text.h"

namespace slip::sys {
namespace {

#if defined(__x86_64__)
constexpr uint32_t kArch = AUDIT_ARCH_X86_64;
#elif defined(__aarch64__)
constexpr uint32_t kArch = AUDIT_ARCH_AARCH64;
#else
#error "no filter for this architecture"
#endif

// Numbers from here on came after Linux 6.12.
constexpr uint32_t kFirstUnknown = 463;
constexpr uint32_t kX32Bit = 0x40000000;  // x86-64's other way to call.

// Since 5.1 every architecture gives a call the same number; headers may be older than the kernel.
enum Newer : uint32_t {
  kPidfdSendSignal = 424,
  kIoUringSetup = 425,
  kIoUringEnter = 426,
  kIoUringRegister = 427,
  kOpenTree = 428,
  kMoveMount = 429,
  kFsopen = 430,
  kFsconfig = 431,
  kFsmount = 432,
  kFspick = 433,
  kPidfdOpen = 434,
  kClone3 = 435,
  kOpenat2 = 437,
  kPidfdGetfd = 438,
  kProcessMadvise = 440,
  kMountSetattr = 442,
  kQuotactlFd = 443,
  kMemfdSecret = 447,
  kProcessMrelease = 448,
  kFchmodat2 = 452,
  kStatmount = 457,
  kListmount = 458,
};

constexpr uint32_t kRefused[] = {
    // Watching what others do with files.
    SYS_inotify_init1,
    SYS_inotify_add_watch,
#if defined(__x86_64__)
    SYS_inotify_init,
#endif
    // Talking to anybody; what is open already can be read and written.
    SYS_socket,
    SYS_connect,
    SYS_bind,
    SYS_listen,
    SYS_accept,
    SYS_accept4,
    SYS_sendmmsg,
    // Other processes: making them, looking into them, signalling them.
    SYS_ptrace,
    SYS_process_vm_readv,
    SYS_process_vm_writev,
    SYS_kcmp,
    SYS_tkill,
    SYS_rt_sigqueueinfo,
    SYS_rt_tgsigqueueinfo,
    SYS_execveat,
    SYS_setpriority,
    SYS_ioprio_set,
    SYS_sched_setparam,
    SYS_sched_setscheduler,
    SYS_sched_setattr,
    SYS_migrate_pages,
    SYS_move_pages,
    kPidfdSendSignal,
    kPidfdOpen,
    kPidfdGetfd,
    kProcessMadvise,
    kProcessMrelease,
    // What outlives the process or stands outside of its limits.
    SYS_shmget,
    SYS_semget,
    SYS_msgget,
    SYS_mq_open,
    SYS_memfd_create,
    kMemfdSecret,
    // Mounts, namespaces, roots.
    SYS_mount,
    SYS_umount2,
    SYS_pivot_root,
    SYS_chroot,
    SYS_unshare,
    SYS_setns,
    kOpenTree,
    kMoveMount,
    kFsopen,
    kFsconfig,
    kFsmount,
    kFspick,
    kMountSetattr,
    kStatmount,
    kListmount,
    SYS_name_to_handle_at,
    SYS_open_by_handle_at,
    SYS_quotactl,
    kQuotactlFd,
    SYS_fanotify_init,
    // Wide doors of the kernel.
    SYS_bpf,
    SYS_perf_event_open,
    SYS_userfaultfd,
    kIoUringSetup,
    kIoUringEnter,
    kIoUringRegister,
    SYS_keyctl,
    SYS_add_key,
    SYS_request_key,
    SYS_lookup_dcookie,
    // The machine.
    SYS_kexec_load,
    SYS_kexec_file_load,
    SYS_init_module,
    SYS_finit_module,
    SYS_delete_module,
    SYS_reboot,
    SYS_swapon,
    SYS_swapoff,
    SYS_acct,
    SYS_syslog,
    SYS_sethostname,
    SYS_setdomainname,
    SYS_settimeofday,
    SYS_clock_settime,
    SYS_clock_adjtime,
    SYS_adjtimex,
    SYS_vhangup,
    // What a file is, which no rule about places holds back; its contents are another matter.
    SYS_fchmod,
    SYS_fchmodat,
    kFchmodat2,
    SYS_fchown,
    SYS_fchownat,
    SYS_setxattr,
    SYS_lsetxattr,
    SYS_fsetxattr,
    SYS_removexattr,
    SYS_lremovexattr,
    SYS_fremovexattr,
    SYS_utimensat,
    SYS_truncate,
#if defined(__x86_64__)
    SYS_fork,
    SYS_vfork,
    SYS_chmod,
    SYS_chown,
    SYS_lchown,
    SYS_utime,
    SYS_utimes,
    SYS_futimesat,
    SYS_iopl,
    SYS_ioperm,
    SYS_modify_ldt,
    SYS_uselib,
    SYS_ustat,
    SYS_sysfs,
    SYS__sysctl,
    SYS_create_module,
#endif
};

// With `read_only`.
constexpr uint32_t kWrites[] = {
    SYS_mkdirat, SYS_mknodat,  SYS_unlinkat, SYS_symlinkat, SYS_linkat, SYS_renameat2, kOpenat2,
#if defined(__x86_64__)
    SYS_creat,   SYS_mkdir,    SYS_rmdir,    SYS_mknod,     SYS_unlink, SYS_symlink,   SYS_link,
    SYS_rename,  SYS_renameat,
#else
    SYS_renameat,
#endif
};

constexpr uint32_t kRefuse = SECCOMP_RET_ERRNO | EPERM;
constexpr uint32_t kAbsent = SECCOMP_RET_ERRNO | ENOSYS;
constexpr uint32_t kReadOnly = SECCOMP_RET_ERRNO | EROFS;
constexpr uint32_t kTypeMask = 0xf;  // Of a socket; flags lie above.
constexpr uint32_t kMadeMask = O_ACCMODE | O_CREAT | O_TRUNC;
constexpr uint32_t kPushInput = 0x5412;     // TIOCSTI
constexpr uint32_t kLinuxConsole = 0x541C;  // TIOCLINUX
constexpr uint32_t kSocketOwner = 0x8901;   // FIOSETOWN
constexpr uint32_t kSocketGroup = 0x8902;   // SIOCSPGRP
constexpr uint32_t kSetParentDeath = 1;     // PR_SET_PDEATHSIG
constexpr uint32_t kSharedUnnamed = 0x21;   // MAP_SHARED | MAP_ANONYMOUS
constexpr uint32_t kSetOwner = 8;           // F_SETOWN
constexpr uint32_t kSetOwnerOf = 15;        // F_SETOWN_EX

class Builder {
 public:
  void load(uint32_t offset) { add(BPF_LD | BPF_W | BPF_ABS, offset); }
  void load_number() { load(offsetof(seccomp_data, nr)); }
  // The low and high half of argument `i`; both architectures are little-endian.
  void load_low(size_t i) { load(static_cast<uint32_t>(offsetof(seccomp_data, args) + 8 * i)); }
  void load_high(size_t i) {
    load(static_cast<uint32_t>(offsetof(seccomp_data, args) + 8 * i + 4));
  }
  void answer(uint32_t with) { add(BPF_RET | BPF_K, with); }
  void mask(uint32_t bits) { add(BPF_ALU | BPF_AND | BPF_K, bits); }
  // Skips so many instructions unless (if) what is loaded equals `k`.
  void unless_equal(uint32_t k, uint8_t skip) { add(BPF_JMP | BPF_JEQ | BPF_K, k, 0, skip); }
  void if_equal(uint32_t k, uint8_t skip) { add(BPF_JMP | BPF_JEQ | BPF_K, k, skip, 0); }
  void if_any_bit(uint32_t k, uint8_t skip) { add(BPF_JMP | BPF_JSET | BPF_K, k, skip, 0); }
  void if_below(uint32_t k, uint8_t skip) { add(BPF_JMP | BPF_JGE | BPF_K, k, 0, skip); }

  void refuse(uint32_t number, uint32_t with = kRefuse) {
    unless_equal(number, 1);
    answer(with);
  }
  // `body` sees its arguments; what it doesn't answer is allowed.
  template <class F>
  void on(uint32_t number, F&& body) {
    const size_t at = out_.size();
    unless_equal(number, 0);
    body();
    answer(SECCOMP_RET_ALLOW);
    out_[at].if_false = static_cast<uint8_t>(out_.size() - at - 1);
  }
  // Refused unless argument `i` (its low half, masked) is `k`.
  void want(size_t i, uint32_t k, uint32_t bits = UINT32_MAX) {
    load_low(i);
    if (bits != UINT32_MAX) mask(bits);
    if_equal(k, 1);
    answer(kRefuse);
  }
  void want_whole(size_t i, uint64_t k) {
    want(i, static_cast<uint32_t>(k));
    load_high(i);
    if_equal(static_cast<uint32_t>(k >> 32), 1);
    answer(kRefuse);
  }
  void reject(size_t i, uint32_t k) {
    load_low(i);
    unless_equal(k, 1);
    answer(kRefuse);
  }
  std::vector<BpfInstruction> take() { return std::move(out_); }

 private:
  void add(uint32_t code, uint32_t k, uint8_t if_true = 0, uint8_t if_false = 0) {
    out_.push_back({static_cast<uint16_t>(code), if_true, if_false, k});
  }
  std::vector<BpfInstruction> out_;
};

void check_caller(Builder* b) {
  b->load(offsetof(seccomp_data, arch));
  b->if_equal(kArch, 1);
  b->answer(SECCOMP_RET_KILL_PROCESS);
  b->load_number();
#if defined(__x86_64__)
  b->if_below(kX32Bit, 1);
  b->answer(SECCOMP_RET_KILL_PROCESS);
#endif
  b->if_below(kFirstUnknown, 1);
  b->answer(kAbsent);
}

void check_arguments(Builder* b, const FilterRules& rules) {
  const auto pid = static_cast<uint32_t>(rules.pid);
  b->on(SYS_clone, [&] {  // Threads alone.
    b->load_low(0);
    b->if_any_bit(CLONE_THREAD, 1);
    b->answer(kRefuse);
  });
  b->on(SYS_execve, [&] { b->want_whole(0, rules.program); });
  b->on(SYS_socketpair, [&] {  // Streams to itself; a datagram socket could be pointed elsewhere.
    b->want(0, AF_UNIX);
    b->want(1, SOCK_STREAM, kTypeMask);
  });
  b->on(SYS_sendto, [&] { b->want_whole(4, 0); });
  b->on(SYS_kill, [&] { b->want(0, pid); });
  b->on(SYS_tgkill, [&] { b->want(0, pid); });
  b->on(SYS_prlimit64, [&] {
    b->load_low(0);
    b->if_equal(0, 2);
    b->if_equal(pid, 1);
    b->answer(kRefuse);
  });
  b->on(SYS_sched_setaffinity, [&] { b->want(0, 0); });
  b->on(SYS_personality, [&] { b->want(0, UINT32_MAX); });
  b->on(SYS_ioctl, [&] {
    b->reject(1, kSocketOwner);
    b->reject(1, kSocketGroup);
    b->reject(1, kPushInput);
    b->reject(1, kLinuxConsole);
  });
  b->on(SYS_prctl, [&] { b->reject(0, kSetParentDeath); });
  b->on(SYS_mmap, [&] {  // Memory that RLIMIT_DATA doesn't count.
    b->load_low(3);
    b->mask(kSharedUnnamed);
    b->unless_equal(kSharedUnnamed, 1);
    b->answer(kRefuse);
  });
  b->on(SYS_fcntl, [&] {
    b->reject(1, kSetOwner);
    b->reject(1, kSetOwnerOf);
  });
}

// Landlock knows truncation from its third version on; nobody truncates what he only reads.
void check_truncation(Builder* b) {
  const auto flags = [&](size_t i) {
    return [b, i] {
      b->load_low(i);
      b->mask(O_ACCMODE | O_TRUNC);
      b->unless_equal(O_RDONLY | O_TRUNC, 1);
      b->answer(kRefuse);
    };
  };
  b->on(SYS_openat, flags(2));
#if defined(__x86_64__)
  b->on(SYS_open, flags(1));
#endif
}

void check_writes(Builder* b) {
  const auto flags = [&](size_t i) {
    return [b, i] {
      b->load_low(i);
      b->mask(kMadeMask);
      b->if_equal(O_RDONLY, 1);
      b->answer(kReadOnly);
    };
  };
  for (const uint32_t number : kWrites) b->refuse(number, number == kOpenat2 ? kAbsent : kReadOnly);
  b->on(SYS_openat, flags(2));
#if defined(__x86_64__)
  b->on(SYS_open, flags(1));
#endif
}

}  // namespace

std::vector<BpfInstruction> make_filter(const FilterRules& rules) {
  Builder b;
  check_caller(&b);
  b.refuse(kClone3, kAbsent);  // Its flags lie in memory; the C library falls back to clone.
  for (const uint32_t number : kRefused) b.refuse(number);
  b.refuse(kOpenat2, kAbsent);  // Its flags lie in memory, too.
  rules.read_only ? check_writes(&b) : check_truncation(&b);
  check_arguments(&b, rules);
  b.answer(SECCOMP_RET_ALLOW);
  return b.take();
}

Status install_filter(const std::vector<BpfInstruction>& filter) {
  std::vector<sock_filter> copy;
  for (const BpfInstruction& i : filter) copy.push_back({i.code, i.if_true, i.if_false, i.k});
  const sock_fprog program{static_cast<unsigned short>(copy.size()), copy.data()};
  if (::prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0) return {};
  std::array<char, 128> buffer;
  return unsupported("jail.seccomp",
                     concat({"seccomp: ", strerror_r(errno, buffer.data(), buffer.size())}));
}

}  // namespace slip::sys
