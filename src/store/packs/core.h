#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "store/blobs.h"
#include "store/packs/frame.h"
#include "store/packs/index.h"
#include "store/packs/packs.h"
#include "sys/fs.h"
#include "sys/sync.h"

// The one writer of a directory of packs, and the door to its index.
//
// Durability: frames are appended to the active pack under the mutex; a commit appends its blob
// frame and waits until a sync covers it. Whoever comes first syncs for all that has been appended
// (the mutex is free meanwhile), so concurrent commits share syncs. A pack is synced before the
// next one begins, hence what a blob frame refers to is never less durable than the frame.
// When a sync fails nobody knows what the disk holds: everything unsynced is declared lost, its
// commits fail, and the pack is never appended to again. A failed write changes nothing: the next
// frame overwrites its remains.
//
// A blob is visible from its sync on. Any thread.
namespace slip::store::packs {

class Core {
 public:
  static Result<std::shared_ptr<Core>> open(World world, const std::string& dir, Options options);
  ~Core();  // Seals the active pack, so that the next start need not scan it.

  // Where a chunk's bytes are, to be read without the mutex.
  struct Held {
    uint32_t slot = kNoSlot;
    Chunk chunk;
    std::shared_ptr<File> file;
  };
  // A chunk that may hold the same bytes, referenced for the caller.
  std::optional<Held> find_chunk(uint64_t raw_hash, uint32_t raw_bytes);
  Result<Held> hold(uint32_t slot);  // kCorrupt `blob.corrupt` when it is gone.
  // Reads and checks the frame, unpacks into `out`. kCorrupt `blob.corrupt`.
  Status read_chunk(const Held& held, std::string* out) const;
  // Appends; referenced for the caller. `prefer`: later finds shall meet this one.
  Result<uint32_t> add_chunk(Frame frame, std::string_view payload, bool prefer);
  void release(const std::vector<uint32_t>& slots);

  // Makes the blob of `slots` durable. Takes over the references, whatever comes.
  Status commit(const Digest& digest, int64_t size, std::vector<uint32_t> slots);

  struct Opened {
    int64_t size = 0;
    std::vector<uint32_t> slots;  // Referenced for the caller.
    std::vector<int64_t> ends;    // Offset after each chunk.
  };
  Result<Opened> open_blob(const Digest& digest);
  std::optional<int64_t> find_size(const Digest& digest);  // Counts as found.
  BlobStats stats();
  Result<SweepResult> sweep(int64_t fence_us, const Blobs::Mark& mark);

  Clock& clock() const { return world_.clock; }

 private:
  struct Active {
    std::shared_ptr<File> file;
    uint32_t number = 0;
    uint32_t end = kPackStart;     // Where the next frame goes.
    uint32_t synced = kPackStart;  // All before is on the disk.
    std::string footer;
    bool trailed = false;  // The file has a footer after `end` that the next append must cut off.
  };
  struct Commit {  // One blob frame on its way to the disk.
    Digest digest;
    Blob blob;
    enum class State : uint8_t { kWaiting, kDone, kFailed } state = State::kWaiting;
    Error error;
  };
  using CommitPtr = std::shared_ptr<Commit>;
  struct Loader;  // load.cc

  Core(World world, std::string dir, Options options);

  // All with the mutex held.
  std::string path_of(uint32_t pack) const;
  Result<std::shared_ptr<File>> file_of(uint32_t pack);
  Result<Place> append(sys::Lock* lock, Frame frame, std::string_view payload);
  Status write_frame(Place place, const std::string& header, std::string_view payload);
  Status make_room(sys::Lock* lock, size_t payload_bytes);
  bool has_room(size_t payload_bytes) const;
  Status start_pack();
  Status seal();
  void settle(uint32_t pack, uint32_t end);
  void lose_unsynced(const Error& error);
  void sync_as_leader(sys::Lock* lock);
  Status wait_for(sys::Lock* lock, const CommitPtr& commit);
  Status sync_all(sys::Lock* lock);
  Blob* find_blob(const Digest& digest);
  std::string blob_payload(const Digest& digest, const Blob& blob) const;
  Status check_kept(std::span<const uint32_t> slots) const;
  Status append_blob(sys::Lock* lock, Commit* commit);

  // sweep.cc
  Status drop_batch(std::span<const Digest> dead, int64_t fence_us, int64_t* dropped);
  Status seal_if_mostly_dead();
  std::vector<uint32_t> choose_packs();
  Result<int64_t> rewrite(uint32_t pack);
  struct Moves;
  Status copy_chunks(uint32_t pack, Moves* moves);
  Status copy_records(uint32_t pack, Moves* moves);

  const World world_;
  const std::string dir_;
  const Options options_;
  std::unique_ptr<File> lock_file_;
  uint64_t key_ = 0;

  sys::Mutex sweep_mutex_;  // One sweep at a time.
  sys::Mutex mutex_;        // Everything below.
  sys::CondVar synced_;
  Index index_;
  std::optional<Active> active_;
  uint32_t last_pack_ = 0;
  uint64_t next_id_ = 1;
  bool syncing_ = false;
  uint64_t losses_ = 0;  // Syncs that failed.
  std::vector<CommitPtr> waiting_;
  std::map<uint32_t, std::shared_ptr<File>> files_;
};

}  // namespace slip::store::packs
