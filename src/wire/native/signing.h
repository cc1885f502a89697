#pragma once

#include <functional>
#include <vector>

#include "base/result.h"
#include "core/sign/sign.h"
#include "http/route.h"

// GET /.well-known/slipway/signing-keys: the public keys that the server's statements are signed
// with, for whoever wants to check them.
namespace slip::wire::native {

struct SigningApp {
  std::function<Result<std::vector<sign::PublicKey>>()> keys;
};
std::vector<http::Route> signing_routes(SigningApp app);

}  // namespace slip::wire::native
