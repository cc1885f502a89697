// Experiments: create, read, rename, tags, delete and restore, search.

#include <array>

#include "base/text.h"
#include "tracking/tracking.h"
#include "tracking/validate.h"
#include "wire/mlflow/proto_out.h"
#include "wire/mlflow/rows.h"

namespace slip::wire::mlflow {
namespace {

using codec::Json;
using http::Audit;
using http::Method;
using http::Right;

Result<int64_t> experiment_id(const In& in) {
  return tracking::parse_experiment_id(TRY(in.text("experiment_id")));
}

Result<Json> create(App& app, const Ctx& ctx, const In& in) {
  tracking::NewExperiment wanted;
  wanted.name = TRY(in.text("name"));
  wanted.artifact_location = TRY(in.text_or("artifact_location", ""));
  wanted.tags = TRY(read_tags(in, "tags"));
  const tracking::Experiment made = TRY(app.tracking.experiments.create(ctx, wanted));
  return Json::object({{"experiment_id", std::to_string(made.id)}});
}

Result<Json> get(App& app, const Ctx& ctx, const In& in) {
  const tracking::Experiment e = TRY(app.tracking.experiments.get(ctx, TRY(experiment_id(in))));
  return Json::object({{"experiment", message_of(e, ctx.project.text)}});
}

Result<Json> get_by_name(App& app, const Ctx& ctx, const In& in) {
  const tracking::Experiment e =
      TRY(app.tracking.experiments.find_by_name(ctx, TRY(in.text("experiment_name"))));
  return Json::object({{"experiment", message_of(e, ctx.project.text)}});
}

Result<Json> update(App& app, const Ctx& ctx, const In& in) {
  const int64_t id = TRY(experiment_id(in));
  TRY(app.tracking.experiments.rename(ctx, id, TRY(in.text("new_name"))));
  return Json::object();
}

Result<Json> remove(App& app, const Ctx& ctx, const In& in) {
  TRY(app.tracking.experiments.remove(ctx, TRY(experiment_id(in))));
  return Json::object();
}

Result<Json> restore(App& app, const Ctx& ctx, const In& in) {
  TRY(app.tracking.experiments.restore(ctx, TRY(experiment_id(in))));
  return Json::object();
}

Result<Json> set_tag(App& app, const Ctx& ctx, const In& in) {
  const int64_t id = TRY(experiment_id(in));
  TRY(app.tracking.experiments.set_tag(ctx, id, TRY(read_tag<tracking::Tag>(in))));
  return Json::object();
}

Result<Json> delete_tag(App& app, const Ctx& ctx, const In& in) {
  const int64_t id = TRY(experiment_id(in));
  TRY(app.tracking.experiments.delete_tag(ctx, id, TRY(in.text("key"))));
  return Json::object();
}

Result<Json> search(App& app, const Ctx& ctx, const In& in) {
  tracking::ExperimentQuery query;
  query.view =
      static_cast<tracking::View>(TRY(in.maybe_enum("view_type", view_types())).value_or(1));
  query.max_results = TRY(in.integer_or("max_results", 0));  // There is no default; 0 is refused.
  query.order_by = TRY(in.texts("order_by"));
  query.filter = TRY(in.text_or("filter", ""));
  query.page_token = TRY(in.text_or("page_token", ""));
  const auto page = TRY(app.tracking.experiments.search(ctx, query));
  return page_of("experiments", page,
                 [&](const tracking::Experiment& e) { return message_of(e, ctx.project.text); });
}

Result<Json> search_datasets(App& app, const Ctx& ctx, const In& in) {
  const std::vector<std::string> texts = TRY(in.texts("experiment_ids"));
  if (texts.empty())
    return invalid("mlflow.missing",
                   "SearchDatasets request must specify at least one experiment_id.");
  if (texts.size() > tracking::kDatasetExperimentsMax)
    return invalid("mlflow.too_many", concat({"SearchDatasets request cannot specify more than ",
                                              std::to_string(tracking::kDatasetExperimentsMax),
                                              " experiment_ids. Received ",
                                              std::to_string(texts.size()), " experiment_ids."}));
  std::vector<int64_t> ids;
  for (const std::string& text : texts) ids.push_back(TRY(tracking::parse_experiment_id(text)));
  std::vector<Json> items;
  for (const tracking::DatasetSummary& d : TRY(app.tracking.runs.datasets(ctx, ids))) {
    Json item = Json::object({{"experiment_id", std::to_string(d.experiment_id)},
                              {"name", d.name},
                              {"digest", d.digest}});
    if (d.context) item.set("context", *d.context);
    items.push_back(std::move(item));
  }
  Json out = Json::object();
  set_list(&out, "dataset_summaries", std::move(items));
  return out;
}

constexpr http::Permission kRead{Right::kRead, "experiment"};
constexpr http::Permission kEdit{Right::kEdit, "experiment"};
constexpr http::Permission kManage{Right::kManage, "experiment"};
constexpr http::Permission kNew{Right::kEdit, "experiment", http::On::kNew};
constexpr http::Permission kList{Right::kRead, "experiment", http::On::kList};

constexpr std::array<Row, 11> kRows = {{
    {Method::kPost, "2.0/mlflow/experiments/create", kNew, Audit::kEvent, create,
     "Create an experiment"},
    {Method::kGet, "2.0/mlflow/experiments/get", kRead, Audit::kNone, get, "Read an experiment"},
    {Method::kGet, "2.0/mlflow/experiments/get-by-name", kRead, Audit::kNone, get_by_name,
     "Read an experiment by its name", experiment_by_name},
    {Method::kPost, "2.0/mlflow/experiments/update", kEdit, Audit::kEvent, update,
     "Rename an experiment"},
    {Method::kPost, "2.0/mlflow/experiments/delete", kManage, Audit::kEvent, remove,
     "Delete an experiment with its runs; it can be restored"},
    {Method::kPost, "2.0/mlflow/experiments/restore", kManage, Audit::kEvent, restore,
     "Restore a deleted experiment"},
    {Method::kPost, "2.0/mlflow/experiments/set-experiment-tag", kEdit, Audit::kCounted, set_tag,
     "Set a tag of an experiment"},
    {Method::kPost, "2.0/mlflow/experiments/delete-experiment-tag", kEdit, Audit::kCounted,
     delete_tag, "Delete a tag of an experiment"},
    {Method::kPost, "2.0/mlflow/experiments/search", kList, Audit::kNone, search,
     "Search experiments"},
    {Method::kPost, "2.0/mlflow/experiments/search-datasets", kRead, Audit::kNone, search_datasets,
     "List the datasets that the runs of experiments read", experiments_of},
    {Method::kGet, "2.0/mlflow/experiments/search", kList, Audit::kNone, search,
     "Search experiments by query arguments"},
}};

}  // namespace

void add_experiments(std::vector<http::Route>* out, const App& app) { add_rows(out, app, kRows); }

}  // namespace slip::wire::mlflow
