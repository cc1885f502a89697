#include "rt/said.h"

#include "base/guard.h"
#include "base/text.h"
#include "base/version.h"

namespace slip::rt {

Said& said() {
  thread_local Said of_this_thread;
  return of_this_thread;
}

slipway_rt_status status_of(const Status& done) {
  if (done.ok()) return SLIPWAY_RT_OK;
  const Error& e = done.error();
  // Keeping the text may find no memory either.
  ignore(guarded(Code::kExhausted, "memory.exhausted",
                 [&] {
                   said().text = e.text;
                   said().reason = e.reason;
                 }),
         "the status says it");
  switch (e.code) {
    case Code::kUnsupported:
      return SLIPWAY_RT_UNSUPPORTED;
    case Code::kExhausted:
      return SLIPWAY_RT_EXHAUSTED;
    case Code::kInternal:
      return SLIPWAY_RT_INTERNAL;
    default:
      return SLIPWAY_RT_INVALID;
  }
}

Status missing(std::string_view what) { return invalid("rt.null", concat({what, " is NULL"})); }

}  // namespace slip::rt

extern "C" {

uint32_t slipway_rt_abi(void) { return SLIPWAY_RT_ABI; }
const char* slipway_rt_version(void) { return slip::kVersion; }
const char* slipway_rt_error(void) { return slip::rt::said().text.c_str(); }
const char* slipway_rt_error_reason(void) { return slip::rt::said().reason.c_str(); }

}  // extern "C"
