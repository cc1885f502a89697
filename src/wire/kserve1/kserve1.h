#pragma once

#include <functional>
#include <string>
#include <vector>

#include "http/route.h"

namespace slip::serving {
class Serving;
}

// Two protocols that share their paths, below /v1/models: KServe's first one (`predict`, `explain`,
// CloudEvents) and TensorFlow Serving's REST (`predict`, `classify`, `regress`, versions, labels,
// metadata). A deployment's name is the model's name; a label is an alias of the registry. Answers
// hold what either kind of client looks for. Errors are {"error": "…"}.
namespace slip::wire::kserve1 {

inline constexpr int64_t kBodyBytesMax = 64 << 20;

struct App {
  serving::Serving& serving;
  // Which version of a registered model an alias names now. kNotFound.
  std::function<Result<int64_t>(const Ctx&, const std::string& model, const std::string& alias)>
      resolve;
};

// `app` must outlive the rows.
std::vector<http::Route> routes(App& app);

}  // namespace slip::wire::kserve1
