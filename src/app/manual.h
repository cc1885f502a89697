#pragma once

#include <vector>

#include "http/route.h"

// GET /docs: the reference that the binary can print from its own tables.
namespace slip::app {

std::vector<http::Route> manual_routes();

}  // namespace slip::app
