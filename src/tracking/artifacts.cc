#include "tracking/artifacts.h"

#include <algorithm>
#include <functional>
#include <set>
#include <utility>

#include "base/text.h"
#include "sys/clock.h"
#include "tracking/artifact_store.h"
#include "tracking/location.h"
#include "tracking/purge_store.h"

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

std::string parent_of(const std::string& path) {
  const size_t slash = path.rfind('/');
  return slash == path.npos ? std::string() : path.substr(0, slash);
}

}  // namespace

std::string mirror_path(const Ctx& ctx, const ArtifactPath& where) {
  std::string out =
      ctx.project.text == kDefaultProject ? "" : concat({"workspaces/", ctx.project.text});
  for (const std::string& part : {where.base, where.rest})
    if (!part.empty()) out += concat({out.empty() ? "" : "/", part});
  return out;
}

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
  constexpr std::string_view kService = "/mlflow-artifacts/artifacts";
  if (!is_proxied_uri(uri)) return std::nullopt;
  const UriParts parts = split_uri(uri);
  std::string_view path = parts.path;
  if (parts.scheme != "mlflow-artifacts") {
    const size_t at = path.find(kService);
    if (at == path.npos) return std::nullopt;
    path.remove_prefix(at + kService.size());
  }
  while (path.starts_with('/')) path.remove_prefix(1);
  return std::string(path);
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
  std::optional<store::Digest> grows;  // A root of which the edit is known to lose nothing.
  for (int i = 0; i < kSwapsMax; ++i) {
    const std::optional<store::Digest> before = TRY(root_of(ctx, base));
    const store::Digest after = TRY(edit(before));
    if (before == after) return {};
    sql::Swap swap{.base = base, .before = {}, .after = after.hex()};
    if (before) swap.before = before->hex();
    bool swapped = false;
    std::string hold;
    TRY(deps_.db.write([&](store::Tx& tx) -> Status {
      swapped = false;
      hold.clear();
      if (before && grows != before) hold = TRY(sql::holder_of_tree(tx, ctx.project.text, base));
      if (!hold.empty()) return {};
      swapped = TRY(sql::swap_root(tx, ctx.project.text, swap, deps_.clock.now_ms()));
      return {};
    }));
    if (swapped) return {};
    if (hold.empty()) continue;
    bool loses = false;  // What is held may grow.
    TRY(tree::diff(deps_.blobs, *before, after, [&](const tree::Change& change) {
      loses = loses || change.before.has_value();
      return !loses;
    }));
    if (loses) return hold::held(concat({"What lies in ", base}), hold);
    grows = before;
  }
  return unavailable("artifact.busy", "Too many writers of artifacts in " + base);
}

Status Artifacts::file(const Ctx& ctx, const ArtifactPath& where, const tree::Entry& entry) {
  return replace(ctx, where.base,
                 [&](const std::optional<store::Digest>& root) -> Result<store::Digest> {
                   if (!root) return tree::build(deps_.blobs, {entry});
                   std::vector<tree::Change> changes;
                   changes.push_back({.path = entry.path, .before = {}, .after = entry});
                   return tree::apply(deps_.blobs, *root, std::move(changes));
                 });
}

Status Artifacts::put(const Ctx& ctx, std::string_view path, store::BlobDraft& draft) {
  const ArtifactPath where = TRY(parse_artifact_path(path));
  if (where.rest.empty()) return bad_path();
  TRY(tree::check_path(where.rest));
  const int64_t size = draft.size();
  const store::Digest digest = TRY(draft.commit());
  TRY(file(ctx, where, {.path = where.rest, .digest = digest, .size = size, .meta = {}}));
  if (!deps_.roots.destination) return {};
  // After the tree has it: who repeats an upload whose copy failed mends the copy.
  const auto reader = TRY(deps_.blobs.open(digest));
  return deps_.roots.destination.write(mirror_path(ctx, where), *reader);
}

