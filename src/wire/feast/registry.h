#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "features/definition.h"

// Feast's registry file (a serialized feast.core.Registry of 0.66) as our definitions. What it
// holds that has no meaning here, Python functions above all (pickles: never loaded), is listed.
// Pure; any thread.
namespace slip::wire::feast {

inline constexpr size_t kRegistryBytesMax = 64 << 20;

struct DataFile {  // Where a file source's rows lie, as its owner wrote it.
  std::string source;
  std::string uri;
};
struct Imported {
  std::vector<features::Definition> definitions;
  std::vector<DataFile> files;
  std::vector<std::string> left_out;  // "OnDemandFeatureView x: a Python function"
};
// `project`: of Feast; "": all there are. kInvalid `feast.registry`.
Result<Imported> import_registry(std::string_view bytes, const std::string& project);

}  // namespace slip::wire::feast
