#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "core/search/sql.h"
#include "registry/types.h"
#include "store/db.h"

// The registry's SQL and nothing else: no clock, no policy, no events. Private to registry/.
namespace slip::registry::sql {

// ---- models
Status insert_model(store::Tx& tx, std::string_view project, const Model& model);
// With tags and aliases.
Result<std::optional<Model>> find_model(store::Tx& tx, std::string_view project,
                                        std::string_view name);
// Name, description, times, protection, last version.
Status update_model(store::Tx& tx, std::string_view project, const Model& model);
Status delete_model(store::Tx& tx, std::string_view project, const Model& model, int64_t now_ms);
Status put_model_tag(store::Tx& tx, std::string_view project, std::string_view model_uid,
                     const Tag& tag);
Status drop_model_tag(store::Tx& tx, std::string_view project, std::string_view model_uid,
                      std::string_view key);
Status put_alias(store::Tx& tx, std::string_view project, std::string_view model_uid,
                 const Alias& alias);
Status drop_alias(store::Tx& tx, std::string_view project, std::string_view model_uid,
                  std::string_view alias);
Status drop_aliases_of(store::Tx& tx, std::string_view project, std::string_view model_uid,
                       int64_t version);

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
                                               std::string_view model_uid, Stage stage);
// Every version in a stage, highest first.
Result<std::vector<int64_t>> in_stage(store::Tx& tx, std::string_view project,
                                      std::string_view model_uid, Stage stage);
// Stage, description, digest, updated_ms.
Status update_version(store::Tx& tx, std::string_view project, std::string_view model_uid,
                      const Version& version);
// Keeps the number; source, run and files' address are blanked.
Status delete_version(store::Tx& tx, std::string_view project, std::string_view model_uid,
                      const Version& version);
Status put_version_tag(store::Tx& tx, std::string_view project, std::string_view model_uid,
                       int64_t version, const Tag& tag);
Status drop_version_tag(store::Tx& tx, std::string_view project, std::string_view model_uid,
                        int64_t version, std::string_view key);

// ---- governance
Status put_gate(store::Tx& tx, std::string_view project, std::string_view model_uid,
                const Version& version);  // version.gate
Status put_approval(store::Tx& tx, std::string_view project, std::string_view model_uid,
                    int64_t version, const Approval& approval);
// Sets tenure->n.
Status begin_tenure(store::Tx& tx, std::string_view project, std::string_view model_uid,
                    Tenure* tenure);
Status end_tenures(store::Tx& tx, std::string_view project, std::string_view model_uid,
                   int64_t version, int64_t now_ms);
// The newest tenure of Production that has not ended; 0: none.
Result<int64_t> open_production(store::Tx& tx, std::string_view project,
                                std::string_view model_uid);
// By n.
Result<std::vector<Tenure>> tenures(store::Tx& tx, std::string_view project,
                                    std::string_view model_uid);
Status each_digest(store::Tx& tx, const std::function<void(std::string_view)>& on_digest);

// ---- searches
struct Search {
  search::Sql where;  // On alias m (models) or v with m (versions), " AND …" each.
  std::vector<search::SortKey> keys;
  std::vector<search::Bound> after;
  int64_t limit = 0;
};
Result<std::vector<Model>> search_models(store::Tx& tx, std::string_view project,
                                         const Search& search, std::vector<search::Bound>* last);
Result<std::vector<Version>> search_versions(store::Tx& tx, std::string_view project,
                                             const Search& search,
                                             std::vector<search::Bound>* last);

}  // namespace slip::registry::sql
