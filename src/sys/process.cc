#include "sys/process.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <thread>

#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <spawn.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/sysinfo.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/text.h"
#include "sys/posix.h"

extern char** environ;

namespace slip {
namespace {

Error failed(std::string_view what, int code) {
  std::array<char, 128> buffer;
  const char* text = strerror_r(code, buffer.data(), buffer.size());
  if (code == ENOENT) return not_found("process.not_found", concat({what, ": ", text}));
  if (code == EACCES) return forbidden("process.denied", concat({what, ": ", text}));
  return unavailable("process.spawn", concat({what, ": ", text}));
}

class PosixChild final : public Child {
 public:
  PosixChild(pid_t pid, int pid_fd) : pid_(pid), pid_fd_(pid_fd) {}
  ~PosixChild() override {
    if (!exit_) {
      ::kill(pid_, SIGKILL);
      int status = 0;
      while (::waitpid(pid_, &status, 0) < 0 && errno == EINTR) {}
    }
    if (pid_fd_ >= 0) ::close(pid_fd_);
  }
  PosixChild(const PosixChild&) = delete;
  PosixChild& operator=(const PosixChild&) = delete;

  int64_t pid() const override { return pid_; }

  Result<Exit> wait(int64_t timeout_ms) override {
    if (exit_) return *exit_;
    pollfd watch{.fd = pid_fd_, .events = POLLIN, .revents = 0};
    const int ready = ::poll(&watch, 1, static_cast<int>(std::min<int64_t>(timeout_ms, INT32_MAX)));
    if (ready == 0) return timed_out("process.running", "the process is still running");
    int status = 0;
    while (::waitpid(pid_, &status, 0) < 0)
      if (errno != EINTR) return failed("wait", errno);
    exit_ = WIFSIGNALED(status) ? Exit{.code = 0, .signal = WTERMSIG(status)}
                                : Exit{.code = WEXITSTATUS(status), .signal = 0};
    return *exit_;
  }

  Status signal(int number) override {
    if (exit_) return conflict("process.ended", "the process has ended");
    if (::kill(pid_, number) != 0) return failed("signal", errno);
    return {};
  }

 private:
  const pid_t pid_;
  const int pid_fd_;
  std::optional<Exit> exit_;
};

std::vector<char*> pointers(std::vector<std::string>& texts) {
  std::vector<char*> out;
  for (std::string& t : texts) out.push_back(t.data());
  out.push_back(nullptr);
  return out;
}

std::vector<std::string> merged_environment(const SpawnOptions& options) {
  std::vector<std::string> out;
  for (char** e = environ; options.inherit_env && *e != nullptr; ++e) {
    const std::string_view pair = *e;
    if (!options.env.contains(std::string(pair.substr(0, pair.find('='))))) out.emplace_back(pair);
  }
  for (const auto& [name, value] : options.env) out.push_back(concat({name, "=", value}));
  return out;
}

class Descriptor {
 public:
  Descriptor() = default;
  explicit Descriptor(int fd) : fd_(fd) {}
  Descriptor(Descriptor&& other) noexcept : fd_(other.release()) {}
  ~Descriptor() {
    if (fd_ >= 0) ::close(fd_);
  }
  int get() const { return fd_; }
  int release() { return std::exchange(fd_, -1); }

 private:
  int fd_ = -1;
};

std::string end_of(int fd, size_t bytes_max) {
  struct stat info{};
  if (::fstat(fd, &info) != 0) return {};
  const auto size = static_cast<size_t>(info.st_size);
  std::string out(std::min(size, bytes_max), '\0');
  const auto at = static_cast<off_t>(size - out.size());
  const ssize_t n = ::pread(fd, out.data(), out.size(), at);
  out.resize(n > 0 ? static_cast<size_t>(n) : 0);
  return out;
}

constexpr int kTalkFd = 3;  // What spawn_connected promises.

class PosixProcess final : public Process {
 public:
  Result<std::unique_ptr<Child>> spawn(const SpawnOptions& options) override {
    return spawn_with(options, -1);
  }

