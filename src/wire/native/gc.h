#pragma once

#include <functional>
#include <string>
#include <vector>

#include "codec/json.h"
#include "http/route.h"

namespace slip::auth {
class Auth;
}
namespace slip::hold {
class Holds;
class Objects;
}  // namespace slip::hold
namespace slip::tracking {
class Purge;
struct PurgeSpec;
}  // namespace slip::tracking

// /gc: what deletion would take away, and taking it; /retention: how long the bin keeps;
// /holds: what is kept in any case.
namespace slip::wire::native {

struct GcApp {
  tracking::Purge& purge;
  hold::Holds& holds;
  hold::Objects& objects;
  const auth::Auth& auth;
  std::function<Result<std::string>(const Ctx&, const tracking::PurgeSpec&)> start;
  std::function<Result<codec::Json>()> blobs;
};
std::vector<http::Route> gc_routes(GcApp app);

}  // namespace slip::wire::native
