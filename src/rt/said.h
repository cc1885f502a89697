#pragma once

#include <string>

#include "base/guard.h"
#include "base/result.h"
#include "rt/slipway_rt.h"

// What a thread's last failure was, and the door through which every function of the library goes:
// errors become a status and a text, exceptions (no memory) too.
namespace slip::rt {

struct Said {
  std::string text;
  std::string reason;
};
Said& said();  // Of this thread.

slipway_rt_status status_of(const Status& done);

template <class F>
slipway_rt_status enter(F&& f) {
  const Result<Status> done =
      guarded(Code::kInternal, "rt.failed", [&]() -> Status { return f(); });
  return status_of(done.ok() ? *done : Status(done.error()));
}

Status missing(std::string_view what);  // A null pointer where something is wanted.

}  // namespace slip::rt
