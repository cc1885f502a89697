#pragma once

#include <memory>

#include "codec/table.h"
#include "features/features.h"
#include "http/route.h"

// Files that come in the body of a request about features, and training sets as files.
namespace slip::features {
class SourceFiles;
}
namespace slip::wire::native {

// A spooled body as rows, by ?format=. kInvalid `request.missing_field`.
Result<std::unique_ptr<features::FileRows>> open_spooled(features::Features& features,
                                                         http::Request& request);
Result<http::Reply> join_file(features::Features& features, features::SourceFiles& files,
                              const Ctx& ctx, http::Request& request);

}  // namespace slip::wire::native
