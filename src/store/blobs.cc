#include "store/blobs.h"

#include "base/text.h"
#include "codec/compress.h"
#include "engine/chunk/chunk.h"
#include "store/packs/core.h"
#include "store/packs/packs.h"

namespace slip::store {
namespace packs {
namespace {

constexpr int kZstdLevel = 1;
constexpr size_t kProbeBytes = 4 << 10;    // Compressed first, from the middle of the chunk.
constexpr uint32_t kSkipsMax = 16;         // Chunks unprobed after others did not gain.
constexpr size_t kWorthwhilePercent = 90;  // At most this share is stored when compressed.

bool gains(size_t packed, size_t raw) { return packed * 100 <= raw * kWorthwhilePercent; }

// Decides chunk by chunk. After chunks that do not compress it looks at fewer and fewer of the
// next, because a file is rarely half of one kind.
class Packer {
 public:
  // The bytes to store; into `raw` or into memory of this packer.
  std::string_view pack(std::string_view raw, Packing* packing) {
    *packing = Packing::kRaw;
    if (skip_ > 0) {
      --skip_;
      return raw;
    }
    const size_t probe = std::min(kProbeBytes, raw.size());
    encoder_.compress(raw.substr((raw.size() - probe) / 2, probe), &packed_);
    if (gains(packed_.size(), probe)) {
      encoder_.compress(raw, &packed_);
      if (gains(packed_.size(), raw.size())) {
        *packing = Packing::kZstd;
        failures_ = 0;
        return packed_;
      }
    }
    failures_ = std::min(failures_ * 2 + 1, kSkipsMax);
    skip_ = failures_ / 2;
    return raw;
  }

 private:
  codec::ZstdEncoder encoder_{kZstdLevel};
  std::string packed_;
  uint32_t failures_ = 0;
  uint32_t skip_ = 0;
};

// A chunk is looked up by an XXH3 of its bytes, which is a hint: equal is what was read back and
// compared. So no hash but the blob's SHA-256 has to resist collisions, each byte is hashed by
// SHA-256 once, and a damaged chunk is never built upon: the same bytes are stored anew.
class Draft final : public BlobDraft {
 public:
  explicit Draft(std::shared_ptr<Core> core) : core_(std::move(core)) {}
  ~Draft() override { core_->release(slots_); }

  Status write(std::string_view bytes) override {
    if (!failure_.ok()) return failure_;
    CHECK(!committed_);
    if (static_cast<int64_t>(bytes.size()) > kBlobBytesMax - size_)
      return fail(
          exhausted("blob.too_large", "a blob holds at most " + format_size(kBlobBytesMax)));
    sha_.update(bytes);
    size_ += static_cast<int64_t>(bytes.size());
    while (!bytes.empty()) {
      const std::optional<size_t> end = cutter_.next(bytes);
      const std::string_view part = bytes.substr(0, end.value_or(bytes.size()));
      bytes.remove_prefix(part.size());
      if (!end) {
        rest_ += part;
        break;
      }
      if (!rest_.empty()) rest_ += part;
      if (Status done = add(rest_.empty() ? part : rest_); !done.ok()) return fail(done.error());
      rest_.clear();
    }
    return {};
  }

  int64_t size() const override { return size_; }

  Result<Digest> commit(const Digest* expected) override {
    if (!failure_.ok()) return failure_.error();
    CHECK(!committed_);
    committed_ = true;
    if (!rest_.empty()) TRY(add(rest_));
    const Digest digest = sha_.finish();
    if (expected != nullptr && *expected != digest)
      return invalid("blob.digest_mismatch",
                     concat({"the bytes are ", digest.text(), ", not ", expected->text()}));
    TRY(core_->commit(digest, size_, std::exchange(slots_, {})));
    return digest;
  }

 private:
  Status fail(Error error) {
    failure_ = std::move(error);
    return failure_;
  }

  Status add(std::string_view raw) {
    Frame frame;
    frame.raw_bytes = static_cast<uint32_t>(raw.size());
    frame.raw_hash = codec::xxh3(raw);
    bool seen = false;
    if (const std::optional<Core::Held> held = core_->find_chunk(frame.raw_hash, frame.raw_bytes)) {
      if (core_->read_chunk(*held, &read_).ok() && read_ == raw) {
        slots_.push_back(held->slot);
        return {};
      }
      core_->release({held->slot});
      seen = true;
    }
    const std::string_view packed = packer_.pack(raw, &frame.packing);
    slots_.push_back(TRY(core_->add_chunk(frame, packed, seen)));
    return {};
  }

