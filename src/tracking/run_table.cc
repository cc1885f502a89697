#include "tracking/run_table.h"

#include <utility>

#include "base/text.h"
#include "store/db.h"
#include "tracking/pending.h"
#include "tracking/run_finder.h"
#include "tracking/run_scope.h"
#include "tracking/run_store.h"
#include "tracking/run_table_store.h"
#include "tracking/validate.h"

namespace slip::tracking {
namespace {

Status check_columns(const TableColumns& columns) {
  for (const auto* keys : {&columns.metrics, &columns.params, &columns.tags})
    if (keys->size() > kTableColumnsMax)
      return invalid("run_table.columns",
                     concat({"at most ", std::to_string(kTableColumnsMax), " columns of a kind"}));
  return {};
}

Result<std::vector<std::string>> with_children(store::Tx& tx, const RunSearch& search,
                                               std::span<const int64_t> run_ns) {
  search::Sql condition;
  TRY(add_has_children(&condition, search));
  return sql::ids_where(tx, run_ns, condition);
}

}  // namespace

Result<TablePage> RunTable::rows(const Ctx& ctx, const RunQuery& query,
                                 const TableColumns& columns) {
  TRY(check_max_results(query.max_results, kTableRowsMax));
  TRY(check_columns(columns));
  const RunSearch search = TRY(search_of(ctx, query, "run table"));
  TablePage out;
  if (query.experiment_ids.empty()) return out;
  TRY(pending_.settle_experiments(ctx.project.text, query.experiment_ids));
  TRY(deps_.db.read([&](store::Tx& tx) -> Status {
    Page<int64_t> found = TRY(find_runs(tx, search));
    out.items = TRY(sql::load_run_heads(tx, found.items));
    out.next_page_token = std::move(found.next_page_token);
    if (columns.family) out.with_children = TRY(with_children(tx, search, found.items));
    return sql::load_cells(tx, search.project, columns, out.items);
  }));
  return out;
}

Result<int64_t> RunTable::count(const Ctx& ctx, const RunQuery& query) {
  const RunSearch search = TRY(search_of(ctx, query, "run table"));
  int64_t out = 0;
  if (query.experiment_ids.empty()) return out;
  TRY(pending_.settle_experiments(ctx.project.text, query.experiment_ids));
  search::Sql sql;
  sql.add("SELECT COUNT(*) FROM ").add(scope_from(query)).bind(std::string(search.project));
  TRY(add_search_conditions(&sql, search));
  TRY(deps_.db.read([&](store::Tx& tx) -> Status {
    return tx.each(sql.text, sql.values(), [&](const store::Row& row) { out = row.i64(0); });
  }));
  return out;
}

Result<TableKeys> RunTable::keys(const Ctx& ctx, RunQuery query) {
  query.max_results = kTableKeyRunsMax;
  query.page_token.clear();
  const RunSearch search = TRY(search_of(ctx, query, "run table"));
  TableKeys out;
  if (query.experiment_ids.empty()) return out;
  TRY(pending_.settle_experiments(ctx.project.text, query.experiment_ids));
  TRY(deps_.db.read([&](store::Tx& tx) -> Status {
    const Page<int64_t> found = TRY(find_runs(tx, search));
    out.runs = static_cast<int64_t>(found.items.size());
    out.whole = found.next_page_token.empty();
    return sql::count_keys(tx, found.items, &out);
  }));
  return out;
}

Result<std::vector<ExperimentUse>> RunTable::use_of(const Ctx& ctx,
                                                    const std::vector<int64_t>& ids) {
  std::vector<ExperimentUse> out;
  TRY(deps_.db.read([&](store::Tx& tx) -> Status {
    out = TRY(sql::experiment_use(tx, ctx.project.text, visible_runs(ctx), ids));
    return {};
  }));
  return out;
}

}  // namespace slip::tracking
