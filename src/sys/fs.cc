#include "sys/fs.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>

#include <dirent.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/check.h"
#include "base/text.h"
#include "sys/posix.h"

namespace slip {
namespace {

using posix::from_errno;
using posix::to_info;

class PosixFile final : public File {
 public:
  PosixFile(int fd, std::string path) : fd_(fd), path_(std::move(path)) {}
  ~PosixFile() override { ::close(fd_); }
  PosixFile(const PosixFile&) = delete;
  PosixFile& operator=(const PosixFile&) = delete;

  Result<size_t> read_at(int64_t offset, std::span<char> out) override {
    size_t done = 0;
    while (done < out.size()) {
      const ssize_t n =
          ::pread(fd_, out.data() + done, out.size() - done, offset + static_cast<int64_t>(done));
      if (n < 0 && errno == EINTR) continue;
      if (n < 0) return from_errno(errno, "read", path_);
      if (n == 0) break;
      done += static_cast<size_t>(n);
    }
    return done;
  }

  Status write_at(int64_t offset, std::string_view bytes) override {
    while (!bytes.empty()) {
      const ssize_t n = ::pwrite(fd_, bytes.data(), bytes.size(), offset);
      if (n < 0 && errno == EINTR) continue;
      if (n < 0) return from_errno(errno, "write", path_);
      bytes.remove_prefix(static_cast<size_t>(n));
      offset += n;
    }
    return {};
  }

  Status append(std::string_view bytes) override { return write_at(TRY(size()), bytes); }

  Status sync() override {
    if (::fdatasync(fd_) != 0) return from_errno(errno, "sync", path_);
    return {};
  }

  Status truncate(int64_t size) override {
    if (::ftruncate(fd_, size) != 0) return from_errno(errno, "truncate", path_);
    return {};
  }

  Result<int64_t> size() override {
    struct stat st{};
    if (::fstat(fd_, &st) != 0) return from_errno(errno, "stat", path_);
    return static_cast<int64_t>(st.st_size);
  }

  Status lock() override {
    if (::flock(fd_, LOCK_EX | LOCK_NB) != 0) return from_errno(errno, "lock", path_);
    return {};
  }

 private:
  const int fd_;
  const std::string path_;
};

int open_flags(OpenMode mode) {
  switch (mode) {
    case OpenMode::kRead:
      return O_RDONLY;
    case OpenMode::kReadWrite:
      return O_RDWR;
    case OpenMode::kCreate:
      return O_RDWR | O_CREAT;
    case OpenMode::kCreateNew:
      return O_RDWR | O_CREAT | O_EXCL;
    case OpenMode::kTruncate:
      return O_RDWR | O_CREAT | O_TRUNC;
  }
  CHECK(false);
}

class PosixFs final : public Fs {
 public:
  Result<std::unique_ptr<File>> open(const std::string& path, OpenMode mode) override {
    const int fd = ::open(path.c_str(), open_flags(mode) | O_CLOEXEC, 0640);
    if (fd < 0) return from_errno(errno, "open", path);
    return std::make_unique<PosixFile>(fd, path);
  }

  Status make_dirs(const std::string& path) override {
    if (path.empty() || path == "/" || path == ".") return {};
    if (::mkdir(path.c_str(), 0750) == 0) return {};
    if (errno == ENOENT) {
      TRY(make_dirs(parent_dir(path)));
      if (::mkdir(path.c_str(), 0750) == 0) return {};
    }
    const int code = errno;
    struct stat st{};
    if (code == EEXIST && ::stat(path.c_str(), &st) == 0 && S_ISDIR(st.st_mode)) return {};
    return from_errno(code, "make directory", path);
  }

  Status rename(const std::string& from, const std::string& to) override {
    if (::rename(from.c_str(), to.c_str()) != 0) return from_errno(errno, "rename", from);
    return {};
  }

