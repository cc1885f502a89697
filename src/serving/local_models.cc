#include "serving/local_models.h"

#include <algorithm>
#include <array>

#include "base/budget.h"
#include "base/text.h"
#include "serving/batching.h"
#include "serving/loaded_internal.h"
#include "serving/response_cache.h"
#include "serving/serving.h"
#include "sys/clock.h"
#include "sys/ctx.h"
#include "sys/fs.h"
#include "sys/log.h"

namespace slip::serving {
namespace {

constexpr int64_t kLabelsBytesMax = 16 << 20;
constexpr std::string_view kUnloaded = "unloaded";
constexpr std::array<std::string_view, 4> kModelFiles = {"model.onnx", "xgboost.json",
                                                         "xgboost.ubj", "model.txt"};
bool is_model_file(std::string_view name) {
  return std::ranges::find(kModelFiles, name) != kModelFiles.end();
}
constexpr int kDepthMax = 16;  // Of ensembles in ensembles.

Error no_model(std::string_view name) {
  return not_found("local_model.not_found",
                   concat({"failed to load '", name, "', failed to poll from model repository"}));
}

// Whatever a directory may be called, but no path.
Status check_local_name(std::string_view name) {
  const bool fine = !name.empty() && name.size() <= kNameBytesMax && name.front() != '.' &&
                    name.find('/') == name.npos && name.find('\0') == name.npos && is_utf8(name);
  if (fine) return {};
  return invalid("local_model.name", concat({"`", name, "` can't be the name of a model"}));
}

std::optional<int64_t> version_of(std::string_view name) {
  const std::optional<int64_t> v = parse_int(name);
  return v && *v > 0 && std::to_string(*v) == name ? v : std::nullopt;
}

// "1/model.onnx" → 1, "model.onnx".
Result<std::pair<int64_t, std::string>> version_and_file(std::string_view path) {
  const size_t slash = path.find('/');
  const std::optional<int64_t> version = version_of(path.substr(0, slash));
  if (slash == path.npos || !version || path.find('/', slash + 1) != path.npos)
    return unsupported("local_model.parts",
                       concat({"file:", path, ": VERSION/FILE is what can be given"}));
  return std::pair(*version, std::string(path.substr(slash + 1)));
}

}  // namespace

std::string local_uid(std::string_view name) { return concat({"local:", name}); }

Status LocalModels::add_file(const std::string& name, const std::string& path) {
  TRY(check_local_name(name));
  if (path.empty()) return invalid("local_model.name", concat({"`", name, "` has no file"}));
  if (!files_.emplace(name, path).second)
    return invalid("local_model.twice", concat({"two models are called `", name, "`"}));
  return {};
}

Status LocalModels::add_repository(const std::string& dir) {
  TRY(deps_.fs.list(dir));
  repositories_.push_back(dir);
  return {};
}

bool LocalModels::any() const { return !files_.empty() || !repositories_.empty(); }

std::optional<LocalModels::Place> LocalModels::place_of(const std::string& name) const {
  if (const auto file = files_.find(name); file != files_.end()) return Place{file->second, true};
  // Names come from requests: they are looked for among what is there, never made into a path.
  for (const std::string& dir : repositories_) {
    const auto all = deps_.fs.list(dir);
    if (!all.ok()) continue;
    for (const FileInfo& info : *all)
      if (info.is_dir && info.name == name) return Place{concat({dir, "/", name}), false};
  }
  return std::nullopt;
}

std::vector<std::string> LocalModels::names_there() const {
  std::vector<std::string> out;
  for (const auto& [name, path] : files_) out.push_back(name);
  for (const std::string& dir : repositories_) {
    const auto all = deps_.fs.list(dir);
    if (!all.ok()) {
      deps_.notes.warn("cannot read the model repository",
                       {{"path", dir}, {"error", all.error().text}});
      continue;
    }
    for (const FileInfo& info : *all)
      if (info.is_dir && check_local_name(info.name).ok()) out.push_back(info.name);
  }
  std::ranges::sort(out);
  out.erase(std::ranges::unique(out).begin(), out.end());
  return out;
}

bool LocalModels::knows(const std::string& name) const {
  const bool served = entries_.with([&](const Entries& all) {
    const auto found = all.find(name);
    return found != all.end() && found->second.route != nullptr;
  });
  return served || place_of(name).has_value();
}

// The model's file in a version's directory.
Result<std::string> LocalModels::file_in(const std::string& dir, const ModelConfig& config) const {
  const std::vector<FileInfo> all = TRY(deps_.fs.list(dir));
  const auto has = [&](std::string_view name) {
    return std::ranges::any_of(all, [&](const FileInfo& f) { return f.name == name; });
  };
  if (const std::string named = config.file(); !named.empty()) {
    if (named.find('/') != named.npos || !has(named))
      return not_found("local_model.file", concat({"there is no file ", dir, "/", named}));
    return concat({dir, "/", named});
  }
  for (const std::string_view name : kModelFiles)
    if (has(name)) return concat({dir, "/", name});
  return not_found("local_model.file",
                   concat({dir, " has no model.onnx, xgboost.json, ", "xgboost.ubj or model.txt"}))
      .with_hint("config.pbtxt may name another file: default_model_filename");
}

Status LocalModels::read_labels(const std::string& dir, ModelConfig* config) const {
  for (const auto& [output, file] : config->label_files()) {
    const std::string text = TRY(read_file(deps_.fs, concat({dir, "/", file}), kLabelsBytesMax));
    std::vector<std::string>& lines = config->labels[output];
    for (std::string_view line : split(text, '\n')) {
      if (line.ends_with('\r')) line.remove_suffix(1);
      lines.emplace_back(line);
    }
    while (!lines.empty() && lines.back().empty()) lines.pop_back();
  }
  return {};
}

Result<LocalModels::Source> LocalModels::look(const Place& place, const Parts& parts) const {
  Source out;
  if (!parts.config_json.empty()) {
    Result<ModelConfig> config = ModelConfig::parse_json(parts.config_json);
    if (!config.ok()) return std::move(config).error().within("config");
    out.config = std::move(*config);
  }
  if (!parts.files.empty()) {
    if (parts.config_json.empty())
      return invalid("local_model.parts", "files come with a config, and there is none");
    for (const auto& [path, bytes] : parts.files) {
      const auto [version, file] = TRY(version_and_file(path));
      const std::string wanted = out.config.file();
      const bool known = wanted.empty() ? is_model_file(file) : file == wanted;
      if (!known || !out.versions.emplace(version, path).second)
        return unsupported("local_model.parts",
                           concat({"file:", path, ": one file of a model a version can be given"}));
    }
    return out;
  }
  if (place.file) {
    out.versions[1] = place.path;
    return out;
  }
  const std::vector<FileInfo> all = TRY(deps_.fs.list(place.path));
  const std::string config_path = concat({place.path, "/config.pbtxt"});
  const bool configured =
      std::ranges::any_of(all, [](const FileInfo& f) { return f.name == "config.pbtxt"; });
  if (configured && parts.config_json.empty()) {
    const std::string text =
        TRY(read_file(deps_.fs, config_path, static_cast<int64_t>(kConfigBytesMax) + 1));
    Result<ModelConfig> config = ModelConfig::parse_text(text);
    if (!config.ok()) return std::move(config).error().within(config_path);
    out.config = std::move(*config);
  }
  TRY(read_labels(place.path, &out.config));
  std::vector<int64_t> there;
  for (const FileInfo& f : all)
    if (const auto v = f.is_dir ? version_of(f.name) : std::nullopt) there.push_back(*v);
  const bool ensemble = out.config.backend() == Backend::kEnsemble;
  if (ensemble && there.empty()) there.push_back(1);  // It has no files to lie in one.
  for (const int64_t v : out.config.choose(std::move(there)))
    out.versions[v] =
        ensemble ? "" : TRY(file_in(concat({place.path, "/", std::to_string(v)}), out.config));
  if (out.versions.empty())
    return invalid("local_model.no_version",
                   concat({"at least one version must be available under the version policy of ",
                           "model '", place.path.substr(place.path.rfind('/') + 1), "'"}));
  return out;
}

Result<std::shared_ptr<const Route>> LocalModels::make_route(const std::string& name,
                                                             const Source& source,
                                                             const Parts& parts,
                                                             const Route* before) const {
  auto route = std::make_shared<Route>();
  route->local = true;
  route->project = kDefaultProject;
  route->name = name;
  route->uid = local_uid(name);
  route->model = name;
  route->log_ack = deps_.log_ack;
  const auto find = [this](const std::string& model, int64_t wanted) {
    return member(model, wanted);
  };
  for (const auto& [version, path] : source.versions) {
    const auto given = parts.files.find(path);
    std::string bytes;
    if (given != parts.files.end())
      bytes = given->second;
    else if (!path.empty())
      bytes = TRY(read_file(deps_.fs, path, kModelBytesMax));
    auto loaded = load_configured({deps_.budget, deps_.clock, find, deps_.lookups}, name, bytes,
                                  source.config);
    if (!loaded.ok()) return std::move(loaded).error().within(path);
    Arm arm;
    arm.version = version;
    arm.weight = 0;
    const Arm* old = before == nullptr ? nullptr : before->arm_of(version);
    arm.stats = old != nullptr ? old->stats : std::make_shared<ArmStats>();
    arm.stats->cost_ns.store((*loaded)->cost_ns);
    arm.model = std::shared_ptr<const Model>(*loaded, (*loaded)->model.get());
    arm.config = (*loaded)->config;
    if (deps_.batching != nullptr) arm.batcher = deps_.batching->batcher_for(arm, old);
    arm.cache = make_cache(*route, arm);
    route->arms.insert(route->arms.begin(), std::move(arm));  // The highest comes first.
    deps_.notes.info("model loaded", {{"model", name},
                                      {"version", version},
                                      {"path", path},
                                      {"cost_us", (*loaded)->cost_ns / 1000}});
  }
  route->arms.front().weight = 1;
  return std::shared_ptr<const Route>(route);
}

// A file may be another one under the same version: what was loaded anew begins anew.
std::shared_ptr<const ArmCache> LocalModels::make_cache(const Route& route, const Arm& arm) const {
  const auto made = cache_for(deps_.cache, route, arm, nullptr, arm.config->cache_ttl_ms());
  if (!made || arm.config->backend() != Backend::kEnsemble) return made;
  auto out = std::make_shared<ArmCache>(*made);
  out->changes = &changes_;
  out->ensemble = arm.model;
  return out;
}

std::optional<Member> LocalModels::member(const std::string& name, int64_t version) const {
  std::shared_ptr<const Route> route = entries_.with([&](const Entries& all) {
    const auto found = all.find(name);
    return found == all.end() ? nullptr : found->second.route;
  });
  if (!route) return std::nullopt;
  const Arm* arm = version < 0 ? &route->arms.front() : route->arm_of(version);
  if (arm == nullptr) return std::nullopt;
  return Member{std::move(route), arm};
}

// What an ensemble needs and isn't there yet.
void LocalModels::load_members(const ModelConfig& config, int depth) {
  if (depth > kDepthMax) return;  // A circle: its members won't be there.
  for (const std::string& name : ensemble_members(config)) {
    if (member(name, -1) || !tried_.insert(name).second) continue;
    const std::optional<Place> place = place_of(name);
    if (place) ignore(load_one(name, *place, {}, depth + 1), "the ensemble says what it lacks");
  }
}

// A model that is a step of its own steps would never end.
Status LocalModels::check_circle(const std::string& name, const ModelConfig& config) const {
  std::set<std::string> seen;
  std::vector<std::string> next = ensemble_members(config);
  while (!next.empty()) {
    const std::string one = std::move(next.back());
    next.pop_back();
    if (one == name)
      return invalid("model_config.field",
                     concat({"ensemble_scheduling: `", name, "` would be a step of itself"}));
    if (!seen.insert(one).second) continue;
    const std::vector<std::string> below = members_of(one);
    next.insert(next.end(), below.begin(), below.end());
  }
  return {};
}

Status LocalModels::load_one(const std::string& name, const Place& place, const Parts& parts,
                             int depth) {
  const auto before = entries_.with([&](Entries& all) { return all[name].route; });
  const auto make = [&]() -> Result<std::shared_ptr<const Route>> {
    const Source source = TRY(look(place, parts));
    if (source.config.backend() == Backend::kEnsemble) {
      load_members(source.config, depth);
      TRY(check_circle(name, source.config));
    }
    return make_route(name, source, parts, before.get());
  };
  Result<std::shared_ptr<const Route>> made = make();
  entries_.with([&](Entries& all) {
    Entry& entry = all[name];
    if (!made.ok()) {
      if (!entry.route) entry.reason = made.error().text;
      return;
    }
    ++changes_;
    entry.route = *made;
    entry.reason.clear();
    entry.versions.clear();
    for (const Arm& arm : entry.route->arms) entry.versions.push_back(arm.version);
  });
  if (made.ok()) return {};
  deps_.notes.error("cannot load", {{"model", name}, {"error", made.error().text}});
  return std::move(made).error();
}

Status LocalModels::open() {
  const sys::Lock lock(changing_);
  for (const std::string& name : names_there()) {
    tried_.clear();
    const std::optional<Place> place = place_of(name);
    if (!place || member(name, -1)) continue;  // A step of an ensemble was loaded with it.
    ignore(load_one(name, *place, {}), "it is there as unavailable, and the log says why");
  }
  return {};
}

Status LocalModels::load(const std::string& name, const Parts& parts) {
  const sys::Lock lock(changing_);
  std::optional<Place> place = place_of(name);
  // What brings its own files needs no directory.
  if (!place && !repositories_.empty() && !parts.files.empty()) {
    TRY(check_local_name(name));
    place = Place{};
  }
  if (!place) return no_model(name);
  tried_.clear();
  return load_one(name, *place, parts);
}

std::vector<std::string> LocalModels::members_of(const std::string& name) const {
  return entries_.with([&](const Entries& all) {
    const auto found = all.find(name);
    if (found == all.end() || !found->second.route) return std::vector<std::string>();
    return ensemble_members(*found->second.route->arms.front().config);
  });
}

Status LocalModels::unload(const std::string& name, bool dependents) {
  const sys::Lock lock(changing_);
  std::vector<std::string> members;
  if (dependents) members = members_of(name);
  const bool known = entries_.with([&](Entries& all) {
    const auto found = all.find(name);
    if (found == all.end()) return false;
    ++changes_;
    found->second.route.reset();
    found->second.reason = kUnloaded;
    return true;
  });
  if (!known && !place_of(name)) return no_model(name);
  deps_.notes.info("model unloaded", {{"model", name}});
  for (const std::string& member : members) unload_unless_needed(member);
  return {};
}

// By whoever is still served.
void LocalModels::unload_unless_needed(const std::string& name) {
  entries_.with([&](Entries& all) {
    for (const auto& [other, entry] : all) {
      if (!entry.route) continue;
      const std::vector<std::string> needs = ensemble_members(*entry.route->arms.front().config);
      if (std::ranges::find(needs, name) != needs.end()) return;
    }
    const auto found = all.find(name);
    if (found == all.end()) return;
    ++changes_;
    found->second.route.reset();
    found->second.reason = kUnloaded;
  });
}

bool LocalModels::ready() const {
  return entries_.with([](const Entries& all) {
    return std::ranges::all_of(all, [](const auto& named) {
      return named.second.route != nullptr || named.second.reason == kUnloaded;
    });
  });
}

std::vector<LocalVersion> LocalModels::index(bool ready) const {
  std::vector<LocalVersion> out;
  const Entries all = entries_.with([](const Entries& e) { return e; });
  for (const auto& [name, entry] : all) {
    if (entry.route) {
      for (auto arm = entry.route->arms.rbegin(); arm != entry.route->arms.rend(); ++arm)
        out.push_back({name, arm->version, "READY", ""});
    } else if (!ready) {
      for (const int64_t v : entry.versions) out.push_back({name, v, "UNAVAILABLE", entry.reason});
      if (entry.versions.empty()) out.push_back({name, 0, "UNAVAILABLE", entry.reason});
    }
  }
  if (!ready)
    for (const std::string& name : names_there())
      if (!all.contains(name)) out.push_back({name, 0, "", ""});
  std::ranges::stable_sort(out, {}, &LocalVersion::model);
  return out;
}

std::vector<std::shared_ptr<const Route>> LocalModels::routes() const {
  std::vector<std::shared_ptr<const Route>> out;
  entries_.with([&](const Entries& all) {
    for (const auto& [name, entry] : all)
      if (entry.route) out.push_back(entry.route);
  });
  return out;
}

}  // namespace slip::serving
