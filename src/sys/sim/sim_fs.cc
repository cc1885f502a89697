#include "sys/sim/sim_fs.h"

#include <algorithm>

#include "base/check.h"
#include "base/text.h"
#include "sys/sync.h"

namespace slip::sim {
namespace {

void give_way(const char* where) {
  if (sys::SimHooks* sim = sys::current_sim()) sim->yield(where);
}

std::string clean(const std::string& path) {
  std::string out;
  for (const std::string_view part : split(path, '/')) {
    if (part.empty() || part == ".") continue;
    out.append("/").append(part);
  }
  return out.empty() ? "/" : out;
}

Error io_error(const std::string& what) { return unavailable("fs.io", what + ": simulated fault"); }

void put(std::string* bytes, int64_t offset, std::string_view data) {
  const auto end = static_cast<size_t>(offset) + data.size();
  if (bytes->size() < end) bytes->resize(end, '\0');
  bytes->replace(static_cast<size_t>(offset), data.size(), data);
}

}  // namespace

struct SimFs::Inode {
  struct Write {
    int64_t offset = 0;
    std::string bytes;
    int64_t truncate_to = -1;  // ≥ 0: this entry is a truncation.
  };
  std::string bytes;   // As read now.
  std::string synced;  // As on the disk.
  std::vector<Write> unsynced;
  const void* locked_by = nullptr;
};

struct SimFs::Change {
  std::string path;
  InodePtr inode;     // Null: the name went away.
  std::string moved;  // A rename: the name that went away in the same step.
};

class SimFile final : public File {
 public:
  SimFile(SimFs& fs, std::shared_ptr<SimFs::Inode> inode, std::string path, uint64_t life)
      : fs_(fs), inode_(std::move(inode)), path_(std::move(path)), life_(life) {}
  ~SimFile() override {
    const std::lock_guard hold(fs_.mutex_);
    if (inode_->locked_by == this) inode_->locked_by = nullptr;
  }

  Result<size_t> read_at(int64_t offset, std::span<char> out) override {
    give_way("fs.read");
    const std::lock_guard hold(fs_.mutex_);
    TRY(alive());
    TRY(fs_.before_read(path_));
    const std::string& bytes = inode_->bytes;
    if (offset >= static_cast<int64_t>(bytes.size())) return size_t{0};
    const size_t n = std::min(out.size(), bytes.size() - static_cast<size_t>(offset));
    std::copy_n(bytes.data() + offset, n, out.data());
    return n;
  }
  Status write_at(int64_t offset, std::string_view bytes) override {
    give_way("fs.write");
    const std::lock_guard hold(fs_.mutex_);
    TRY(alive());
    return fs_.write(*inode_, path_, offset, bytes);
  }
  Status append(std::string_view bytes) override {
    give_way("fs.append");
    const std::lock_guard hold(fs_.mutex_);
    TRY(alive());
    return fs_.write(*inode_, path_, static_cast<int64_t>(inode_->bytes.size()), bytes);
  }
  Status sync() override {
    give_way("fs.sync");
    const std::lock_guard hold(fs_.mutex_);
    TRY(alive());
    return fs_.sync(*inode_, path_);
  }
  Status truncate(int64_t size) override {
    give_way("fs.truncate");
    const std::lock_guard hold(fs_.mutex_);
    TRY(alive());
    return fs_.truncate(*inode_, path_, size);
  }
  Result<int64_t> size() override {
    const std::lock_guard hold(fs_.mutex_);
    TRY(alive());
    return static_cast<int64_t>(inode_->bytes.size());
  }
  Status lock() override {
    const std::lock_guard hold(fs_.mutex_);
    TRY(alive());
    if (inode_->locked_by != nullptr && inode_->locked_by != this)
      return conflict("fs.locked", path_ + " is locked");
    inode_->locked_by = this;
    return {};
  }

 private:
  Status alive() const {
    if (life_ != fs_.life_) return unavailable("fs.io", path_ + ": the power was cut");
    return {};
  }

