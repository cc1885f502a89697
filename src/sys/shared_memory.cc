#include "sys/shared_memory.h"

#include <cerrno>
#include <cstring>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/text.h"

namespace slip {
namespace {

constexpr size_t kNameBytesMax = 255;

Error io(std::string_view what) {
  return unavailable("shared_memory.io", concat({what, ": ", std::strerror(errno)}));
}

class PosixSharedMemory final : public SharedMemory {
 public:
  explicit PosixSharedMemory(int fd) : fd_(fd) {}
  PosixSharedMemory(const PosixSharedMemory&) = delete;
  PosixSharedMemory& operator=(const PosixSharedMemory&) = delete;
  ~PosixSharedMemory() override { close(fd_); }

  Result<int64_t> size() const override {
    struct stat about{};
    if (fstat(fd_, &about) != 0) return io("shared memory cannot be looked at");
    return static_cast<int64_t>(about.st_size);
  }

  Status read(int64_t offset, std::span<char> out) const override {
    while (!out.empty()) {
      const ssize_t n = pread(fd_, out.data(), out.size(), offset);
      if (n < 0 && errno == EINTR) continue;
      if (n < 0) return io("shared memory cannot be read");
      if (n == 0) return unavailable("shared_memory.io", "shared memory has become shorter");
      out = out.subspan(static_cast<size_t>(n));
      offset += n;
    }
    return {};
  }

  Status write(int64_t offset, std::string_view bytes) const override {
    // A write behind the end would make it longer.
    if (TRY(size()) < offset + static_cast<int64_t>(bytes.size()))
      return unavailable("shared_memory.io", "shared memory has become shorter");
    while (!bytes.empty()) {
      const ssize_t n = pwrite(fd_, bytes.data(), bytes.size(), offset);
      if (n < 0 && errno == EINTR) continue;
      if (n < 0) return io("shared memory cannot be written");
      bytes.remove_prefix(static_cast<size_t>(n));
      offset += n;
    }
    return {};
  }

 private:
  const int fd_;
};

}  // namespace

Result<std::unique_ptr<SharedMemory>> open_shared_memory(const std::string& name) {
  if (name.empty() || name.size() > kNameBytesMax || name == "." || name == ".." ||
      name.find('/') != name.npos || name.find('\0') != name.npos)
    return invalid("shared_memory.name", "that is no name of shared memory");
  const std::string path = "/dev/shm/" + name;
  // No links, so that a name can't lead elsewhere; a pipe doesn't make us wait.
  const int fd = open(path.c_str(), O_RDWR | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);
  if (fd < 0 && errno == ENOENT)
    return not_found("shared_memory.missing", concat({"there is no shared memory `", name, "`"}));
  if (fd < 0)
    return forbidden("shared_memory.denied",
                     concat({"shared memory `", name, "` may not be used"}));
  auto out = std::make_unique<PosixSharedMemory>(fd);
  struct stat about{};
  if (fstat(fd, &about) != 0 || !S_ISREG(about.st_mode))
    return forbidden("shared_memory.denied", concat({"`", name, "` is no shared memory"}));
  return out;
}

}  // namespace slip
