#pragma once

#include <vector>

#include "http/route.h"

namespace slip::auth {
class Directory;
}
namespace slip::features {
class Features;
class SourceFiles;
class Staging;
class Streams;
}  // namespace slip::features

// The feature store over our own REST: definitions (plan, apply, list, remove), sources (rows in,
// files in), training sets (a file of entities in, a file with features out), one reading, and
// what is to be known of it.
namespace slip::wire::native {

struct FeaturesApp {
  features::Features& features;
  features::SourceFiles& files;
  features::Staging& staging;
  features::Streams& streams;
  auth::Directory& directory;
};
std::vector<http::Route> feature_routes(FeaturesApp app);

}  // namespace slip::wire::native
