#pragma once

#include <cstdint>
#include <map>
#include <string>

#include "base/result.h"
#include "sys/sync.h"

// Which erasures a project has seen, so that what was computed from rows of before one doesn't
// bring back what it took. Whoever computes asks for the state first, and shows it again when the
// result comes in: under a turn that an erasure which begins by then will await.
//
// Invariant: between state() and a check() that is fine no erasure of the project has begun, and
// none was under way. An erasure that failed half way is owed until it is finished. Any thread;
// state() waits for an erasure that is under way.
//
// Errors: kUnavailable `feature.erasing`: one is owed, or has begun since.
namespace slip::features {

class Erasures {
 public:
  // Before what is under way is awaited and the first row goes. `again`: one that is owed.
  void begin(const std::string& project, bool again = false);
  // After the last has gone. `whole`: nothing of it is owed.
  void end(const std::string& project, bool whole);

  Result<int64_t> state(const std::string& project);
  Status check(const std::string& project, int64_t state) const;

 private:
  struct Project {
    int64_t number = 0;
    int under_way = 0;
    int owed = 0;
  };
  mutable sys::Mutex mutex_;
  sys::CondVar ended_;
  std::map<std::string, Project> projects_;
};

}  // namespace slip::features
