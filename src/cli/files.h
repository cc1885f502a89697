#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "base/result.h"
#include "http/route.h"

namespace slip {
class Fs;
class File;
class Process;
}  // namespace slip

// Files of the caller's machine, as bytes to send and to name by digest. One thread.
namespace slip::cli {

// A file from its start to its end.
class FileSource final : public http::Source {
 public:
  explicit FileSource(File& file) : file_(file) {}
  Result<size_t> read(std::span<char> out) override;

 private:
  File& file_;
  int64_t offset_ = 0;
};

class TextSource final : public http::Source {
 public:
  explicit TextSource(std::string_view text) : left_(text) {}
  Result<size_t> read(std::span<char> out) override;

 private:
  std::string_view left_;
};

struct FileDigest {
  std::string sha256;  // 64 hex digits.
  int64_t bytes = 0;
};
Result<FileDigest> digest_file(Fs& fs, const std::string& path);
Status copy_file(Fs& fs, const std::string& from, const std::string& to);
// Of files that don't say how long they are (/proc).
Result<std::string> read_stream(Fs& fs, const std::string& path, size_t bytes_max);

// `path` as it is, or below `directory` when it is relative.
std::string path_in(std::string_view directory, std::string_view path);

// A directory of its own in TMPDIR; removed with what is in it unless kept.
class Scratch {
 public:
  static Result<Scratch> make(Fs& fs, Process& process);
  Scratch(Fs& fs, std::string path) : fs_(&fs), path_(std::move(path)) {}
  ~Scratch();
  Scratch(Scratch&& other) noexcept;
  Scratch& operator=(Scratch&&) = delete;
  const std::string& path() const { return path_; }
  void keep() { kept_ = true; }

 private:
  Fs* fs_;
  std::string path_;
  bool kept_ = false;
};

}  // namespace slip::cli
