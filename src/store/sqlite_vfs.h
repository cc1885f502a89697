#pragma once

#include <memory>
#include <string>

#include "store/db.h"

// SQLite's files through World::fs, its clock and its sleep: what lets the simulator and the fault
// sweeps stand between the database and the disk. Private to store/. One process: locks and the
// index of the write-ahead log live in memory and are shared by the connections of one instance,
// which must all be closed before it goes. Any thread.
namespace slip::store {

class FsVfs {
 public:
  explicit FsVfs(World world);  // Registers under a name of its own.
  ~FsVfs();
  FsVfs(const FsVfs&) = delete;
  FsVfs& operator=(const FsVfs&) = delete;
  const std::string& name() const;

  struct State;

 private:
  std::unique_ptr<State> state_;
};

}  // namespace slip::store
