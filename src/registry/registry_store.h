#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/search/page.h"
#include "registry/types.h"
#include "store/db.h"

// The registry's SQL and nothing else: no clock, no policy, no events. Private to registry/.
namespace slip::registry::sql {

// Who moves something, when and why: what the row of a tenure keeps.
struct Turn {
  std::string_view actor;
  int64_t now_ms = 0;
  std::string_view reason = {};
};

// ---- models
Status insert_model(store::Tx& tx, std::string_view project, const Model& model);
// With tags and aliases.
Result<std::optional<Model>> find_model(store::Tx& tx, std::string_view project,
                                        std::string_view name);
// The names of those of `uids` that there are and that `visible` (alias m) leaves in, by uid.
Result<std::map<std::string, std::string>> model_names(store::Tx& tx, std::string_view project,
                                                       std::span<const std::string> uids,
                                                       const search::Sql& visible);
// Name, description, times, protection, last version.
Status update_model(store::Tx& tx, std::string_view project, const Model& model);
Status delete_model(store::Tx& tx, std::string_view project, const Model& model, int64_t now_ms);
Status put_model_tag(store::Tx& tx, std::string_view project, std::string_view model_uid,
                     const Tag& tag);
Status drop_model_tag(store::Tx& tx, std::string_view project, std::string_view model_uid,
                      std::string_view key);
// These three and delete_model() keep alias_tenure too.
Status put_alias(store::Tx& tx, std::string_view project, std::string_view model_uid,
                 const Alias& alias, const Turn& turn);
Status drop_alias(store::Tx& tx, std::string_view project, std::string_view model_uid,
                  std::string_view alias, int64_t now_ms);
Status drop_aliases_of(store::Tx& tx, std::string_view project, std::string_view model_uid,
                       int64_t version, int64_t now_ms);

// ---- versions
Status insert_version(store::Tx& tx, std::string_view project, std::string_view model_uid,
                      const Version& version);
// With tags, aliases, gate, approvals. Deleted versions are not found.
Result<std::optional<Version>> find_version(store::Tx& tx, std::string_view project,
                                            const Model& model, int64_t number);
Result<std::vector<Version>> list_versions(store::Tx& tx, std::string_view project,
                                           const Model& model);
// The highest version in a stage; without what hangs on it.
Result<std::optional<int64_t>> latest_in_stage(store::Tx& tx, std::string_view project,
                                               std::string_view model_uid, const Stage& stage);
// Every version in a stage, highest first.
Result<std::vector<int64_t>> in_stage(store::Tx& tx, std::string_view project,
                                      std::string_view model_uid, const Stage& stage);
// Stage, description, digest, updated_ms.
Status update_version(store::Tx& tx, std::string_view project, std::string_view model_uid,
                      const Version& version);
// Those fields that update_version leaves alone: source, location, run, user, created_ms.
Status overwrite_version(store::Tx& tx, std::string_view project, std::string_view model_uid,
                         const Version& version);
// Whether the number was ever given, to a deleted version too.
Result<bool> was_version(store::Tx& tx, std::string_view project, std::string_view model_uid,
                         int64_t version);
// Keeps the number; source, run and files' address are blanked.
Status delete_version(store::Tx& tx, std::string_view project, std::string_view model_uid,
                      const Version& version);
// Sets the time of every version to that of the model.
Status touch_versions(store::Tx& tx, std::string_view project, const Model& model);
Status put_version_tag(store::Tx& tx, std::string_view project, std::string_view model_uid,
                       int64_t version, const Tag& tag);
Status drop_version_tag(store::Tx& tx, std::string_view project, std::string_view model_uid,
                        int64_t version, std::string_view key);

// ---- governance
Status put_gate(store::Tx& tx, std::string_view project, std::string_view model_uid,
                const Version& version);  // version.gate
// Sets tenure->n.
Status begin_tenure(store::Tx& tx, std::string_view project, std::string_view model_uid,
                    Tenure* tenure);
Status end_tenures(store::Tx& tx, std::string_view project, std::string_view model_uid,
                   int64_t version, int64_t now_ms);
// The newest tenure of the stage that has not ended; 0: none.
Result<int64_t> open_tenure(store::Tx& tx, std::string_view project, std::string_view model_uid,
                            const Stage& stage);
// By n.
Result<std::vector<Tenure>> tenures(store::Tx& tx, std::string_view project,
                                    std::string_view model_uid);
Status each_digest(store::Tx& tx, const std::function<void(std::string_view)>& on_digest);

// ---- searches
// Conditions on alias m (models), on v and m (versions).
Result<Page<Model>> search_models(store::Tx& tx, std::string_view project,
                                  const search::PageQuery& query);
Result<Page<Version>> search_versions(store::Tx& tx, std::string_view project,
                                      const search::PageQuery& query);

}  // namespace slip::registry::sql