  Status remove(const std::string& path) override {
    if (::remove(path.c_str()) != 0) return from_errno(errno, "remove", path);
    return {};
  }

  Status remove_all(const std::string& path) override {
    struct stat st{};
    if (::lstat(path.c_str(), &st) != 0) {
      if (errno == ENOENT) return {};
      return from_errno(errno, "stat", path);
    }
    if (S_ISDIR(st.st_mode))
      for (const FileInfo& child : TRY(list(path))) TRY(remove_all(path + "/" + child.name));
    return remove(path);
  }

  Status make_private(const std::string& path) override {
    if (::chmod(path.c_str(), 0600) != 0) return from_errno(errno, "make private", path);
    return {};
  }

  Status sync_dir(const std::string& path) override {
    const int fd = ::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) return from_errno(errno, "open", path);
    const int rc = ::fsync(fd);
    const int code = errno;
    ::close(fd);
    if (rc != 0) return from_errno(code, "sync", path);
    return {};
  }

  Result<std::vector<FileInfo>> list(const std::string& dir) override {
    DIR* handle = ::opendir(dir.c_str());
    if (handle == nullptr) return from_errno(errno, "list", dir);
    std::vector<FileInfo> out;
    while (const dirent* e = ::readdir(handle)) {
      const std::string name = e->d_name;
      struct stat st{};
      if (name == "." || name == "..") continue;
      if (::fstatat(::dirfd(handle), e->d_name, &st, AT_SYMLINK_NOFOLLOW) != 0) continue;
      out.push_back(to_info(name, st));
    }
    ::closedir(handle);
    std::sort(out.begin(), out.end(),
              [](const FileInfo& a, const FileInfo& b) { return a.name < b.name; });
    return out;
  }

  Result<FileInfo> stat(const std::string& path) override {
    struct stat st{};
    if (::stat(path.c_str(), &st) != 0) return from_errno(errno, "stat", path);
    const size_t slash = path.rfind('/');
    return to_info(slash == path.npos ? path : path.substr(slash + 1), st);
  }

  Result<DiskSpace> space(const std::string& path) override {
    struct statvfs vfs{};
    if (::statvfs(path.c_str(), &vfs) != 0) return from_errno(errno, "statvfs", path);
    const auto block = static_cast<int64_t>(vfs.f_frsize);
    return DiskSpace{.total_bytes = block * static_cast<int64_t>(vfs.f_blocks),
                     .free_bytes = block * static_cast<int64_t>(vfs.f_bavail)};
  }

