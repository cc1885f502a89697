#pragma once

#include <map>
#include <string>
#include <vector>

#include "store/blobs.h"
#include "sys/sync.h"

// Blobs in memory, for tests of what stands on them. Any thread.
namespace slip::test {

class MemBlobs final : public store::Blobs {
 public:
  using Digest = store::Digest;

  int64_t reads = 0;  // Calls of open().

  int64_t count() const {
    return all_.with([](const Map& m) { return static_cast<int64_t>(m.size()); });
  }
  std::vector<Digest> all() const {
    std::vector<Digest> out;
    all_.with([&](const Map& m) {
      for (const auto& [digest, bytes] : m) out.push_back(digest);
    });
    return out;
  }

  Result<std::unique_ptr<store::BlobDraft>> create() override {
    return std::make_unique<Draft>(*this);
  }
  Result<std::unique_ptr<store::BlobReader>> open(const Digest& digest) override {
    ++reads;
    return std::make_unique<Reader>(TRY(find(digest)));
  }
  Result<bool> contains(const Digest& digest) override { return find(digest).ok(); }
  Result<int64_t> size(const Digest& digest) override {
    return static_cast<int64_t>(TRY(find(digest)).size());
  }
  Status verify(const Digest& digest) override {
    TRY(find(digest));
    return {};
  }
  Result<store::BlobStats> stats() override {
    store::BlobStats out;
    all_.with([&](const Map& m) {
      for (const auto& [digest, bytes] : m) {
        ++out.blobs;
        out.logical_bytes += static_cast<int64_t>(bytes.size());
      }
    });
    out.stored_bytes = out.logical_bytes;
    return out;
  }
  Result<store::SweepResult> sweep(int64_t, const Mark&) override {
    return unsupported("test.sweep", "memory is not swept");
  }

 private:
  using Map = std::map<Digest, std::string>;

  class Draft final : public store::BlobDraft {
   public:
    explicit Draft(MemBlobs& owner) : owner_(owner) {}
    Status write(std::string_view bytes) override {
      bytes_ += bytes;
      return {};
    }
    int64_t size() const override { return static_cast<int64_t>(bytes_.size()); }
    Result<Digest> commit(const Digest* expected) override {
      const Digest digest = codec::sha256(bytes_);
      if (expected != nullptr && *expected != digest)
        return invalid("blob.digest_mismatch", "other bytes");
      owner_.all_.with([&](Map& m) { m[digest] = std::move(bytes_); });
      return digest;
    }

   private:
    MemBlobs& owner_;
    std::string bytes_;
  };

  class Reader final : public store::BlobReader {
   public:
    explicit Reader(std::string bytes) : bytes_(std::move(bytes)) {}
    int64_t size() const override { return static_cast<int64_t>(bytes_.size()); }
    Result<size_t> read_at(int64_t offset, std::span<char> out) override {
      if (offset < 0 || offset > size()) return invalid("blob.range", "outside");
      return bytes_.copy(out.data(), out.size(), static_cast<size_t>(offset));
    }

   private:
    std::string bytes_;
  };

  Result<std::string> find(const Digest& digest) const {
    return all_.with([&](const Map& m) -> Result<std::string> {
      const auto found = m.find(digest);
      if (found == m.end()) return not_found("blob.not_found", "no blob " + digest.text());
      return found->second;
    });
  }

  sys::Guarded<Map> all_;
};

}  // namespace slip::test
