#pragma once

#include <vector>

#include "grpc/method.h"

namespace slip {
class Pool;
}
namespace slip::features {
class Features;
}

// Feast's feature serving over gRPC: feast.serving.ServingService, as its Go and Java servers have
// it, and GrpcFeatureServer, as its Python server has it. What they do is what the feature server
// over HTTP does (wire/feast/feast.h), by the same code: times to live are honoured, NaN is null
// with NULL_VALUE. Errors carry Feast's own class as JSON.
namespace slip::wire::feast {

inline constexpr int64_t kServingBytesMax = int64_t{64} << 20;

struct ServingApp {
  features::Features& features;
  Pool& waiting;  // For answers that wait for functions in Python,
  Pool& reading;  // and for those that wait for Redis.
};
// What `app` refers to outlives the rows.
std::vector<grpc::Method> serving_methods(ServingApp app);

}  // namespace slip::wire::feast
