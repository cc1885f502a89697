#pragma once

#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "cli/remote.h"

namespace slip {
class Fs;
}

// MLflow's REST as the commands need it: runs and experiments come back flat, with our own field
// names ({"run_id", "name", "status", …, "params": {}, "metrics": {}, "tags": {}}).
namespace slip::cli {

using Texts = std::map<std::string, std::string>;
using Query = std::vector<std::pair<std::string_view, std::string>>;

Result<codec::Json> mlflow_get(Remote& remote, std::string_view path, const Query& query);
Result<codec::Json> mlflow_post(Remote& remote, std::string_view path, const codec::Json& body);

codec::Json flat_run(const codec::Json& run);
codec::Json flat_experiment(const codec::Json& experiment);
std::string text_of(const codec::Json& object, std::string_view key);  // "" when it has none.

struct RunList {
  std::vector<std::string> experiment_ids;
  std::string filter = {};
  std::string order_by = {};
  int64_t limit = 100;
  std::string view = "ACTIVE_ONLY";
};
Result<std::vector<codec::Json>> search_runs(Remote& remote, const RunList& wanted);
Result<std::vector<codec::Json>> search_experiments(Remote& remote, std::string_view view);
// By id, or the beginning of one that no other run has. kNotFound `run.not_found`, kInvalid
// `usage.ambiguous`.
Result<codec::Json> find_run(Remote& remote, const std::string& ref);
// By number or name.
Result<codec::Json> find_experiment(Remote& remote, const std::string& ref);

// In as many calls as the limits of one ask for.
Status log_texts(Remote& remote, const std::string& run_id, std::string_view kind,
                 const Texts& texts);

// Below the artifacts of a (flat) run. kUnsupported `run.foreign_artifacts` when they lie on
// another server.
Status put_artifact(Remote& remote, const codec::Json& run, std::string_view path,
                    std::string_view text);
Status put_file(Remote& remote, const codec::Json& run, std::string_view path, Fs& fs,
                const std::string& file);
Result<std::string> get_artifact(Remote& remote, const codec::Json& run, std::string_view path);

}  // namespace slip::cli
