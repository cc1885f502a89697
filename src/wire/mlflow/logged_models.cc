// Logged models: create, finalize, tags, parameters, search.

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

const In::EnumNames& statuses() {
  static const In::EnumNames names = {0,
                                      {"LOGGED_MODEL_STATUS_UNSPECIFIED", "LOGGED_MODEL_PENDING",
                                       "LOGGED_MODEL_READY", "LOGGED_MODEL_UPLOAD_FAILED"}};
  return names;
}

Json reply(const tracking::LoggedModel& model) {
  return Json::object({{"model", message_of(model)}});
}

Result<Json> create(App& app, const Ctx& ctx, const In& in) {
  tracking::NewLoggedModel wanted;
  wanted.experiment_id = TRY(tracking::parse_experiment_id(TRY(in.text("experiment_id"))));
  wanted.name = TRY(in.text_or("name", ""));
  wanted.model_type = TRY(in.text_or("model_type", ""));
  wanted.source_run_id = TRY(in.text_or("source_run_id", ""));
  wanted.params = TRY(read_tags(in, "params"));
  wanted.tags = TRY(read_tags(in, "tags"));
  return reply(TRY(app.tracking.models.create(ctx, wanted)));
}

Result<Json> get(App& app, const Ctx& ctx, const In& in) {
  const bool deleted_too = TRY(in.flag_or("allow_deleted", false));
  return reply(TRY(app.tracking.models.get(ctx, TRY(in.text("model_id")), deleted_too)));
}

Result<Json> finalize(App& app, const Ctx& ctx, const In& in) {
  const std::string id = TRY(in.text("model_id"));
  if (!in.has("status")) TRY(in.text("status"));  // Says that it is missing.
  const auto status = TRY(in.maybe_enum("status", statuses())).value_or(0);
  return reply(
      TRY(app.tracking.models.finalize(ctx, id, static_cast<tracking::ModelStatus>(status))));
}

Result<Json> remove(App& app, const Ctx& ctx, const In& in) {
  TRY(app.tracking.models.remove(ctx, TRY(in.text("model_id"))));
  return Json::object();
}

Result<Json> set_tags(App& app, const Ctx& ctx, const In& in) {
  const std::string id = TRY(in.text("model_id"));
  TRY(app.tracking.models.set_tags(ctx, id, TRY(read_tags(in, "tags"))));
  return Json::object();
}

Result<Json> delete_tag(App& app, const Ctx& ctx, const In& in) {
  TRY(app.tracking.models.delete_tag(ctx, TRY(in.text("model_id")), TRY(in.text("tag_key"))));
  return Json::object();
}

Result<Json> log_params(App& app, const Ctx& ctx, const In& in) {
  TRY(app.tracking.models.log_params(ctx, TRY(in.text("model_id")), TRY(read_tags(in, "params"))));
  return Json::object();
}

Result<Json> search(App& app, const Ctx& ctx, const In& in) {
  tracking::ModelQuery query;
  for (const std::string& id : TRY(in.texts("experiment_ids")))
    query.experiment_ids.push_back(TRY(tracking::parse_experiment_id(id)));
  if (!in.has("experiment_ids")) TRY(in.text("experiment_ids"));  // Says that it is missing.
  query.filter = TRY(in.text_or("filter", ""));
  for (const In& d : TRY(in.list("datasets"))) {
    tracking::DatasetScope& scope = query.datasets.emplace_back();
    scope.name = TRY(d.text_or("dataset_name", ""));
    scope.digest = TRY(d.text_or("dataset_digest", ""));
  }
  for (const In& o : TRY(in.list("order_by"))) {
    tracking::ModelOrder& order = query.order_by.emplace_back();
    order.field = TRY(o.text("field_name"));
    order.ascending = TRY(o.flag_or("ascending", true));
    order.dataset_name = TRY(o.text_or("dataset_name", ""));
    order.dataset_digest = TRY(o.text_or("dataset_digest", ""));
  }
  query.max_results = TRY(in.integer_or("max_results", 50));
  query.page_token = TRY(in.text_or("page_token", ""));
  const auto page = TRY(app.tracking.models.search(ctx, query));
  return page_of("models", page, [](const tracking::LoggedModel& m) { return message_of(m); });
}

constexpr http::Permission kRead{Right::kRead, "logged_model"};
constexpr http::Permission kEdit{Right::kEdit, "logged_model"};
constexpr http::Permission kManage{Right::kManage, "logged_model"};
constexpr http::Permission kNew{Right::kEdit, "logged_model", http::On::kObjects};
constexpr http::Permission kList{Right::kRead, "logged_model", http::On::kList};

constexpr std::array<Row, 8> kRows = {{
    {Method::kPost, "2.0/mlflow/logged-models", kNew, Audit::kEvent, create,
     "Create a logged model", new_logged_model},
    {Method::kGet, "2.0/mlflow/logged-models/{model_id}", kRead, Audit::kNone, get,
     "Read a logged model"},
    {Method::kPatch, "2.0/mlflow/logged-models/{model_id}", kEdit, Audit::kEvent, finalize,
     "Say that a logged model is ready, or that its upload failed"},
    {Method::kDelete, "2.0/mlflow/logged-models/{model_id}", kManage, Audit::kEvent, remove,
     "Delete a logged model"},
    {Method::kPatch, "2.0/mlflow/logged-models/{model_id}/tags", kEdit, Audit::kCounted, set_tags,
     "Set tags of a logged model"},
    {Method::kDelete, "2.0/mlflow/logged-models/{model_id}/tags/{tag_key}", kManage,
     Audit::kCounted, delete_tag, "Delete a tag of a logged model"},
    {Method::kPost, "2.0/mlflow/logged-models/{model_id}/params", kEdit, Audit::kCounted,
     log_params, "Log parameters of a logged model"},
    {Method::kPost, "2.0/mlflow/logged-models/search", kList, Audit::kNone, search,
     "Search logged models"},
}};

}  // namespace

void add_logged_models(std::vector<http::Route>* out, const App& app) { add_rows(out, app, kRows); }

}  // namespace slip::wire::mlflow