  SimFs& fs_;
  const std::shared_ptr<SimFs::Inode> inode_;
  const std::string path_;
  const uint64_t life_;
};

SimFs::SimFs(uint64_t seed) : choice_(seed ^ 0x5eedf5) { dirs_.insert("/"); }
SimFs::~SimFs() = default;

void SimFs::freeze() {
  const std::lock_guard hold(mutex_);
  frozen_ = true;
}

void SimFs::set_capacity(int64_t bytes) {
  const std::lock_guard hold(mutex_);
  capacity_ = bytes;
}

void SimFs::fail_nth_change(int64_t n, Fault fault) {
  const std::lock_guard hold(mutex_);
  fail_at_ = n == 0 ? 0 : changes_ + n;
  fault_ = fault;
  fault_happened_ = false;
}

bool SimFs::fault_happened() const {
  const std::lock_guard hold(mutex_);
  return fault_happened_;
}

int64_t SimFs::changes() const {
  const std::lock_guard hold(mutex_);
  return changes_;
}

void SimFs::lie_about_sync(const std::string& suffix) {
  const std::lock_guard hold(mutex_);
  lie_suffix_ = suffix;
}

bool SimFs::lies_about(const std::string& path) const {
  return !lie_suffix_.empty() && path.ends_with(lie_suffix_);
}

void SimFs::flip_bit(const std::string& path, int64_t offset, int bit) {
  const std::lock_guard hold(mutex_);
  const auto found = files_.find(clean(path));
  CHECK(found != files_.end() && offset < static_cast<int64_t>(found->second->bytes.size()));
  const auto at = static_cast<size_t>(offset);
  Inode& inode = *found->second;
  inode.bytes[at] = static_cast<char>(inode.bytes[at] ^ (1 << bit));
  if (at < inode.synced.size()) inode.synced[at] = inode.bytes[at];
}

void SimFs::power_cut() {
  const std::lock_guard hold(mutex_);
  // Directories: each keeps a prefix of its own unsynced changes.
  std::map<std::string, bool> stopped;
  for (const Change& c : pending_) {
    bool& stop = stopped[parent_dir(c.path)];
    stop = stop || choice_.one_in(3);
    if (stop) continue;
    make_durable(c);
  }
  pending_.clear();
  files_ = durable_;
  std::set<Inode*> done;
  for (const auto& [path, inode] : files_) {
    if (!done.insert(inode.get()).second) continue;
    for (const Inode::Write& w : inode->unsynced) {
      const uint64_t fate = choice_.below(3);
      if (fate == 0) continue;
      if (w.truncate_to >= 0) {
        inode->synced.resize(static_cast<size_t>(w.truncate_to), '\0');
        continue;
      }
      for (size_t at = 0; at < w.bytes.size();) {  // Sector by sector of the disk.
        const int64_t position = w.offset + static_cast<int64_t>(at);
        const auto n = static_cast<size_t>(kSectorBytes - position % kSectorBytes);
        if (fate == 1 || choice_.one_in(2))
          put(&inode->synced, position, std::string_view(w.bytes).substr(at, n));
        at += n;
      }
    }
    inode->unsynced.clear();
    inode->bytes = inode->synced;
    inode->locked_by = nullptr;
  }
  ++life_;
  frozen_ = false;
  fail_at_ = 0;
}

Status SimFs::before_change(const char* what, const std::string& path, bool* half) {
  if (frozen_) return io_error(what);
  ++changes_;
  if (changes_ != fail_at_) return {};
  fault_happened_ = true;
  if (half != nullptr) *half = true;
  if (fault_ == Fault::kFull) return exhausted("fs.full", path + ": no space left (simulated)");
  return io_error(std::string(what) + " " + path);
}

Status SimFs::before_read(const std::string& path) {
  if (frozen_) return io_error("read " + path);
  return {};
}

int64_t SimFs::used() const {
  int64_t total = 0;
  for (const auto& [path, inode] : files_) total += static_cast<int64_t>(inode->bytes.size());
  return total;
}

Status SimFs::write(Inode& inode, const std::string& path, int64_t offset, std::string_view bytes) {
  bool half = false;
  Status allowed = before_change("write", path, &half);
  if (half) bytes = bytes.substr(0, choice_.below(bytes.size() + 1));
  if (!allowed.ok() && !half) return allowed;
  const int64_t growth = offset + static_cast<int64_t>(bytes.size() - inode.bytes.size());
  if (capacity_ != INT64_MAX && growth > 0 && used() + growth > capacity_)
    return exhausted("fs.full", path + ": no space left (simulated)");
  put(&inode.bytes, offset, bytes);
  inode.unsynced.push_back({.offset = offset, .bytes = std::string(bytes), .truncate_to = -1});
  return allowed;
}

Status SimFs::truncate(Inode& inode, const std::string& path, int64_t size) {
  TRY(before_change("truncate", path, nullptr));
  inode.bytes.resize(static_cast<size_t>(size), '\0');
  inode.unsynced.push_back({.offset = 0, .bytes = {}, .truncate_to = size});
  return {};
}

Status SimFs::sync(Inode& inode, const std::string& path) {
  TRY(before_change("sync", path, nullptr));
  if (lies_about(path)) return {};
  inode.synced = inode.bytes;
  inode.unsynced.clear();
  return {};
}

void SimFs::change_dir(const std::string& path, InodePtr inode) {
  if (inode)
    files_[path] = inode;
  else
    files_.erase(path);
  pending_.push_back({.path = path, .inode = std::move(inode), .moved = {}});
}

void SimFs::make_durable(const Change& change) {
  if (change.inode)
    durable_[change.path] = change.inode;
  else
    durable_.erase(change.path);
  if (!change.moved.empty()) durable_.erase(change.moved);
}

Result<std::unique_ptr<File>> SimFs::open(const std::string& raw, OpenMode mode) {
  give_way("fs.open");
  const std::lock_guard hold(mutex_);
  const std::string path = clean(raw);
  if (frozen_) return io_error("open " + path);
  if (dirs_.contains(path)) return forbidden("fs.denied", path + " is a directory");
  const auto found = files_.find(path);
  const bool there = found != files_.end();
  if (!there && (mode == OpenMode::kRead || mode == OpenMode::kReadWrite))
    return not_found("fs.not_found", "no file " + path);
  if (there && mode == OpenMode::kCreateNew) return exists("fs.exists", path + " exists");
  if (there) {
    const InodePtr inode = found->second;
    if (mode == OpenMode::kTruncate && !inode->bytes.empty()) TRY(truncate(*inode, path, 0));
    return std::make_unique<SimFile>(*this, inode, path, life_);
  }
  if (!dirs_.contains(parent_dir(path)))
    return not_found("fs.not_found", "no directory " + parent_dir(path));
  TRY(before_change("create", path, nullptr));
  auto inode = std::make_shared<Inode>();
  change_dir(path, inode);
  return std::make_unique<SimFile>(*this, inode, path, life_);
}

Status SimFs::make_dirs(const std::string& raw) {
  const std::lock_guard hold(mutex_);
  std::string path;
  const std::string cleaned = clean(raw);
  for (const std::string_view part : split(cleaned, '/')) {
    if (part.empty()) continue;
    path.append("/").append(part);
    if (files_.contains(path)) return exists("fs.exists", path + " is a file");
    // Directories are durable at once: everything made below them needs their own sync anyway.
    dirs_.insert(path);
  }
  return {};
}

Status SimFs::rename(const std::string& raw_from, const std::string& raw_to) {
  give_way("fs.rename");
  const std::lock_guard hold(mutex_);
  const std::string from = clean(raw_from);
  const std::string to = clean(raw_to);
  const auto found = files_.find(from);
  if (found == files_.end()) return not_found("fs.not_found", "no file " + from);
  TRY(before_change("rename", from, nullptr));
  const InodePtr inode = found->second;
  files_.erase(from);
  files_[to] = inode;
  pending_.push_back({.path = to, .inode = inode, .moved = from});  // Atomic.
  return {};
}

Status SimFs::remove(const std::string& raw) {
  give_way("fs.remove");
  const std::lock_guard hold(mutex_);
  const std::string path = clean(raw);
  if (dirs_.contains(path)) {
    const std::string below = path + "/";
    const auto child = files_.lower_bound(below);
    if (child != files_.end() && child->first.starts_with(below))
      return exists("fs.exists", path + " is not empty");
    dirs_.erase(path);
    return {};
  }
  if (!files_.contains(path)) return not_found("fs.not_found", "no file " + path);
  TRY(before_change("remove", path, nullptr));
  change_dir(path, nullptr);
  return {};
}

Status SimFs::remove_all(const std::string& raw) {
  const std::lock_guard hold(mutex_);
  const std::string path = clean(raw);
  const std::string below = path + "/";
  std::vector<std::string> doomed;
  for (const auto& [name, inode] : files_)
    if (name == path || name.starts_with(below)) doomed.push_back(name);
  for (const std::string& name : doomed) {
    TRY(before_change("remove", name, nullptr));
    change_dir(name, nullptr);
  }
  std::erase_if(dirs_, [&](const std::string& d) { return d == path || d.starts_with(below); });
  return {};
}

Status SimFs::sync_dir(const std::string& raw) {
  give_way("fs.sync_dir");
  const std::lock_guard hold(mutex_);
  const std::string dir = clean(raw);
  TRY(before_change("sync", dir, nullptr));
  if (lies_about(dir)) return {};
  std::vector<Change> left;
  for (Change& c : pending_) {
    if (parent_dir(c.path) != dir) {
      left.push_back(std::move(c));
    } else {
      make_durable(c);
    }
  }
  pending_ = std::move(left);
  return {};
}

Result<std::vector<FileInfo>> SimFs::list(const std::string& raw) {
  const std::lock_guard hold(mutex_);
  const std::string dir = clean(raw);
  TRY(before_read(dir));
  if (!dirs_.contains(dir)) return not_found("fs.not_found", "no directory " + dir);
  const std::string below = dir == "/" ? "/" : dir + "/";
  std::vector<FileInfo> out;
  const auto direct = [&](const std::string& name) {
    return name.size() > below.size() && name.starts_with(below) &&
           name.find('/', below.size()) == name.npos;
  };
  for (const auto& [name, inode] : files_)
    if (direct(name))
      out.push_back({.name = name.substr(below.size()),
                     .is_dir = false,
                     .size = static_cast<int64_t>(inode->bytes.size()),
                     .modified_us = 0});
  for (const std::string& name : dirs_)
    if (direct(name))
      out.push_back(
          {.name = name.substr(below.size()), .is_dir = true, .size = 0, .modified_us = 0});
  std::sort(out.begin(), out.end(),
            [](const FileInfo& a, const FileInfo& b) { return a.name < b.name; });
  return out;
}

Result<FileInfo> SimFs::stat(const std::string& raw) {
  const std::lock_guard hold(mutex_);
  const std::string path = clean(raw);
  TRY(before_read(path));
  const std::string name = path.substr(path.rfind('/') + 1);
  if (dirs_.contains(path)) return FileInfo{.name = name, .is_dir = true};
  const auto found = files_.find(path);
  if (found == files_.end()) return not_found("fs.not_found", "no file " + path);
  return FileInfo{.name = name,
                  .is_dir = false,
                  .size = static_cast<int64_t>(found->second->bytes.size()),
                  .modified_us = 0};
}

Result<DiskSpace> SimFs::space(const std::string&) {
  const std::lock_guard hold(mutex_);
  const int64_t total = capacity_ == INT64_MAX ? int64_t{1} << 40 : capacity_;
  return DiskSpace{.total_bytes = total, .free_bytes = std::max<int64_t>(0, total - used())};
}

Result<std::unique_ptr<File>> SimFs::open_beneath(const std::string& root,
                                                  std::string_view relative) {
  for (const std::string_view part : split(relative, '/'))
    if (part == "..") return forbidden("fs.denied", "the path leaves its root");
  if (relative.starts_with('/')) return forbidden("fs.denied", "the path leaves its root");
  return open(concat({root, "/", relative}), OpenMode::kRead);
}

}  // namespace slip::sim
