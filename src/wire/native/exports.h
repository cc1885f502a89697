#pragma once

#include <functional>
#include <string>
#include <vector>

#include "http/route.h"
#include "registry/registry.h"

// /models/{name}/versions/{version}/bundle: a version as a signed bundle for a device, as a tar.
namespace slip::wire::native {

struct ExportAsk {
  std::string model;
  int64_t version = 0;
  std::string target;         // "onnx", "ort", "web", "cabi"
  bool from_traffic = false;  // Golden inputs as they were asked: customers' data leaves with them.
};
struct ExportsApp {
  registry::Registry& registry;
  std::function<Result<std::string>(const Ctx&, const ExportAsk&)> bundle;  // The tar.
};
std::vector<http::Route> exports_routes(ExportsApp app);

}  // namespace slip::wire::native