  Result<Connected> spawn_connected(const SpawnOptions& options) override {
    std::array<int, 2> ends{};
    if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends.data()) != 0)
      return failed("socket pair", errno);
    std::unique_ptr<Conn> conn = posix::stream_conn(ends[0]);
    const Descriptor theirs(ends[1]);
    ::fcntl(ends[0], F_SETFL, O_NONBLOCK);
    auto printed = std::make_shared<const Descriptor>(::memfd_create("printed", MFD_CLOEXEC));
    if (printed->get() < 0) return failed("memory file", errno);
    SpawnOptions with = options;
    with.stdout_fd = printed->get();
    with.stderr_fd = printed->get();
    std::unique_ptr<Child> child = TRY(spawn_with(with, theirs.get()));
    return Connected{std::move(child), std::move(conn),
                     [printed](size_t bytes_max) { return end_of(printed->get(), bytes_max); }};
  }

  Result<std::unique_ptr<Child>> spawn_with(const SpawnOptions& options, int talk_fd) {
    if (options.argv.empty()) return invalid("process.argv", "no program was named");
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    if (!options.cwd.empty()) posix_spawn_file_actions_addchdir_np(&actions, options.cwd.c_str());
    if (options.stdout_fd >= 0) posix_spawn_file_actions_adddup2(&actions, options.stdout_fd, 1);
    if (options.stderr_fd >= 0) posix_spawn_file_actions_adddup2(&actions, options.stderr_fd, 2);
    if (talk_fd >= 0) {
      posix_spawn_file_actions_adddup2(&actions, talk_fd, kTalkFd);
      posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
    }
    // What this process does with signals is no affair of its children.
    posix_spawnattr_t attributes;
    posix_spawnattr_init(&attributes);
    sigset_t signals;
    sigemptyset(&signals);
    posix_spawnattr_setsigmask(&attributes, &signals);
    sigaddset(&signals, SIGPIPE);
    posix_spawnattr_setsigdefault(&attributes, &signals);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
    std::vector<std::string> arguments = options.argv;
    std::vector<std::string> environment = merged_environment(options);
    pid_t pid = 0;
    const int rc = posix_spawnp(&pid, arguments[0].c_str(), &actions, &attributes,
                                pointers(arguments).data(), pointers(environment).data());
    posix_spawn_file_actions_destroy(&actions);
    posix_spawnattr_destroy(&attributes);
    if (rc != 0) return failed(options.argv[0], rc);
    const auto pid_fd = static_cast<int>(::syscall(SYS_pidfd_open, pid, 0));
    return std::make_unique<PosixChild>(pid, pid_fd);
  }

  std::string env(const std::string& name) const override {
    const char* value = ::getenv(name.c_str());
    return value == nullptr ? "" : value;
  }

  std::string working_dir() const override {
    std::error_code gone;
    const std::string dir = std::filesystem::current_path(gone).string();
    return gone || dir.empty() ? "/" : dir;
  }

  int64_t resident_bytes() const override {
    std::ifstream statm("/proc/self/statm");
    int64_t total = 0;
    int64_t resident = 0;
    statm >> total >> resident;
    return resident * ::sysconf(_SC_PAGESIZE);
  }

  int64_t memory_limit_bytes() const override {
    struct sysinfo info{};
    ::sysinfo(&info);
    const auto machine = static_cast<int64_t>(info.totalram) * info.mem_unit;
    int64_t limit = machine;
    for (const char* path :
         {"/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"}) {
      std::ifstream file(path);
      std::string text;
      if (!(file >> text)) continue;
      if (const std::optional<int64_t> bytes = parse_int(text)) limit = std::min(limit, *bytes);
    }
    return limit;
  }

  int cpu_count() const override {
    cpu_set_t set;
    if (::sched_getaffinity(0, sizeof set, &set) == 0) return CPU_COUNT(&set);
    return std::max(1, static_cast<int>(std::thread::hardware_concurrency()));
  }
};

}  // namespace

Result<Connected> Process::spawn_connected(const SpawnOptions&) {
  return unsupported("process.connected", "children can't be talked to here");
}

void forbid_library_telemetry() {
  // Once set it stays: setenv isn't safe beside threads that read the environment.
  if (::getenv("ORT_DISABLE_TELEMETRY") == nullptr) ::setenv("ORT_DISABLE_TELEMETRY", "1", 0);
}

Process& real_process() {
  static PosixProcess process;
  return process;
}

}  // namespace slip
