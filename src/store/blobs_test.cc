#include "store/blobs.h"

#include <gtest/gtest.h>

#include "test/store/mem_blobs.h"

namespace slip::store {
namespace {

// Answers every digest with the bytes of one other blob.
class Confused final : public Blobs {
 public:
  explicit Confused(std::string_view bytes) : other_(memory_.put(bytes).value()) {}

  Result<std::unique_ptr<BlobDraft>> create() override { return memory_.create(); }
  Result<std::unique_ptr<BlobReader>> open(const Digest&) override { return memory_.open(other_); }
  Result<bool> contains(const Digest&) override { return true; }
  Result<int64_t> size(const Digest&) override { return memory_.size(other_); }
  Status verify(const Digest&) override { return {}; }
  Result<BlobStats> stats() override { return memory_.stats(); }
  Result<SweepResult> sweep(int64_t, const Mark&) override { return SweepResult{}; }

 private:
  test::MemBlobs memory_;
  Digest other_;
};

TEST(Blobs, GetChecksTheDigest) {
  Confused blobs("other bytes");
  EXPECT_EQ(blobs.get(codec::sha256("other bytes"), 100).value(), "other bytes");
  EXPECT_EQ(blobs.get(codec::sha256("wanted bytes"), 100).error().reason, "blob.corrupt");
  EXPECT_EQ(blobs.get(codec::sha256("other bytes"), 3).error().reason, "blob.too_large");
}

}  // namespace
}  // namespace slip::store
