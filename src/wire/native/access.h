#pragma once

#include <vector>

#include "core/auth/auth.h"
#include "http/route.h"

// Principals, tokens, grants, and who the caller is.
namespace slip::wire::native {

struct AccessApp {
  auth::Auth& auth;
};
std::vector<http::Route> access_routes(AccessApp app);

}  // namespace slip::wire::native
