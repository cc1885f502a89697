#include "registry/claims.h"

#include <array>

#include "base/text.h"
#include "registry/registry_store.h"

namespace slip::registry {
namespace {

std::string label(std::string_view name, int64_t version) {
  return concat({name, "@", std::to_string(version)});
}

}  // namespace

Result<std::string> claimant(store::Tx& tx, const std::string& project, const Source& source) {
  std::string out;
  const auto look = [&](std::string_view condition, std::vector<store::Value> args) -> Status {
    args.insert(args.begin(), std::string_view(project));
    return tx.each(concat({"SELECT m.name, v.version FROM model_version v JOIN registered_model m"
                           " ON m.project = v.project AND m.uid = v.model_uid"
                           " WHERE v.project = ? AND v.deleted_ms IS NULL AND ",
                           condition, " ORDER BY m.name, v.version LIMIT 1"}),
                   args, [&](const store::Row& row) {
                     out = concat({"model version ", label(row.text(0), row.i64(1))});
                   });
  };
  if (!source.run_id.empty()) TRY(look("v.run_id = ?", {std::string_view(source.run_id)}));
  if (out.empty() && !source.logged_model_id.empty())
    TRY(look("v.logged_model_id = ?", {std::string_view(source.logged_model_id)}));
  if (!out.empty() || source.uri.empty()) return out;
  const std::string from = source.uri + "/";
  const std::string to = source.uri + "0";  // '0' follows '/'.
  TRY(look("v.location = ?", {std::string_view(source.uri)}));
  if (out.empty())
    TRY(look("v.location >= ? AND v.location < ?", {std::string_view(from), std::string_view(to)}));
  return out;
}

Result<std::optional<hold::Object>> find_object(store::Tx& tx, const std::string& project,
                                                const hold::Reference& ref) {
  const auto model = TRY(sql::find_model(tx, project, ref.name));
  if (!model) return std::optional<hold::Object>();
  if (ref.version == 0)
    return std::optional(
        hold::Object{.kind = "registered_model", .uid = model->uid, .name = model->name});
  const auto version = TRY(sql::find_version(tx, project, *model, ref.version));
  if (!version) return std::optional<hold::Object>();
  return std::optional(hold::Object{
      .kind = "model_version", .uid = version->uid, .name = label(model->name, version->number)});
}

Status refuse_held_version(store::Tx& tx, const std::string& project, const Model& model,
                           const Version& version) {
  const std::array<hold::Object, 2> objects = {
      {{.kind = "model_version", .uid = version.uid, .name = label(model.name, version.number)},
       {.kind = "registered_model", .uid = model.uid, .name = model.name}}};
  return hold::refuse_held(tx, project, objects);
}

Status refuse_held_model(store::Tx& tx, const std::string& project, const Model& model) {
  const std::string holder = hold::holder_sql(
      "?",
      "(h.kind = 'registered_model' AND h.object_uid = ?) OR (h.kind = 'model_version'"
      " AND EXISTS (SELECT 1 FROM model_version v WHERE v.project = h.project"
      " AND v.uid = h.object_uid AND v.model_uid = ?))");
  std::string uid;
  TRY(tx.first("SELECT " + holder, {project, model.uid, model.uid},
               [&](const store::Row& row) { uid = row.str(0); }));
  if (uid.empty()) return {};
  return hold::held(concat({"registered model ", model.name}), uid);
}

}  // namespace slip::registry
