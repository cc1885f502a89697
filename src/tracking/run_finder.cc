#include "tracking/run_finder.h"

#include <algorithm>
#include <cmath>
#include <optional>

#include "base/text.h"
#include "core/search/filter.h"
#include "tracking/run_scope.h"
#include "tracking/run_search.h"

namespace slip::tracking {
namespace {

constexpr size_t kDriversLookedAt = 4;
constexpr double kRowsLookedAtLeast = 64;

enum class Way : uint8_t {
  kByTime,        // Newest first, passing over what doesn't match, until the page is full.
  kByExperiment,  // One experiment's runs lie newest first as well.
  kCollect,       // All runs of few experiments, then sorted.
  kByValue,       // All runs in a metric's range of values, then sorted.
  kByParent,      // One run's children, then sorted.
};
struct Plan {
  Way way = Way::kCollect;
  size_t driver = 0;  // kByValue: which part of the filter.
};

Result<int64_t> number_of(store::Tx& tx, const search::Sql& sql) {
  int64_t out = 0;
  TRY(tx.each(sql.text, sql.values(), [&](const store::Row& row) { out = row.i64(0); }));
  return out;
}

// How many rows `from` has, but no more than `limit`.
Result<int64_t> count_up_to(store::Tx& tx, const search::Sql& from, int64_t limit) {
  search::Sql sql;
  sql.add("SELECT COUNT(*) FROM (SELECT 1 FROM ").add(from);
  sql.add(" LIMIT CAST(? AS BIGINT)) q").bind(limit);
  return number_of(tx, sql);
}

struct Best {
  int64_t rows = 0;
  size_t part = 0;
};
// The part of the filter that the fewest runs pass, if they are fewer than `limit`.
Result<std::optional<Best>> best_driver(store::Tx& tx, const RunSearch& search, int64_t limit) {
  std::optional<Best> best;
  size_t looked_at = 0;
  for (size_t i = 0; i < search.filter.parts.size() && looked_at < kDriversLookedAt; ++i) {
    const search::Filter& part = search.filter.parts[i];
    if (!is_drivable(part)) continue;
    ++looked_at;
    search::Sql from;
    from.add("metric_latest d WHERE ");
    TRY(add_driver(&from, search.project, part.test));
    const int64_t most = best ? best->rows : limit;
    const int64_t rows = TRY(count_up_to(tx, from, most));
    if (rows < most) best = Best{rows, i};
  }
  return best;
}

// Driving by value costs one look at a run for each of m that pass; walking through N runs passes
// over N/m for each row of the page. They cost the same at m = sqrt(page · N). Any other order than
// by time has to see all anyway.
Result<Plan> plan_of(store::Tx& tx, const RunSearch& search) {
  if (!search.query.parent_id.empty()) return Plan{Way::kByParent};
  const bool by_time = search.query.order_by.empty();
  search::Sql last;
  last.add("SELECT COALESCE(MAX(run_n), 0) FROM run");
  const auto runs = static_cast<double>(TRY(number_of(tx, last)));
  const double worth =
      by_time ? std::sqrt(static_cast<double>(search.page.limit) * runs) : runs / 2;
  const auto limit = static_cast<int64_t>(std::max(worth, kRowsLookedAtLeast));
  if (const auto best = TRY(best_driver(tx, search, limit))) return Plan{Way::kByValue, best->part};
  if (!by_time) return Plan{};
  if (search.query.experiment_ids.size() == 1) return Plan{Way::kByExperiment};
  search::Sql all;
  all.add("run r WHERE r.project = ? AND ").bind(std::string(search.project));
  add_experiments(&all, "r.experiment_id", search.query.experiment_ids);
  if (TRY(count_up_to(tx, all, limit)) < limit) return Plan{};
  return Plan{Way::kByTime};
}

// A sign before a column keeps either database from choosing an index by it.
Result<search::PageQuery> page_by(const RunSearch& search, const Plan& plan) {
  search::PageQuery page = search.page;
  search::Filter filter = search.filter;
  if (plan.way == Way::kByValue) {
    page.where.add(" AND ");
    TRY(add_driver(&page.where, search.project, filter.parts[plan.driver].test));
    filter.parts.erase(filter.parts.begin() + static_cast<ptrdiff_t>(plan.driver));
  }
  const bool by_experiment = plan.way == Way::kByExperiment || plan.way == Way::kCollect;
  page.where.add(" AND ");
  add_experiments(&page.where, by_experiment ? "r.experiment_id" : "+r.experiment_id",
                  search.query.experiment_ids);
  TRY(add_run_conditions(&page.where, search.project, search.query, filter));
  TRY(add_scope(&page.where, search));
  if (plan.way == Way::kCollect || plan.way == Way::kByValue || plan.way == Way::kByParent)
    for (search::SortKey& key : page.keys)
      if (key.expr == "r.start_ms") key.expr = "+r.start_ms";
  return page;
}

}  // namespace

Status add_search_conditions(search::Sql* sql, const RunSearch& search) {
  sql->add(" AND ");
  add_experiments(sql, "r.experiment_id", search.query.experiment_ids);
  TRY(add_run_conditions(sql, search.project, search.query, search.filter));
  TRY(add_scope(sql, search));
  sql->add(search.page.visible);
  return {};
}

search::Sql visible_runs(const Ctx& ctx) {
  search::Sql out;
  out.add(store::readable(ctx, "run", "CAST(r.experiment_id AS TEXT)"));
  return out;
}

Result<RunSearch> search_of(const Ctx& ctx, const RunQuery& query, std::string_view list) {
  RunSearch search{.project = ctx.project.text, .query = query, .filter = {}, .page = {}};
  search.page.limit = query.max_results;
  search.page.keys = TRY(run_sort_keys(search.project, query.order_by));
  search.filter = TRY(search::parse_filter(query.filter));
  search::Sql unused;  // Only whether there are such conditions.
  TRY(add_run_conditions(&unused, search.project, query, search.filter));
  std::string identity = concat({list, "\n", query.filter, "\n", join(query.order_by, "\n"), "\n",
                                 std::to_string(static_cast<int>(query.view))});
  for (const int64_t id : query.experiment_ids) identity += "," + std::to_string(id);
  TRY(add_scope(&unused, search));
  identity += scope_identity(query);
  search.page.identity = std::move(identity);
  search.page.visible = visible_runs(ctx);
  TRY(search.page.start_at(query.page_token));
  return search;
}

Result<search::Page<int64_t>> find_runs(store::Tx& tx, const RunSearch& search) {
  const search::Select runs = {"r.run_n", 1, scope_from(search.query)};
  constexpr search::Select kDriven = {
      "r.run_n", 1, "metric_latest d CROSS JOIN run r WHERE r.run_n = d.run_n AND r.project = ?"};
  const Plan plan = TRY(plan_of(tx, search));
  const search::PageQuery page = TRY(page_by(search, plan));
  return search::read_page(tx, search.project, plan.way == Way::kByValue ? kDriven : runs, page,
                           [](const store::Row& row) { return row.i64(0); });
}

}  // namespace slip::tracking
