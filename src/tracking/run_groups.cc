#include <algorithm>
#include <cmath>
#include <numeric>
#include <optional>
#include <span>
#include <unordered_map>
#include <utility>

#include "base/text.h"
#include "core/search/filter.h"
#include "core/search/page.h"
#include "store/db.h"
#include "tracking/metric_store.h"
#include "tracking/pending.h"
#include "tracking/run_finder.h"
#include "tracking/run_groups_store.h"
#include "tracking/run_scope.h"
#include "tracking/run_table.h"
#include "tracking/validate.h"

// RunTable::groups(). The database filters and joins; its rows are folded here, because sorting
// them by group there costs more than all the rest, and sums of it overflow.
namespace slip::tracking {
namespace {

constexpr size_t kFewShare = 4;

struct GroupOrder {
  enum class What : uint8_t { kRuns, kValue, kMean };
  What what = What::kRuns;
  bool ascending = false;
  std::string metric;  // kMean.
};

Result<GroupOrder> order_of(const GroupQuery& asked, const GroupBy& by) {
  using What = GroupOrder::What;
  if (asked.order_by.empty()) {
    if (by.of_metric()) return GroupOrder{What::kValue, true, {}};
    return GroupOrder{};
  }
  const search::Order order = TRY(search::parse_order(asked.order_by));
  const std::string& entity = order.key.entity;
  if (entity == "metrics" || entity == "metric")
    return GroupOrder{What::kMean, order.ascending, order.key.name};
  if (entity.empty() && order.key.name == "runs")
    return GroupOrder{What::kRuns, order.ascending, {}};
  if (entity.empty() && order.key.name == "value")
    return GroupOrder{What::kValue, order.ascending, {}};
  return invalid("run_groups.order", "groups are ordered by runs, value or metrics.KEY");
}

// Where a group stands in the list: what a page token holds of the last one.
struct Place {
  int64_t rank = 0;  // 1: it has no number to be ordered by, and stands behind those that do.
  double number = 0;
  GroupKey key;
};

bool before(const Place& a, const Place& b, const GroupOrder& order) {
  if (a.rank != b.rank) return a.rank < b.rank;
  if (a.number != b.number) return order.ascending == (a.number < b.number);
  const bool by_value = order.what == GroupOrder::What::kValue;
  return compare(a.key, b.key, !by_value || order.ascending) < 0;
}

// One metric of one group while its values go by.
struct Sum {
  GroupMetric metric;
  long double total = 0;  // Of any doubles, without overflow.

  void add(double value) {
    if (std::isnan(value))
      ++metric.nan;
    else if (std::isinf(value))
      ++(value > 0 ? metric.above : metric.below);
    else {
      metric.low = metric.finite == 0 ? value : std::min(metric.low, value);
      metric.high = metric.finite == 0 ? value : std::max(metric.high, value);
      ++metric.finite;
      total += value;
    }
  }
  GroupMetric done(const std::string& key) const {
    GroupMetric out = metric;
    out.key = key;
    // Rounding must not carry it out of what it lies between.
    if (out.finite > 0)
      out.mean = std::clamp(static_cast<double>(total / static_cast<long double>(out.finite)),
                            out.low, out.high);
    return out;
  }
  bool empty() const { return metric.finite + metric.nan + metric.above + metric.below == 0; }
};

// The groups, and in which of them a run is.
struct Grouped {
  std::vector<RunGroup> groups;
  std::vector<std::pair<int64_t, uint32_t>> of_run;  // By run.

  std::optional<uint32_t> group_of(int64_t run_n) const {
    const auto it =
        std::ranges::lower_bound(of_run, run_n, {}, &std::pair<int64_t, uint32_t>::first);
    if (it == of_run.end() || it->first != run_n) return std::nullopt;
    return it->second;
  }
};

class Grouping {
 public:
  explicit Grouping(Grouped* out) : out_(out) {}
  void put(int64_t run_n, GroupKey key) {
    if (out_->groups.size() > kGroupsMax) return;
    const auto [it, made] = at_.try_emplace(key.id(), static_cast<uint32_t>(out_->groups.size()));
    if (made) out_->groups.push_back({.key = std::move(key), .runs = 0, .metrics = {}});
    ++out_->groups[it->second].runs;
    out_->of_run.emplace_back(run_n, it->second);
  }
  Status done() {
    if (out_->groups.size() > kGroupsMax)
      return invalid("run_groups.limit",
                     concat({"runs are in more than ", std::to_string(kGroupsMax), " groups"}));
    std::ranges::sort(out_->of_run);
    return {};
  }

