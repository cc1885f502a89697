#pragma once

#include <vector>

#include "grpc/method.h"

// The Open Inference Protocol (v2) over gRPC: the same calls on the same domain as REST
// (wire/oip/calls.h), so a prediction is logged, routed and named alike. Also Triton's repository
// and statistics calls, as far as deployments have something to say to them: a deployment's name is
// the model's name; load tries again what did not load, unload is kUnsupported because a deployment
// is taken away, not emptied.
namespace slip::wire::oip {

struct App;

// `app` must outlive the rows.
std::vector<grpc::Method> methods(App& app);
std::vector<grpc::Method> repository_methods(App& app);  // Among those of methods().

}  // namespace slip::wire::oip
