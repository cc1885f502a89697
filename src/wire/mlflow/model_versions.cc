// Model versions: create, read, describe, tags, stages, search, where their files are.

#include <array>

#include "base/text.h"
#include "registry/registry.h"
#include "tracking/tracking.h"
#include "wire/mlflow/proto_out.h"
#include "wire/mlflow/rows.h"

namespace slip::wire::mlflow {
namespace {

using codec::Json;
using http::Audit;
using http::Method;
using http::Right;

struct Named {
  std::string name;
  int64_t number = 0;
};

Result<Named> named(const In& in) {
  Named out;
  out.name = TRY(in.text("name"));
  out.number = TRY(version_number(in));
  return out;
}

Json reply(const registry::Version& version) {
  return Json::object({{"model_version", message_of(version)}});
}

// The logged model learns which versions were made of it: a list in one of its tags.
Status tell_logged_model(App& app, const Ctx& ctx, const registry::Version& v) {
  const Json item = Json::object({{"name", v.model}, {"version", v.number}});
  const Status told = app.tracking.models.edit_tag(
      ctx, v.logged_model_id, "mlflow.modelVersions",
      [&](const std::optional<std::string>& before) { return appended(before, item); });
  if (!told.ok() && told.error().code != Code::kNotFound) return told.error();
  return {};
}

Result<Json> create(App& app, const Ctx& ctx, const In& in) {
  registry::NewVersion wanted;
  wanted.model = TRY(in.text("name"));
  wanted.source = TRY(in.text("source"));
  wanted.run_id = TRY(in.text_or("run_id", ""));
  for (const tracking::Tag& t : TRY(read_tags(in, "tags"))) wanted.tags.push_back({t.key, t.value});
  wanted.run_link = TRY(in.text_or("run_link", ""));
  wanted.description = TRY(in.text_or("description", ""));
  wanted.logged_model_id = TRY(in.text_or("model_id", ""));
  const registry::Version v = TRY(app.registry.create_version(ctx, wanted));
  if (!v.logged_model_id.empty()) TRY(tell_logged_model(app, ctx, v));
  return reply(v);
}

Result<Json> get(App& app, const Ctx& ctx, const In& in) {
  const Named n = TRY(named(in));
  return reply(TRY(app.registry.get_version(ctx, n.name, n.number)));
}

Result<Json> update(App& app, const Ctx& ctx, const In& in) {
  const Named n = TRY(named(in));
  return reply(
      TRY(app.registry.describe_version(ctx, n.name, n.number, TRY(in.maybe_text("description")))));
}

Result<Json> remove(App& app, const Ctx& ctx, const In& in) {
  const Named n = TRY(named(in));
  TRY(app.registry.delete_version(ctx, n.name, n.number));
  return Json::object();
}

Result<Json> transition(App& app, const Ctx& ctx, const In& in) {
  const Named n = TRY(named(in));
  const registry::Stage stage{TRY(in.text("stage"))};
  const bool archive = TRY(in.flag_or("archive_existing_versions", false));
  return reply(TRY(app.registry.set_stage(ctx, n.name, n.number, stage, archive)));
}

Result<Json> set_tag(App& app, const Ctx& ctx, const In& in) {
  const Named n = TRY(named(in));
  TRY(app.registry.set_version_tag(ctx, n.name, n.number, TRY(read_tag<registry::Tag>(in))));
  return Json::object();
}

Result<Json> delete_tag(App& app, const Ctx& ctx, const In& in) {
  const Named n = TRY(named(in));
  TRY(app.registry.delete_version_tag(ctx, n.name, n.number, TRY(in.text("key"))));
  return Json::object();
}

Result<Json> download_uri(App& app, const Ctx& ctx, const In& in) {
  const Named n = TRY(named(in));
  const registry::Version v = TRY(app.registry.get_version(ctx, n.name, n.number));
  return Json::object({{"artifact_uri", v.location}});
}

Result<Json> search(App& app, const Ctx& ctx, const In& in) {
  registry::Query query;
  query.filter = TRY(in.text_or("filter", ""));
  query.max_results = TRY(
      in.integer_up_to("max_results", registry::kSearchVersionsMax, registry::kSearchVersionsMax));
  query.order_by = TRY(in.texts("order_by"));
  query.page_token = TRY(in.text_or("page_token", ""));
  const auto page = TRY(app.registry.search_versions(ctx, query));
  return page_of("model_versions", page, [](const registry::Version& v) { return message_of(v); });
}

constexpr http::Permission kRead{Right::kRead, "model_version"};
constexpr http::Permission kEdit{Right::kEdit, "model_version"};
constexpr http::Permission kManage{Right::kManage, "model_version"};
constexpr http::Permission kNew{Right::kEdit, "model_version", http::On::kObjects};
constexpr http::Permission kList{Right::kRead, "model_version", http::On::kList};

constexpr std::array<Row, 9> kRows = {{
    {Method::kPost, "2.0/mlflow/model-versions/create", kNew, Audit::kEvent, create,
     "Register a version of a model", new_version},
    {Method::kGet, "2.0/mlflow/model-versions/get", kRead, Audit::kNone, get,
     "Read a model version"},
    {Method::kPatch, "2.0/mlflow/model-versions/update", kEdit, Audit::kEvent, update,
     "Describe a model version"},
    {Method::kDelete, "2.0/mlflow/model-versions/delete", kManage, Audit::kGoverned, remove,
     "Delete a model version; its number is not used again"},
    {Method::kPost, "2.0/mlflow/model-versions/transition-stage", kEdit, Audit::kGoverned,
     transition, "Move a version to a stage; a protected model asks for gate and approval"},
    {Method::kPost, "2.0/mlflow/model-versions/set-tag", kEdit, Audit::kEvent, set_tag,
     "Set a tag of a model version"},
    {Method::kDelete, "2.0/mlflow/model-versions/delete-tag", kManage, Audit::kEvent, delete_tag,
     "Delete a tag of a model version"},
    {Method::kGet, "2.0/mlflow/model-versions/get-download-uri", kRead, Audit::kNone, download_uri,
     "Read where a version's files are"},
    {Method::kGet, "2.0/mlflow/model-versions/search", kList, Audit::kNone, search,
     "Search model versions"},
}};

}  // namespace

void add_model_versions(std::vector<http::Route>* out, const App& app) {
  add_rows(out, app, kRows);
}

}  // namespace slip::wire::mlflow
