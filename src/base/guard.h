#pragma once

#include <exception>
#include <new>
#include <string_view>
#include <type_traits>

#include "base/result.h"

// The door to libraries that throw: runs `f`, turns whatever it throws into an Error.
namespace slip {

template <class F>
auto guarded(Code code, std::string_view reason, F&& f) -> Result<std::invoke_result_t<F>> {
  using T = std::invoke_result_t<F>;
  try {
    if constexpr (std::is_void_v<T>) {
      f();
      return {};
    } else {
      return Result<T>(f());
    }
  } catch (const std::bad_alloc&) {
    return Error{Code::kExhausted, "memory.exhausted", "out of memory", {}};
  } catch (const std::exception& e) {
    return Error{code, std::string(reason), e.what(), {}};
  }
}

}  // namespace slip
