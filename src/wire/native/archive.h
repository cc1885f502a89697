#pragma once

#include <vector>

#include "http/route.h"

namespace slip::serving {
class Archive;
class Serving;
}  // namespace slip::serving

// /deployments/{name}/parts: logged predictions as Parquet files, one a segment of the log.
namespace slip::wire::native {

struct ArchiveApp {
  serving::Serving& serving;
  serving::Archive& archive;
};
std::vector<http::Route> archive_routes(ArchiveApp app);

}  // namespace slip::wire::native
