#include "tracking/run_table_store.h"

#include <algorithm>
#include <array>
#include <optional>
#include <unordered_map>
#include <utility>

#include "base/text.h"
#include "store/sql.h"
#include "tracking/metric_store.h"
#include "tracking/run_data_store.h"
#include "tracking/run_search.h"

namespace slip::tracking::sql {
namespace {

// Lists are filled up to one of these lengths, so that few statements are ever compiled.
constexpr std::array<size_t, 3> kListSizes = {1, 16, 128};

template <class T>
std::vector<store::Value> padded(std::span<const T> items) {
  std::vector<store::Value> out;
  for (const T& item : items) out.emplace_back(item);
  out.resize(*std::ranges::lower_bound(kListSizes, items.size()), out.back());
  return out;
}

struct Cells {
  std::string_view select;      // "SELECT t.run_n, … FROM … t WHERE t.run_n IN (".
  std::string_view key_column;  // "t.key"
};

// The rows of these runs with these keys, in no order.
template <class Key>
Status each_cell(store::Tx& tx, std::span<const int64_t> run_ns, std::span<const Key> keys,
                 const Cells& what, const std::function<void(const store::Row&)>& on_row) {
  if (keys.empty()) return {};
  const std::vector<store::Value> wanted = padded(keys);
  while (!run_ns.empty()) {
    const size_t n = std::min(run_ns.size(), kListSizes.back());
    std::vector<store::Value> args = padded(run_ns.first(n));
    const size_t length = args.size();
    args.insert(args.end(), wanted.begin(), wanted.end());
    TRY(tx.each(concat({what.select, store::placeholders(length), ") AND ", what.key_column,
                        " IN (", store::placeholders(wanted.size()), ")"}),
                args, on_row));
    run_ns = run_ns.subspan(n);
  }
  return {};
}

std::vector<int64_t> numbers_of(std::span<const Run> runs) {
  std::vector<int64_t> out;
  out.reserve(runs.size());
  for (const Run& run : runs) out.push_back(run.run_n);
  return out;
}

struct Loading {
  store::Tx& tx;
  std::span<Run> runs;
  std::vector<int64_t> run_ns;
  RunIndex index;
};

Status load_metrics(const Loading& load, std::string_view project,
                    const std::vector<std::string>& keys) {
  std::vector<int64_t> key_ns;
  std::unordered_map<int64_t, std::string_view> names;
  for (const std::string& key : keys) {
    const auto key_n = TRY(find_key(load.tx, project, key));
    if (key_n && names.emplace(*key_n, key).second) key_ns.push_back(*key_n);
  }
  constexpr Cells kWhat = {
      "SELECT t.run_n, t.key_n, t.value, t.flag, t.timestamp_ms, t.step FROM metric_latest t"
      " WHERE t.run_n IN (",
      "t.key_n"};
  return each_cell<int64_t>(load.tx, load.run_ns, key_ns, kWhat, [&](const store::Row& row) {
    const auto at = load.index.at(row.i64(0));
    if (!at) return;
    Metric& m = load.runs[*at].metrics.emplace_back();
    m.key = names[row.i64(1)];
    m.value = decode_number(row.f64(2), row.i64(3));
    m.timestamp_ms = row.i64(4);
    m.step = row.i64(5);
  });
}

Status load_pairs(const Loading& load, std::string_view select,
                  const std::vector<std::string>& keys, std::vector<Tag> Run::* where) {
  std::vector<std::string_view> wanted(keys.begin(), keys.end());
  return each_cell<std::string_view>(
      load.tx, load.run_ns, wanted, {select, "t.key"}, [&](const store::Row& row) {
        if (const auto at = load.index.at(row.i64(0)))
          (load.runs[*at].*where).push_back({row.str(1), row.str(2)});
      });
}

// What is known of one key while rows of many runs go by, in any order.
template <class Value>
struct Seen {
  int64_t runs = 0;
  Value first{};
  bool differs = false;

