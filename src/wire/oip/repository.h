#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "serving/serving.h"

// The model repository as both forms of the protocol ask for it: deployments, which the registry
// feeds, beside the local models, which a directory of the server's machine does. May block.
namespace slip::wire::oip {

struct App;

inline constexpr size_t kLoadFilesMax = 256;
inline constexpr size_t kFileNameBytesMax = 255;  // Of one component, as file systems have it.

struct IndexRow {
  std::string name;
  std::string version;  // "": none is known.
  std::string state;    // "READY", "UNAVAILABLE"; "": never loaded.
  std::string reason;
};
// By name; `ready`: only what answers.
Result<std::vector<IndexRow>> index_of(const App& app, const Ctx& ctx, bool ready);

// A parameter of a load: "config" (JSON text), or "file:VERSION/FILE" with its bytes. kInvalid
// `repository.parameter`; kInternal `repository.file_name` for a name that no file system takes, as
// Triton's clients expect it.
Status take_load_parameter(std::string_view name, std::string bytes,
                           serving::LocalModels::Parts* parts);
// Of a local model: reads it (again). Of a deployment: tries again what did not load.
Status load_model(const App& app, const Ctx& ctx, const std::string& name,
                  const serving::LocalModels::Parts& parts);
// kUnsupported `repository.unload` for a deployment.
Status unload_model(const App& app, const Ctx& ctx, const std::string& name, bool dependents);
// The uid that a load or unload is about; "" is the project as a whole.
std::string uid_to_control(const App& app, const Ctx& ctx, const std::string& name);

// What clients may say about one version's configuration. kUnavailable `deployment.not_ready`.
struct Target;
Result<const serving::ModelConfig*> config_of(const Target& target);

// Every arm that the caller may see and that the name and version mean; "": all. kNotFound as
// find_target's.
Status for_each_arm(const App& app, const Ctx& ctx, std::string_view name, std::string_view version,
                    const std::function<void(const serving::Route&, const serving::Arm&)>& tell);

}  // namespace slip::wire::oip
