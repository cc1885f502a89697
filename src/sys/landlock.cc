#include "sys/landlock.h"

#include <array>
#include <cerrno>
#include <cstdint>
#include <cstring>

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/text.h"

namespace slip::sys {
namespace {

// The kernel's numbers; headers may be older than the kernel.
constexpr long kCreateRuleset = 444;
constexpr long kAddRule = 445;
constexpr long kRestrictSelf = 446;
constexpr uint32_t kAskVersion = 1;
constexpr int kPathBeneath = 1;

constexpr uint64_t kExecute = 1 << 0;
constexpr uint64_t kWriteFile = 1 << 1;
constexpr uint64_t kReadFile = 1 << 2;
constexpr uint64_t kReadDir = 1 << 3;
constexpr uint64_t kRemove = 1 << 4 | 1 << 5;  // Folders, files.
constexpr uint64_t kMake = 1 << 7 | 1 << 8;
constexpr uint64_t kTruncate = 1 << 14;
constexpr uint64_t kScratch = kReadFile | kReadDir | kWriteFile | kRemove | kMake | kTruncate;
// How many rights on files each version knows, from the lowest bit on.
constexpr std::array<int, 6> kFileRights = {0, 13, 14, 15, 15, 16};
constexpr uint64_t kTcp = 0b11;     // Bind, connect.
constexpr uint64_t kScopes = 0b11;  // Abstract sockets, signals.

struct Ruleset {
  uint64_t files = 0;
  uint64_t net = 0;
  uint64_t scopes = 0;
};
struct [[gnu::packed]] Beneath {
  uint64_t allowed = 0;
  int32_t parent_fd = -1;
};

Error failed(std::string_view what) {
  std::array<char, 128> buffer;
  return unsupported("jail.landlock", concat({"landlock: ", what, ": ",
                                              strerror_r(errno, buffer.data(), buffer.size())}));
}

class Rules {
 public:
  explicit Rules(int version) : version_(version) {
    const size_t last = kFileRights.size() - 1;
    const int rights = kFileRights[std::min(static_cast<size_t>(version), last)];
    set_.files = (uint64_t{1} << rights) - 1;
    if (version >= 4) set_.net = kTcp;
    if (version >= 6) set_.scopes = kScopes;
    const size_t size = version < 4 ? 8 : version < 6 ? 16 : 24;
    fd_ = static_cast<int>(::syscall(kCreateRuleset, &set_, size, 0));
  }
  ~Rules() {
    if (fd_ >= 0) ::close(fd_);
  }
  Rules(const Rules&) = delete;
  Rules& operator=(const Rules&) = delete;

  bool made() const { return fd_ >= 0; }
  Status allow(const std::string& path, uint64_t rights) {
    const int at = ::open(path.c_str(), O_PATH | O_CLOEXEC);
    if (at < 0) return {};  // What isn't there, or can't be reached, needs no rule.
    struct stat info{};
    const bool known = ::fstat(at, &info) == 0;
    if (!known || !S_ISDIR(info.st_mode)) rights &= ~kReadDir;
    const Beneath rule{rights & set_.files, at};
    const long rc = ::syscall(kAddRule, fd_, kPathBeneath, &rule, 0);
    const int code = errno;
    ::close(at);
    errno = code;
    if (rc != 0) return failed(path);
    return {};
  }
  Status enforce() const {
    if (::syscall(kRestrictSelf, fd_, 0) != 0) return failed("restrict");
    return {};
  }

 private:
  const int version_;
  Ruleset set_;
  int fd_ = -1;
};

}  // namespace

int landlock_version() {
  const long version = ::syscall(kCreateRuleset, nullptr, size_t{0}, kAskVersion);
  return version > 0 ? static_cast<int>(version) : 0;
}

Status restrict_files(const Places& places) {
  const int version = landlock_version();
  if (version == 0) return unsupported("jail.landlock", "the kernel has no Landlock");
  Rules rules(version);
  if (!rules.made()) return failed("rules");
  for (const std::string& path : places.readable) TRY(rules.allow(path, kReadFile | kReadDir));
  for (const std::string& path : places.executable) TRY(rules.allow(path, kReadFile | kExecute));
  for (const std::string& path : places.writable) TRY(rules.allow(path, kReadFile | kWriteFile));
  for (const std::string& path : places.scratch) TRY(rules.allow(path, kScratch));
  return rules.enforce();
}

}  // namespace slip::sys
