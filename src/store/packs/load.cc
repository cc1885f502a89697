#include "base/bug.h"
#include "base/text.h"
#include "store/packs/core.h"
#include "sys/clock.h"
#include "sys/log.h"

// Opening: footers of sealed packs are believed; a pack without one (the last, after a crash) is
// scanned and every payload in it checked. What lies before the highest `synced_to` of its frames
// was confirmed: damage there is damage, and reading it says so. After it, damage is an unconfirmed
// write that was torn, and is dropped; so is a blob whose chunks were. The scan's outcome is
// written as the pack's footer, so that later starts see the same.
namespace slip::store::packs {
namespace {

constexpr size_t kScanBytes = 1 << 20;

struct Entry {
  Frame frame;
  Place place;
  std::string payload;  // Not of chunks.
  bool confirmed = true;
};

struct PackFile {
  uint32_t number = 0;
  int64_t size = 0;
  std::vector<Entry> entries;
  uint32_t end = kPackStart;  // After the last frame.
  bool sealed = false;
  bool gaps = false;  // Something between the frames is no frame: not to be continued.
};

Result<std::string> read_range(File& file, int64_t offset, size_t size) {
  std::string out(size, '\0');
  out.resize(TRY(file.read_at(offset, out)));
  return out;
}

// True when the pack has a footer that can be believed.
Result<bool> read_footer(File& file, PackFile* pack, uint64_t key) {
  if (pack->size < static_cast<int64_t>(kPackStart + kFrameBytes + kTrailerBytes)) return false;
  const int64_t trailer_at = pack->size - static_cast<int64_t>(kTrailerBytes);
  const std::string trailer = TRY(read_range(file, trailer_at, kTrailerBytes));
  const std::optional<uint32_t> at = decode_trailer(trailer, pack->number, key);
  if (!at || *at < kPackStart || int64_t{*at} > trailer_at) return false;
  const std::string bytes = TRY(read_range(file, *at, static_cast<size_t>(trailer_at - *at)));
  const std::optional<Frame> frame = decode_frame(bytes, {pack->number, *at}, key);
  if (!frame || frame->type != FrameType::kFooter) return false;
  const std::string_view payload = std::string_view(bytes).substr(kFrameBytes);
  if (payload.size() != frame->stored_bytes || codec::xxh3(payload, key) != frame->stored_hash)
    return false;
  const auto entries = decode_footer(payload);
  if (!entries) return false;
  uint32_t end = kPackStart;
  for (const FooterEntry& e : *entries) {
    pack->gaps = pack->gaps || e.offset != end;
    end = e.offset + static_cast<uint32_t>(kFrameBytes) + e.frame.stored_bytes;
    pack->entries.push_back({e.frame, {pack->number, e.offset}, std::string(e.payload), true});
  }
  pack->gaps = pack->gaps || end != *at;
  pack->end = *at;
  pack->sealed = true;
  return true;
}

// The next place at or after `from` where a frame's magic stands.
Result<std::optional<uint32_t>> find_frame(File& file, const PackFile& pack, uint32_t from,
                                           uint64_t key) {
  for (int64_t at = from; at < pack.size;) {
    const std::string bytes = TRY(read_range(file, at, kScanBytes));
    for (size_t i = bytes.find("SPFR"); i != bytes.npos; i = bytes.find("SPFR", i + 1)) {
      const auto place = static_cast<uint32_t>(at + static_cast<int64_t>(i));
      const std::string header = TRY(read_range(file, place, kFrameBytes));
      if (decode_frame(header, {pack.number, place}, key)) return std::optional(place);
    }
    if (bytes.size() < kScanBytes) break;
    at += static_cast<int64_t>(kScanBytes - kFrameBytes);
  }
  return std::optional<uint32_t>();
}

Status scan(File& file, PackFile* pack, uint64_t key) {
  std::vector<size_t> damaged;
  uint32_t confirmed_to = kPackStart;
  for (uint32_t at = kPackStart; int64_t{at} < pack->size;) {
    const Place place{pack->number, at};
    const std::string header = TRY(read_range(file, at, kFrameBytes));
    const std::optional<Frame> frame = decode_frame(header, place, key);
    if (!frame) {
      const std::optional<uint32_t> next = TRY(find_frame(file, *pack, at + 1, key));
      if (!next) break;
      pack->gaps = true;
      at = *next;
      continue;
    }
    std::string payload = TRY(read_range(file, at + int64_t{kFrameBytes}, frame->stored_bytes));
    const bool whole =
        payload.size() == frame->stored_bytes && codec::xxh3(payload, key) == frame->stored_hash;
    if (frame->type == FrameType::kFooter) break;  // Half a footer: nothing follows it.
    if (frame->type == FrameType::kChunk) payload.clear();
    confirmed_to = std::max(confirmed_to, frame->synced_to);
    if (!whole) damaged.push_back(pack->entries.size());
    pack->entries.push_back({*frame, place, std::move(payload), true});
    at += static_cast<uint32_t>(kFrameBytes) + frame->stored_bytes;
    if (int64_t{at} <= pack->size) pack->end = at;
  }
  for (Entry& e : pack->entries) e.confirmed = e.place.offset < confirmed_to;
  for (auto i = damaged.rbegin(); i != damaged.rend(); ++i) {
    const Entry& e = pack->entries[*i];
    // A damaged record of a confirmed blob or drop cannot be read either; nothing to keep.
    if (planted(Bug::kTornTailAccepted) && e.frame.type == FrameType::kChunk) continue;
    if (e.confirmed && e.frame.type == FrameType::kChunk) continue;
    pack->gaps = true;
    pack->entries.erase(pack->entries.begin() + static_cast<int64_t>(*i));
  }
  return {};
}

}  // namespace

// Everything the packs say, before the index is made of it.
struct Core::Loader {
  Core& core;
  std::vector<PackFile> packs;
  std::unordered_map<uint64_t, uint32_t> slot_of;  // By chunk id.

