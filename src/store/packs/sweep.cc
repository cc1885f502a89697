#include <unordered_set>

#include "base/bug.h"
#include "store/packs/core.h"
#include "sys/clock.h"
#include "sys/log.h"

// Mark and sweep. First what nobody marked and nobody touched since the fence gets a drop frame,
// and is invisible from then on; once those are on the disk it leaves the index. Then packs that
// are mostly dead are copied out and removed: copies first, sync, then the file. A crash in
// between leaves a chunk in two packs, which loading understands.
namespace slip::store::packs {
namespace {

constexpr size_t kDropsPerHold = 256;  // The mutex is given back between batches.
constexpr size_t kCopiesPerHold = 16;

}  // namespace

struct Core::Moves {
  std::vector<std::pair<uint32_t, Place>> chunks;
  std::vector<std::pair<Digest, Place>> blobs;
  std::vector<std::pair<Digest, Place>> drops;
};

Result<SweepResult> Core::sweep(int64_t fence_us, const Blobs::Mark& mark) {
  const sys::Lock one_at_a_time(sweep_mutex_);
  std::unordered_set<Digest, DigestHash> kept;
  TRY(mark([&kept](const Digest& digest) { kept.insert(digest); }));
  if (planted(Bug::kSweepIgnoresFence)) fence_us = INT64_MAX;

  std::vector<Digest> dead;
  {
    const sys::Lock lock(mutex_);
    for (const auto& [digest, blob] : index_.blobs())
      if (blob.touched_us < fence_us && !kept.contains(digest)) dead.push_back(digest);
  }
  std::sort(dead.begin(), dead.end());
  SweepResult out;
  for (size_t i = 0; i < dead.size(); i += kDropsPerHold) {
    const size_t n = std::min(kDropsPerHold, dead.size() - i);
    TRY(drop_batch(std::span(dead).subspan(i, n), fence_us, &out.blobs_removed));
  }
  TRY(seal_if_mostly_dead());
  for (const uint32_t pack : choose_packs()) out.bytes_freed += TRY(rewrite(pack));
  return out;
}

Status Core::drop_batch(std::span<const Digest> dead, int64_t fence_us, int64_t* dropped) {
  struct Drop {
    Digest digest;
    uint64_t order = 0;
    Place place;
  };
  sys::Lock lock(mutex_);
  std::vector<Drop> drops;
  for (const Digest& digest : dead) {
    const auto found = index_.blobs().find(digest);
    if (found == index_.blobs().end() || found->second.touched_us >= fence_us) continue;
    Frame frame;
    frame.type = FrameType::kDrop;
    frame.id = next_id_++;
    found->second.dying = true;  // Before append(), which may let others run.
    const std::string payload(digest.bytes.begin(), digest.bytes.end());
    // Should the sync fail, the blob stays invisible: nobody knows what a restart will find.
    const Place place = TRY(append(&lock, frame, payload));
    drops.push_back({digest, frame.id, place});
  }
  TRY(sync_all(&lock));
  for (const Drop& d : drops) {
    const auto found = index_.blobs().find(d.digest);
    if (found == index_.blobs().end() || found->second.order > d.order) continue;  // Came again.
    index_.remove_blob(d.digest);
    index_.put_drop(d.digest, d.order, d.place);
    ++*dropped;
  }
  return {};
}

// The active pack can only be rewritten once it is none.
Status Core::seal_if_mostly_dead() {
  sys::Lock lock(mutex_);
  while (syncing_) synced_.wait(lock);
  if (!active_) return {};
  const PackInfo& info = index_.packs()[active_->number];
  const int64_t frames = active_->end - static_cast<int64_t>(kPackStart);
  if (frames == 0 || info.live_bytes * 2 >= frames) return {};
  if (active_->trailed) {  // Sealed already.
    files_[active_->number] = active_->file;
    active_.reset();
    return {};
  }
  return seal();
}

// Also forgets their dead chunks, so that nobody finds one of them from now on.
std::vector<uint32_t> Core::choose_packs() {
  const sys::Lock lock(mutex_);
  std::vector<uint32_t> out;
  for (const auto& [number, info] : index_.packs()) {
    if ((active_ && active_->number == number) || info.damaged) continue;
    if (info.live_bytes * 2 < info.bytes - static_cast<int64_t>(kPackStart)) out.push_back(number);
  }
  for (uint32_t slot = 0; slot < index_.slot_count(); ++slot) {
    const Chunk& c = index_.chunk(slot);
    if (c.id != 0 && c.refs == 0 && std::binary_search(out.begin(), out.end(), c.place.pack))
      index_.forget(slot);
  }
  std::sort(out.begin(), out.end(), [this](uint32_t a, uint32_t b) {
    return std::pair(index_.packs()[a].live_bytes, a) < std::pair(index_.packs()[b].live_bytes, b);
  });  // On a full disk the wholly dead make room for the rest.
  return out;
}

Status Core::copy_chunks(uint32_t pack, Moves* moves) {
  for (uint32_t slot = 0;;) {
    sys::Lock lock(mutex_);
    for (size_t copied = 0; copied < kCopiesPerHold; ++slot) {
      if (slot >= index_.slot_count()) return {};
      const Chunk c = index_.chunk(slot);
      if (c.id == 0 || c.refs == 0 || c.place.pack != pack) continue;
      const std::shared_ptr<File> file = TRY(file_of(pack));
      std::string bytes(kFrameBytes + c.stored_bytes, '\0');
      bytes.resize(TRY(file->read_at(c.place.offset, bytes)));
      const std::optional<Frame> frame = decode_frame(bytes, c.place, key_);
      const std::string_view payload =
          std::string_view(bytes).substr(std::min(kFrameBytes, bytes.size()));
      if (!frame || codec::xxh3(payload, key_) != frame->stored_hash)
        return corrupt("blob.corrupt", "a chunk fails its checksum");
      moves->chunks.emplace_back(slot, TRY(append(&lock, *frame, payload)));
      ++copied;
    }
  }
}

Status Core::copy_records(uint32_t pack, Moves* moves) {
  sys::Lock lock(mutex_);
  std::vector<std::pair<Digest, Frame>> blobs;
  for (const auto& [digest, blob] : index_.blobs()) {
    if (blob.place.pack != pack) continue;
    Frame frame;
    frame.type = FrameType::kBlob;
    frame.id = blob.order;
    blobs.emplace_back(digest, frame);
  }
  for (const auto& [digest, frame] : blobs) {
    const auto found = index_.blobs().find(digest);  // append() may have let others run.
    if (found == index_.blobs().end() || found->second.order != frame.id) continue;
    const std::vector<uint32_t>& slots = found->second.slots;
    if (std::find(slots.begin(), slots.end(), kNoSlot) != slots.end())
      return corrupt("blob.corrupt", "a chunk of a blob is missing");
    const std::string payload = blob_payload(digest, found->second);
    moves->blobs.emplace_back(digest, TRY(append(&lock, frame, payload)));
  }
  std::vector<std::pair<Digest, Frame>> drops;
  for (const auto& [digest, past] : index_.past()) {
    if (past.drop_order == 0 || past.drop_place.pack != pack) continue;
    Frame frame;
    frame.type = FrameType::kDrop;
    frame.id = past.drop_order;
    drops.emplace_back(digest, frame);
  }
  for (const auto& [digest, frame] : drops) {
    const std::string payload(digest.bytes.begin(), digest.bytes.end());
    moves->drops.emplace_back(digest, TRY(append(&lock, frame, payload)));
  }
  return {};
}

// Bytes freed; 0 when the pack stays because something in it cannot be read.
Result<int64_t> Core::rewrite(uint32_t pack) {
  Moves moves;
  Status copied = copy_chunks(pack, &moves);
  if (copied.ok()) copied = copy_records(pack, &moves);
  sys::Lock lock(mutex_);
  if (!copied.ok() && copied.error().code == Code::kCorrupt) {
    index_.packs()[pack].damaged = true;
    world_.log.error("a damaged pack is kept", {{"pack", int64_t{pack}}});
    return int64_t{0};
  }
  if (!copied.ok()) return copied.error();
  TRY(sync_all(&lock));
  int64_t moved_bytes = 0;
  for (const auto& [slot, place] : moves.chunks) {
    moved_bytes += index_.chunk(slot).stored_bytes;
    index_.move_chunk(slot, place);
  }
  for (const auto& [digest, place] : moves.blobs) {
    const auto found = index_.blobs().find(digest);
    if (found == index_.blobs().end()) continue;
    if (found->second.place.pack == pack)
      index_.move_blob(&found->second, place);
    else
      index_.past()[digest].stale_packs.push_back(place.pack);  // It came anew meanwhile.
  }
  for (const auto& [digest, place] : moves.drops) {
    const auto found = index_.past().find(digest);
    if (found != index_.past().end() && found->second.drop_place.pack == pack)
      index_.put_drop(digest, found->second.drop_order, place);
  }
  for (uint32_t slot = 0; slot < index_.slot_count(); ++slot) {
    const Chunk& c = index_.chunk(slot);
    if (c.id == 0 || c.place.pack != pack) continue;
    if (c.refs > 0) return int64_t{0};  // Found again behind the copier: the next sweep's.
    index_.forget(slot);
  }
  const int64_t freed = index_.packs()[pack].bytes;
  files_.erase(pack);
  index_.remove_pack(pack);
  lock.unlock();
  TRY(world_.fs.remove(path_of(pack)));
  TRY(world_.fs.sync_dir(dir_));
  return freed - moved_bytes;
}

}  // namespace slip::store::packs
