#pragma once

#include "core/auth/auth.h"
#include "registry/registry.h"
#include "tracking/tracking.h"

// Joins the registry and the model server to tracking, without either knowing the other.
namespace slip::app {

// Where model versions come from: runs, logged models and their artifact trees.
class TrackingOrigins final : public registry::Origins {
 public:
  // `auth` knows which principals the names of commit authors are; null: none.
  explicit TrackingOrigins(tracking::Tracking& tracking, const auth::Auth* auth = nullptr)
      : tracking_(tracking), auth_(auth) {}

  Result<Located> locate(const Ctx& ctx, const registry::NewVersion& wanted) override;
  Result<std::string> digest(const Ctx& ctx, const std::string& location) override;
  Result<std::optional<double>> metric(const Ctx& ctx, const registry::Version& version,
                                       const std::string& key) override;
  Result<std::vector<std::string>> authors(const Ctx& ctx,
                                           const registry::Version& version) override;

 private:
  tracking::Tracking& tracking_;
  const auth::Auth* auth_;
};

}  // namespace slip::app