  Status read_packs() {
    for (const FileInfo& info : TRY(core.world_.fs.list(core.dir_))) {
      if (info.is_dir || !info.name.ends_with(".pack") || info.name.size() != 13) continue;
      PackFile pack;
      for (const char c : info.name.substr(0, 8))
        pack.number = pack.number << 4 | static_cast<uint32_t>(c <= '9' ? c - '0' : c - 'a' + 10);
      pack.size = info.size;
      packs.push_back(std::move(pack));
    }
    core.key_ = codec::xxh3(core.dir_, static_cast<uint64_t>(core.world_.clock.now_us()));
    TRY(read_headers());
    for (PackFile& pack : packs) {
      const auto file = TRY(core.world_.fs.open(core.path_of(pack.number), OpenMode::kRead));
      if (!TRY(read_footer(*file, &pack, core.key_))) TRY(scan(*file, &pack, core.key_));
    }
    return {};
  }

  // Any good header has the key. A file without one that holds nothing more never began to exist.
  Status read_headers() {
    std::vector<PackFile> kept;
    bool known = false;
    for (PackFile& pack : packs) {
      const std::string path = core.path_of(pack.number);
      core.last_pack_ = std::max(core.last_pack_, pack.number);
      const auto file = TRY(core.world_.fs.open(path, OpenMode::kRead));
      const std::string start = TRY(read_range(*file, 0, kPackStart));
      const std::optional<PackHeader> header = decode_pack_header(start);
      if (!header && pack.size <= static_cast<int64_t>(kPackStart)) {
        TRY(core.world_.fs.remove(path));
        continue;
      }
      if (header && header->format > kPackFormat)
        return unsupported("blob.format_newer",
                           path + " was written by a newer version of slipway");
      if (header) {
        core.key_ = header->key;
        known = true;
      } else {
        core.world_.log.error("the header of a pack is damaged", {{"pack", int64_t{pack.number}}});
      }
      kept.push_back(std::move(pack));
    }
    if (!kept.empty() && !known)
      return corrupt("blob.corrupt", "no pack in " + core.dir_ + " has a readable header");
    packs = std::move(kept);
    return {};
  }

  void index_chunks() {
    for (const PackFile& pack : packs) {
      core.index_.packs()[pack.number].bytes = pack.end;
      for (const Entry& e : pack.entries) {
        core.next_id_ = std::max(core.next_id_, e.frame.id + 1);
        if (e.frame.type == FrameType::kChunk) index_chunk(e);
      }
    }
  }

