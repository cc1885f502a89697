#include "wire/oip/repository.h"

#include <algorithm>

#include "base/text.h"
#include "wire/oip/calls.h"
#include "wire/oip/oip.h"

namespace slip::wire::oip {
namespace {

constexpr std::string_view kFilePrefix = "file:";

Error failed_to_load(std::string_view name, Error error) {
  if (error.text.starts_with("failed to load")) return error;
  return std::move(error).within(concat({"failed to load '", name, "'"}));
}

// Blanks alone are no name, and a path is none either; what else a name may be, the repository
// says.
Status check_model_name(const std::string& name) {
  if (trim(name).empty() || name.find_first_not_of("\f\v \t\r\n") == name.npos)
    return invalid("repository.name",
                   "Model name cannot be empty. Please enter a valid name to deploy.");
  const std::string_view bare = trim(name);
  if (name.find('/') != name.npos || name.find('\\') != name.npos || bare == "." || bare == "..")
    return invalid("repository.name",
                   concat({"failed to load '", name,
                           "': model name must not contain path traversal ", "characters"}));
  return {};
}

bool is_local(const App& app, const Ctx& ctx, const std::string& name) {
  if (ctx.project.text != kDefaultProject) return false;
  const auto route = app.serving.table().load()->hold(ctx.project.text, name);
  return route ? route->local : app.serving.local().any();
}

}  // namespace

Result<std::vector<IndexRow>> index_of(const App& app, const Ctx& ctx, bool ready) {
  std::vector<IndexRow> out;
  TRY(for_each_served(app, ctx, [&](const serving::Route& route) {
    if (route.local) return;
    for (const serving::Arm& arm : route.arms) {
      const bool loaded = arm.model != nullptr;
      if (ready && !loaded) continue;
      out.push_back({route.name, std::to_string(arm.version), loaded ? "READY" : "UNAVAILABLE",
                     loaded ? "" : route.error});
    }
  }));
  for (serving::LocalVersion& v : TRY(app.serving.local_index(ctx, ready)))
    out.push_back({std::move(v.model), v.version == 0 ? "" : std::to_string(v.version),
                   std::move(v.state), std::move(v.reason)});
  std::ranges::stable_sort(out, {}, &IndexRow::name);
  return out;
}

Status take_load_parameter(std::string_view name, std::string bytes,
                           serving::LocalModels::Parts* parts) {
  if (name == "config") {
    parts->config_json = std::move(bytes);
    return {};
  }
  if (!name.starts_with(kFilePrefix))
    return invalid("repository.parameter",
                   concat({"unrecognized load parameter '", name, "': config and file:PATH are"}));
  const std::string_view path = name.substr(kFilePrefix.size());
  const std::vector<std::string_view> components = split(path, '/');
  for (const std::string_view component : components)
    if (component.size() > kFileNameBytesMax)
      return internal("repository.file_name",
                      "failed to poll from model repository: a file's name is too long");
  if (parts->files.size() >= kLoadFilesMax)
    return invalid("repository.parameter", "too many files for one model");
  parts->files[std::string(path)] = std::move(bytes);
  return {};
}

Status load_model(const App& app, const Ctx& ctx, const std::string& name,
                  const serving::LocalModels::Parts& parts) {
  TRY(check_model_name(name));
  if (is_local(app, ctx, name)) {
    const Status loaded = app.serving.load_local(ctx, name, parts);
    return loaded.ok() ? loaded : Status(failed_to_load(name, loaded.error()));
  }
  if (!parts.config_json.empty() || !parts.files.empty())
    return unsupported(
        "repository.parameters",
        concat({"failed to load '", name, "': a deployment is loaded as the ", "registry has it"}));
  const auto route = find_route(app, ctx, name);
  if (!route.ok())
    return not_found("deployment.not_found",
                     concat({"failed to load '", name, "', failed to poll from model repository"}));
  TRY(app.serving.refresh(ctx));
  const Target target = TRY(find_target(app, ctx, name, std::nullopt));
  if (target.arm->model) return {};
  return unavailable("deployment.not_ready",
                     concat({"failed to load '", name, "': ", target.route->error}));
}

Status unload_model(const App& app, const Ctx& ctx, const std::string& name, bool dependents) {
  if (is_local(app, ctx, name)) return app.serving.unload_local(ctx, name, dependents);
  TRY(find_route(app, ctx, name));
  return Error(unsupported("repository.unload", concat({"`", name, "` is a deployment: it serves ",
                                                        "until it is removed"})))
      .with_hint("DELETE /api/slipway/v1/deployments/NAME removes it");
}

std::string uid_to_control(const App& app, const Ctx& ctx, const std::string& name) {
  const auto route = app.serving.table().load()->hold(ctx.project.text, name);
  return route && !route->local ? route->uid : std::string();
}

Result<const serving::ModelConfig*> config_of(const Target& target) {
  if (!target.arm->model || !target.arm->config)
    return unavailable("deployment.not_ready",
                       concat({"`", target.route->name, "` is not ready: ", target.route->error}));
  return target.arm->config.get();
}

Status for_each_arm(const App& app, const Ctx& ctx, std::string_view name, std::string_view version,
                    const std::function<void(const serving::Route&, const serving::Arm&)>& tell) {
  if (name.empty())
    return for_each_served(app, ctx, [&](const serving::Route& route) {
      for (const serving::Arm& arm : route.arms) tell(route, arm);
    });
  if (!version.empty()) {
    const Target target = TRY(find_target(app, ctx, name, version));
    tell(*target.route, *target.arm);
    return {};
  }
  const auto route = TRY(find_route(app, ctx, name));
  for (const serving::Arm& arm : route->arms) tell(*route, arm);
  return {};
}

}  // namespace slip::wire::oip
