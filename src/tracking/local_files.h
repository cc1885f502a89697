#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "store/blobs.h"
#include "store/tree/tree.h"
#include "tracking/types.h"

namespace slip {
class Fs;
}

// Plain files below a directory of this machine that the operator named, and nothing else: paths
// are clean, and no link is followed. Any thread.
//
// Errors: kNotFound `fs.not_found`, kForbidden `fs.denied`, and others of Fs.
namespace slip::tracking {

class LocalFiles {
 public:
  LocalFiles() = default;  // None: never found.
  LocalFiles(Fs& fs, std::string root) : fs_(&fs), root_(std::move(root)) {}

  explicit operator bool() const { return fs_ != nullptr; }
  // The path below the root of what a URI names ("/root/0/r", "file:///root/0/r"); empty when it
  // lies elsewhere.
  std::optional<std::string> relative(std::string_view uri) const;

  Result<std::unique_ptr<store::BlobReader>> open(const std::string& path) const;
  // Immediate children; empty when there is no such directory.
  Result<std::vector<FileInfo>> list(const std::string& path) const;
  Status write(const std::string& path, store::BlobReader& from) const;
  Status remove(const std::string& path) const;
  // Copies the files below a directory that are wanted into blobs; paths relative to it.
  Result<std::vector<store::tree::Entry>> import(
      store::Blobs& blobs, const std::string& path,
      const std::function<bool(const std::string&)>& wanted) const;
  Result<store::tree::Entry> import_file(store::Blobs& blobs, const std::string& path) const;

 private:
  Fs* fs_ = nullptr;
  std::string root_;  // Absolute, without a slash at the end.
};

// The directory that a location names; empty when it is no path of this machine, or climbs.
std::optional<std::string> local_dir(std::string_view location);

}  // namespace slip::tracking
