#pragma once

#include <vector>

#include "grpc/method.h"

// The Open Inference Protocol (v2) over gRPC: the same calls on the same domain as REST
// (wire/oip/calls.h), so a prediction is logged, routed and named alike. Also Triton's calls for
// the repository, statistics, configuration, shared memory and settings: a deployment's name is the
// model's name; load tries again what did not load, unload is kUnsupported because a deployment is
// taken away, not emptied (a local model is unloaded). MLServer's clients find the repository's
// calls under its own name, and its form of a stream (bare responses, an error ends it) by metadata
// `slipway-stream: mlserver`.
namespace slip::wire::oip {

struct App;

// `app` must outlive the rows.
std::vector<grpc::Method> methods(App& app);
std::vector<grpc::Method> repository_methods(App& app);  // Among those of methods(), like the next.
std::vector<grpc::Method> control_methods(App& app);

}  // namespace slip::wire::oip
