#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

// Files as the product needs them. Paths are absolute or relative to the process; they come from
// the operator's configuration and from our own code, never from a request. The simulated twin
// (sys/sim/sim_fs.h) drops what was not synced, tears writes and fills up. Any thread; one File
// may be read by many threads at once and written by one.
//
// Errors: kNotFound `fs.not_found`, kExists `fs.exists`, kForbidden `fs.denied` (also read-only),
// kExhausted `fs.full`, kConflict `fs.locked`, kUnavailable `fs.io`.
namespace slip {

enum class OpenMode : uint8_t {
  kRead,       // Must exist.
  kReadWrite,  // Must exist.
  kCreate,     // Created when missing, kept when present; read and write.
  kCreateNew,  // kExists when present.
  kTruncate,   // Created or emptied.
};

class File {
 public:
  virtual ~File() = default;  // Closes without syncing.
  // Reads up to out.size() bytes; fewer only at the end of the file.
  virtual Result<size_t> read_at(int64_t offset, std::span<char> out) = 0;
  // All or an error; after an error the range holds an unknown mix.
  virtual Status write_at(int64_t offset, std::string_view bytes) = 0;
  virtual Status append(std::string_view bytes) = 0;
  virtual Status sync() = 0;  // Contents and size are on the disk when this returns.
  virtual Status truncate(int64_t size) = 0;
  virtual Result<int64_t> size() = 0;
  // Exclusive, whole file, until closed; kConflict `fs.locked` when another holds it.
  virtual Status lock() = 0;
};

struct FileInfo {
  std::string name;  // Last component.
  bool is_dir = false;
  int64_t size = 0;
  int64_t modified_us = 0;
};

struct DiskSpace {
  int64_t total_bytes = 0;
  int64_t free_bytes = 0;
};

class Fs {
 public:
  virtual ~Fs() = default;
  virtual Result<std::unique_ptr<File>> open(const std::string& path, OpenMode mode) = 0;
  virtual Status make_dirs(const std::string& path) = 0;  // Fine when it exists.
  // Atomic replacement. Durable only after sync_dir of both parents.
  virtual Status rename(const std::string& from, const std::string& to) = 0;
  virtual Status remove(const std::string& path) = 0;      // A file or an empty directory.
  virtual Status remove_all(const std::string& path) = 0;  // Fine when it does not exist.
  virtual Status sync_dir(const std::string& path) = 0;
  virtual Result<std::vector<FileInfo>> list(const std::string& dir) = 0;  // Sorted by name.
  virtual Result<FileInfo> stat(const std::string& path) = 0;
  // Readable and writable by its owner only (0600). Simulated disks have one user.
  virtual Status make_private(const std::string& path) {
    TRY(stat(path));
    return {};
  }
  virtual Result<DiskSpace> space(const std::string& path) = 0;
  // Opens `relative` for reading below `root` without leaving it and without following links
  // (openat2 with RESOLVE_BENEATH|NO_SYMLINKS). For names that a request has influenced.
  virtual Result<std::unique_ptr<File>> open_beneath(const std::string& root,
                                                     std::string_view relative) = 0;
  // Likewise. Makes the directories, lets `fill` write a neighbour and puts that in place: there is
  // the old file or the whole new one, durable when this returns.
  virtual Status write_beneath(const std::string& root, std::string_view relative,
                               const std::function<Status(File&)>& fill);
  virtual Result<std::vector<FileInfo>> list_beneath(const std::string& root,
                                                     std::string_view relative);  // Sorted by name.
  // A file, or a directory with all that is in it.
  virtual Status remove_beneath(const std::string& root, std::string_view relative);
};

Fs& real_fs();

// Whole-file conveniences on any Fs.
Result<std::string> read_file(Fs& fs, const std::string& path, int64_t max_bytes);
// Temporary neighbour, sync, rename, sync_dir: after a crash the old or the new contents.
Status write_file_atomic(Fs& fs, const std::string& path, std::string_view bytes);
std::string parent_dir(std::string_view path);

}  // namespace slip
