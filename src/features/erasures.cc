#include "features/erasures.h"

#include "base/text.h"

namespace slip::features {

void Erasures::begin(const std::string& project, bool again) {
  const sys::Lock lock(mutex_);
  Project& one = projects_[project];
  ++one.number;
  ++one.under_way;
  if (again && one.owed > 0) --one.owed;  // After a restart nobody has counted it.
}

void Erasures::end(const std::string& project, bool whole) {
  {
    const sys::Lock lock(mutex_);
    Project& one = projects_[project];
    --one.under_way;
    if (!whole) ++one.owed;
  }
  ended_.notify_all();
}

Result<int64_t> Erasures::state(const std::string& project) {
  sys::Lock lock(mutex_);
  const Project& one = projects_[project];
  while (one.under_way > 0) ended_.wait(lock);
  if (one.owed > 0)
    return unavailable("feature.erasing",
                       concat({"an erasure in project ", project, " isn't finished yet"}))
        .with_hint("it is tried again: ask a little later");
  return one.number;
}

Status Erasures::check(const std::string& project, int64_t state) const {
  const sys::Lock lock(mutex_);
  const auto found = projects_.find(project);
  if (found == projects_.end() || found->second.number == state) return {};
  return unavailable("feature.erasing", "rows were erased while a source was computed from them");
}

}  // namespace slip::features
