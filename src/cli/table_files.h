#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/result.h"
#include "codec/table.h"
#include "contract/checker.h"
#include "engine/column/column.h"
#include "sys/fs.h"

// Tables of the caller's machine for commands that compute without a server: files as codec reads
// them, their columns as engines see them. One thread.
namespace slip::cli {

class FileBytes final : public codec::ByteSource {
 public:
  static Result<std::unique_ptr<FileBytes>> open(Fs& fs, const std::string& path);
  int64_t size() const override { return size_; }
  Result<size_t> read_at(int64_t offset, std::span<char> out) override {
    return file_->read_at(offset, out);
  }

 private:
  std::unique_ptr<File> file_;
  int64_t size_ = 0;
};

class FileSink final : public codec::ByteSink {
 public:
  explicit FileSink(File& file) : file_(file) {}
  Status write(std::string_view bytes) override { return file_.append(bytes); }

 private:
  File& file_;
};

engine::Type engine_type(codec::ColumnType type);
// The layouts are the same, so nothing is copied.
engine::Column view(const codec::Column& from);
std::vector<engine::Column> views(const codec::Table& table);
std::vector<contract::FieldFact> facts_of(const std::vector<codec::Field>& schema);

// By its ending; kInvalid `usage.format`.
Result<codec::Format> table_format(std::string_view path);

}  // namespace slip::cli
