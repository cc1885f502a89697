#pragma once

#include <algorithm>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include "codec/table.h"
#include "sys/fs.h"

// Plain files as the bytes that tables are read from and written to. One thread an object.
namespace slip::store {

// As long as it was when it was opened. Several may share a file.
class FileBytes final : public codec::ByteSource {
 public:
  FileBytes(std::shared_ptr<File> file, int64_t size) : file_(std::move(file)), size_(size) {}
  static Result<std::unique_ptr<FileBytes>> open(Fs& fs, const std::string& path) {
    std::shared_ptr<File> file = TRY(fs.open(path, OpenMode::kRead));
    const int64_t size = TRY(file->size());
    return std::make_unique<FileBytes>(std::move(file), size);
  }
  int64_t size() const override { return size_; }
  Result<size_t> read_at(int64_t offset, std::span<char> out) override {
    if (offset < 0 || offset >= size_) return size_t{0};
    const auto left = static_cast<size_t>(size_ - offset);
    return file_->read_at(offset, out.first(std::min(out.size(), left)));
  }

 private:
  std::shared_ptr<File> file_;
  int64_t size_;
};

class FileSink final : public codec::ByteSink {
 public:
  explicit FileSink(File& file) : file_(file) {}
  Status write(std::string_view bytes) override { return file_.append(bytes); }

 private:
  File& file_;
};

}  // namespace slip::store
