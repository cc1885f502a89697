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
// compare-and-swap, so that none gets lost; an old root stays readable by its digest. When the
// operator names a destination, uploads also become plain files there, and plain files that lie
// there already (of another server) are taken over when they are asked for. Any thread.
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
// The path behind a URI of ours: "mlflow-artifacts:/7/x/artifacts" and
// "http://host/api/2.0/mlflow-artifacts/artifacts/7/x/artifacts" → "7/x/artifacts"; empty for
// others.
std::optional<std::string> proxied_path(std::string_view uri);

// A directory as it stood at one moment.
struct Listing {
  store::Digest root;                       // Of the subtree, as if it were a tree of its own.
  std::vector<store::tree::Entry> entries;  // Paths relative to the directory, sorted.
};

// What a path's files belong to: a part of an experiment, or the experiment itself.
struct ArtifactOwner {
  std::string_view kind;  // "run", "logged_model", "trace", "experiment"
  int64_t experiment_id = 0;
};

// Where the operator's destination has it: as MLflow's own server would put it.
std::string mirror_path(const Ctx& ctx, const ArtifactPath& where);

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

  // Nothing for what lies outside of every experiment. Where an experiment keeps its files
  // elsewhere, the tree's run, logged model or trace tells whose they are.
  Result<std::optional<ArtifactOwner>> owner(const Ctx& ctx, std::string_view path);

  // Everything below a directory, pinned by digest. kNotFound when nothing is there.
  Result<Listing> snapshot(const Ctx& ctx, std::string_view path);
  // The same for a URI: of ours, or below the operator's own root. Empty for one that is elsewhere.
  Result<std::optional<Listing>> snapshot_at(const Ctx& ctx, std::string_view uri);

  // The directory that the operator named as root; false when it named none.
  const LocalFiles& local() const { return deps_.roots.local; }
  // Commits the draft and writes it below that directory.
  Status put_local(const std::string& path, store::BlobDraft& draft);

  // Every blob that the present trees need, of all projects. For the garbage collector.
  Status mark(const std::function<void(const store::Digest&)>& keep);

 private:
  using Edit = std::function<Result<store::Digest>(const std::optional<store::Digest>& root)>;
  // Replaces the root of `base` by what `edit` makes of it, again until nobody came between.
  Status replace(const Ctx& ctx, const std::string& base, const Edit& edit);
  Result<std::optional<store::Digest>> root_of(const Ctx& ctx, std::string_view base);
  static Result<bool> is_tree_of(std::string_view uri, std::string_view base);
  Result<std::vector<FileInfo>> list_bases(const Ctx& ctx, const std::string& prefix);
  Result<std::vector<FileInfo>> list_kept(const Ctx& ctx, const ArtifactPath& where);
  Status file(const Ctx& ctx, const ArtifactPath& where, const store::tree::Entry& entry);
  // Takes over files that lie in the destination and that no tree knows.
  Result<store::tree::Entry> adopt(const Ctx& ctx, const ArtifactPath& where);
  Status adopt_all(const Ctx& ctx, const ArtifactPath& where);

  Deps deps_;
  // Uploads to one tree take turns here, so that compare-and-swap rarely fails.
  std::array<sys::Mutex, 32> turns_;
};

}  // namespace slip::tracking
