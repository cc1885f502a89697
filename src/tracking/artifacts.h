#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "store/blobs.h"
#include "store/tree/tree.h"
#include "sys/ctx.h"
#include "sys/sync.h"
#include "tracking/deps.h"
#include "tracking/types.h"

// Artifacts: one content-addressed tree per run, logged model or trace, found by the directory that
// ends in "/artifacts" of its path ("7/<run>/artifacts/model/MLmodel" is "model/MLmodel" in tree
// "7/<run>/artifacts"); whatever lies elsewhere shares one tree. Uploads replace a tree's root with
// compare-and-swap, so that none gets lost; an old root stays readable by its digest. Any thread.
//
// Errors: kInvalid `artifact.path`, kNotFound `artifact.not_found`, kUnavailable `artifact.busy`.
namespace slip::tracking {

inline constexpr size_t kArtifactPathBytesMax = 1024;
inline constexpr int64_t kListMax = 100'000;  // Entries of one directory listing.

struct ArtifactPath {
  std::string base;  // "" for the shared tree.
  std::string rest;  // "" for the tree's own root.
};
// Rejects absolute paths, "..", backslashes, "#", control characters and percent-encoded forms of
// any of these. kInvalid `artifact.path`. An empty path is the top.
Result<ArtifactPath> parse_artifact_path(std::string_view path);
// The path behind a URI of ours: "mlflow-artifacts:/7/x/artifacts" → "7/x/artifacts"; empty when
// the scheme is another.
std::optional<std::string> proxied_path(std::string_view uri);

// A directory as it stood at one moment.
struct Listing {
  store::Digest root;                       // Of the subtree, as if it were a tree of its own.
  std::vector<store::tree::Entry> entries;  // Paths relative to the directory, sorted.
};

class Artifacts {
 public:
  explicit Artifacts(Deps deps) : deps_(deps) {}

  // Commits the draft and files it under `path`.
  Status put(const Ctx& ctx, std::string_view path, store::BlobDraft& draft);
  Result<store::tree::Entry> find(const Ctx& ctx, std::string_view path);
  // The bytes of what find() returned, whatever has happened to the path since.
  Result<std::unique_ptr<store::BlobReader>> open(const store::tree::Entry& entry);
  // Immediate children of a directory; empty when there is none, or when `path` is a file.
  Result<std::vector<FileInfo>> list(const Ctx& ctx, std::string_view path);
  // A file, or all below a directory. kNotFound when there was nothing.
  Status remove(const Ctx& ctx, std::string_view path);

  // Everything below a directory, pinned by digest. kNotFound when nothing is there.
  Result<Listing> snapshot(const Ctx& ctx, std::string_view path);

  // Every blob that the present trees need, of all projects. For the garbage collector.
  Status mark(const std::function<void(const store::Digest&)>& keep);

 private:
  using Edit = std::function<Result<store::Digest>(const std::optional<store::Digest>& root)>;
  // Replaces the root of `base` by what `edit` makes of it, again until nobody came between.
  Status replace(const Ctx& ctx, const std::string& base, const Edit& edit);
  Result<std::optional<store::Digest>> root_of(const Ctx& ctx, std::string_view base);
  Result<std::vector<FileInfo>> list_bases(const Ctx& ctx, const std::string& prefix);

  Deps deps_;
  // Uploads to one tree take turns here, so that compare-and-swap rarely fails.
  std::array<sys::Mutex, 32> turns_;
};

}  // namespace slip::tracking
