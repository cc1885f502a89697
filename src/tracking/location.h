#pragma once

#include <string>
#include <string_view>

#include "base/result.h"

// Where artifacts are kept, as URIs that are stored and handed back; nothing here opens a file.
// Pure.
namespace slip::tracking {

// `rest` below the path of `uri`, before its query and fragment:
// "s3://b/x?v=1" and "r/artifacts" → "s3://b/x/r/artifacts?v=1".
std::string below_uri(std::string_view uri, std::string_view rest);

// A path of the machine: no scheme, or "file:".
bool is_local_uri(std::string_view uri);
// The path of a local URI, with "." and ".." resolved by text alone; links are not followed.
std::string local_path(std::string_view uri);
// A relative local location, seen from `working_dir`; others as they are.
std::string absolute_location(std::string_view location, std::string_view working_dir);

// What an experiment may have as its location. kInvalid `experiment.location`.
Status check_location(std::string_view location);

// True when `uri` names something at or below `root`: same scheme and host, and the root's path is
// a prefix by whole segments.
bool lies_below(std::string_view uri, std::string_view root);
// Addresses of this server's own artifacts: mlflow-artifacts:, or http(s) with the proxy's path.
bool is_proxied_uri(std::string_view uri);

struct UriParts {
  std::string scheme;  // Lower case, "" when there is none.
  std::string host;
  std::string path;
  std::string tail;  // "?query#fragment".
};
UriParts split_uri(std::string_view uri);
// Percent-decoded until nothing changes.
std::string fully_decoded(std::string text);

}  // namespace slip::tracking
