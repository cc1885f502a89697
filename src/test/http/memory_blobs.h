#pragma once

#include <algorithm>
#include <map>
#include <memory>
#include <string>
#include <utility>

#include "codec/hash.h"
#include "store/blobs.h"
#include "sys/sync.h"

// Blobs in memory, for tests of who reads and writes them. Writing can be told to fail.
namespace slip::http::testing {

class MemoryBlobs final : public store::Blobs {
 public:
  struct State {
    std::map<store::Digest, std::shared_ptr<const std::string>> blobs;
    int drafts = 0;  // Alive.
    bool full = false;
  };

  Result<std::unique_ptr<store::BlobDraft>> create() override {
    return std::unique_ptr<store::BlobDraft>(new Draft(*this));
  }
  Result<std::unique_ptr<store::BlobReader>> open(const store::Digest& digest) override {
    auto bytes = state_.with([&](State& s) {
      const auto it = s.blobs.find(digest);
      return it == s.blobs.end() ? nullptr : it->second;
    });
    if (!bytes) return not_found("blob.not_found", "no such blob");
    return reader(std::move(bytes));
  }
  Result<bool> contains(const store::Digest& digest) override {
    return state_.with([&](State& s) { return s.blobs.contains(digest); });
  }
  Result<int64_t> size(const store::Digest& digest) override { return TRY(open(digest))->size(); }
  Status verify(const store::Digest&) override { return {}; }
  Result<store::BlobStats> stats() override { return store::BlobStats{}; }
  Result<store::SweepResult> sweep(int64_t, const Mark&) override { return store::SweepResult{}; }

  static std::unique_ptr<store::BlobReader> reader(std::shared_ptr<const std::string> bytes) {
    return std::make_unique<Reader>(std::move(bytes));
  }
  int drafts() const {
    return state_.with([](const State& s) { return s.drafts; });
  }
  void fill_up() {
    state_.with([](State& s) { s.full = true; });
  }

 private:
  class Draft final : public store::BlobDraft {
   public:
    explicit Draft(MemoryBlobs& owner) : owner_(owner) {
      owner_.state_.with([](State& s) { ++s.drafts; });
    }
    ~Draft() override {
      owner_.state_.with([](State& s) { --s.drafts; });
    }
    Status write(std::string_view bytes) override {
      if (owner_.state_.with([](State& s) { return s.full; }))
        return exhausted("fs.full", "the disk is full");
      bytes_.append(bytes);
      return {};
    }
    int64_t size() const override { return static_cast<int64_t>(bytes_.size()); }
    Result<store::Digest> commit(const store::Digest*) override {
      const store::Digest digest = codec::sha256(bytes_);
      owner_.state_.with([&](State& s) {
        s.blobs[digest] = std::make_shared<const std::string>(std::move(bytes_));
      });
      return digest;
    }

   private:
    MemoryBlobs& owner_;
    std::string bytes_;
  };

  class Reader final : public store::BlobReader {
   public:
    explicit Reader(std::shared_ptr<const std::string> bytes) : bytes_(std::move(bytes)) {}
    int64_t size() const override { return static_cast<int64_t>(bytes_->size()); }
    Result<size_t> read_at(int64_t offset, std::span<char> out) override {
      return bytes_->copy(out.data(), out.size(), static_cast<size_t>(offset));
    }

   private:
    std::shared_ptr<const std::string> bytes_;
  };

  sys::Guarded<State> state_;
};

}  // namespace slip::http::testing
