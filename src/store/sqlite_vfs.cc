#include "store/sqlite_vfs.h"

#include <atomic>
#include <cstring>
#include <map>

#include <sqlite3.h>

#include "base/bug.h"
#include "base/check.h"
#include "sys/clock.h"
#include "sys/executor.h"
#include "sys/fs.h"
#include "sys/sync.h"

namespace slip::store {
namespace {

constexpr int kSectorBytes = 4096;
constexpr int kPathMax = 4096;
constexpr int kShmLocks = SQLITE_SHM_NLOCK;

// What all connections to one path share.
struct Node {
  int handles = 0;
  // File locks: how many hold SHARED or more, and whether one holds the levels above.
  int shared = 0;
  bool reserved = false;
  bool pending = false;
  bool exclusive = false;
  // The index of the write-ahead log.
  int shm_users = 0;
  std::vector<std::unique_ptr<char[]>> shm;
  std::array<int, kShmLocks> shm_shared{};
  std::array<bool, kShmLocks> shm_exclusive{};
};

}  // namespace

struct FsVfs::State {
  explicit State(World w) : world(w) {}

  World world;
  std::string name;
  sqlite3_vfs vfs{};
  sys::Mutex mutex;  // Guards all nodes; never held during a file operation.
  std::map<std::string, Node> nodes;
};

namespace {

// The part of an open file that needs a constructor; sqlite3_file itself is raw memory.
struct Open {
  FsVfs::State& state;
  std::string path;
  std::unique_ptr<File> file;
  Node& node;
  bool sync_dir;  // The directory entry may not be durable yet: whoever made it may have died.
  bool delete_on_close;
  int level = SQLITE_LOCK_NONE;
  bool shm_mapped = false;
  std::array<char, kShmLocks> shm_held{};  // 0, 's' or 'x'.
};

struct Handle {
  sqlite3_file base;
  Open* open;
};

Open& open_of(sqlite3_file* f) { return *reinterpret_cast<Handle*>(f)->open; }
FsVfs::State& state_of(sqlite3_vfs* v) { return *static_cast<FsVfs::State*>(v->pAppData); }

int to_sqlite(const Status& s, int otherwise) {
  if (s.ok()) return SQLITE_OK;
  switch (s.error().code) {
    case Code::kExhausted:
      return SQLITE_FULL;
    case Code::kForbidden:
      return SQLITE_READONLY;
    default:
      return otherwise;
  }
}

// ---- file contents

int file_read(sqlite3_file* f, void* out, int n, sqlite3_int64 offset) {
  const std::span<char> to(static_cast<char*>(out), static_cast<size_t>(n));
  const auto got = open_of(f).file->read_at(offset, to);
  if (!got.ok()) return SQLITE_IOERR_READ;
  if (*got == to.size()) return SQLITE_OK;
  std::memset(to.data() + *got, 0, to.size() - *got);
  return SQLITE_IOERR_SHORT_READ;
}

int file_write(sqlite3_file* f, const void* from, int n, sqlite3_int64 offset) {
  const std::string_view bytes(static_cast<const char*>(from), static_cast<size_t>(n));
  return to_sqlite(open_of(f).file->write_at(offset, bytes), SQLITE_IOERR_WRITE);
}

int file_truncate(sqlite3_file* f, sqlite3_int64 size) {
  return to_sqlite(open_of(f).file->truncate(size), SQLITE_IOERR_TRUNCATE);
}

int file_sync(sqlite3_file* f, int /*flags*/) {
  Open& o = open_of(f);
  if (planted(Bug::kSkippedSync) && o.path.ends_with("-wal")) return SQLITE_OK;
  if (const Status s = o.file->sync(); !s.ok()) return to_sqlite(s, SQLITE_IOERR_FSYNC);
  if (!o.sync_dir) return SQLITE_OK;
  if (const Status s = o.state.world.fs.sync_dir(parent_dir(o.path)); !s.ok())
    return to_sqlite(s, SQLITE_IOERR_DIR_FSYNC);
  o.sync_dir = false;
  return SQLITE_OK;
}

int file_size(sqlite3_file* f, sqlite3_int64* size) {
  const auto have = open_of(f).file->size();
  if (!have.ok()) return SQLITE_IOERR_FSTAT;
  *size = *have;
  return SQLITE_OK;
}

// ---- file locks (https://www.sqlite.org/lockingv3.html, section 3)

int file_lock(sqlite3_file* f, int level) {
  Open& o = open_of(f);
  if (o.level >= level) return SQLITE_OK;
  const sys::Lock lock(o.state.mutex);
  Node& n = o.node;
  if (level == SQLITE_LOCK_SHARED) {
    if (n.pending || n.exclusive) return SQLITE_BUSY;
    ++n.shared;
  } else if (level == SQLITE_LOCK_RESERVED) {
    if (n.reserved || n.pending || n.exclusive) return SQLITE_BUSY;
    n.reserved = true;
  } else {  // EXCLUSIVE; SQLite never asks for PENDING itself.
    if (o.level < SQLITE_LOCK_RESERVED && (n.reserved || n.pending)) return SQLITE_BUSY;
    n.reserved = true;
    n.pending = true;
    if (n.shared > 1) {
      o.level = SQLITE_LOCK_PENDING;
      return SQLITE_BUSY;
    }
    n.exclusive = true;
  }
  o.level = level;
  return SQLITE_OK;
}

int file_unlock(sqlite3_file* f, int level) {
  Open& o = open_of(f);
  if (o.level <= level) return SQLITE_OK;
  const sys::Lock lock(o.state.mutex);
  Node& n = o.node;
  if (o.level > SQLITE_LOCK_SHARED) n.reserved = n.pending = n.exclusive = false;
  if (level == SQLITE_LOCK_NONE) --n.shared;
  o.level = level;
  return SQLITE_OK;
}

int file_check_reserved(sqlite3_file* f, int* out) {
  Open& o = open_of(f);
  const sys::Lock lock(o.state.mutex);
  *out = o.node.reserved ? 1 : 0;
  return SQLITE_OK;
}

// ---- shared memory of the write-ahead log: the heap

int shm_map(sqlite3_file* f, int region, int bytes, int extend, volatile void** out) {
  Open& o = open_of(f);
  const sys::Lock lock(o.state.mutex);
  if (!o.shm_mapped) ++o.node.shm_users;
  o.shm_mapped = true;
  *out = nullptr;
  auto& shm = o.node.shm;
  const auto index = static_cast<size_t>(region);
  if (index >= shm.size() && extend == 0) return SQLITE_OK;
  while (index >= shm.size()) shm.push_back(std::make_unique<char[]>(static_cast<size_t>(bytes)));
  *out = shm[index].get();
  return SQLITE_OK;
}

void shm_release(Open& o, int slot) {
  const auto i = static_cast<size_t>(slot);
  if (o.shm_held[i] == 's') --o.node.shm_shared[i];
  if (o.shm_held[i] == 'x') o.node.shm_exclusive[i] = false;
  o.shm_held[i] = 0;
}

// True when `slot` can be had. A connection never asks for a lock that it holds the other way.
bool shm_free(const Open& o, int slot, bool exclusive) {
  const auto i = static_cast<size_t>(slot);
  if (o.shm_held[i] != 0) return true;
  if (o.node.shm_exclusive[i]) return false;
  return !exclusive || o.node.shm_shared[i] == 0;
}

int shm_lock(sqlite3_file* f, int offset, int n, int flags) {
  Open& o = open_of(f);
  const sys::Lock lock(o.state.mutex);
  if ((flags & SQLITE_SHM_UNLOCK) != 0) {
    for (int slot = offset; slot < offset + n; ++slot) shm_release(o, slot);
    return SQLITE_OK;
  }
  const bool exclusive = (flags & SQLITE_SHM_EXCLUSIVE) != 0;
  for (int slot = offset; slot < offset + n; ++slot)
    if (!shm_free(o, slot, exclusive)) return SQLITE_BUSY;
  for (int slot = offset; slot < offset + n; ++slot) {
    const auto i = static_cast<size_t>(slot);
    if (o.shm_held[i] != 0) continue;
    o.shm_held[i] = exclusive ? 'x' : 's';
    if (exclusive)
      o.node.shm_exclusive[i] = true;
    else
      ++o.node.shm_shared[i];
  }
  return SQLITE_OK;
}

// Another one's unlock is ordered before our lock, which is what the index needs.
void shm_barrier(sqlite3_file* f) { const sys::Lock lock(open_of(f).state.mutex); }

int shm_unmap(sqlite3_file* f, int /*remove*/) {
  Open& o = open_of(f);
  const sys::Lock lock(o.state.mutex);
  for (int slot = 0; slot < kShmLocks; ++slot) shm_release(o, slot);
  if (o.shm_mapped && --o.node.shm_users == 0) o.node.shm.clear();
  o.shm_mapped = false;
  return SQLITE_OK;
}

int file_close(sqlite3_file* f) {
  shm_unmap(f, 0);
  file_unlock(f, SQLITE_LOCK_NONE);
  auto* handle = reinterpret_cast<Handle*>(f);
  const std::unique_ptr<Open> o(std::exchange(handle->open, nullptr));
  o->file.reset();
  if (o->delete_on_close) ignore(o->state.world.fs.remove(o->path), "a temporary file");
  const sys::Lock lock(o->state.mutex);
  if (--o->node.handles == 0) o->state.nodes.erase(o->path);
  return SQLITE_OK;
}

int file_control(sqlite3_file* /*f*/, int /*op*/, void* /*arg*/) { return SQLITE_NOTFOUND; }
int file_sector_size(sqlite3_file* /*f*/) { return kSectorBytes; }
int file_characteristics(sqlite3_file* /*f*/) { return SQLITE_IOCAP_POWERSAFE_OVERWRITE; }

const sqlite3_io_methods kMethods = {
    .iVersion = 2,
    .xClose = file_close,
    .xRead = file_read,
    .xWrite = file_write,
    .xTruncate = file_truncate,
    .xSync = file_sync,
    .xFileSize = file_size,
    .xLock = file_lock,
    .xUnlock = file_unlock,
    .xCheckReservedLock = file_check_reserved,
    .xFileControl = file_control,
    .xSectorSize = file_sector_size,
    .xDeviceCharacteristics = file_characteristics,
    .xShmMap = shm_map,
    .xShmLock = shm_lock,
    .xShmBarrier = shm_barrier,
    .xShmUnmap = shm_unmap,
    .xFetch = nullptr,
    .xUnfetch = nullptr,
};

// ---- the file system

OpenMode mode_of(int flags) {
  if ((flags & SQLITE_OPEN_READONLY) != 0) return OpenMode::kRead;
  if ((flags & SQLITE_OPEN_CREATE) == 0) return OpenMode::kReadWrite;
  return (flags & SQLITE_OPEN_EXCLUSIVE) != 0 ? OpenMode::kCreateNew : OpenMode::kCreate;
}

int vfs_open(sqlite3_vfs* v, const char* name, sqlite3_file* f, int flags, int* flags_out) {
  auto* handle = reinterpret_cast<Handle*>(f);
  handle->base.pMethods = nullptr;              // Until it is open there is nothing to close.
  if (name == nullptr) return SQLITE_CANTOPEN;  // Temporary files: temp_store is MEMORY.
  FsVfs::State& state = state_of(v);
  const std::string path(name);
  auto file = state.world.fs.open(path, mode_of(flags));
  if (!file.ok()) return file.error().code == Code::kExhausted ? SQLITE_FULL : SQLITE_CANTOPEN;
  Node* node = nullptr;
  {
    const sys::Lock lock(state.mutex);
    node = &state.nodes[path];  // Map nodes stay where they are.
    ++node->handles;
  }
  handle->open =
      std::make_unique<Open>(Open{.state = state,
                                  .path = path,
                                  .file = std::move(file).value(),
                                  .node = *node,
                                  .sync_dir = (flags & SQLITE_OPEN_CREATE) != 0,
                                  .delete_on_close = (flags & SQLITE_OPEN_DELETEONCLOSE) != 0})
          .release();
  handle->base.pMethods = &kMethods;
  if (flags_out != nullptr) *flags_out = flags;
  return SQLITE_OK;
}

int vfs_delete(sqlite3_vfs* v, const char* name, int sync_dir) {
  Fs& fs = state_of(v).world.fs;
  if (const Status s = fs.remove(name); !s.ok())
    return s.error().code == Code::kNotFound ? SQLITE_IOERR_DELETE_NOENT : SQLITE_IOERR_DELETE;
  if (sync_dir == 0) return SQLITE_OK;
  return to_sqlite(fs.sync_dir(parent_dir(name)), SQLITE_IOERR_DIR_FSYNC);
}

int vfs_access(sqlite3_vfs* v, const char* name, int flags, int* out) {
  const auto info = state_of(v).world.fs.stat(name);
  if (!info.ok() && info.error().code != Code::kNotFound) return SQLITE_IOERR_ACCESS;
  // An empty journal counts as none, as in SQLite's own layer.
  *out = info.ok() && (flags != SQLITE_ACCESS_EXISTS || info->size > 0) ? 1 : 0;
  return SQLITE_OK;
}

int vfs_full_pathname(sqlite3_vfs* /*v*/, const char* name, int n, char* out) {
  const size_t length = std::strlen(name);
  if (length + 1 > static_cast<size_t>(n)) return SQLITE_CANTOPEN;
  std::memcpy(out, name, length + 1);
  return SQLITE_OK;
}

int vfs_randomness(sqlite3_vfs* v, int n, char* out) {  // Salts of the log; reproducible.
  uint64_t x = static_cast<uint64_t>(state_of(v).world.clock.steady_ns());
  for (int i = 0; i < n; ++i) {
    x = x * 6364136223846793005 + 1442695040888963407;  // Knuth's MMIX generator.
    out[i] = static_cast<char>(x >> 56);
  }
  return n;
}

int vfs_sleep(sqlite3_vfs* v, int us) {
  const World& world = state_of(v).world;
  world.executor.sleep_until(world.clock.steady_ns() + int64_t{us} * 1000);
  return us;
}

int vfs_now(sqlite3_vfs* v, sqlite3_int64* out) {
  constexpr int64_t kUnixEpochInJulianMs = 210'866'760'000'000;
  *out = kUnixEpochInJulianMs + state_of(v).world.clock.now_ms();
  return SQLITE_OK;
}

int vfs_now_days(sqlite3_vfs* v, double* out) {
  sqlite3_int64 ms = 0;
  vfs_now(v, &ms);
  *out = static_cast<double>(ms) / 86'400'000.0;
  return SQLITE_OK;
}

int vfs_last_error(sqlite3_vfs* /*v*/, int /*n*/, char* /*out*/) { return 0; }

}  // namespace

FsVfs::FsVfs(World world) : state_(std::make_unique<State>(world)) {
  static std::atomic<int64_t> made = 0;
  state_->name = "slip-" + std::to_string(++made);
  sqlite3_vfs& v = state_->vfs;
  v.iVersion = 2;
  v.szOsFile = sizeof(Handle);
  v.mxPathname = kPathMax;
  v.zName = state_->name.c_str();
  v.pAppData = state_.get();
  v.xOpen = vfs_open;
  v.xDelete = vfs_delete;
  v.xAccess = vfs_access;
  v.xFullPathname = vfs_full_pathname;
  v.xRandomness = vfs_randomness;
  v.xSleep = vfs_sleep;
  v.xCurrentTime = vfs_now_days;
  v.xGetLastError = vfs_last_error;
  v.xCurrentTimeInt64 = vfs_now;
  CHECK(sqlite3_vfs_register(&v, 0) == SQLITE_OK);
}

FsVfs::~FsVfs() {
  sqlite3_vfs_unregister(&state_->vfs);
  CHECK(state_->nodes.empty());
}

const std::string& FsVfs::name() const { return state_->name; }

}  // namespace slip::store
