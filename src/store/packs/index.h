#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <unordered_map>
#include <vector>

#include "store/blobs.h"
#include "store/packs/frame.h"

// What the packs hold, in memory: about 90 bytes a chunk and 150 a blob. Rebuilt from the packs'
// footers when the store opens. Counts references, and from them the live bytes of each pack.
// No locks: the core's mutex guards it.
namespace slip::store::packs {

inline constexpr uint32_t kNoSlot = UINT32_MAX;  // A chunk that is gone from the disk.

struct Chunk {
  uint64_t id = 0;  // 0: the slot is free.
  uint64_t raw_hash = 0;
  Place place;
  uint32_t stored_bytes = 0;
  uint32_t raw_bytes = 0;
  uint32_t refs = 0;  // By blobs, drafts and readers.
  Packing packing = Packing::kRaw;
  bool lost = false;  // Its write was never confirmed: no blob may be made of it.
};

struct Blob {
  int64_t size = 0;
  uint64_t order = 0;      // Of its frame; the highest of a digest holds.
  int64_t touched_us = 0;  // Committed or found; 0 before this start.
  Place place;
  uint32_t frame_bytes = 0;  // With the frame's header.
  bool dying = false;        // A drop frame was written: nobody may find it any more.
  std::vector<uint32_t> slots;
};

// What remains of digests in packs after they were dropped or written anew.
struct Past {
  std::vector<uint32_t> stale_packs;  // That still hold an outdated blob frame.
  uint64_t drop_order = 0;            // 0: never dropped.
  Place drop_place;
};

struct PackInfo {
  int64_t bytes = 0;
  int64_t live_bytes = 0;
  bool damaged = false;  // A frame could not be read: kept as it is.
};

struct DigestHash {
  size_t operator()(const Digest& d) const;
};

class Index {
 public:
  uint32_t add_chunk(const Chunk& chunk);  // `refs` must be 0.
  const Chunk& chunk(uint32_t slot) const { return chunks_[slot]; }
  size_t slot_count() const { return chunks_.size(); }
  int64_t chunk_count() const { return static_cast<int64_t>(chunks_.size() - free_.size()); }
  // A candidate for the same bytes.
  std::optional<uint32_t> find_chunk(uint64_t raw_hash, uint32_t raw_bytes) const;
  void prefer(uint32_t slot);  // find_chunk() answers this one from now on.
  void ref(uint32_t slot);
  void unref(uint32_t slot);  // A lost chunk that nobody holds goes away.
  void lose(uint32_t slot);
  void forget(uint32_t slot);  // CHECKs that nobody holds it.
  void move_chunk(uint32_t slot, Place place);

  std::unordered_map<Digest, Blob, DigestHash>& blobs() { return blobs_; }
  std::unordered_map<Digest, Past, DigestHash>& past() { return past_; }
  std::map<uint32_t, PackInfo>& packs() { return packs_; }

  // Takes over the references to `blob.slots`; what stood there before becomes past.
  void put_blob(const Digest& digest, Blob blob);
  void remove_blob(const Digest& digest);
  void move_blob(Blob* blob, Place place);
  void put_drop(const Digest& digest, uint64_t order, Place place);
  // After the file is gone.
  void remove_pack(uint32_t pack);
  void add_live(uint32_t pack, int64_t bytes);

 private:
  void settle_drop(const Digest& digest, Past* past);

  std::vector<Chunk> chunks_;
  std::vector<uint32_t> free_;
  std::unordered_map<uint64_t, uint32_t> by_hash_;
  std::unordered_map<Digest, Blob, DigestHash> blobs_;
  std::unordered_map<Digest, Past, DigestHash> past_;
  std::map<uint32_t, PackInfo> packs_;
};

}  // namespace slip::store::packs
