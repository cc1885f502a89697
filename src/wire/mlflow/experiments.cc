// Experiments: create, read, rename, tags, delete and restore, search.

#include <array>

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
  const tracking::NewExperiment wanted{
      .name = TRY(in.text("name")),
      .artifact_location = TRY(in.text_or("artifact_location", "")),
      .tags = TRY(read_tags(in, "tags"))};
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
  const std::string name = TRY(in.text_or("new_name", ""));
  if (!name.empty()) TRY(app.tracking.experiments.rename(ctx, id, name));
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
  TRY(app.tracking.experiments.set_tag(ctx, id,
                                       {TRY(in.text("key")), TRY(in.text_or("value", ""))}));
  return Json::object();
}

Result<Json> delete_tag(App& app, const Ctx& ctx, const In& in) {
  const int64_t id = TRY(experiment_id(in));
  TRY(app.tracking.experiments.delete_tag(ctx, id, TRY(in.text("key"))));
  return Json::object();
}

Result<Json> search(App& app, const Ctx& ctx, const In& in) {
  tracking::ExperimentQuery query;
  query.filter = TRY(in.text_or("filter", ""));
  query.order_by = TRY(in.texts("order_by"));
  query.view =
      static_cast<tracking::View>(TRY(in.maybe_enum("view_type", view_types())).value_or(1));
  query.max_results = TRY(in.integer_or("max_results", 1000));
  query.page_token = TRY(in.text_or("page_token", ""));
  const auto page = TRY(app.tracking.experiments.search(ctx, query));
  std::vector<Json> items;
  for (const tracking::Experiment& e : page.items) items.push_back(message_of(e, ctx.project.text));
  Json out = Json::object();
  set_list(&out, "experiments", std::move(items));
  set_token(&out, page.next_page_token);
  return out;
}

constexpr http::Permission kRead{Right::kRead, "experiment"};
constexpr http::Permission kEdit{Right::kEdit, "experiment"};
constexpr http::Permission kManage{Right::kManage, "experiment"};

constexpr std::array<Row, 10> kRows = {{
    {Method::kPost, "2.0/mlflow/experiments/create", kEdit, Audit::kEvent, create,
     "Create an experiment"},
    {Method::kGet, "2.0/mlflow/experiments/get", kRead, Audit::kNone, get, "Read an experiment"},
    {Method::kGet, "2.0/mlflow/experiments/get-by-name", kRead, Audit::kNone, get_by_name,
     "Read an experiment by its name"},
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
    {Method::kPost, "2.0/mlflow/experiments/search", kRead, Audit::kNone, search,
     "Search experiments"},
    {Method::kGet, "2.0/mlflow/experiments/search", kRead, Audit::kNone, search,
     "Search experiments by query arguments"},
}};

}  // namespace

void add_experiments(std::vector<http::Route>* out, const App& app) { add_rows(out, app, kRows); }

}  // namespace slip::wire::mlflow
