#pragma once

#include "features/features.h"
#include "serving/feature_lookup.h"

// The feature store as served models ask it: a service's features by keys, as they are now, logged
// by sample as any reading for a service is (features/served.h). Any thread.
namespace slip::app {

class StoreLookups final : public serving::FeatureLookups {
 public:
  explicit StoreLookups(features::Features& features) : features_(features) {}
  Result<std::shared_ptr<const serving::FeatureLookup>> open(const std::string& project,
                                                             const std::string& service,
                                                             int64_t version) override;

 private:
  features::Features& features_;
};

}  // namespace slip::app
