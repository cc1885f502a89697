#pragma once

#include <vector>

#include "http/route.h"

namespace slip::serving {
class Serving;
}

// MLflow's scoring protocol (SageMaker's too): POST /invocations with a table or tensors, GET
// /ping. Which deployment: header X-Slipway-Deployment, else ?deployment=, else the only one.
// Answers {"predictions": [a record a row]} for tables, {"predictions": {output: nested lists}} for
// tensors. Errors are {"error_code", "message"}.
namespace slip::wire::invocations {

inline constexpr int64_t kBodyBytesMax = 64 << 20;
inline constexpr int64_t kRowsMax = 100'000;

struct App {
  serving::Serving& serving;
};

// `app` must outlive the rows.
std::vector<http::Route> routes(App& app);

}  // namespace slip::wire::invocations