  std::shared_ptr<Core> core_;
  chunk::Cutter cutter_;
  codec::Sha256Stream sha_;
  Packer packer_;
  std::string rest_;  // Of the chunk that is not yet complete.
  std::string read_;
  std::vector<uint32_t> slots_;
  int64_t size_ = 0;
  bool committed_ = false;
  Status failure_;
};

class Reader final : public BlobReader {
 public:
  Reader(std::shared_ptr<Core> core, Core::Opened blob)
      : core_(std::move(core)), blob_(std::move(blob)) {}
  ~Reader() override { core_->release(blob_.slots); }

  int64_t size() const override { return blob_.size; }

  Result<size_t> read_at(int64_t offset, std::span<char> out) override {
    if (offset < 0 || offset > blob_.size)
      return invalid("blob.range", "the offset lies outside of the blob");
    size_t done = 0;
    while (done < out.size() && offset < blob_.size) {
      TRY(load(offset));
      const auto at = static_cast<size_t>(offset - first_);
      const size_t n = std::min(out.size() - done, bytes_.size() - at);
      std::copy_n(bytes_.data() + at, n, out.data() + done);
      done += n;
      offset += static_cast<int64_t>(n);
    }
    return done;
  }

 private:
  // Makes `bytes_` the chunk that holds `offset`.
  Status load(int64_t offset) {
    if (offset >= first_ && offset < first_ + static_cast<int64_t>(bytes_.size())) return {};
    const auto end = std::upper_bound(blob_.ends.begin(), blob_.ends.end(), offset);
    const auto i = static_cast<size_t>(end - blob_.ends.begin());
    bytes_.clear();
    TRY(core_->read_chunk(TRY(core_->hold(blob_.slots[i])), &bytes_));
    first_ = *end - static_cast<int64_t>(bytes_.size());
    return {};
  }

  std::shared_ptr<Core> core_;
  Core::Opened blob_;
  int64_t first_ = 0;
  std::string bytes_;
};

class PackBlobs final : public Blobs {
 public:
  explicit PackBlobs(std::shared_ptr<Core> core) : core_(std::move(core)) {}

  Result<std::unique_ptr<BlobDraft>> create() override { return std::make_unique<Draft>(core_); }

  Result<std::unique_ptr<BlobReader>> open(const Digest& digest) override {
    return std::make_unique<Reader>(core_, TRY(core_->open_blob(digest)));
  }

  Result<bool> contains(const Digest& digest) override {
    return core_->find_size(digest).has_value();
  }

  Result<int64_t> size(const Digest& digest) override {
    const std::optional<int64_t> found = core_->find_size(digest);
    if (!found) return not_found("blob.not_found", "no blob " + digest.text());
    return *found;
  }

  Status verify(const Digest& digest) override {
    const std::unique_ptr<BlobReader> reader = TRY(open(digest));
    codec::Sha256Stream sha;
    std::string buffer(chunk::kMaxBytes, '\0');
    for (int64_t at = 0;;) {
      const size_t n = TRY(reader->read_at(at, buffer));
      if (n == 0) break;
      sha.update(std::string_view(buffer).substr(0, n));
      at += static_cast<int64_t>(n);
    }
    if (sha.finish() != digest)
      return corrupt("blob.corrupt", "the bytes of " + digest.text() + " have another digest");
    return {};
  }

  Result<BlobStats> stats() override { return core_->stats(); }

  Result<SweepResult> sweep(int64_t fence_us, const Mark& mark) override {
    return core_->sweep(fence_us, mark);
  }

 private:
  std::shared_ptr<Core> core_;
};

}  // namespace

Result<std::unique_ptr<Blobs>> open(World world, const std::string& dir, Options options) {
  return std::make_unique<PackBlobs>(TRY(Core::open(world, dir, options)));
}

}  // namespace packs

Result<std::unique_ptr<Blobs>> open_blobs(World world, const std::string& dir) {
  return packs::open(world, dir, {});
}

Result<Digest> Blobs::put(std::string_view bytes) {
  const std::unique_ptr<BlobDraft> draft = TRY(create());
  TRY(draft->write(bytes));
  return draft->commit();
}

Result<std::string> Blobs::get(const Digest& digest, int64_t size_max) {
  const std::unique_ptr<BlobReader> reader = TRY(open(digest));
  if (reader->size() > size_max)
    return exhausted("blob.too_large",
                     concat({"the blob has ", std::to_string(reader->size()),
                             " bytes, more than the ", format_size(size_max), " allowed here"}));
  std::string out(static_cast<size_t>(reader->size()), '\0');
  out.resize(TRY(reader->read_at(0, out)));
  if (codec::sha256(out) != digest)
    return corrupt("blob.corrupt", "the bytes of " + digest.text() + " have another digest");
  return out;
}

}  // namespace slip::store
