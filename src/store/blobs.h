#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "codec/hash.h"
#include "store/db.h"

// Content-addressed bytes. A blob's identity is the SHA-256 of its bytes; inside it is cut by a
// gear hash into chunks (8/64/128 KiB), deduplicated, compressed where that pays, packed into files
// of ≤ 64 MiB. What was acknowledged is on the disk; what is read was checked (XXH3 a frame on
// every read, SHA-256 by verify() and get()). Garbage is collected by mark and sweep while writes
// go on: a blob is alive when marked, or younger than the sweep's fence. Any thread.
//
// Errors: kNotFound `blob.not_found`, kCorrupt `blob.corrupt`, kExhausted `fs.full|blob.too_large`,
// kInvalid `blob.digest_mismatch|blob.range`, kUnavailable `fs.io|blob.write_lost`.
namespace slip::store {

using Digest = codec::Sha256;

// Bytes on their way in. Nothing is visible until commit(); destroyed without commit: forgotten.
class BlobDraft {
 public:
  virtual ~BlobDraft() = default;
  virtual Status write(std::string_view bytes) = 0;
  virtual int64_t size() const = 0;
  // Durable and readable when this returns. `expected`: refuse other contents.
  virtual Result<Digest> commit(const Digest* expected = nullptr) = 0;
};

// Bytes on their way out; one reader, any thread one at a time.
class BlobReader {
 public:
  virtual ~BlobReader() = default;
  virtual int64_t size() const = 0;
  // Up to out.size() bytes from `offset`; 0 at the end.
  virtual Result<size_t> read_at(int64_t offset, std::span<char> out) = 0;
};

struct BlobStats {
  int64_t blobs = 0;
  int64_t logical_bytes = 0;  // Sum of sizes of blobs.
  int64_t stored_bytes = 0;   // Packs on the disk.
  int64_t chunks = 0;
};

struct SweepResult {
  int64_t blobs_removed = 0;
  int64_t bytes_freed = 0;
};

class Blobs {
 public:
  virtual ~Blobs() = default;
  virtual Result<std::unique_ptr<BlobDraft>> create() = 0;
  virtual Result<std::unique_ptr<BlobReader>> open(const Digest& digest) = 0;
  virtual Result<bool> contains(const Digest& digest) = 0;
  virtual Result<int64_t> size(const Digest& digest) = 0;
  // Reads everything and compares the SHA-256.
  virtual Status verify(const Digest& digest) = 0;
  virtual Result<BlobStats> stats() = 0;
  // Keeps what `mark` reports and what was committed or found again at or after `fence_us`: a
  // moment before which whoever stored or found a blob has written down the reference that `mark`
  // will see, if ever they do. So it lies before the start of the oldest request still running.
  using Mark = std::function<Status(const std::function<void(const Digest&)>& keep)>;
  virtual Result<SweepResult> sweep(int64_t fence_us, const Mark& mark) = 0;

  // Conveniences.
  Result<Digest> put(std::string_view bytes);
  // Whole and checked against the digest. kExhausted `blob.too_large`.
  Result<std::string> get(const Digest& digest, int64_t size_max);
};

// Packs below `dir` (store/packs/frame.h has the format); the index of them is in memory. Also
// kConflict `fs.locked` when another process has it open, kUnsupported `blob.format_newer`.
Result<std::unique_ptr<Blobs>> open_blobs(World world, const std::string& dir);

}  // namespace slip::store
