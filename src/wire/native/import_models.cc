#include <array>

#include "base/text.h"
#include "registry/imports.h"
#include "registry/registry.h"
#include "wire/native/import_rows.h"

// Registered models and versions of another server, and what rows of imports share.
namespace slip::wire::native {
namespace {

using codec::Json;

constexpr std::array<std::string_view, 4> kStates = {"imported", "same", "differs", "updated"};
constexpr size_t kItemsMax = 1000;

Result<registry::Model> read_model(const Json& item) {
  registry::Model m;
  m.name = TRY(codec::want_string(item, "name"));
  m.description = text_or_none(item, "description");
  m.created_ms = TRY(codec::int_or(item, "created_ms", 0));
  m.updated_ms = TRY(codec::int_or(item, "updated_ms", m.created_ms));
  m.last_version = TRY(codec::int_or(item, "last_version", 0));
  m.tags = TRY(read_pairs<registry::Tag>(item, "tags"));
  return m;
}

Result<registry::Version> read_version(const Json& item) {
  registry::Version v;
  v.model = TRY(codec::want_string(item, "name"));
  v.number = TRY(codec::want_int(item, "version"));
  v.stage = registry::Stage{TRY(codec::string_or(item, "stage", "None"))};
  v.source = TRY(codec::string_or(item, "source", ""));
  v.location = TRY(codec::string_or(item, "location", v.source));
  v.run_id = TRY(codec::string_or(item, "run_id", ""));
  v.run_link = text_or_none(item, "run_link");
  v.logged_model_id = TRY(codec::string_or(item, "logged_model_id", ""));
  v.description = text_or_none(item, "description");
  v.user_id = TRY(codec::string_or(item, "user_id", ""));
  v.created_ms = TRY(codec::int_or(item, "created_ms", 0));
  v.updated_ms = TRY(codec::int_or(item, "updated_ms", v.created_ms));
  v.tags = TRY(read_pairs<registry::Tag>(item, "tags"));
  if (const Json* aliases = item.find("aliases"); aliases != nullptr) {
    if (!aliases->is_array()) return invalid("request.wrong_type", "aliases must be a list");
    for (const Json& alias : aliases->items()) {
      if (!alias.is_string()) return invalid("request.wrong_type", "an alias must be a string");
      v.aliases.push_back(alias.as_string());
    }
  }
  return v;
}

Json answer(const registry::ImportOutcome& outcome) {
  return outcome_json(static_cast<size_t>(outcome.state), outcome.differing);
}

Result<http::Reply> models(const ImportsApp& app, const Ctx& ctx, http::Request& request) {
  registry::Imports imports(app.registry);
  return take_all<registry::Model>(request, read_model,
                                   [&](const registry::Model& m, bool update) -> Result<Json> {
                                     return answer(TRY(imports.model(ctx, m, update)));
                                   });
}

Result<http::Reply> versions(const ImportsApp& app, const Ctx& ctx, http::Request& request) {
  registry::Imports imports(app.registry);
  return take_all<registry::Version>(request, read_version,
                                     [&](const registry::Version& v, bool update) -> Result<Json> {
                                       return answer(TRY(imports.version(ctx, v, update)));
                                     });
}

}  // namespace

std::optional<std::string> text_or_none(const Json& item, std::string_view key) {
  const Json* value = item.find(key);
  if (value == nullptr || !value->is_string()) return std::nullopt;
  return value->as_string();
}

Result<const std::vector<Json>*> list_of(const Json& body, std::string_view key) {
  const Json* items = body.find(key);
  if (items == nullptr || !items->is_array())
    return invalid("request.wrong_type", concat({key, " must be a list"}));
  if (items->items().size() > kItemsMax)
    return invalid("request.too_many", concat({key, " may have 1000 entries at most"}));
  return &items->items();
}

Result<std::vector<const Json*>> objects_of(const Json& item, std::string_view key) {
  std::vector<const Json*> out;
  const Json* items = item.find(key);
  if (items == nullptr) return out;
  if (!items->is_array()) return invalid("request.wrong_type", concat({key, " must be a list"}));
  for (const Json& one : items->items()) {
    if (!one.is_object())
      return invalid("request.wrong_type", concat({key, " must be a list of objects"}));
    out.push_back(&one);
  }
  return out;
}

Result<std::vector<std::pair<std::string, std::string>>> read_texts(const Json& item,
                                                                    std::string_view key) {
  std::vector<std::pair<std::string, std::string>> out;
  const Json* pairs = item.find(key);
  if (pairs == nullptr) return out;
  if (!pairs->is_object())
    return invalid("request.wrong_type", concat({key, " must be an object"}));
  for (const auto& [name, value] : pairs->members()) {
    if (!value.is_string())
      return invalid("request.wrong_type", concat({key, ".", name, " must be a string"}));
    out.emplace_back(name, value.as_string());
  }
  return out;
}

Json outcome_json(size_t state, const std::string& differing) {
  Json out = Json::object({{"state", kStates[state]}});
  if (!differing.empty()) out.set("differing", differing);
  return out;
}

void add_import_models(std::vector<http::Route>* out, const ImportsApp& app) {
  out->push_back(import_route(app, "/imports/mlflow/registered-models", models,
                              "Takes over registered models of an MLflow server, by name."));
  out->push_back(
      import_route(app, "/imports/mlflow/model-versions", versions,
                   "Takes over model versions with numbers, times, stages and aliases."));
}

}  // namespace slip::wire::native