  Result<std::unique_ptr<File>> open_beneath(const std::string& root,
                                             std::string_view relative) override {
    const std::string name(relative);
    if (name.find('\0') != name.npos) return invalid("fs.path", "a path may not hold a NUL");
    const int dir = ::open(root.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (dir < 0) return from_errno(errno, "open", root);
    open_how how{};
    how.flags = O_RDONLY | O_CLOEXEC | O_NONBLOCK;  // A pipe would wait for who writes to it.
    how.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS;
    const long fd = ::syscall(SYS_openat2, dir, name.c_str(), &how, sizeof how);
    const int code = errno;
    ::close(dir);
    if (fd < 0) return from_errno(code, "open", name);
    auto file = std::make_unique<PosixFile>(static_cast<int>(fd), root + "/" + name);
    struct stat info{};
    if (::fstat(static_cast<int>(fd), &info) != 0) return from_errno(errno, "stat", name);
    if (S_ISDIR(info.st_mode)) return from_errno(EISDIR, "open", name);
    if (!S_ISREG(info.st_mode)) return invalid("fs.path", concat({name, " is no plain file"}));
    return file;
  }

  Status write_beneath(const std::string& root, std::string_view relative,
                       const std::function<Status(File&)>& fill) override {
    return posix::write_beneath(root, relative, fill);
  }
  Result<std::vector<FileInfo>> list_beneath(const std::string& root,
                                             std::string_view relative) override {
    return posix::list_beneath(root, relative);
  }
  Status remove_beneath(const std::string& root, std::string_view relative) override {
    return posix::remove_beneath(root, relative);
  }
};

}  // namespace

namespace posix {

Error from_errno(int code, std::string_view what, std::string_view path) {
  std::array<char, 128> buffer;
  std::string text =
      concat({what, " ", path, ": ", strerror_r(code, buffer.data(), buffer.size())});
  switch (code) {
    case ENOENT:
    case ENOTDIR:
      return not_found("fs.not_found", std::move(text));
    case EEXIST:
    case ENOTEMPTY:
    case EISDIR:
      return exists("fs.exists", std::move(text));
    case EACCES:
    case EPERM:
    case EROFS:
    case ELOOP:
    case EXDEV:
      return forbidden("fs.denied", std::move(text));
    case ENOSPC:
    case EDQUOT:
    case EFBIG:
      return exhausted("fs.full", std::move(text));
    case EMFILE:
    case ENFILE:
      return exhausted("fs.files", std::move(text));
    case EWOULDBLOCK:
      return conflict("fs.locked", std::move(text));
    default:
      return unavailable("fs.io", std::move(text));
  }
}

FileInfo to_info(std::string name, const struct stat& st) {
  return {.name = std::move(name),
          .is_dir = S_ISDIR(st.st_mode),
          .size = st.st_size,
          .modified_us = st.st_mtim.tv_sec * 1'000'000 + st.st_mtim.tv_nsec / 1000};
}

std::unique_ptr<File> open_fd(int fd, std::string path) {
  return std::make_unique<PosixFile>(fd, std::move(path));
}

}  // namespace posix

// For disks that have no links.
Status Fs::write_beneath(const std::string& root, std::string_view relative,
                         const std::function<Status(File&)>& fill) {
  const std::string path = concat({root, "/", relative});
  const std::string draft = path + ".draft";
  TRY(make_dirs(parent_dir(path)));
  const auto written = [&]() -> Status {
    const std::unique_ptr<File> file = TRY(open(draft, OpenMode::kTruncate));
    TRY(fill(*file));
    return file->sync();
  }();
  if (!written.ok()) {
    ignore(remove(draft), "the first error matters");
    return written;
  }
  TRY(rename(draft, path));
  return sync_dir(parent_dir(path));
}

Result<std::vector<FileInfo>> Fs::list_beneath(const std::string& root, std::string_view relative) {
  return list(relative.empty() ? root : concat({root, "/", relative}));
}

Status Fs::remove_beneath(const std::string& root, std::string_view relative) {
  const std::string path = concat({root, "/", relative});
  TRY(stat(path));
  return remove_all(path);
}

Fs& real_fs() {
  static PosixFs fs;
  return fs;
}

Result<std::string> read_file(Fs& fs, const std::string& path, int64_t max_bytes) {
  const std::unique_ptr<File> file = TRY(fs.open(path, OpenMode::kRead));
  const int64_t size = TRY(file->size());
  if (size > max_bytes)
    return exhausted("fs.too_large", path + " is larger than " + format_size(max_bytes));
  std::string out(static_cast<size_t>(size), '\0');
  out.resize(TRY(file->read_at(0, std::span(out.data(), out.size()))));
  return out;
}

Status write_file_atomic(Fs& fs, const std::string& path, std::string_view bytes) {
  const std::string draft = path + ".tmp";
  {
    const std::unique_ptr<File> file = TRY(fs.open(draft, OpenMode::kTruncate));
    TRY(file->write_at(0, bytes));
    TRY(file->sync());
  }
  TRY(fs.rename(draft, path));
  return fs.sync_dir(parent_dir(path));
}

std::string parent_dir(std::string_view path) {
  const size_t slash = path.rfind('/');
  if (slash == path.npos) return ".";
  return slash == 0 ? "/" : std::string(path.substr(0, slash));
}

}  // namespace slip
