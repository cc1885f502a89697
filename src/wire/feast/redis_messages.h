#pragma once

#include "features/redis_layout.h"

// What lies in the fields of Feast's Redis hashes: feast.types.Value and google.protobuf.Timestamp.
// Stateless; any thread. kCorrupt `feature.redis_value`: bytes that are none, or of another type.
namespace slip::wire::feast {

class RedisMessages final : public features::FeastMessages {
 public:
  std::string value(const features::Cell& cell, const features::FeatureType& type) const override;
  Result<features::Cell> cell(std::string_view value,
                              const features::FeatureType& type) const override;
  std::string time(int64_t us) const override;
  Result<int64_t> time_us(std::string_view message) const override;
};

}  // namespace slip::wire::feast
