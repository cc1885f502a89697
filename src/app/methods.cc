#include <algorithm>

#include "app/world.h"
#include "grpc/reflection.h"

namespace slip::app {

std::vector<grpc::Method> all_methods(World& w) {
  std::vector<grpc::Method> out = w.health->methods();
  for (grpc::Method& row : grpc::reflection_methods(out)) out.push_back(std::move(row));
  return out;
}

// The server as a whole, and each service, is there as long as it answers.
std::optional<bool> takes_calls(const World& w, const std::string& service) {
  if (service.empty()) return true;
  const bool known = std::ranges::find(w.services, service) != w.services.end();
  return known ? std::optional<bool>(true) : std::nullopt;
}

}  // namespace slip::app
