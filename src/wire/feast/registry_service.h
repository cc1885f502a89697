#pragma once

#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "grpc/method.h"
#include "http/gate.h"

namespace slip::features {
class Features;
}

// Feast's registry server as its 0.66 client's remote registry speaks it, over our own definitions
// (wire/feast/objects.h says which object each one is). A request names its project; what a caller
// may do there is what the HTTP rows ask for: to read or to edit features. Nothing waits for
// Commit: each change is kept when it is answered, and each reader sees it at once.
//
// Errors carry Feast's own class as JSON, which its client raises. What is no definition here is
// refused with kInvalid `feast.unsupported`.
namespace slip::wire::feast {

struct RegistryApp {
  features::Features& features;
  http::Gate& gate;
  // Spans of event times, in microseconds, that were brought online: of a view, by its uid.
  using Spans = std::vector<std::pair<int64_t, int64_t>>;
  std::function<Result<Spans>(const std::string& project, const std::string& view_uid)>
      materialized;
  // What a project is described as; and a new description, judged by who gives it.
  std::function<std::string(const Ctx&)> description;
  std::function<Status(const Ctx&, const std::string& description)> describe;
};

// The caller in the project that a request names ("": its own), with the right on its features.
Result<Ctx> enter_project(http::Gate& gate, const Ctx& ctx, const grpc::Request& request,
                          const std::string& project, http::Right right);

// What `app` refers to outlives the rows.
std::vector<grpc::Method> registry_methods(RegistryApp app);

}  // namespace slip::wire::feast
