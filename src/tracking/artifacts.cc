#include "tracking/artifacts.h"

#include <functional>
#include <utility>

#include "base/text.h"
#include "sys/clock.h"
#include "tracking/artifact_store.h"

namespace slip::tracking {
namespace {

namespace tree = store::tree;

constexpr int kSwapsMax = 64;

Error bad_path() { return invalid("artifact.path", "Invalid path"); }

Error no_artifact(std::string_view path) {
  return not_found("artifact.not_found", concat({"No artifact '", path, "'"}));
}

bool clean(std::string_view path) {
  if (path.size() > kArtifactPathBytesMax || !is_utf8(path) || path.starts_with('/')) return false;
  for (const char c : path)
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f || c == '\\' || c == '#') return false;
  for (const std::string_view part : split(path, '/'))
    if (part == "..") return false;
  // "C:/x", "file:x": a scheme or drive letter.
  const size_t colon = path.find(':');
  return colon == path.npos || path.substr(0, colon).find('/') != path.npos;
}

}  // namespace

Result<ArtifactPath> parse_artifact_path(std::string_view path) {
  std::string decoded(path);
  for (int i = 0; i < 8; ++i) {  // Until no encoded form hides behind another.
    if (!clean(decoded)) return bad_path();
    const auto next = percent_decode(decoded, false);
    if (!next || *next == decoded) break;
    if (i == 7) return bad_path();
    decoded = *next;
  }
  std::vector<std::string> parts;
  for (const std::string_view part : split(path, '/'))
    if (!part.empty() && part != ".") parts.emplace_back(part);
  ArtifactPath out;
  for (size_t i = 1; i < parts.size() && out.base.empty(); ++i) {
    if (parts[i] != "artifacts") continue;
    out.base = join(std::span(parts).first(i + 1), "/");
    parts.erase(parts.begin(), parts.begin() + static_cast<std::ptrdiff_t>(i) + 1);
  }
  out.rest = join(parts, "/");
  return out;
}

std::optional<std::string> proxied_path(std::string_view uri) {
  constexpr std::string_view kScheme = "mlflow-artifacts:";
  if (!uri.starts_with(kScheme)) return std::nullopt;
  uri.remove_prefix(kScheme.size());
  if (uri.starts_with("//")) {  // With an authority: everything up to the next slash.
    const size_t slash = uri.find('/', 2);
    uri = slash == uri.npos ? "" : uri.substr(slash);
  }
  while (uri.starts_with('/')) uri.remove_prefix(1);
  return std::string(uri);
}

Result<std::optional<store::Digest>> Artifacts::root_of(const Ctx& ctx, std::string_view base) {
  std::optional<std::string> hex;
  TRY(deps_.db.read([&](store::Tx& tx) -> Status {
    hex = TRY(sql::find_root(tx, ctx.project.text, base));
    return {};
  }));
  if (!hex) return std::optional<store::Digest>();
  return std::optional(TRY(codec::parse_sha256(*hex)));
}

Status Artifacts::replace(const Ctx& ctx, const std::string& base, const Edit& edit) {
  const size_t turn = std::hash<std::string>()(ctx.project.text + "\n" + base) % turns_.size();
  const sys::Lock lock(turns_[turn]);
  for (int i = 0; i < kSwapsMax; ++i) {
    const std::optional<store::Digest> before = TRY(root_of(ctx, base));
    const store::Digest after = TRY(edit(before));
    if (before == after) return {};
    sql::Swap swap{.base = base, .before = {}, .after = after.hex()};
    if (before) swap.before = before->hex();
    bool swapped = false;
    TRY(deps_.db.write([&](store::Tx& tx) -> Status {
      swapped = TRY(sql::swap_root(tx, ctx.project.text, swap, deps_.clock.now_ms()));
      return {};
    }));
    if (swapped) return {};
  }
  return unavailable("artifact.busy", "Too many writers of artifacts in " + base);
}

Status Artifacts::put(const Ctx& ctx, std::string_view path, store::BlobDraft& draft) {
  const ArtifactPath where = TRY(parse_artifact_path(path));
  if (where.rest.empty()) return bad_path();
  TRY(tree::check_path(where.rest));
  const int64_t size = draft.size();
  const store::Digest digest = TRY(draft.commit());
  const tree::Entry entry{.path = where.rest, .digest = digest, .size = size, .meta = {}};
  return replace(ctx, where.base,
                 [&](const std::optional<store::Digest>& root) -> Result<store::Digest> {
                   if (!root) return tree::build(deps_.blobs, {entry});
                   std::vector<tree::Change> changes;
                   changes.push_back({.path = entry.path, .before = {}, .after = entry});
                   return tree::apply(deps_.blobs, *root, std::move(changes));
                 });
}

