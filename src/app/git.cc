#include "app/world.h"

#ifndef SLIPWAY_GIT
#define SLIPWAY_GIT ""
#endif

namespace slip::app {

// As of the last configuration of the build; "" in a build without git.
std::string_view git_revision() { return SLIPWAY_GIT; }

}  // namespace slip::app