Status Artifacts::put_local(const std::string& path, store::BlobDraft& draft) {
  const auto reader = TRY(deps_.blobs.open(TRY(draft.commit())));
  return deps_.roots.local.write(path, *reader);
}

Result<tree::Entry> Artifacts::adopt(const Ctx& ctx, const ArtifactPath& where) {
  const LocalFiles& files = deps_.roots.destination;
  Result<tree::Entry> entry = files.import_file(deps_.blobs, mirror_path(ctx, where));
  if (!entry.ok() && entry.error().code == Code::kNotFound) return no_artifact(where.rest);
  TRY(entry);
  entry->path = where.rest;
  TRY(file(ctx, where, *entry));
  return entry;
}

Status Artifacts::adopt_all(const Ctx& ctx, const ArtifactPath& where) {
  std::set<std::string> known;
  const std::string prefix = where.rest.empty() ? "" : where.rest + "/";
  if (const auto root = TRY(root_of(ctx, where.base)))
    TRY(tree::scan(deps_.blobs, *root, prefix, "", [&](const tree::Entry& e) {
      known.insert(e.path.substr(prefix.size()));
      return true;
    }));
  const auto found = TRY(deps_.roots.destination.import(
      deps_.blobs, mirror_path(ctx, where),
      [&](const std::string& path) { return !known.contains(path); }));
  for (tree::Entry entry : found) {
    entry.path = prefix + entry.path;
    TRY(file(ctx, where, entry));
  }
  return {};
}

Result<tree::Entry> Artifacts::find(const Ctx& ctx, std::string_view path) {
  const ArtifactPath where = TRY(parse_artifact_path(path));
  if (where.rest.empty()) return no_artifact(path);
  const std::optional<store::Digest> root = TRY(root_of(ctx, where.base));
  if (root) {
    Result<tree::Entry> found = tree::find(deps_.blobs, *root, where.rest);
    if (found.ok() || found.error().code != Code::kNotFound) return found;
  }
  if (!deps_.roots.destination) return no_artifact(path);
  return adopt(ctx, where);
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
  std::vector<FileInfo> out = TRY(list_kept(ctx, where));
  if (!deps_.roots.destination) return out;
  for (FileInfo& f : TRY(deps_.roots.destination.list(mirror_path(ctx, where)))) {
    const bool known =
        std::any_of(out.begin(), out.end(), [&](const FileInfo& o) { return o.path == f.path; });
    if (!known) out.push_back(std::move(f));
  }
  std::sort(out.begin(), out.end(),
            [](const FileInfo& a, const FileInfo& b) { return a.path < b.path; });
  return out;
}

Result<std::vector<FileInfo>> Artifacts::list_kept(const Ctx& ctx, const ArtifactPath& where) {
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
  const LocalFiles& mirror = deps_.roots.destination;
  if (mirror) TRY(adopt_all(ctx, {where.base, parent_of(where.rest)}));
  TRY(replace(ctx, where.base,
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
              }));
  const std::string at = mirror ? mirror_path(ctx, where) : std::string();
  return at.empty() ? Status() : mirror.remove(at);
}

Result<Listing> Artifacts::snapshot(const Ctx& ctx, std::string_view path) {
  const ArtifactPath where = TRY(parse_artifact_path(path));
  if (deps_.roots.destination) TRY(adopt_all(ctx, where));
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

Result<std::optional<Listing>> Artifacts::snapshot_at(const Ctx& ctx, std::string_view uri) {
  if (const auto path = proxied_path(uri)) return std::optional(TRY(snapshot(ctx, *path)));
  const auto path = local().relative(uri);
  if (!path) return std::optional<Listing>();
  Listing out;
  out.entries = TRY(local().import(deps_.blobs, *path, [](const std::string&) { return true; }));
  if (out.entries.empty()) return no_artifact(uri);
  std::sort(out.entries.begin(), out.entries.end(),
            [](const tree::Entry& a, const tree::Entry& b) { return a.path < b.path; });
  out.root = TRY(tree::build(deps_.blobs, out.entries));
  return std::optional(std::move(out));
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
