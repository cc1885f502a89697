#pragma once

#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "grpc/method.h"

// Unary rows called from inside the process, as the server calls them: the same handler, the same
// rendering of errors; no socket, no gate (the Ctx says who asks). Any thread that may wait.
namespace slip::grpc {

class Inside {
 public:
  explicit Inside(std::vector<Method> rows);

  struct Call {
    std::string_view name;               // "inference.GRPCInferenceService/ModelInfer"
    std::span<const Metadata> metadata;  // Names in lower case.
    std::string_view message;
  };
  // Returns when the handler has answered. kUnsupported `grpc.no_method` where there is none.
  Result<Reply> call(const Ctx& ctx, const Call& call) const;

 private:
  std::map<std::string, Method, std::less<>> rows_;
};

}  // namespace slip::grpc
