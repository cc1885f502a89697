#pragma once

#include <string>
#include <vector>

#include "grpc/method.h"

// Server reflection (grpc.reflection.v1 and v1alpha), so that grpcurl and friends need no .proto
// files: the services of the rows, and the descriptors that are compiled in. Public, as
// /openapi.json is: it tells what could be asked, not what there is. Any thread.
namespace slip::grpc {

// The rows of reflection itself, told of with the others. `rows`: all others.
std::vector<Method> reflection_methods(const std::vector<Method>& rows);

}  // namespace slip::grpc