 private:
  Grouped* out_;
  std::unordered_map<std::string, uint32_t> at_;
};

Error too_many() {
  return invalid("run_groups.limit",
                 concat({"at most ", std::to_string(kGroupedRunsMax),
                         " runs are grouped at once: narrow them by a filter"}));
}

Result<Grouped> group_texts(store::Tx& tx, const sql::Found& found, const GroupBy& by) {
  Grouped out;
  Grouping grouping(&out);
  int64_t rows = 0;
  TRY(sql::each_grouped(tx, found, by, [&](const sql::GroupRow& row) {
    if (++rows > kGroupedRunsMax) return;
    GroupKey key;
    if (!row.absent) {
      key.kind = GroupKey::Kind::kText;
      key.text = row.text;
    }
    grouping.put(row.run_n, std::move(key));
  }));
  if (rows > kGroupedRunsMax) return too_many();
  TRY(grouping.done());
  return out;
}

Result<Grouped> group_numbers(store::Tx& tx, const sql::Found& found, const GroupBy& by,
                              int64_t buckets) {
  struct One {
    int64_t run_n;
    std::optional<double> value;
  };
  std::vector<One> all;
  double least = HUGE_VAL;
  double most = -HUGE_VAL;
  int64_t rows = 0;
  TRY(sql::each_grouped(tx, found, by, [&](const sql::GroupRow& row) {
    if (++rows > kGroupedRunsMax) return;
    all.push_back({row.run_n, row.absent ? std::nullopt : std::optional(row.value)});
    if (row.absent || !std::isfinite(row.value)) return;
    least = std::min(least, row.value);
    most = std::max(most, row.value);
  }));
  if (rows > kGroupedRunsMax) return too_many();
  const bool any = least <= most;
  const Stretches stretches(any ? least : 0, any ? most : 0, buckets);
  Grouped out;
  Grouping grouping(&out);
  for (const One& one : all)
    grouping.put(one.run_n, one.value ? stretches.of(*one.value) : GroupKey());
  TRY(grouping.done());
  return out;
}

// Says of these groups, by number, what their runs have of these metrics.
Status sum_up(store::Tx& tx, const sql::Found& found, const std::vector<std::string>& keys,
              std::span<const size_t> wanted, Grouped* grouped) {
  std::vector<int64_t> key_ns;
  std::unordered_map<int64_t, size_t> column;
  std::vector<const std::string*> names;
  for (const std::string& key : keys) {
    const auto key_n = TRY(sql::find_key(tx, found.project, key));
    if (!key_n || !column.try_emplace(*key_n, key_ns.size()).second) continue;
    key_ns.push_back(*key_n);
    names.push_back(&key);
  }
  std::vector<size_t> row(grouped->groups.size(), wanted.size());
  for (size_t i = 0; i < wanted.size(); ++i) row[wanted[i]] = i;
  std::vector<Sum> sums(key_ns.size() * wanted.size());
  const auto add = [&](const sql::GroupValue& v) {
    const std::optional<uint32_t> group = grouped->group_of(v.run_n);
    if (!group || row[*group] == wanted.size()) return;  // PostgreSQL shows runs that came since.
    sums[row[*group] * key_ns.size() + column[v.key_n]].add(v.value);
  };
  std::vector<int64_t> run_ns;  // Of few runs it is cheaper to name them.
  for (const auto& [run_n, group] : grouped->of_run)
    if (row[group] < wanted.size()) run_ns.push_back(run_n);
  if (run_ns.size() * kFewShare < grouped->of_run.size())
    TRY(sql::each_value_of(tx, run_ns, key_ns, add));
  else
    TRY(sql::each_value(tx, found, key_ns, add));
  for (size_t i = 0; i < wanted.size(); ++i) {
    std::vector<GroupMetric>& metrics = grouped->groups[wanted[i]].metrics;
    metrics.clear();
    for (size_t k = 0; k < key_ns.size(); ++k)
      if (const Sum& sum = sums[i * key_ns.size() + k]; !sum.empty())
        metrics.push_back(sum.done(*names[k]));
  }
  return {};
}

Place place_of(const RunGroup& group, const GroupOrder& order) {
  Place out{.rank = 0, .number = 0, .key = group.key};
  if (order.what == GroupOrder::What::kRuns) out.number = static_cast<double>(group.runs);
  if (order.what != GroupOrder::What::kMean) return out;
  const auto it = std::ranges::find(group.metrics, order.metric, &GroupMetric::key);
  out.rank = it == group.metrics.end() || it->finite == 0 ? 1 : 0;
  if (out.rank == 0) out.number = it->mean;
  return out;
}

const std::vector<search::SortKey>& token_keys() {
  static const std::vector<search::SortKey> kKeys = {
      {.expr = "rank", .type = search::Type::kInteger, .args = {}},
      {.expr = "number", .type = search::Type::kNumber, .args = {}},
      {.expr = "key", .type = search::Type::kText, .args = {}}};
  return kKeys;
}

Result<std::optional<Place>> place_in(const std::string& token, const std::string& identity,
                                      const GroupBy& by) {
  std::optional<Place> out;
  const auto last = TRY(search::parse_page_token(token, identity, token_keys()));
  if (last.empty()) return out;
  const auto key = parse_group_key(std::get<std::string>(last[2]), by.of_metric());
  if (!key.ok()) return invalid("page.token", "Invalid page token");
  out = Place{std::get<int64_t>(last[0]), std::get<double>(last[1]), *key};
  return out;
}

// Which groups are on the page, in order, and the last of them.
struct Cut {
  std::vector<size_t> groups;
  std::optional<Place> last;  // When more follow.
};
Cut cut_page(const Grouped& grouped, const GroupOrder& order, const std::optional<Place>& after,
             size_t limit) {
  std::vector<std::pair<Place, size_t>> places;
  for (size_t i = 0; i < grouped.groups.size(); ++i) {
    Place place = place_of(grouped.groups[i], order);
    if (!after || before(*after, place, order)) places.emplace_back(std::move(place), i);
  }
  std::ranges::sort(places,
                    [&](const auto& a, const auto& b) { return before(a.first, b.first, order); });
  Cut out;
  for (size_t i = 0; i < std::min(places.size(), limit); ++i)
    out.groups.push_back(places[i].second);
  if (limit < places.size()) out.last = places[limit - 1].first;
  return out;
}

std::string token_of(const Place& last, const std::string& identity) {
  std::vector<search::Bound> bound;
  bound.emplace_back(last.rank);
  bound.emplace_back(last.number);
  bound.emplace_back(last.key.id());
  return search::make_page_token(identity, bound);
}

Status check(const GroupQuery& asked) {
  TRY(check_max_results(asked.max_results, kGroupPageMax));
  if (asked.metrics.size() > kTableColumnsMax)
    return invalid("run_table.columns",
                   concat({"at most ", std::to_string(kTableColumnsMax), " metrics"}));
  if (asked.buckets < 1 || asked.buckets > kGroupBucketsMax)
    return invalid("run_groups.limit",
                   concat({"buckets is 1 to ", std::to_string(kGroupBucketsMax)}));
  return {};
}

std::string identity_of(const RunQuery& query, const GroupQuery& asked) {
  std::string out = concat({"run groups\n", query.filter, "\n", asked.by, "\n", asked.order_by,
                            "\n", std::to_string(asked.buckets), scope_identity(query)});
  for (const int64_t id : query.experiment_ids) out += "," + std::to_string(id);
  return out;
}

}  // namespace

Result<GroupPage> RunTable::groups(const Ctx& ctx, const RunQuery& query, const GroupQuery& asked) {
  TRY(check(asked));
  const GroupBy by = TRY(parse_group_by(asked.by));
  const GroupOrder order = TRY(order_of(asked, by));
  RunQuery plain = query;
  plain.order_by.clear();
  plain.page_token.clear();
  const RunSearch search = TRY(search_of(ctx, plain, "run groups"));
  const std::string identity = identity_of(plain, asked);
  const std::optional<Place> after = TRY(place_in(asked.page_token, identity, by));
  GroupPage out;
  if (query.experiment_ids.empty()) return out;
  TRY(pending_.settle_experiments(ctx.project.text, query.experiment_ids));
  search::Sql conditions;
  TRY(add_search_conditions(&conditions, search));
  const sql::Found found{search.project, scope_from(query), conditions};
  TRY(deps_.db.read([&](store::Tx& tx) -> Status {
    Grouped grouped;
    if (by.of_metric())
      grouped = TRY(group_numbers(tx, found, by, asked.buckets));
    else
      grouped = TRY(group_texts(tx, found, by));
    if (order.what == GroupOrder::What::kMean) {
      std::vector<size_t> all(grouped.groups.size());
      std::iota(all.begin(), all.end(), size_t{0});
      TRY(sum_up(tx, found, {order.metric}, all, &grouped));
    }
    const Cut cut = cut_page(grouped, order, after, static_cast<size_t>(asked.max_results));
    TRY(sum_up(tx, found, asked.metrics, cut.groups, &grouped));
    out = GroupPage();
    out.groups = static_cast<int64_t>(grouped.groups.size());
    out.runs = static_cast<int64_t>(grouped.of_run.size());
    for (const size_t i : cut.groups) out.items.push_back(std::move(grouped.groups[i]));
    if (cut.last) out.next_page_token = token_of(*cut.last, identity);
    return {};
  }));
  return out;
}

}  // namespace slip::tracking
