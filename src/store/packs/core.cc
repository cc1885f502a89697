#include "store/packs/core.h"

#include "base/bug.h"
#include "base/text.h"
#include "codec/compress.h"
#include "sys/clock.h"
#include "sys/log.h"

namespace slip::store::packs {
namespace {

constexpr size_t kOpenFilesMax = 128;
constexpr size_t kJoinedWriteMax = 16 << 10;  // Below, header and payload go in one write.

Error corrupt_chunk(std::string text) { return corrupt("blob.corrupt", std::move(text)); }

}  // namespace

Core::Core(World world, std::string dir, Options options)
    : world_(world), dir_(std::move(dir)), options_(options) {}

Core::~Core() {
  const sys::Lock lock(mutex_);
  if (active_ && !active_->trailed) ignore(seal(), "the next start scans the pack instead");
}

std::string Core::path_of(uint32_t pack) const {
  constexpr std::string_view kDigits = "0123456789abcdef";
  std::string name(8, '0');
  for (size_t i = 0; i < name.size(); ++i) name[7 - i] = kDigits[pack >> (4 * i) & 15];
  return dir_ + "/" + name + ".pack";
}

Result<std::shared_ptr<File>> Core::file_of(uint32_t pack) {
  if (active_ && active_->number == pack) return active_->file;
  if (const auto found = files_.find(pack); found != files_.end()) return found->second;
  if (files_.size() >= kOpenFilesMax) files_.erase(files_.begin());
  std::shared_ptr<File> file = TRY(world_.fs.open(path_of(pack), OpenMode::kRead));
  files_[pack] = file;
  return file;
}

// ---- appending

Result<Place> Core::append(sys::Lock* lock, Frame frame, std::string_view payload) {
  TRY(make_room(lock, payload.size()));
  Active& a = *active_;
  if (a.trailed) {
    TRY(a.file->truncate(a.end));
    a.trailed = false;
  }
  frame.synced_to = a.synced;
  frame.stored_bytes = static_cast<uint32_t>(payload.size());
  const Place place{a.number, a.end};
  frame.stored_hash = codec::xxh3(payload, key_);
  TRY(write_frame(place, encode_frame(frame, place, key_), payload));
  a.end += static_cast<uint32_t>(kFrameBytes + payload.size());
  append_footer_entry(&a.footer, frame, place.offset, payload);
  index_.packs()[a.number].bytes = a.end;
  return place;
}

Status Core::write_frame(Place place, const std::string& header, std::string_view payload) {
  File& file = *active_->file;
  if (payload.size() <= kJoinedWriteMax)
    return file.write_at(place.offset, concat({header, payload}));
  TRY(file.write_at(place.offset, header));
  return file.write_at(place.offset + static_cast<int64_t>(kFrameBytes), payload);
}

bool Core::has_room(size_t payload_bytes) const {
  if (!active_) return false;
  const size_t full = active_->end + active_->footer.size() + payload_bytes + 4 * kFrameBytes;
  return full <= static_cast<size_t>(options_.pack_bytes_max) || active_->end == kPackStart;
}

Status Core::make_room(sys::Lock* lock, size_t payload_bytes) {
  while (!has_room(payload_bytes)) {
    if (!active_) return start_pack();
    if (syncing_)  // Two syncs at once: an error is told to one of them only.
      synced_.wait(*lock);
    else
      TRY(seal());
  }
  return {};
}

Status Core::start_pack() {
  const uint32_t number = ++last_pack_;
  const std::string path = path_of(number);
  std::shared_ptr<File> file = TRY(world_.fs.open(path, OpenMode::kCreateNew));
  const auto prepare = [&]() -> Status {
    TRY(file->write_at(0, encode_pack_header({kPackFormat, number, key_})));
    TRY(file->sync());
    return world_.fs.sync_dir(dir_);
  };
  if (Status done = prepare(); !done.ok()) {
    ignore(world_.fs.remove(path), "an empty pack does no harm");
    return done;
  }
  Active fresh;
  fresh.file = std::move(file);
  fresh.number = number;
  active_ = std::move(fresh);
  index_.packs()[number].bytes = kPackStart;
  return {};
}

// The footer only spares the next start a scan; the sync is what counts.
Status Core::seal() {
  Active& a = *active_;
  const Place place{a.number, a.end};
  Frame frame;
  frame.type = FrameType::kFooter;
  frame.synced_to = a.synced;
  frame.stored_bytes = static_cast<uint32_t>(a.footer.size());
  frame.stored_hash = codec::xxh3(a.footer, key_);
  const std::string tail =
      encode_frame(frame, place, key_) + a.footer + encode_trailer(place, key_);
  if (!a.trailed && !a.file->write_at(a.end, tail).ok())
    ignore(a.file->truncate(a.end), "what follows the last frame is not read");
  if (Status done = a.file->sync(); !done.ok()) {
    lose_unsynced(done.error());
    return done;
  }
  settle(a.number, a.end);
  files_[a.number] = a.file;
  active_.reset();
  return {};
}

// ---- syncing

void Core::settle(uint32_t pack, uint32_t end) {
  if (active_ && active_->number == pack) active_->synced = std::max(active_->synced, end);
  for (const CommitPtr& c : waiting_) {
    const Place at = c->blob.place;
    if (at.pack > pack || (at.pack == pack && at.offset >= end)) continue;
    c->state = Commit::State::kDone;
    index_.put_blob(c->digest, std::move(c->blob));
  }
  std::erase_if(waiting_, [](const CommitPtr& c) { return c->state == Commit::State::kDone; });
}

void Core::lose_unsynced(const Error& error) {
  const uint32_t pack = active_->number;
  const uint32_t from = active_->synced;
  world_.log.error("a pack could not be synced; its unconfirmed end is given up",
                   {{"pack", int64_t{pack}}, {"from", int64_t{from}}, {"error", error.text}});
  for (const CommitPtr& c : waiting_) {
    c->state = Commit::State::kFailed;
    c->error = error;
    for (const uint32_t slot : c->blob.slots) index_.unref(slot);
  }
  waiting_.clear();
  for (uint32_t slot = 0; slot < index_.slot_count(); ++slot) {
    const Chunk& c = index_.chunk(slot);
    if (c.id != 0 && c.place.pack == pack && c.place.offset >= from && !c.lost) index_.lose(slot);
  }
  ignore(active_->file->truncate(from), "the next start cuts it");
  index_.packs()[pack].bytes = from;
  active_.reset();
  ++losses_;
}

void Core::sync_as_leader(sys::Lock* lock) {
  CHECK(active_);
  syncing_ = true;
  const std::shared_ptr<File> file = active_->file;
  const uint32_t number = active_->number;
  const uint32_t end = active_->end;
  const uint64_t losses = losses_;
  lock->unlock();
  Status done = file->sync();
  lock->lock();
  syncing_ = false;
  if (losses == losses_) {
    if (done.ok())
      settle(number, end);
    else if (active_ && active_->number == number)
      lose_unsynced(done.error());
  }
  synced_.notify_all();
}

Status Core::wait_for(sys::Lock* lock, const CommitPtr& commit) {
  while (commit->state == Commit::State::kWaiting) {
    if (syncing_)
      synced_.wait(*lock);
    else
      sync_as_leader(lock);
  }
  if (commit->state == Commit::State::kFailed) return commit->error;
  return {};
}

// Everything appended so far.
Status Core::sync_all(sys::Lock* lock) {
  if (!active_) return {};
  const Place want{active_->number, active_->end};
  const uint64_t losses = losses_;
  while (active_ && active_->number == want.pack && active_->synced < want.offset) {
    if (syncing_)
      synced_.wait(*lock);
    else
      sync_as_leader(lock);
  }
  if (losses != losses_) return unavailable("fs.io", "the disk refused to sync");
  return {};
}

// ---- chunks

std::optional<Core::Held> Core::find_chunk(uint64_t raw_hash, uint32_t raw_bytes) {
  const sys::Lock lock(mutex_);
  const std::optional<uint32_t> slot = index_.find_chunk(raw_hash, raw_bytes);
  if (!slot) return std::nullopt;
  Result<std::shared_ptr<File>> file = file_of(index_.chunk(*slot).place.pack);
  if (!file.ok()) return std::nullopt;
  index_.ref(*slot);
  return Held{*slot, index_.chunk(*slot), *file};
}

Result<Core::Held> Core::hold(uint32_t slot) {
  const sys::Lock lock(mutex_);
  if (slot == kNoSlot) return corrupt_chunk("a chunk of the blob is missing");
  std::shared_ptr<File> file = TRY(file_of(index_.chunk(slot).place.pack));
  return Held{slot, index_.chunk(slot), std::move(file)};
}

Status Core::read_chunk(const Held& held, std::string* out) const {
  const Chunk& c = held.chunk;
  std::string bytes(kFrameBytes + c.stored_bytes, '\0');
  bytes.resize(TRY(held.file->read_at(c.place.offset, bytes)));
  const std::optional<Frame> frame = decode_frame(bytes, c.place, key_);
  const std::string_view payload =
      std::string_view(bytes).substr(std::min(kFrameBytes, bytes.size()));
  if (!frame || frame->id != c.id || frame->stored_bytes != payload.size() ||
      frame->stored_hash != codec::xxh3(payload, key_))
    return corrupt_chunk("chunk " + std::to_string(c.id) + " in " + path_of(c.place.pack) +
                         " fails its checksum");
  if (c.packing == Packing::kRaw) {
    bytes.erase(0, kFrameBytes);
    *out = std::move(bytes);
  } else {
    Result<std::string> raw = codec::zstd_decompress(payload, c.raw_bytes);
    if (!raw.ok()) return corrupt_chunk(raw.error().text);
    *out = std::move(*raw);
  }
  if (out->size() != c.raw_bytes) return corrupt_chunk("a chunk has another length than recorded");
  return {};
}

Result<uint32_t> Core::add_chunk(Frame frame, std::string_view payload, bool prefer) {
  sys::Lock lock(mutex_);
  frame.type = FrameType::kChunk;
  frame.id = next_id_++;
  const Place place = TRY(append(&lock, frame, payload));
  Chunk chunk;
  chunk.id = frame.id;
  chunk.raw_hash = frame.raw_hash;
  chunk.place = place;
  chunk.stored_bytes = static_cast<uint32_t>(payload.size());
  chunk.raw_bytes = frame.raw_bytes;
  chunk.packing = frame.packing;
  const uint32_t slot = index_.add_chunk(chunk);
  if (prefer) index_.prefer(slot);
  index_.ref(slot);
  return slot;
}

void Core::release(const std::vector<uint32_t>& slots) {
  const sys::Lock lock(mutex_);
  for (const uint32_t slot : slots) index_.unref(slot);
}

// ---- blobs

Blob* Core::find_blob(const Digest& digest) {
  const auto found = index_.blobs().find(digest);
  if (found == index_.blobs().end() || found->second.dying) return nullptr;
  found->second.touched_us = std::max(found->second.touched_us, world_.clock.now_us());
  return &found->second;
}

std::string Core::blob_payload(const Digest& digest, const Blob& blob) const {
  BlobRecord record{digest, blob.size, {}};
  record.chunks.reserve(blob.slots.size());
  for (const uint32_t slot : blob.slots) record.chunks.push_back(index_.chunk(slot).id);
  return encode_blob(record);
}

Status Core::check_kept(std::span<const uint32_t> slots) const {
  for (const uint32_t slot : slots)
    if (index_.chunk(slot).lost)
      return unavailable("blob.write_lost", "the disk failed while the bytes came in; send again");
  return {};
}

Status Core::append_blob(sys::Lock* lock, Commit* commit) {
  Blob& blob = commit->blob;
  const std::string payload = blob_payload(commit->digest, blob);
  TRY(make_room(lock, payload.size()));
  TRY(check_kept(blob.slots));  // Making room may have failed to sync what this blob is made of.
  blob.order = next_id_++;
  Frame frame;
  frame.type = FrameType::kBlob;
  frame.id = blob.order;
  blob.place = TRY(append(lock, frame, payload));
  blob.frame_bytes = static_cast<uint32_t>(kFrameBytes + payload.size());
  return {};
}

Status Core::commit(const Digest& digest, int64_t size, std::vector<uint32_t> slots) {
  sys::Lock lock(mutex_);
  if (const Blob* blob = find_blob(digest); blob != nullptr && blob->slots == slots) {
    for (const uint32_t slot : slots) index_.unref(slot);
    return {};
  }
  const auto commit = std::make_shared<Commit>();
  commit->digest = digest;
  commit->blob.size = size;
  commit->blob.touched_us = world_.clock.now_us();
  commit->blob.slots = std::move(slots);
  if (Status done = append_blob(&lock, commit.get()); !done.ok()) {
    for (const uint32_t slot : commit->blob.slots) index_.unref(slot);
    return done;
  }
  waiting_.push_back(commit);
  if (planted(Bug::kIndexNotSynced)) {
    settle(active_->number, active_->end);
    return {};
  }
  return wait_for(&lock, commit);
}

Result<Core::Opened> Core::open_blob(const Digest& digest) {
  const sys::Lock lock(mutex_);
  const Blob* blob = find_blob(digest);
  if (blob == nullptr) return not_found("blob.not_found", "no blob " + digest.text());
  Opened out{blob->size, blob->slots, {}};
  out.ends.reserve(blob->slots.size());
  int64_t end = 0;
  for (const uint32_t slot : blob->slots) {
    if (slot == kNoSlot) return corrupt_chunk("a chunk of " + digest.text() + " is missing");
    out.ends.push_back(end += index_.chunk(slot).raw_bytes);
  }
  if (end != blob->size) return corrupt_chunk("the chunks of " + digest.text() + " do not add up");
  for (const uint32_t slot : out.slots) index_.ref(slot);
  return out;
}

std::optional<int64_t> Core::find_size(const Digest& digest) {
  const sys::Lock lock(mutex_);
  const Blob* blob = find_blob(digest);
  if (blob == nullptr) return std::nullopt;
  return blob->size;
}

BlobStats Core::stats() {
  const sys::Lock lock(mutex_);
  BlobStats out;
  for (const auto& [digest, blob] : index_.blobs()) {
    if (blob.dying) continue;
    ++out.blobs;
    out.logical_bytes += blob.size;
  }
  for (const auto& [number, pack] : index_.packs()) out.stored_bytes += pack.bytes;
  out.chunks = index_.chunk_count();
  return out;
}

}  // namespace slip::store::packs
