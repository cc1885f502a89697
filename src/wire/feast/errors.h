#pragma once

#include <string>

#include "base/result.h"

// Errors as Feast's clients raise them. Pure; any thread.
namespace slip::wire::feast {

// {"module": "feast.errors", "class": …, "message": …}
std::string error_detail(const Error& error);
int error_status(const Error& error);  // Of HTTP.

}  // namespace slip::wire::feast