Result<tree::Entry> Artifacts::find(const Ctx& ctx, std::string_view path) {
  const ArtifactPath where = TRY(parse_artifact_path(path));
  const std::optional<store::Digest> root = TRY(root_of(ctx, where.base));
  if (!root || where.rest.empty()) return no_artifact(path);
  Result<tree::Entry> found = tree::find(deps_.blobs, *root, where.rest);
  if (!found.ok() && found.error().code == Code::kNotFound) return no_artifact(path);
  return found;
}

Result<std::unique_ptr<store::BlobReader>> Artifacts::open(const tree::Entry& entry) {
  return deps_.blobs.open(entry.digest);
}

Result<std::vector<FileInfo>> Artifacts::list_bases(const Ctx& ctx, const std::string& prefix) {
  std::vector<std::string> bases;
  TRY(deps_.db.read([&](store::Tx& tx) -> Status {
    bases = TRY(sql::bases_below(tx, ctx.project.text, prefix, kListMax));
    return {};
  }));
  std::vector<FileInfo> out;
  for (const std::string& base : bases) {
    const std::string name =
        base.substr(prefix.size(), base.find('/', prefix.size()) - prefix.size());
    if (name.empty() || (!out.empty() && out.back().path == name)) continue;
    out.push_back({.path = name, .is_dir = true, .size = 0});
  }
  return out;
}

Result<std::vector<FileInfo>> Artifacts::list(const Ctx& ctx, std::string_view path) {
  const ArtifactPath where = TRY(parse_artifact_path(path));
  std::vector<FileInfo> out;
  const std::string prefix = where.rest.empty() ? "" : where.rest + "/";
  if (where.base.empty()) out = TRY(list_bases(ctx, prefix));
  const std::optional<store::Digest> root = TRY(root_of(ctx, where.base));
  if (!root) return out;
  // A directory's files are neighbours: having met it, go on behind its last possible path.
  std::string from;
  for (bool more = true; more && static_cast<int64_t>(out.size()) < kListMax;) {
    more = false;
    TRY(tree::scan(deps_.blobs, *root, prefix, from, [&](const tree::Entry& e) {
      const std::string_view rest = std::string_view(e.path).substr(prefix.size());
      const size_t slash = rest.find('/');
      const std::string name(rest.substr(0, slash));
      const bool known = !out.empty() && out.back().path == name;
      if (!known) out.push_back({.path = name, .is_dir = slash != rest.npos, .size = e.size});
      if (slash == rest.npos) return true;
      out.back().size = 0;
      from = prefix + name + "0";  // '0' follows '/'.
      more = true;
      return false;
    }));
  }
  return out;
}

Status Artifacts::remove(const Ctx& ctx, std::string_view path) {
  const ArtifactPath where = TRY(parse_artifact_path(path));
  return replace(ctx, where.base,
                 [&](const std::optional<store::Digest>& root) -> Result<store::Digest> {
                   if (!root) return no_artifact(path);
                   std::vector<tree::Change> changes;
                   const std::string prefix = where.rest.empty() ? "" : where.rest + "/";
                   TRY(tree::scan(deps_.blobs, *root, where.rest, "", [&](const tree::Entry& e) {
                     if (where.rest.empty() || e.path == where.rest || e.path.starts_with(prefix))
                       changes.push_back({.path = e.path, .before = {}, .after = {}});
                     return true;
                   }));
                   if (changes.empty()) return no_artifact(path);
                   return tree::apply(deps_.blobs, *root, std::move(changes));
                 });
}

Result<Listing> Artifacts::snapshot(const Ctx& ctx, std::string_view path) {
  const ArtifactPath where = TRY(parse_artifact_path(path));
  const std::optional<store::Digest> root = TRY(root_of(ctx, where.base));
  if (!root) return no_artifact(path);
  Listing out;
  const std::string prefix = where.rest.empty() ? "" : where.rest + "/";
  TRY(tree::scan(deps_.blobs, *root, prefix, "", [&](const tree::Entry& e) {
    out.entries.push_back(e);
    out.entries.back().path.erase(0, prefix.size());
    return true;
  }));
  if (out.entries.empty()) return no_artifact(path);
  out.root = prefix.empty() ? *root : TRY(tree::build(deps_.blobs, out.entries));
  return out;
}

Status Artifacts::mark(const std::function<void(const store::Digest&)>& keep) {
  std::vector<store::Digest> roots;
  Status parsed;
  TRY(deps_.db.read([&](store::Tx& tx) -> Status {
    return sql::each_root(tx, [&](std::string_view hex) {
      const Result<store::Digest> digest = codec::parse_sha256(hex);
      if (digest.ok())
        roots.push_back(*digest);
      else
        parsed = digest.error();
    });
  }));
  TRY(parsed);
  for (const store::Digest& root : roots) TRY(tree::mark(deps_.blobs, root, keep));
  return {};
}

}  // namespace slip::tracking