  void add(Value value) {
    if (runs++ == 0)
      first = std::move(value);
    else if (!(first == value))
      differs = true;
  }
};

template <class Key, class Value, class Name>
std::vector<TableKey> keys_of(const std::unordered_map<Key, Seen<Value>>& seen, size_t all,
                              const Name& name) {
  std::vector<TableKey> out;
  for (const auto& [key, s] : seen)
    out.push_back({name(key), s.runs, s.differs || s.runs < static_cast<int64_t>(all)});
  std::ranges::sort(out, {}, &TableKey::key);
  return out;
}

Result<std::vector<TableKey>> count_pairs(store::Tx& tx, std::span<const int64_t> run_ns,
                                          std::string_view select) {
  std::unordered_map<std::string, Seen<std::string>> seen;
  TRY(each_of_runs(tx, run_ns, {select, "t.run_n"},
                   [&](const store::Row& row) { seen[row.str(0)].add(row.str(1)); }));
  return keys_of(seen, run_ns.size(), [](const std::string& key) { return key; });
}

Result<std::vector<TableKey>> count_metrics(store::Tx& tx, std::span<const int64_t> run_ns) {
  std::unordered_map<int64_t, Seen<std::pair<double, int64_t>>> seen;
  TRY(each_of_runs(tx, run_ns,
                   {"SELECT t.key_n, t.value, t.flag FROM metric_latest t WHERE ", "t.run_n"},
                   [&](const store::Row& row) { seen[row.i64(0)].add({row.f64(1), row.i64(2)}); }));
  std::vector<int64_t> key_ns;
  for (const auto& [key_n, s] : seen) key_ns.push_back(key_n);
  std::unordered_map<int64_t, std::string> names;
  TRY(each_of_runs(tx, key_ns, {"SELECT k.key_n, k.key FROM metric_key k WHERE ", "k.key_n"},
                   [&](const store::Row& row) { names[row.i64(0)] = row.str(1); }));
  return keys_of(seen, run_ns.size(), [&](int64_t key_n) { return names[key_n]; });
}

}  // namespace

Status load_cells(store::Tx& tx, std::string_view project, const TableColumns& columns,
                  std::span<Run> runs) {
  std::vector<int64_t> run_ns = numbers_of(runs);
  RunIndex index(run_ns);
  const Loading load{tx, runs, std::move(run_ns), std::move(index)};
  TRY(load_metrics(load, project, columns.metrics));
  TRY(load_pairs(load, "SELECT t.run_n, t.key, t.value FROM run_param t WHERE t.run_n IN (",
                 columns.params, &Run::params));
  TRY(load_pairs(load, "SELECT t.run_n, t.key, t.value FROM run_tag t WHERE t.run_n IN (",
                 columns.tags, &Run::tags));
  for (Run& run : runs) {
    std::ranges::sort(run.metrics, {}, &Metric::key);
    std::ranges::sort(run.params, {}, &Tag::key);
    std::ranges::sort(run.tags, {}, &Tag::key);
  }
  return {};
}

Status count_keys(store::Tx& tx, std::span<const int64_t> run_ns, TableKeys* out) {
  out->metrics = TRY(count_metrics(tx, run_ns));
  out->params = TRY(count_pairs(tx, run_ns, "SELECT t.key, t.value FROM run_param t WHERE "));
  out->tags = TRY(count_pairs(tx, run_ns, "SELECT t.key, t.value FROM run_tag t WHERE "));
  return {};
}

Result<std::vector<std::string>> ids_where(store::Tx& tx, std::span<const int64_t> run_ns,
                                           const search::Sql& condition) {
  std::vector<std::string> out;
  const std::vector<store::Value> more = condition.values();
  while (!run_ns.empty()) {
    const size_t n = std::min(run_ns.size(), kListSizes.back());
    std::vector<store::Value> args = padded(run_ns.first(n));
    const std::string list = store::placeholders(args.size());
    args.insert(args.end(), more.begin(), more.end());
    TRY(tx.each(
        concat({"SELECT q.run_id FROM run q WHERE q.run_n IN (", list, ")", condition.text}), args,
        [&](const store::Row& row) { out.push_back(row.str(0)); }));
    run_ns = run_ns.subspan(n);
  }
  return out;
}

Result<std::vector<ExperimentUse>> experiment_use(store::Tx& tx, std::string_view project,
                                                  const search::Sql& visible,
                                                  std::span<const int64_t> experiment_ids) {
  std::vector<ExperimentUse> out;
  if (experiment_ids.empty()) return out;
  search::Sql sql;
  sql.add(
         "SELECT r.experiment_id, COUNT(*), CAST(SUM(CASE r.status WHEN 1 THEN 1 ELSE 0 END)"
         " AS BIGINT), MAX(r.start_ms) FROM run r WHERE r.project = ? AND r.lifecycle = 0 AND ")
      .bind(std::string(project));
  add_experiments(&sql, "r.experiment_id", experiment_ids);
  sql.add(visible).add(" GROUP BY r.experiment_id ORDER BY r.experiment_id");
  TRY(tx.each(sql.text, sql.values(), [&](const store::Row& row) {
    out.push_back({row.i64(0), row.i64(1), row.i64(2), row.i64(3)});
  }));
  return out;
}

}  // namespace slip::tracking::sql
