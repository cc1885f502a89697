#pragma once

#include <functional>
#include <vector>

#include "codec/json.h"
#include "core/auth/auth.h"
#include "core/sign/sign.h"
#include "http/route.h"
#include "registry/governance.h"

// Below /models: stages, policies, requests, waivers, comments, reviews, evidence, scans,
// behavioural tests: what people and checks say about a version.
namespace slip::wire::native {

struct RequestsApp {
  registry::Registry& registry;
  registry::Governance& governance;
  auth::Auth& auth;  // For the names of principals, and who else may act.
  // What the server's statements are checked with; null: nothing counts as verified.
  std::function<Result<std::vector<sign::PublicKey>>()> keys = nullptr;
};
std::vector<http::Route> requests_routes(RequestsApp app);
std::vector<http::Route> reviews_routes(RequestsApp app);   // reviews.cc
std::vector<http::Route> timeline_routes(RequestsApp app);  // timeline.cc

// Rights on the model of {name}, or on its versions; prompts are granted apart.
http::FindNeeds model_needs(registry::Registry& registry, http::Right right, bool of_version);

codec::Json policy_json(const auth::Auth& auth, const registry::Policy& policy);
codec::Json request_json(const auth::Auth& auth, const registry::Request& request);
// The uid of a principal by name; a uid is one too. kInvalid `principal.unknown`.
Result<std::string> principal_uid(const auth::Auth& auth, const std::string& name);

}  // namespace slip::wire::native
