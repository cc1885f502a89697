#include <algorithm>
#include <atomic>
#include <cerrno>
#include <utility>

#include <dirent.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/text.h"
#include "sys/posix.h"

// Files below a directory that an operator named, by names that a request has influenced. Each
// directory on the way is opened from the one above it, without following links, and held: what
// others rename meanwhile can't lead anywhere else.
namespace slip::posix {
namespace {

class Fd {
 public:
  explicit Fd(int fd) : fd_(fd) {}
  ~Fd() {
    if (fd_ >= 0) ::close(fd_);
  }
  Fd(Fd&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  Fd& operator=(Fd&& other) noexcept {
    std::swap(fd_, other.fd_);
    return *this;
  }
  int get() const { return fd_; }
  int release() { return std::exchange(fd_, -1); }

 private:
  int fd_;
};

Result<Fd> open_step(int dir, const std::string& name) {
  open_how how{};
  how.flags = O_RDONLY | O_DIRECTORY | O_CLOEXEC;
  how.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS;
  const long fd = ::syscall(SYS_openat2, dir, name.c_str(), &how, sizeof how);
  if (fd < 0) return from_errno(errno, "open", name);
  return Fd(static_cast<int>(fd));
}

struct Place {
  Fd dir;
  std::string name;  // Last component.
};
// The directory that `relative` lies in. kInvalid `fs.path` for a path that isn't clean.
Result<Place> place_of(const std::string& root, std::string_view relative, bool make) {
  Fd dir(::open(root.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (dir.get() < 0) return from_errno(errno, "open", root);
  const std::vector<std::string_view> parts = split(relative, '/');
  for (const std::string_view part : parts)
    if (part.empty() || part == "." || part == ".." || part.find('\0') != part.npos)
      return invalid("fs.path", "a path below a root must be clean");
  for (size_t i = 0; i + 1 < parts.size(); ++i) {
    const std::string name(parts[i]);
    if (make && ::mkdirat(dir.get(), name.c_str(), 0750) != 0 && errno != EEXIST)
      return from_errno(errno, "make directory", relative);
    dir = TRY(open_step(dir.get(), name));
  }
  return Place{std::move(dir), std::string(parts.back())};
}

Result<std::vector<FileInfo>> list_dir(Fd dir, std::string_view path) {
  DIR* handle = ::fdopendir(dir.get());
  if (handle == nullptr) return from_errno(errno, "list", path);
  dir.release();
  std::vector<FileInfo> out;
  while (const dirent* e = ::readdir(handle)) {
    const std::string name = e->d_name;
    struct stat st{};
    if (name == "." || name == "..") continue;
    if (::fstatat(::dirfd(handle), e->d_name, &st, AT_SYMLINK_NOFOLLOW) != 0) continue;
    if (S_ISREG(st.st_mode) || S_ISDIR(st.st_mode)) out.push_back(to_info(name, st));
  }
  ::closedir(handle);
  std::sort(out.begin(), out.end(),
            [](const FileInfo& a, const FileInfo& b) { return a.name < b.name; });
  return out;
}

Status remove_at(int dir, const std::string& name) {
  struct stat st{};
  if (::fstatat(dir, name.c_str(), &st, AT_SYMLINK_NOFOLLOW) != 0)
    return from_errno(errno, "remove", name);
  if (!S_ISDIR(st.st_mode)) {
    if (::unlinkat(dir, name.c_str(), 0) != 0) return from_errno(errno, "remove", name);
    return {};
  }
  Fd below = TRY(open_step(dir, name));
  Fd listed(::dup(below.get()));
  for (const FileInfo& child : TRY(list_dir(std::move(listed), name)))
    TRY(remove_at(below.get(), child.name));
  if (::unlinkat(dir, name.c_str(), AT_REMOVEDIR) != 0) return from_errno(errno, "remove", name);
  return {};
}

}  // namespace

Status write_beneath(const std::string& root, std::string_view relative,
                     const std::function<Status(File&)>& fill) {
  static std::atomic<uint64_t> drafts{0};
  const Place place = TRY(place_of(root, relative, true));
  const std::string draft = concat({".", place.name.substr(0, 100), ".", std::to_string(::getpid()),
                                    "-", std::to_string(drafts.fetch_add(1)), ".draft"});
  const int fd = ::openat(place.dir.get(), draft.c_str(),
                          O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0640);
  if (fd < 0) return from_errno(errno, "open", relative);
  const auto written = [&]() -> Status {
    const std::unique_ptr<File> file = open_fd(fd, std::string(relative));
    TRY(fill(*file));
    TRY(file->sync());
    if (::renameat(place.dir.get(), draft.c_str(), place.dir.get(), place.name.c_str()) != 0)
      return from_errno(errno, "rename", relative);
    return {};
  }();
  if (!written.ok()) {
    ::unlinkat(place.dir.get(), draft.c_str(), 0);
    return written;
  }
  if (::fsync(place.dir.get()) != 0) return from_errno(errno, "sync", relative);
  return {};
}

Result<std::vector<FileInfo>> list_beneath(const std::string& root, std::string_view relative) {
  if (relative.empty()) {
    Fd dir(::open(root.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (dir.get() < 0) return from_errno(errno, "open", root);
    return list_dir(std::move(dir), root);
  }
  const Place place = TRY(place_of(root, relative, false));
  return list_dir(TRY(open_step(place.dir.get(), place.name)), relative);
}

Status remove_beneath(const std::string& root, std::string_view relative) {
  const Place place = TRY(place_of(root, relative, false));
  TRY(remove_at(place.dir.get(), place.name));
  if (::fsync(place.dir.get()) != 0) return from_errno(errno, "sync", relative);
  return {};
}

}  // namespace slip::posix
