#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "features/definition.h"

// Feast's registry file (a serialized feast.core.Registry of 0.66) as our definitions. What it
// holds that has no meaning here is listed; pickles of on-demand views are taken as they are, never
// opened. Pure; any thread.
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
// What Feast's client calls the entity of views that have none, and its key.
inline constexpr std::string_view kNoEntity = "__dummy";
inline constexpr std::string_view kNoKey = "__dummy_id";

// A data source's name as our definitions have it: a path, which is what Feast calls a file source
// without a name, becomes its last part and a few digits of a digest.
std::string source_name_of(const std::string& feasts);
bool is_local_file(std::string_view uri);  // Of the machine that opens it.

// `project`: of Feast; "": all there are. kInvalid `feast.registry`.
Result<Imported> import_registry(std::string_view bytes, const std::string& project);

}  // namespace slip::wire::feast
