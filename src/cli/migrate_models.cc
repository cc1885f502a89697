#include <utility>

#include "base/text.h"
#include "cli/migrate.h"
#include "cli/mlflow.h"

// Registered models, prompts among them, and their versions.
namespace slip::cli {
namespace {

using codec::Json;
using Items = Comparison::Items;

constexpr std::string_view kLoggedModel = "models:/m-";

const Json& member(const Json& object, std::string_view key) {
  static const Json nothing = Json::object();
  const Json* value = object.find(key);
  return value != nullptr ? *value : nothing;
}

// Where its files are here.
std::string location_of(const Mover& m, const Json& version) {
  const std::string there = text_of(version, "location");
  return m.moved(there.empty() ? text_of(version, "source") : there);
}

Json prepared(const Mover& m, Json version) {
  const std::string source = text_of(version, "source");
  version.set("location", location_of(m, version));
  if (source.starts_with(kLoggedModel))
    version.set("logged_model_id", source.substr(kLoggedModel.size() - 2));
  return version;
}

// The same fields of both sides; times are numbers here and there.
std::string head_of(const Json& object, std::string_view created, std::string_view updated,
                    std::string_view stage) {
  const auto number = [&](std::string_view key) {
    const Json* value = object.find(key);
    if (value != nullptr && value->is_string())
      return Json(parse_int(value->as_string()).value_or(0));
    return value != nullptr ? *value : Json(int64_t{0});
  };
  return concat({normal_fields(object, {"description", "source", "run_id", "user_id", "run_link"}),
                 " ", text_of(object, stage), " created ", codec::to_json(number(created)),
                 " updated ", codec::to_json(number(updated))});
}

Status verify_version(Mover& m, const Json& version) {
  const std::string name = text_of(version, "name");
  const std::string number = std::to_string(version.find("version")->as_int());
  const std::string id = concat({name, " ", number});
  const Query which = {{"name", name}, {"version", number}};
  Json found = Json::object();
  Items here;
  const Result<Json> got = mlflow_get(m.server, "model-versions/get", which);
  if (!got.ok() && got.error().code != Code::kNotFound) return got.error();
  if (got.ok()) {
    found = member(*got, "model_version");
    here[id] = head_of(found, "creation_timestamp", "last_updated_timestamp", "current_stage");
  }
  const std::string scope = concat({"version ", id});
  m.comparison.compare("model_versions", scope,
                       {{id, head_of(version, "created_ms", "updated_ms", "stage")}}, here);
  m.comparison.compare("model_version_tags", scope, items_of(version.find("tags")),
                       items_of_list(found.find("tags")));
  if (!got.ok()) return {};
  const Json uri = TRY(mlflow_get(m.server, "model-versions/get-download-uri", which));
  m.comparison.compare("version_locations", scope, {{id, location_of(m, version)}},
                       {{id, text_of(uri, "artifact_uri")}});
  return {};
}

Items aliases_of(const std::vector<Json>& versions) {
  Items out;
  for (const Json& v : versions)
    for (const Json& alias : v.find("aliases")->items())
      out[alias.as_string()] = std::to_string(v.find("version")->as_int());
  return out;
}

Items server_aliases(const Json* list) {
  Items out;
  if (list == nullptr || !list->is_array()) return out;
  for (const Json& item : list->items()) out[text_of(item, "alias")] = text_of(item, "version");
  return out;
}

Status verify_model(Mover& m, const Json& model) {
  const std::string name = text_of(model, "name");
  Json found = Json::object();
  Items here;
  const Result<Json> got = mlflow_get(m.server, "registered-models/get", {{"name", name}});
  if (!got.ok() && got.error().code != Code::kNotFound) return got.error();
  if (got.ok()) {
    found = member(*got, "registered_model");
    here[name] = head_of(found, "creation_timestamp", "last_updated_timestamp", "");
  }
  const std::string scope = concat({"model ", name});
  m.comparison.compare("registered_models", scope,
                       {{name, head_of(model, "created_ms", "updated_ms", "")}}, here);
  m.comparison.compare("registered_model_tags", scope, items_of(model.find("tags")),
                       items_of_list(found.find("tags")));
  const std::vector<Json> versions = TRY(m.source.versions(name));
  m.comparison.compare("aliases", scope, aliases_of(versions),
                       server_aliases(found.find("aliases")));
  for (const Json& v : versions) TRY(verify_version(m, v));
  return {};
}

}  // namespace

Status send_registry(Mover& m) {
  std::vector<Json> models = TRY(m.source.registered_models());
  int64_t done = 0;
  for (Json& model : models) {
    m.progress("registered models", ++done, static_cast<int64_t>(models.size()));
    const std::string name = text_of(model, "name");
    const Json answer = TRY(m.send("registered_models", name, std::move(model)));
    if (answer.is_null() && !m.dry) continue;
    std::vector<Json> versions = TRY(m.source.versions(name));
    for (Json& v : versions) {
      const std::string which = concat({name, " ", std::to_string(v.find("version")->as_int())});
      Json item = prepared(m, std::move(v));
      TRY(m.send("model_versions", which, std::move(item)));
    }
  }
  return {};
}

Status verify_registry(Mover& m) {
  const std::vector<Json> models = TRY(m.source.registered_models());
  for (const Json& model : models) TRY(verify_model(m, model));
  return {};
}

}  // namespace slip::cli
