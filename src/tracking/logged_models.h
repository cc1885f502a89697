#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "sys/ctx.h"
#include "tracking/deps.h"
#include "tracking/experiments.h"
#include "tracking/types.h"

// Logged models: a trained model as a thing of its own, with the run that made it, parameters,
// metrics and an artifact tree. Pending until its files are up, then ready. Any thread.
//
// Errors: kNotFound `logged_model.not_found|logged_model.no_tag`, kInvalid `logged_model.name`.
namespace slip::tracking {

struct NewLoggedModel {
  int64_t experiment_id = 0;
  std::string name;  // "": made up.
  std::string model_type;
  std::string source_run_id;
  std::vector<Tag> params;
  std::vector<Tag> tags;
};

struct DatasetScope {
  std::string name;
  std::string digest;  // "": any.
};

struct ModelOrder {
  std::string field;  // "creation_time", "metrics.loss"
  bool ascending = true;
  std::string dataset_name;
  std::string dataset_digest;
};

struct ModelQuery {
  std::vector<int64_t> experiment_ids;
  std::string filter;
  std::vector<DatasetScope> datasets;  // Metrics count only when measured on one of these.
  std::vector<ModelOrder> order_by;
  int64_t max_results = 50;
  std::string page_token;
};

class LoggedModels {
 public:
  LoggedModels(Deps deps, Experiments& experiments) : deps_(deps), experiments_(experiments) {}

  Result<LoggedModel> create(const Ctx& ctx, const NewLoggedModel& wanted);
  Result<LoggedModel> get(const Ctx& ctx, const std::string& id, bool allow_deleted = false);
  Result<int64_t> experiment_of(const Ctx& ctx, const std::string& id);  // A deleted one's too.
  Result<LoggedModel> finalize(const Ctx& ctx, const std::string& id, ModelStatus status);
  Status remove(const Ctx& ctx, const std::string& id);
  Status set_tags(const Ctx& ctx, const std::string& id, const std::vector<Tag>& tags);
  Status delete_tag(const Ctx& ctx, const std::string& id, const std::string& key);
  // As Runs::edit_tag.
  Status edit_tag(const Ctx& ctx, const std::string& id, const std::string& key,
                  const TagEdit& edit);
  Status log_params(const Ctx& ctx, const std::string& id, const std::vector<Tag>& params);
  Result<Page<LoggedModel>> search(const Ctx& ctx, const ModelQuery& query);

 private:
  Deps deps_;
  Experiments& experiments_;
};

}  // namespace slip::tracking
