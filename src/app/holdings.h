#pragma once

#include <string>

#include "base/result.h"
#include "sys/ctx.h"

// What keeps a project from being deleted. Any thread.
namespace slip::app {

struct World;

// Names one thing that the project of the Ctx still holds ("experiment 3"), as far as the caller
// may see; "": it is empty.
Result<std::string> something_in(World& w, const Ctx& ctx);

}  // namespace slip::app
