#pragma once

#include <string_view>

#include "base/result.h"

// Keys of parameters, metrics and tags: they become file names elsewhere, so a key must be its own
// normal form as a path. Texts are those that MLflow's clients know. Pure.
namespace slip {

// Letters of any script, digits, "_-. :/"; no "..", no doubled or leading slash. `where` is what
// the error names: "params[1].key". Length and emptiness are the caller's business.
// kInvalid `key_name.form`.
Status check_key_name(std::string_view where, std::string_view name);

}  // namespace slip
