#include "features/spool.h"

#include <utility>

#include "store/blob_files.h"

namespace slip::features {
namespace {

class BlobSpool final : public Spool {
 public:
  BlobSpool(store::Blobs& blobs, std::unique_ptr<store::BlobDraft> draft)
      : blobs_(blobs), draft_(std::move(draft)) {}
  Status write(std::string_view bytes) override { return draft_->write(bytes); }
  Result<std::unique_ptr<codec::ByteSource>> bytes() override {
    const store::Digest digest = TRY(draft_->commit());
    draft_.reset();
    return std::unique_ptr<codec::ByteSource>(
        std::make_unique<store::BlobSource>(TRY(blobs_.open(digest))));
  }

 private:
  store::Blobs& blobs_;
  std::unique_ptr<store::BlobDraft> draft_;
};

}  // namespace

Result<std::unique_ptr<Spool>> make_spool(store::Blobs& blobs) {
  return std::unique_ptr<Spool>(std::make_unique<BlobSpool>(blobs, TRY(blobs.create())));
}

}  // namespace slip::features
