#include "store/packs/index.h"

#include <cstring>

#include "base/check.h"

namespace slip::store::packs {
namespace {

constexpr int64_t kDropBytes = kFrameBytes + sizeof(Digest::bytes);

int64_t frame_bytes(const Chunk& c) { return static_cast<int64_t>(kFrameBytes) + c.stored_bytes; }

}  // namespace

size_t DigestHash::operator()(const Digest& d) const {
  size_t out = 0;
  std::memcpy(&out, d.bytes.data(), sizeof out);
  return out;
}

void Index::add_live(uint32_t pack, int64_t bytes) {
  if (const auto found = packs_.find(pack); found != packs_.end())
    found->second.live_bytes += bytes;
}

uint32_t Index::add_chunk(const Chunk& chunk) {
  CHECK(chunk.refs == 0 && chunk.id != 0);
  uint32_t slot = 0;
  if (free_.empty()) {
    slot = static_cast<uint32_t>(chunks_.size());
    chunks_.push_back(chunk);
  } else {
    slot = free_.back();
    free_.pop_back();
    chunks_[slot] = chunk;
  }
  by_hash_.try_emplace(chunk.raw_hash, slot);
  return slot;
}

std::optional<uint32_t> Index::find_chunk(uint64_t raw_hash, uint32_t raw_bytes) const {
  const auto found = by_hash_.find(raw_hash);
  if (found == by_hash_.end() || chunks_[found->second].raw_bytes != raw_bytes) return std::nullopt;
  return found->second;
}

void Index::prefer(uint32_t slot) { by_hash_[chunks_[slot].raw_hash] = slot; }

void Index::ref(uint32_t slot) {
  if (slot == kNoSlot) return;
  Chunk& c = chunks_[slot];
  if (c.refs++ == 0) add_live(c.place.pack, frame_bytes(c));
}

void Index::unref(uint32_t slot) {
  if (slot == kNoSlot) return;
  Chunk& c = chunks_[slot];
  CHECK(c.refs > 0);
  if (--c.refs > 0) return;
  add_live(c.place.pack, -frame_bytes(c));
  if (c.lost) forget(slot);
}

void Index::lose(uint32_t slot) {
  Chunk& c = chunks_[slot];
  if (const auto found = by_hash_.find(c.raw_hash);
      found != by_hash_.end() && found->second == slot)
    by_hash_.erase(found);
  c.lost = true;
  if (c.refs == 0) forget(slot);
}

void Index::forget(uint32_t slot) {
  Chunk& c = chunks_[slot];
  CHECK(c.refs == 0);
  if (const auto found = by_hash_.find(c.raw_hash);
      found != by_hash_.end() && found->second == slot)
    by_hash_.erase(found);
  c = {};
  free_.push_back(slot);
}

void Index::move_chunk(uint32_t slot, Place place) {
  Chunk& c = chunks_[slot];
  if (c.refs > 0) add_live(c.place.pack, -frame_bytes(c));
  c.place = place;
  if (c.refs > 0) add_live(c.place.pack, frame_bytes(c));
}

void Index::put_blob(const Digest& digest, Blob blob) {
  remove_blob(digest);
  add_live(blob.place.pack, blob.frame_bytes);
  const auto old = past_.find(digest);
  if (old != past_.end() && old->second.drop_order != 0) {
    add_live(old->second.drop_place.pack, -kDropBytes);  // The new frame outlives the drop.
    old->second.drop_order = 0;
  }
  blobs_[digest] = std::move(blob);
}

void Index::remove_blob(const Digest& digest) {
  const auto found = blobs_.find(digest);
  if (found == blobs_.end()) return;
  const Blob& blob = found->second;
  for (const uint32_t slot : blob.slots) unref(slot);
  add_live(blob.place.pack, -static_cast<int64_t>(blob.frame_bytes));
  past_[digest].stale_packs.push_back(blob.place.pack);
  blobs_.erase(found);
}

void Index::move_blob(Blob* blob, Place place) {
  add_live(blob->place.pack, -static_cast<int64_t>(blob->frame_bytes));
  blob->place = place;
  add_live(blob->place.pack, blob->frame_bytes);
}

void Index::put_drop(const Digest& digest, uint64_t order, Place place) {
  Past& past = past_[digest];
  if (past.drop_order != 0) add_live(past.drop_place.pack, -kDropBytes);
  past.drop_order = order;
  past.drop_place = place;
  add_live(place.pack, kDropBytes);
  settle_drop(digest, &past);
}

// A drop frame is needed while some pack holds an outdated frame of a blob that is no more.
void Index::settle_drop(const Digest& digest, Past* past) {
  if (!past->stale_packs.empty() || blobs_.contains(digest)) return;
  if (past->drop_order != 0) add_live(past->drop_place.pack, -kDropBytes);
  past->drop_order = 0;
}

void Index::remove_pack(uint32_t pack) {
  packs_.erase(pack);
  for (auto it = past_.begin(); it != past_.end();) {
    Past& past = it->second;
    std::erase(past.stale_packs, pack);
    settle_drop(it->first, &past);
    it = past.stale_packs.empty() && past.drop_order == 0 ? past_.erase(it) : std::next(it);
  }
}

}  // namespace slip::store::packs
