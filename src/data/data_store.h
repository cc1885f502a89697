#pragma once

#include <functional>
#include <optional>
#include <string_view>
#include <vector>

#include "data/data.h"
#include "store/db.h"

// SQL of datasets. No policy.
namespace slip::data::sql {

Result<std::optional<Dataset>> find_dataset(store::Tx& tx, std::string_view project,
                                            std::string_view name);
Result<std::vector<Dataset>> list_datasets(store::Tx& tx, std::string_view project,
                                           std::string_view after, int64_t limit);
// kExists when the name is taken.
Status insert_dataset(store::Tx& tx, std::string_view project, const Dataset& dataset);
Status touch_dataset(store::Tx& tx, std::string_view project, const Dataset& dataset,
                     int64_t updated_ms);

Result<std::optional<Version>> find_version(store::Tx& tx, std::string_view project,
                                            const Dataset& dataset, int64_t number);
Result<std::optional<Version>> find_digest(store::Tx& tx, std::string_view project,
                                           const Dataset& dataset, std::string_view digest,
                                           codec::RowFormat format);
Result<std::vector<Version>> list_versions(store::Tx& tx, std::string_view project,
                                           const Dataset& dataset, int64_t after, int64_t limit);
Status insert_version(store::Tx& tx, std::string_view project, const Version& version);
Status each_digest(store::Tx& tx, const std::function<void(std::string_view)>& on_digest);

}  // namespace slip::data::sql