  void index_chunk(const Entry& e) {
    const auto known = slot_of.find(e.frame.id);
    if (known != slot_of.end()) {  // A sweep copied it and did not come to remove the old pack.
      core.index_.move_chunk(known->second, e.place);
      return;
    }
    Chunk chunk;
    chunk.id = e.frame.id;
    chunk.raw_hash = e.frame.raw_hash;
    chunk.place = e.place;
    chunk.stored_bytes = e.frame.stored_bytes;
    chunk.raw_bytes = e.frame.raw_bytes;
    chunk.packing = e.frame.packing;
    slot_of[chunk.id] = core.index_.add_chunk(chunk);
  }

  // Blob and drop frames in their order, whichever pack they lie in.
  void index_records() {
    std::vector<Entry*> records;
    for (PackFile& pack : packs)
      for (Entry& e : pack.entries)
        if (e.frame.type != FrameType::kChunk) records.push_back(&e);
    std::sort(records.begin(), records.end(), [](const Entry* a, const Entry* b) {
      return std::pair(a->frame.id, a->place.pack) < std::pair(b->frame.id, b->place.pack);
    });
    for (Entry* e : records)
      if (!index_record(*e)) e->frame.id = 0;  // Marked: not accepted.
    for (PackFile& pack : packs) {
      const size_t dropped =
          std::erase_if(pack.entries, [](const Entry& e) { return e.frame.id == 0; });
      pack.gaps = pack.gaps || dropped > 0;
    }
  }

  bool index_record(const Entry& e) {
    if (e.frame.type == FrameType::kDrop) {
      Digest digest;
      if (e.payload.size() != digest.bytes.size()) return false;
      std::copy(e.payload.begin(), e.payload.end(), digest.bytes.begin());
      core.index_.remove_blob(digest);
      core.index_.put_drop(digest, e.frame.id, e.place);
      return true;
    }
    const std::optional<BlobRecord> record = decode_blob(e.payload);
    if (!record) return false;
    Blob blob;
    blob.size = record->size;
    blob.order = e.frame.id;
    blob.place = e.place;
    blob.frame_bytes = static_cast<uint32_t>(kFrameBytes + e.payload.size());
    for (const uint64_t id : record->chunks) {
      const auto slot = slot_of.find(id);
      if (slot == slot_of.end() && !e.confirmed) return false;
      blob.slots.push_back(slot == slot_of.end() ? kNoSlot : slot->second);
    }
    for (const uint32_t slot : blob.slots) core.index_.ref(slot);
    core.index_.put_blob(record->digest, std::move(blob));
    return true;
  }

  // A scanned pack gets the footer that it never got, and with it a sync: a killed process may have
  // left frames that are not on the disk. The last pack goes on, if nothing is wrong with it.
  Status settle() {
    for (const PackFile& pack : packs) {
      const bool goes_on = pack.number == core.last_pack_ && !pack.gaps &&
                           pack.end < static_cast<uint64_t>(core.options_.pack_bytes_max) / 2;
      if (pack.sealed && !goes_on) continue;
      const std::string path = core.path_of(pack.number);
      Active active;
      active.file = TRY(core.world_.fs.open(path, OpenMode::kReadWrite));
      active.number = pack.number;
      active.end = active.synced = pack.end;
      for (const Entry& e : pack.entries)
        append_footer_entry(&active.footer, e.frame, e.place.offset, e.payload);
      if (!pack.sealed) {
        ignore(active.file->truncate(pack.end), "a longer file is scanned again");
        core.active_ = active;
        TRY(core.seal());
      }
      active.trailed = true;
      if (goes_on) core.active_ = std::move(active);
    }
    return {};
  }
};

Result<std::shared_ptr<Core>> Core::open(World world, const std::string& dir, Options options) {
  TRY(world.fs.make_dirs(dir));
  std::shared_ptr<Core> core(new Core(world, dir, options));
  core->lock_file_ = TRY(world.fs.open(dir + "/lock", OpenMode::kCreate));
  Status locked = core->lock_file_->lock();
  if (!locked.ok()) return std::move(locked).error().within("another process uses " + dir);
  Loader loader{*core, {}, {}};
  TRY(loader.read_packs());
  loader.index_chunks();
  loader.index_records();
  TRY(loader.settle());
  return core;
}

}  // namespace slip::store::packs
