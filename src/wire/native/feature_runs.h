#pragma once

#include <string>

#include "base/result.h"
#include "http/route.h"

namespace slip::features {
class Features;
class SourceFiles;
class Staging;
}  // namespace slip::features

// What brings rows to where they are read: runs of sources in SQL, materializations.
namespace slip::wire::native {

// The newest first.
Result<http::Reply> runs_of(features::Features& features, features::Staging& staging,
                            const Ctx& ctx, const std::string& source);
// Runs the query unless its inputs are what they were; the newest run. kInvalid
// `feature.computed`: the source has no query.
Result<http::Reply> compute_source(features::Features& features, features::SourceFiles& files,
                                   features::Staging& staging, const Ctx& ctx,
                                   const std::string& source);

// {"views": […], "start": TIME, "end": TIME}
Result<http::Reply> materialize_views(features::Features& features, features::SourceFiles& files,
                                      const Ctx& ctx, http::Request& request);
// Everything into Redis again.
Result<http::Reply> rebuild_redis(features::Features& features, const Ctx& ctx);

}  // namespace slip::wire::native
