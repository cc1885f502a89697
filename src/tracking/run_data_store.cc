#include "tracking/run_data_store.h"

#include <algorithm>
#include <array>
#include <set>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "base/text.h"
#include "store/sql.h"
#include "tracking/run_store.h"

namespace slip::tracking::sql {
namespace {

// Lists are cut and filled up to one of these lengths, so that few statements are ever compiled.
constexpr std::array<size_t, 3> kListSizes = {1, 16, 128};

std::optional<std::string> text_or_null(const store::Row& row, int column) {
  if (row.is_null(column)) return std::nullopt;
  return row.str(column);
}

// Rows come in the order of the key from SQLite, in any from PostgreSQL.
template <class T, class Key>
void in_order(std::vector<T>* items, const Key& key) {
  const auto before = [&](const T& a, const T& b) { return key(a) < key(b); };
  if (!std::is_sorted(items->begin(), items->end(), before))
    std::sort(items->begin(), items->end(), before);
}

struct Loader {
  store::Tx& tx;
  std::span<Run> runs;
  std::vector<int64_t> run_ns;
  RunIndex index;

  template <class F>
  Status each(std::string_view select, const F& on_row) {
    return each_of_runs(tx, run_ns, {select, "t.run_n"}, [&](const store::Row& row) {
      if (const auto at = index.at(row.i64(0))) on_row(runs[*at], row);
    });
  }
};

Status load_metrics(Loader& load) {
  std::vector<std::pair<size_t, int64_t>> of;  // Run and key of each metric, as they come.
  std::set<int64_t> distinct;
  TRY(
      load.each("SELECT t.run_n, t.key_n, t.value, t.flag, t.timestamp_ms, t.step"
                " FROM metric_latest t WHERE ",
                [&](Run& run, const store::Row& row) {
                  Metric& m = run.metrics.emplace_back();
                  m.value = decode_number(row.f64(2), row.i64(3));
                  m.timestamp_ms = row.i64(4);
                  m.step = row.i64(5);
                  of.emplace_back(static_cast<size_t>(&run - load.runs.data()), row.i64(1));
                  distinct.insert(row.i64(1));
                }));
  if (of.empty()) return {};
  const std::vector<int64_t> wanted(distinct.begin(), distinct.end());
  std::unordered_map<int64_t, std::string> names;
  TRY(each_of_runs(load.tx, wanted, {"SELECT k.key_n, k.key FROM metric_key k WHERE ", "k.key_n"},
                   [&](const store::Row& row) { names[row.i64(0)] = row.str(1); }));
  std::vector<size_t> next(load.runs.size());
  for (const auto& [run, key_n] : of) load.runs[run].metrics[next[run]++].key = names[key_n];
  for (Run& run : load.runs)
    in_order(&run.metrics, [](const Metric& m) { return std::string_view(m.key); });
  return {};
}

Status load_pairs(Loader& load, std::string_view select, std::vector<Tag> Run::* where) {
  TRY(load.each(select, [&](Run& run, const store::Row& row) {
    (run.*where).push_back({row.str(1), row.str(2)});
  }));
  for (Run& run : load.runs)
    in_order(&(run.*where), [](const Tag& t) { return std::string_view(t.key); });
  return {};
}

Status load_datasets(Loader& load) {
  bool any = false;
  TRY(load.each(
      "SELECT t.run_n, t.name, t.digest, d.source_type, d.source, d.schema_text,"
      " d.profile, t.position FROM run_input t JOIN run r ON r.run_n = t.run_n JOIN dataset_seen d"
      " ON d.project = r.project AND d.experiment_id = r.experiment_id"
      " AND d.name = t.name AND d.digest = t.digest WHERE ",
      [&](Run& run, const store::Row& row) {
        any = true;
        DatasetInput& input = run.dataset_inputs.emplace_back();
        input.dataset = {.name = row.str(1),
                         .digest = row.str(2),
                         .source_type = row.str(3),
                         .source = row.str(4),
                         .schema = text_or_null(row, 5),
                         .profile = text_or_null(row, 6)};
        input.position = row.i64(7);
      }));
  if (!any) return {};
  TRY(load.each("SELECT t.run_n, t.name, t.digest, t.key, t.value FROM run_input_tag t WHERE ",
                [&](Run& run, const store::Row& row) {
                  for (DatasetInput& input : run.dataset_inputs)
                    if (input.dataset.name == row.text(1) && input.dataset.digest == row.text(2))
                      input.tags.push_back({row.str(3), row.str(4)});
                }));
  for (Run& run : load.runs) {
    in_order(&run.dataset_inputs, [](const DatasetInput& d) {
      return std::tuple<int64_t, std::string_view, std::string_view>(d.position, d.dataset.name,
                                                                     d.dataset.digest);
    });
    for (DatasetInput& input : run.dataset_inputs)
      in_order(&input.tags, [](const Tag& t) { return std::string_view(t.key); });
  }
  return {};
}

Status load_models(Loader& load) {
  TRY(load.each("SELECT t.run_n, t.model_id FROM run_model_input t WHERE ",
                [](Run& run, const store::Row& row) { run.model_inputs.push_back(row.str(1)); }));
  TRY(load.each("SELECT t.run_n, t.model_id, t.step FROM run_model_output t WHERE ",
                [](Run& run, const store::Row& row) {
                  run.model_outputs.push_back({row.str(1), row.i64(2)});
                }));
  for (Run& run : load.runs) {
    in_order(&run.model_inputs, [](const std::string& id) { return std::string_view(id); });
    in_order(&run.model_outputs, [](const ModelOutput& o) {
      return std::tuple<std::string_view, int64_t>(o.model_id, o.step);
    });
  }
  return {};
}

}  // namespace

RunIndex::RunIndex(std::span<const int64_t> run_ns) {
  at_.reserve(run_ns.size());
  for (size_t i = 0; i < run_ns.size(); ++i) at_[run_ns[i]] = i;
}

std::optional<size_t> RunIndex::at(int64_t run_n) const {
  const auto found = at_.find(run_n);
  if (found == at_.end()) return std::nullopt;
  return found->second;
}

Status each_of_runs(store::Tx& tx, std::span<const int64_t> run_ns, const ByNumber& what,
                    const std::function<void(const store::Row&)>& on_row) {
  while (!run_ns.empty()) {
    const size_t n = std::min(run_ns.size(), kListSizes.back());
    const size_t length = *std::lower_bound(kListSizes.begin(), kListSizes.end(), n);
    std::vector<store::Value> args(run_ns.begin(), run_ns.begin() + static_cast<ptrdiff_t>(n));
    args.resize(length, args.back());
    TRY(tx.each(concat({what.select, what.column, " IN (", store::placeholders(length), ")"}), args,
                on_row));
    run_ns = run_ns.subspan(n);
  }
  return {};
}

Status load_run_data(store::Tx& tx, std::span<Run> runs) {
  std::vector<int64_t> run_ns;
  run_ns.reserve(runs.size());
  for (const Run& run : runs) run_ns.push_back(run.run_n);
  RunIndex index(run_ns);
  Loader load{tx, runs, std::move(run_ns), std::move(index)};
  TRY(load_metrics(load));
  TRY(load_pairs(load, "SELECT t.run_n, t.key, t.value FROM run_param t WHERE ", &Run::params));
  TRY(load_pairs(load, "SELECT t.run_n, t.key, t.value FROM run_tag t WHERE ", &Run::tags));
  TRY(load_datasets(load));
  return load_models(load);
}

}  // namespace slip::tracking::sql
