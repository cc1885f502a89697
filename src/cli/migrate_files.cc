#include <algorithm>
#include <utility>

#include "base/text.h"
#include "cli/files.h"
#include "cli/migrate.h"
#include "cli/mlflow.h"
#include "sys/fs.h"

// Files of runs, logged models and traces: sent when the server has not the same bytes.
namespace slip::cli {
namespace {

using codec::Json;
using Items = Comparison::Items;

constexpr int kDepthMax = 64;
constexpr std::string_view kProxied = "mlflow-artifacts:";

struct Found {
  std::string path;  // Below the tree.
  int64_t bytes = 0;
};

bool is_dir(Fs& fs, const std::string& path) {
  const Result<FileInfo> info = fs.stat(path);
  return info.ok() && info->is_dir;
}

Status walk(Fs& fs, const std::string& root, const std::string& below, int depth,
            std::vector<Found>* out) {
  if (depth > kDepthMax)
    return invalid("migrate.depth", concat({root, "/", below, " is nested too deeply"}));
  const std::vector<FileInfo> entries = TRY(fs.list(concat({root, "/", below})));
  for (const FileInfo& entry : entries) {
    const std::string path = below.empty() ? entry.name : concat({below, "/", entry.name});
    if (entry.is_dir)
      TRY(walk(fs, root, path, depth + 1, out));
    else
      out->push_back({path, entry.size});
  }
  return {};
}

// The path of an address on this machine, or below the store's own artifact root.
std::string path_of(const Mover& m, const std::string& uri) {
  if (uri.find(':') == uri.npos) return uri;
  if (uri.starts_with("file:")) {
    std::string_view rest = std::string_view(uri).substr(5);
    if (rest.starts_with("//")) rest = rest.substr(std::min(rest.find('/', 2), rest.size()));
    return percent_decode(rest, false).value_or(std::string(rest));
  }
  if (!uri.starts_with(kProxied) || m.artifacts_dir.empty()) return {};
  std::string_view rest = std::string_view(uri).substr(kProxied.size());
  if (rest.starts_with("//")) rest = rest.substr(std::min(rest.find('/', 2), rest.size()));
  return concat({m.artifacts_dir, rest.starts_with("/") ? "" : "/", rest});
}

struct Place {
  std::string dir;     // "": none has its files.
  bool known = false;  // Or at least what would hold that directory is here: there are no files.
};

// The store's own root, whose directories are made with the first file, would lie in one that is.
bool could_hold(Fs& fs, std::string_view path, std::string_view below) {
  if (path.size() <= below.size() + 1 || !path.ends_with(below)) return false;
  std::string dir(path.substr(0, path.size() - below.size() - 1));
  for (int up = 0; up < 3 && dir.size() > 1; ++up) {
    if (is_dir(fs, dir)) return true;
    dir = parent_dir(dir);
  }
  return false;
}

Place place_of(Mover& m, const FileTree& tree) {
  std::vector<std::string> roots = {path_of(m, tree.source)};
  if (!m.artifacts_dir.empty())
    roots.push_back(
        concat({m.artifacts_dir, "/", std::to_string(tree.experiment), "/", tree.below}));
  Place out;
  for (const std::string& root : roots) {
    if (root.empty()) continue;
    if (is_dir(m.files, root)) return {.dir = root, .known = true};
    if (!tree.has_files && could_hold(m.files, root, tree.below)) out.known = true;
  }
  return out;
}

Result<Items> server_files(Mover& m, const FileTree& tree) {
  Items out;
  if (tree.here.empty()) return out;
  const Json answer =
      TRY(m.server.post("/imports/mlflow/artifacts", Json::object({{"uri", tree.here}})));
  const Json* items = answer.find("items");
  if (items == nullptr || !items->is_array()) return out;
  for (const Json& item : items->items()) out[text_of(item, "path")] = text_of(item, "digest");
  return out;
}

Result<std::string> digest_of(Mover& m, const std::string& path) {
  const FileDigest digest = TRY(digest_file(m.files, path));
  return concat({"sha256:", digest.sha256});
}

bool is_ours(const FileTree& tree) { return tree.here.starts_with(kProxied); }

Status send_file(Mover& m, const FileTree& tree, const std::string& dir, const Found& file,
                 const Items& server) {
  Mover::Counts& c = m.counts["artifacts"];
  const std::string path = concat({dir, "/", file.path});
  const auto there = server.find(file.path);
  std::string state = "imported";
  if (there != server.end()) {
    const std::string digest = TRY(digest_of(m, path));
    const bool same = digest == there->second;
    state = same ? "same" : m.call.on("update") ? "updated" : "differs";
  }
  if (state == "imported" || state == "updated") {
    const Json run = Json::object({{"run_id", tree.owner}, {"artifact_uri", tree.here}});
    const Status sent = put_file(m.server, run, file.path, m.files, path);
    if (!sent.ok())
      return m.refuse("artifacts", concat({tree.owner, " ", file.path}), sent.error());
  }
  ++c.states[state];
  if (state == "differs")
    m.call.terminal.err(concat({"artifacts ", tree.owner, " ", file.path, ": bytes differ\n"}));
  return {};
}

std::string elsewhere_of(const FileTree& tree) {
  const std::string& uri = tree.here.empty() ? tree.source : tree.here;
  return concat({"files at ", uri.substr(0, uri.find('/', uri.find("//") + 2))});
}

}  // namespace

Status send_files(Mover& m) {
  int64_t all_bytes = 0;
  std::vector<std::pair<std::string, std::vector<Found>>> found(m.trees.size());
  int64_t missing = 0;
  for (size_t i = 0; i < m.trees.size(); ++i) {
    const FileTree& tree = m.trees[i];
    if (tree.source.empty()) continue;
    if (!m.moves_files(tree.source) || (!m.dry && !is_ours(tree))) {
      m.reasons[elsewhere_of(tree)] = "they stay where they are; --artifacts DIR takes them over";
      continue;
    }
    const Place place = place_of(m, tree);
    if (!place.known) ++missing;
    if (place.dir.empty()) continue;
    found[i].first = place.dir;
    TRY(walk(m.files, place.dir, "", 0, &found[i].second));
    for (const Found& file : found[i].second) all_bytes += file.bytes;
    m.counts["artifacts"].source += static_cast<int64_t>(found[i].second.size());
  }
  if (missing > 0)
    m.reasons[concat({"files of ", std::to_string(missing), " runs, models or traces"})] =
        "their directory is not on this machine: name it with --artifacts DIR";
  if (m.dry) return {};
  int64_t bytes = 0;
  for (size_t i = 0; i < m.trees.size(); ++i) {
    if (found[i].second.empty()) continue;
    const Items server = TRY(server_files(m, m.trees[i]));
    for (const Found& file : found[i].second) {
      TRY(send_file(m, m.trees[i], found[i].first, file, server));
      bytes += file.bytes;
      m.progress("bytes of artifacts", bytes, all_bytes);
    }
  }
  return {};
}

Status verify_files(Mover& m) {
  int64_t done = 0;
  for (const FileTree& tree : m.trees) {
    m.progress("reading back files", ++done, static_cast<int64_t>(m.trees.size()));
    if (tree.source.empty()) continue;
    if (!m.moves_files(tree.source)) {
      m.comparison.compare("artifact_addresses", tree.owner, {{tree.source, ""}},
                           {{tree.here, ""}});
      continue;
    }
    if (!is_ours(tree)) continue;
    const Place place = place_of(m, tree);
    Items theirs;
    if (!place.dir.empty()) {
      std::vector<Found> files;
      TRY(walk(m.files, place.dir, "", 0, &files));
      for (const Found& file : files) {
        std::string digest = TRY(digest_of(m, concat({place.dir, "/", file.path})));
        theirs[file.path] = std::move(digest);
      }
    }
    const Items ours = TRY(server_files(m, tree));
    if (place.known)
      m.comparison.compare("artifacts", tree.owner, theirs, ours);
    else if (ours.empty())
      m.comparison.compare("artifact_directories", tree.owner, {{tree.source, ""}}, {});
  }
  return {};
}

}  // namespace slip::cli
