#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "grpc/method.h"

// The generated test of every method of gRPC, as http's of every route: called as nobody, with a
// foreign token, with an oversized message and with garbage, none of them gets more than it should.
namespace slip::grpc::testing {

struct MethodSweep {
  uint16_t port = 0;
  std::string authorization;             // Of a caller with every right; "" when none is needed.
  std::string foreign_authorization;     // Well-formed, unknown.
  std::vector<std::string> public_rows;  // Sorted; the rows that need no credentials.
};
void sweep_methods(const std::vector<Method>& rows, const MethodSweep& sweep);

}  // namespace slip::grpc::testing
