// Registered models: create, read, rename, tags, aliases, latest versions, search.

#include <array>

#include "base/text.h"
#include "registry/registry.h"
#include "wire/mlflow/proto_out.h"
#include "wire/mlflow/rows.h"

namespace slip::wire::mlflow {
namespace {

using codec::Json;
using http::Audit;
using http::Method;
using http::Right;

std::vector<registry::Tag> registry_tags(const std::vector<tracking::Tag>& tags) {
  std::vector<registry::Tag> out;
  for (const tracking::Tag& t : tags) out.push_back({t.key, t.value});
  return out;
}

Result<Json> reply(App& app, const Ctx& ctx, const registry::Model& model) {
  const auto latest = TRY(app.registry.latest_versions(ctx, model.name, {}));
  return Json::object({{"registered_model", message_of(model, latest)}});
}

Result<Json> create(App& app, const Ctx& ctx, const In& in) {
  const std::string name = TRY(in.text("name"));
  const auto tags = TRY(read_tags(in, "tags"));
  const auto description = TRY(in.maybe_text("description"));
  const registry::Model model =
      TRY(app.registry.create_model(ctx, name, description, registry_tags(tags)));
  return Json::object({{"registered_model", message_of(model, {})}});
}

Result<Json> get(App& app, const Ctx& ctx, const In& in) {
  return reply(app, ctx, TRY(app.registry.get_model(ctx, TRY(in.text("name")))));
}

Result<Json> update(App& app, const Ctx& ctx, const In& in) {
  const std::string name = TRY(in.text("name"));
  return reply(app, ctx,
               TRY(app.registry.describe_model(ctx, name, TRY(in.text_or("description", "")))));
}

Result<Json> rename(App& app, const Ctx& ctx, const In& in) {
  const std::string name = TRY(in.text("name"));
  return reply(app, ctx, TRY(app.registry.rename_model(ctx, name, TRY(in.text("new_name")))));
}

Result<Json> remove(App& app, const Ctx& ctx, const In& in) {
  TRY(app.registry.delete_model(ctx, TRY(in.text("name"))));
  return Json::object();
}

Result<Json> set_tag(App& app, const Ctx& ctx, const In& in) {
  const std::string name = TRY(in.text("name"));
  TRY(app.registry.set_model_tag(ctx, name, TRY(read_tag<registry::Tag>(in))));
  return Json::object();
}

Result<Json> delete_tag(App& app, const Ctx& ctx, const In& in) {
  const std::string name = TRY(in.text("name"));
  TRY(app.registry.delete_model_tag(ctx, name, TRY(in.text("key"))));
  return Json::object();
}

Result<Json> latest(App& app, const Ctx& ctx, const In& in) {
  const std::string name = TRY(in.text("name"));
  std::vector<registry::Stage> stages;
  for (const std::string& text : TRY(in.texts("stages"))) stages.push_back(registry::Stage{text});
  std::vector<Json> items;
  for (const registry::Version& v : TRY(app.registry.latest_versions(ctx, name, stages)))
    items.push_back(message_of(v));
  Json out = Json::object();
  set_list(&out, "model_versions", std::move(items));
  return out;
}

Result<Json> set_alias(App& app, const Ctx& ctx, const In& in) {
  const std::string name = TRY(in.text("name"));
  const std::string alias = TRY(in.text("alias"));
  TRY(app.registry.set_alias(ctx, name, alias, TRY(version_number(in))));
  return Json::object();
}

Result<Json> delete_alias(App& app, const Ctx& ctx, const In& in) {
  const std::string name = TRY(in.text("name"));
  TRY(app.registry.delete_alias(ctx, name, TRY(in.text("alias"))));
  return Json::object();
}

Result<Json> get_by_alias(App& app, const Ctx& ctx, const In& in) {
  const std::string name = TRY(in.text("name"));
  const auto version = TRY(app.registry.find_alias(ctx, name, TRY(in.text("alias"))));
  return Json::object({{"model_version", message_of(version)}});
}

Result<Json> search(App& app, const Ctx& ctx, const In& in) {
  registry::Query query;
  query.filter = TRY(in.text_or("filter", ""));
  query.max_results = TRY(in.integer_up_to("max_results", 100, registry::kSearchModelsMax));
  query.order_by = TRY(in.texts("order_by"));
  query.page_token = TRY(in.text_or("page_token", ""));
  const auto page = TRY(app.registry.search_models(ctx, query));
  std::vector<Json> items;
  for (const registry::Model& m : page.items)
    items.push_back(message_of(m, TRY(app.registry.latest_versions(ctx, m.name, {}))));
  Json out = Json::object();
  set_list(&out, "registered_models", std::move(items));
  set_token(&out, page.next_page_token);
  return out;
}

constexpr http::Permission kRead{Right::kRead, "model"};
constexpr http::Permission kEdit{Right::kEdit, "model"};
constexpr http::Permission kManage{Right::kManage, "model"};
constexpr http::Permission kNew{Right::kEdit, "model", http::On::kObjects};
constexpr http::Permission kList{Right::kRead, "model", http::On::kList};
constexpr http::Permission kReadVersion{Right::kRead, "model_version"};

constexpr std::array<Row, 13> kRows = {{
    {Method::kPost, "2.0/mlflow/registered-models/create", kNew, Audit::kEvent, create,
     "Create a registered model", new_model},
    {Method::kGet, "2.0/mlflow/registered-models/get", kRead, Audit::kNone, get,
     "Read a registered model"},
    {Method::kPatch, "2.0/mlflow/registered-models/update", kEdit, Audit::kEvent, update,
     "Describe a registered model"},
    {Method::kPost, "2.0/mlflow/registered-models/rename", kEdit, Audit::kEvent, rename,
     "Rename a registered model"},
    {Method::kDelete, "2.0/mlflow/registered-models/delete", kManage, Audit::kGoverned, remove,
     "Delete a registered model with its versions"},
    {Method::kPost, "2.0/mlflow/registered-models/set-tag", kEdit, Audit::kEvent, set_tag,
     "Set a tag of a registered model"},
    {Method::kDelete, "2.0/mlflow/registered-models/delete-tag", kEdit, Audit::kEvent, delete_tag,
     "Delete a tag of a registered model"},
    {Method::kPost, "2.0/mlflow/registered-models/get-latest-versions", kReadVersion, Audit::kNone,
     latest, "Read the highest version in each stage"},
    {Method::kGet, "2.0/mlflow/registered-models/get-latest-versions", kReadVersion, Audit::kNone,
     latest, "Read the highest version in each stage, by query arguments"},
    {Method::kPost, "2.0/mlflow/registered-models/alias", kEdit, Audit::kEvent, set_alias,
     "Point an alias at a version"},
    {Method::kDelete, "2.0/mlflow/registered-models/alias", kManage, Audit::kEvent, delete_alias,
     "Delete an alias"},
    {Method::kGet, "2.0/mlflow/registered-models/alias", kReadVersion, Audit::kNone, get_by_alias,
     "Read the version behind an alias"},
    {Method::kGet, "2.0/mlflow/registered-models/search", kList, Audit::kNone, search,
     "Search registered models"},
}};

}  // namespace

void add_registered_models(std::vector<http::Route>* out, const App& app) {
  add_rows(out, app, kRows);
}

}  // namespace slip::wire::mlflow
