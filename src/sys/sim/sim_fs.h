#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <vector>

#include "sys/fs.h"
#include "sys/sim/sim_rng.h"

// A disk in memory that keeps exactly what POSIX promises and not a byte more.
//  - write: visible at once, durable only after File::sync();
//  - create, rename, remove: visible at once, durable only after sync_dir() of the directory;
//  - power_cut(): of what was not durable, each write survives whole, torn (some sectors) or not
//    at all, and each directory keeps some prefix of its changes, as the seed says;
//  - limits and faults: a size after which writes fail with fs.full, and "fail the Nth change".
// Usable with and without a SimExecutor (with one, every call may pass the baton). Any thread.
namespace slip::sim {

class SimFs final : public Fs {
 public:
  static constexpr int64_t kSectorBytes = 512;

  explicit SimFs(uint64_t seed);
  ~SimFs() override;

  // Every open File is dead afterwards (kUnavailable `fs.io`); the next open sees what survived.
  void power_cut();
  // From now on every call fails with `fs.io`, until power_cut(): the moment before the crash.
  void freeze();
  // Total bytes of file contents that fit; INT64_MAX: no limit.
  void set_capacity(int64_t bytes);
  // The Nth (1, 2, …) changing call from now fails with `error`, once; a failing write may have
  // stored some of its sectors. 0: none.
  enum class Fault : uint8_t { kIo, kFull };
  void fail_nth_change(int64_t n, Fault fault = Fault::kIo);
  bool fault_happened() const;
  int64_t changes() const;  // Changing calls so far.
  // Flips one bit; for corruption tests. CHECKs that the byte exists.
  void flip_bit(const std::string& path, int64_t offset, int bit);
  // Ignores sync() and sync_dir() of paths that end in `suffix`: a lying disk. Empty: honest.
  void lie_about_sync(const std::string& suffix);

  Result<std::unique_ptr<File>> open(const std::string& path, OpenMode mode) override;
  Status make_dirs(const std::string& path) override;
  Status rename(const std::string& from, const std::string& to) override;
  Status remove(const std::string& path) override;
  Status remove_all(const std::string& path) override;
  Status sync_dir(const std::string& path) override;
  Result<std::vector<FileInfo>> list(const std::string& dir) override;
  Result<FileInfo> stat(const std::string& path) override;
  Result<DiskSpace> space(const std::string& path) override;
  Result<std::unique_ptr<File>> open_beneath(const std::string& root,
                                             std::string_view relative) override;

 private:
  friend class SimFile;
  struct Inode;
  struct Change;  // One not yet durable change of a directory.
  using InodePtr = std::shared_ptr<Inode>;

  Status before_change(const char* what, const std::string& path, bool* half);
  Status before_read(const std::string& path);
  Status write(Inode& inode, const std::string& path, int64_t offset, std::string_view bytes);
  Status truncate(Inode& inode, const std::string& path, int64_t size);
  Status sync(Inode& inode, const std::string& path);
  bool lies_about(const std::string& path) const;
  int64_t used() const;
  void change_dir(const std::string& path, InodePtr inode);
  void make_durable(const Change& change);

  mutable std::mutex mutex_;
  SimRng choice_;
  std::map<std::string, InodePtr> files_;    // What a reader sees now.
  std::map<std::string, InodePtr> durable_;  // What the directories hold on the disk.
  std::set<std::string> dirs_;
  std::vector<Change> pending_;  // In order.
  uint64_t life_ = 1;            // Files opened in an earlier one are dead.
  bool frozen_ = false;
  int64_t capacity_ = INT64_MAX;
  int64_t changes_ = 0;
  int64_t fail_at_ = 0;
  Fault fault_ = Fault::kIo;
  bool fault_happened_ = false;
  std::string lie_suffix_;
};

}  // namespace slip::sim
