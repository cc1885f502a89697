#include "sys/jail.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <cstring>

#include <elf.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <pwd.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/text.h"
#include "sys/landlock.h"
#include "sys/syscall_filter.h"

namespace slip::sys {
namespace {

constexpr rlim_t kFilesMax = 256;
// Counted over all that its user runs, and not at all of root.
constexpr rlim_t kOwnThreadsMax = 128;
constexpr rlim_t kUserThreadsMax = 4096;
constexpr rlim_t kFileBytesMax = 4 << 20;  // What it says on standard error, and in its scratch.
constexpr std::string_view kMoreReadily = "500";  // Killed before the server when memory is short.

// Libraries, the zone, who is who: what programs read to start, and no one's secrets.
constexpr std::array<std::string_view, 18> kSystemFiles = {
    "/usr",
    "/lib",
    "/lib64",
    "/etc/ld.so.cache",
    "/etc/localtime",
    "/etc/timezone",
    "/etc/nsswitch.conf",
    "/etc/passwd",
    "/etc/group",
    "/etc/os-release",
    "/etc/ssl/openssl.cnf",
    "/etc/alternatives",
    "/dev/urandom",
    "/dev/zero",
    "/proc/cpuinfo",
    "/proc/meminfo",
    "/proc/sys/vm",
    "/sys/devices/system/cpu",
};

std::string why() {
  std::array<char, 128> buffer;
  return strerror_r(errno, buffer.data(), buffer.size());
}

JailPart part(std::string name, const Status& done, std::string text) {
  return {std::move(name), done.ok(), done.ok() ? std::move(text) : done.error().text};
}
Status holds_if(bool holds) {
  if (holds) return {};
  return unsupported("jail.refused", why());
}

Status drop_capabilities() {
  for (int cap = 0; ::prctl(PR_CAPBSET_READ, cap) >= 0; ++cap)
    if (::prctl(PR_CAPBSET_READ, cap) == 1 && ::prctl(PR_CAPBSET_DROP, cap) != 0 &&
        ::geteuid() == 0)
      return holds_if(false);
  ::prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
  __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
  std::array<__user_cap_data_struct, 2> none{};
  return holds_if(::syscall(SYS_capset, &header, none.data()) == 0);
}

Status limit(const JailSpec& spec) {
  struct Row {
    __rlimit_resource_t what;
    rlim_t most;
  };
  std::vector<Row> rows = {{RLIMIT_CORE, 0},
                           {RLIMIT_FSIZE, kFileBytesMax},
                           {RLIMIT_NOFILE, kFilesMax},
                           {RLIMIT_MEMLOCK, 0},
                           {RLIMIT_MSGQUEUE, 0},
                           {RLIMIT_DATA, static_cast<rlim_t>(spec.memory_bytes)},
                           {RLIMIT_AS, static_cast<rlim_t>(spec.address_bytes)},
                           {RLIMIT_NPROC, spec.own_user ? kOwnThreadsMax : kUserThreadsMax}};
  for (const Row& row : rows) {
    rlimit now{};
    ::getrlimit(row.what, &now);
    const rlim_t most = std::min(row.most, now.rlim_max);
    const rlimit then{most, most};
    if (::setrlimit(row.what, &then) != 0) return holds_if(false);
  }
  return {};
}

void die_first() {
  const int fd = ::open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);
  if (fd < 0) return;
  const ssize_t n = ::write(fd, kMoreReadily.data(), kMoreReadily.size());
  static_cast<void>(n);  // A container may forbid it.
  ::close(fd);
}

// The loader that an ELF program names (its PT_INTERP); "" for a static one.
std::string loader_of(const std::string& program) {
  const int fd = ::open(program.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return {};
  std::array<char, 4096> head{};
  const ssize_t n = ::pread(fd, head.data(), head.size(), 0);
  ::close(fd);
  Elf64_Ehdr elf;
  if (n < static_cast<ssize_t>(sizeof elf)) return {};
  std::memcpy(&elf, head.data(), sizeof elf);
  const auto got = static_cast<size_t>(n);
  for (size_t i = 0; i < elf.e_phnum; ++i) {
    const size_t at = elf.e_phoff + i * sizeof(Elf64_Phdr);
    Elf64_Phdr segment;
    if (at > got || got - at < sizeof segment) return {};
    std::memcpy(&segment, head.data() + at, sizeof segment);
    if (segment.p_type != PT_INTERP) continue;
    if (segment.p_offset > got || got - segment.p_offset < segment.p_filesz) return {};
    const std::string_view text(head.data() + segment.p_offset, segment.p_filesz);
    return std::string(text.substr(0, text.find('\0')));
  }
  return {};
}

std::string resolved(const std::string& path) {
  std::unique_ptr<char, decltype(&std::free)> real(::realpath(path.c_str(), nullptr), &std::free);
  return real ? std::string(real.get()) : path;
}

Status keep_to_places(const JailSpec& spec) {
  Places places;
  places.readable.assign(kSystemFiles.begin(), kSystemFiles.end());
  places.readable.insert(places.readable.end(), spec.readable.begin(), spec.readable.end());
  places.executable = {resolved(spec.program)};
  if (const std::string loader = loader_of(spec.program); !loader.empty())
    places.executable.push_back(resolved(loader));
  places.writable = {"/dev/null"};
  if (!spec.scratch.empty()) places.scratch = {spec.scratch};
  return restrict_files(places);
}

}  // namespace

Status become_user(const std::string& user) {
  const std::optional<int64_t> number = parse_int(user);
  uid_t uid = 0;
  gid_t gid = 0;
  if (number) {
    uid = static_cast<uid_t>(*number);
    gid = static_cast<gid_t>(*number);
  }
  const passwd* entry = number ? ::getpwuid(uid) : ::getpwnam(user.c_str());
  if (entry != nullptr) {
    uid = entry->pw_uid;
    gid = entry->pw_gid;
  } else if (!number) {
    return invalid("jail.user", concat({"no user `", user, "` on this machine"}));
  }
  if (::setgroups(0, nullptr) != 0 || ::setresgid(gid, gid, gid) != 0 ||
      ::setresuid(uid, uid, uid) != 0)
    return invalid("jail.user", concat({"this process can't become ", user, ": ", why()}));
  return {};
}

namespace {

// What root may do outright takes a namespace of users for others, in which it is still itself.
bool own_mounts() {
  if (::geteuid() == 0) return ::unshare(CLONE_NEWNS) == 0;
  const std::string uid = std::to_string(::geteuid());
  const std::string gid = std::to_string(::getegid());
  if (::unshare(CLONE_NEWUSER | CLONE_NEWNS) != 0) return false;
  const auto put = [](const char* path, const std::string& text) {
    const int fd = ::open(path, O_WRONLY | O_CLOEXEC);
    const bool done =
        fd >= 0 && ::write(fd, text.data(), text.size()) == static_cast<ssize_t>(text.size());
    if (fd >= 0) ::close(fd);
    return done;
  };
  return put("/proc/self/uid_map", concat({uid, " ", uid, " 1"})) &&
         put("/proc/self/setgroups", "deny") &&
         put("/proc/self/gid_map", concat({gid, " ", gid, " 1"}));
}

}  // namespace

std::string make_scratch(const std::vector<std::string>& needed, int64_t bytes) {
  constexpr std::array<const char*, 4> kPlaces = {"/var/tmp", "/mnt", "/media", "/srv"};
  for (const char* place : kPlaces) {
    const std::string below = concat({place, "/"});
    const bool wanted = std::ranges::any_of(needed, [&](const std::string& path) {
      return path == place || path.starts_with(below) || resolved(path).starts_with(below);
    });
    if (wanted || ::access(place, F_OK) != 0) continue;
    if (!own_mounts() || ::mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0)
      return {};
    const std::string how = concat({"size=", std::to_string(bytes), ",nr_inodes=1024,mode=777"});
    constexpr unsigned long kFlags = MS_NOSUID | MS_NODEV | MS_NOEXEC;
    return ::mount("scratch", place, "tmpfs", kFlags, how.c_str()) == 0 ? place : "";
  }
  return {};
}

std::vector<JailPart> enter_jail(const JailSpec& spec, int keep) {
  std::vector<JailPart> out;
  ::setsid();
  die_first();
  const bool root = ::geteuid() == 0;
  out.push_back(
      part("capabilities", drop_capabilities(), root ? "none, but root's own files" : "none"));
  out.push_back(
      part("parent", holds_if(::prctl(PR_SET_PDEATHSIG, SIGKILL) == 0), "ends with the server's"));
  const bool sealed = ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0;
  out.push_back(part("privileges", holds_if(sealed), "none to gain"));
  const bool closed = ::syscall(SYS_close_range, keep + 1, UINT32_MAX, 0) == 0;
  out.push_back(part("descriptors", holds_if(closed), "none inherited"));
  out.push_back(
      part("limits", limit(spec), concat({format_size(spec.memory_bytes), " of memory"})));
  const Status placed = keep_to_places(spec);
  out.push_back(part("files", placed, concat({"landlock ", std::to_string(landlock_version())})));
  const FilterRules rules{::getpid(), std::bit_cast<uintptr_t>(spec.program.c_str()), !placed.ok()};
  out.push_back(part("calls", install_filter(make_filter(rules)), "seccomp, no sockets"));
  return out;
}

Error exec_jailed(const JailSpec& spec, const std::vector<std::string>& argv,
                  const std::map<std::string, std::string>& env) {
  std::vector<std::string> words = argv;
  std::vector<std::string> variables;
  for (const auto& [name, value] : env) variables.push_back(concat({name, "=", value}));
  const auto pointers = [](std::vector<std::string>& texts) {
    std::vector<char*> out;
    for (std::string& t : texts) out.push_back(t.data());
    out.push_back(nullptr);
    return out;
  };
  // By number: the C library could pass a copy of the path.
  ::syscall(SYS_execve, spec.program.c_str(), pointers(words).data(), pointers(variables).data());
  return unavailable("jail.exec", concat({spec.program, ": ", why()}));
}

}  // namespace slip::sys
