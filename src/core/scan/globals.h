#pragma once

#include <string_view>

#include "core/scan/scan.h"

// What a pickle may name. Pure.
namespace slip::scan {

// Dangerous: runs code, reads files, talks to the network, or reaches those. Clean: a class or
// function that the usual model libraries pickle and that only builds data. Unknown: neither list.
Verdict judge_global(std::string_view module, std::string_view name);

}  // namespace slip::scan
