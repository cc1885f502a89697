#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "core/search/page.h"
#include "store/db.h"
#include "tracking/runs.h"

// Which runs a search finds, by number. The order of reading is chosen by what is cheaper at the
// moment: both databases plan a statement once for all values, and only a look at the data tells
// `loss < 0.01`, which few runs pass, from `loss < 100`. Private to tracking/.
namespace slip::tracking {

struct RunSearch {
  std::string_view project;
  const RunQuery& query;
  search::Filter filter;
  search::PageQuery page;  // Everything but `where`.
};

// Every condition of the search on alias `r` but the project's: " AND …" each.
Status add_search_conditions(search::Sql* sql, const RunSearch& search);
// Only what the caller may read.
search::Sql visible_runs(const Ctx& ctx);
// `list` is the list's own name: a page token of one is no token of another. `ctx` and `query` are
// borrowed. kInvalid when filter, order or token ask for what runs don't have.
Result<RunSearch> search_of(const Ctx& ctx, const RunQuery& query, std::string_view list);
Result<search::Page<int64_t>> find_runs(store::Tx& tx, const RunSearch& search);

}  // namespace slip::tracking
