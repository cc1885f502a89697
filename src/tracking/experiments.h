#pragma once

#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "sys/ctx.h"
#include "sys/sync.h"
#include "tracking/deps.h"
#include "tracking/types.h"

// Experiments: named groups of runs. Every project has experiment 0, "Default". Deleting hides an
// experiment with its runs; restoring brings both back. Any thread.
//
// Errors: kNotFound `experiment.not_found|experiment.no_tag`, kExists `experiment.exists`,
// kConflict `experiment.deleted`.
namespace slip::tracking {

struct NewExperiment {
  std::string name;
  std::string artifact_location;  // "": below the server's own artifact root.
  std::vector<Tag> tags;
};

struct ExperimentQuery {
  std::string filter;
  std::vector<std::string> order_by;
  View view = View::kActiveOnly;
  int64_t max_results = 1000;
  std::string page_token;
};

class Experiments {
 public:
  explicit Experiments(Deps deps) : deps_(deps) {}

  Result<Experiment> create(const Ctx& ctx, const NewExperiment& wanted);
  Result<Experiment> get(const Ctx& ctx, int64_t id);
  Result<Experiment> find_by_name(const Ctx& ctx, const std::string& name);
  Status rename(const Ctx& ctx, int64_t id, const std::string& name);
  Status remove(const Ctx& ctx, int64_t id);
  Status restore(const Ctx& ctx, int64_t id);
  Status set_tag(const Ctx& ctx, int64_t id, const Tag& tag);
  Status delete_tag(const Ctx& ctx, int64_t id, const std::string& key);
  Result<Page<Experiment>> search(const Ctx& ctx, const ExperimentQuery& query);

  // Makes sure that the project's experiment 0 exists.
  Status ready(const Ctx& ctx);

 private:
  Status move(const Ctx& ctx, int64_t id, Lifecycle to, std::string_view verb);

  Deps deps_;
  sys::Guarded<std::set<std::string>> ready_;  // Projects that have experiment 0.
};

}  // namespace slip::tracking
