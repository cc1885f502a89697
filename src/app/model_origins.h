#pragma once

#include "registry/registry.h"
#include "tracking/tracking.h"

// Joins the registry and the model server to tracking, without either knowing the other.
namespace slip::app {

// Where model versions come from: runs, logged models and their artifact trees.
class TrackingOrigins final : public registry::Origins {
 public:
  explicit TrackingOrigins(tracking::Tracking& tracking) : tracking_(tracking) {}

  Result<Located> locate(const Ctx& ctx, const std::string& source) override;
  Result<std::string> digest(const Ctx& ctx, const std::string& location) override;
  Result<std::optional<double>> metric(const Ctx& ctx, const registry::Version& version,
                                       const std::string& key) override;
  Result<std::vector<std::string>> authors(const Ctx& ctx,
                                           const registry::Version& version) override;

 private:
  tracking::Tracking& tracking_;
};

}  // namespace slip::app
