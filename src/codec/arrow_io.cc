#include "codec/arrow_io.h"

#include <algorithm>

#include <arrow/api.h>
#include <arrow/io/interfaces.h>

#include "base/text.h"

namespace slip::codec::arrow_io {
namespace {

Error to_error(const arrow::Status& status) {
  if (status.IsOutOfMemory())
    return exhausted("table.too_large", "the file needs more than " + format_size(kArrowBytesMax));
  if (status.IsNotImplemented()) return unsupported("table.unsupported", status.message());
  return invalid("table.syntax", status.message());
}

class SourceBytes final : public arrow::io::RandomAccessFile {
 public:
  SourceBytes(ByteSource& source, arrow::MemoryPool* pool) : source_(source), pool_(pool) {}

  arrow::Status Close() override {
    closed_ = true;
    return arrow::Status::OK();
  }
  bool closed() const override { return closed_; }
  arrow::Result<int64_t> Tell() const override { return at_; }
  arrow::Status Seek(int64_t position) override {
    at_ = position;
    return arrow::Status::OK();
  }
  arrow::Result<int64_t> GetSize() override { return source_.size(); }
  arrow::Result<int64_t> ReadAt(int64_t position, int64_t n, void* out) override {
    if (position < 0 || n < 0) return arrow::Status::Invalid("a read lies outside of the file");
    const std::span<char> to(static_cast<char*>(out), static_cast<size_t>(n));
    Result<size_t> got = source_.read_at(position, to);
    if (got.ok()) return static_cast<int64_t>(*got);
    *failure_ = got.error();
    return arrow::Status::IOError(got.error().text);
  }
  arrow::Result<std::shared_ptr<arrow::Buffer>> ReadAt(int64_t position, int64_t n) override {
    n = std::max<int64_t>(0, std::min(n, source_.size() - position));
    ARROW_ASSIGN_OR_RAISE(auto buffer, arrow::AllocateResizableBuffer(n, pool_));
    ARROW_ASSIGN_OR_RAISE(const int64_t got, ReadAt(position, n, buffer->mutable_data()));
    ARROW_RETURN_NOT_OK(buffer->Resize(got));
    return std::shared_ptr<arrow::Buffer>(std::move(buffer));
  }
  arrow::Result<int64_t> Read(int64_t n, void* out) override {
    ARROW_ASSIGN_OR_RAISE(const int64_t got, ReadAt(at_, n, out));
    at_ += got;
    return got;
  }
  arrow::Result<std::shared_ptr<arrow::Buffer>> Read(int64_t n) override {
    ARROW_ASSIGN_OR_RAISE(auto buffer, ReadAt(at_, n));
    at_ += buffer->size();
    return buffer;
  }

  std::shared_ptr<Failure> failure() const { return failure_; }

 private:
  ByteSource& source_;
  arrow::MemoryPool* pool_;
  int64_t at_ = 0;
  bool closed_ = false;
  std::shared_ptr<Failure> failure_ = std::make_shared<Failure>();
};

class SinkBytes final : public arrow::io::OutputStream {
 public:
  explicit SinkBytes(ByteSink& sink) : sink_(sink) {}
  arrow::Status Close() override {
    closed_ = true;
    return arrow::Status::OK();
  }
  bool closed() const override { return closed_; }
  arrow::Result<int64_t> Tell() const override { return at_; }
  arrow::Status Write(const void* data, int64_t n) override {
    const Status done = sink_.write({static_cast<const char*>(data), static_cast<size_t>(n)});
    if (!done.ok()) {
      *failure_ = done.error();
      return arrow::Status::IOError(done.error().text);
    }
    at_ += n;
    return arrow::Status::OK();
  }
  std::shared_ptr<Failure> failure() const { return failure_; }

 private:
  ByteSink& sink_;
  int64_t at_ = 0;
  bool closed_ = false;
  std::shared_ptr<Failure> failure_ = std::make_shared<Failure>();
};

}  // namespace

Status take(const arrow::Status& status) {
  if (!status.ok()) return to_error(status);
  return {};
}

SourceFile open_source(ByteSource& source, arrow::MemoryPool* pool) {
  const auto file = std::make_shared<SourceBytes>(source, pool);
  return {file, file->failure()};
}

std::vector<std::string> seldom_repeated(const arrow::Schema& schema) {
  std::vector<std::string> out;
  for (const auto& field : schema.fields()) {
    const auto type = field->type()->id();
    if (arrow::is_floating(type) || type == arrow::Type::TIMESTAMP) out.push_back(field->name());
  }
  return out;
}

SinkStream open_sink(ByteSink& sink) {
  const auto stream = std::make_shared<SinkBytes>(sink);
  return {stream, stream->failure()};
}

}  // namespace slip::codec::arrow_io
