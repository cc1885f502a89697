#pragma once

#include <string>

#include "base/result.h"
#include "sys/ctx.h"

// Where the files of a model version are, and whether its maker may say so: a source on this server
// must lie below the run or the logged model that the caller names, so that nobody registers what
// he was not shown. Other places are kept as they are written and never opened. Any thread.
namespace slip::tracking {

struct Tracking;

struct SourceClaim {
  std::string source;    // runs:/…, models:/m-…, mlflow-artifacts:/…, s3://…, a path
  std::string run_id;    // "" when the caller names none.
  std::string model_id;  // Of a logged model; it counts before the run.
};
struct SourceFound {
  std::string location;
  std::string run_id;  // As claimed, or the one that made the logged model.
};

// kInvalid `model_version.source`, kNotFound `logged_model.not_found`.
Result<SourceFound> find_source(Tracking& tracking, const Ctx& ctx, const SourceClaim& claim);

}  // namespace slip::tracking
