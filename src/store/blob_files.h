#pragma once

#include <memory>
#include <span>
#include <string_view>
#include <utility>

#include "codec/table.h"
#include "store/blobs.h"

// Blobs as the bytes that tables are read from and written to. One thread an object.
namespace slip::store {

// Which of blob and file failed is told by the error itself.
class BlobSource final : public codec::ByteSource {
 public:
  explicit BlobSource(std::unique_ptr<BlobReader> blob) : blob_(std::move(blob)) {}
  int64_t size() const override { return blob_->size(); }
  Result<size_t> read_at(int64_t offset, std::span<char> out) override {
    if (offset < 0 || offset > blob_->size()) return size_t{0};
    return blob_->read_at(offset, out);
  }

 private:
  std::unique_ptr<BlobReader> blob_;
};

class DraftSink final : public codec::ByteSink {
 public:
  explicit DraftSink(BlobDraft& draft) : draft_(draft) {}
  Status write(std::string_view bytes) override { return draft_.write(bytes); }

 private:
  BlobDraft& draft_;
};

}  // namespace slip::store
