#pragma once

#include <string>
#include <utility>

#include "base/result.h"

// Errors as Feast's clients raise them. Pure; any thread.
namespace slip::wire::feast {

// {"module": "feast.errors", "class": …, "message": …}
std::string error_detail(const Error& error);
int error_status(const Error& error);  // Of HTTP.

// The same error with the detail as its text: what ends a gRPC call of Feast's.
Error with_detail(Error error);
template <class T>
Result<T> with_detail(Result<T> result) {
  if (!result.ok()) return with_detail(std::move(result).error());
  return result;
}

}  // namespace slip::wire::feast
