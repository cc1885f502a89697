#pragma once

#include <optional>
#include <string_view>
#include <vector>

#include "store/db.h"
#include "tracking/reproductions.h"

// SQL of reproductions; no policy. Private to tracking/.
namespace slip::tracking::sql {

Status insert_reproduction(store::Tx& tx, std::string_view project, const Reproduction& r);
Result<std::optional<Reproduction>> find_reproduction(store::Tx& tx, std::string_view project,
                                                      std::string_view run_id,
                                                      std::string_view again_run_id);
struct ReproductionPage {
  std::string_view run_id;
  std::string_view after;
  int64_t limit = 0;
};
Result<std::vector<Reproduction>> list_reproductions(store::Tx& tx, std::string_view project,
                                                     const ReproductionPage& page);

}  // namespace slip::tracking::sql
