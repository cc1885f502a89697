#include "tracking/pending.h"

#include <algorithm>
#include <map>
#include <optional>
#include <tuple>
#include <utility>

#include "base/text.h"
#include "codec/json.h"
#include "core/ledger/ledger.h"
#include "store/db.h"
#include "sys/clock.h"
#include "tracking/metric_keys.h"
#include "tracking/metric_store.h"
#include "tracking/pending_store.h"
#include "tracking/run_rules.h"

namespace slip::tracking {
namespace {

// A row is taken away, counted, and raises a latest value besides its points.
constexpr int64_t kChangesOfRow = 3;
constexpr int64_t kChangesAtOnce = store::kWriteRowsMax;
constexpr int64_t kNsOfMs = 1'000'000;
constexpr int64_t kMinuteUs = 60'000'000;

// Folds rows in one transaction; remembers the numbers of metrics' names over its runs.
class Folding {
 public:
  Folding(Deps& deps, store::Tx& tx) : deps_(deps), tx_(tx) {}

  Status fold_run(int64_t run_n, std::span<const sql::PendingRow> rows) {
    const auto owner = TRY(sql::owner_of(tx_, run_n));
    if (!owner) return {};  // Purged, and so are its curves.
    TRY(add_points(*owner, run_n, rows));
    return tell(*owner, rows);
  }

 private:
  Status add_points(const sql::RunOwner& owner, int64_t run_n,
                    std::span<const sql::PendingRow> rows) {
    struct At {
      int64_t key_n = 0;
      Metric metric;
    };
    std::vector<At> points;
    for (const sql::PendingRow& row : rows) {
      const codec::Json logged = TRY(codec::parse_json(row.logged));
      for (const codec::Json& entry : logged.items()) {
        At& at = points.emplace_back();
        TRY(read(entry, &at.metric));
        at.key_n = TRY(number_of(owner.project, at.metric.key));
      }
    }
    // In the order of the table, so that the last of a name is its latest.
    const auto rank = [](const At& at) {
      return std::tuple(at.key_n, at.metric.step, at.metric.timestamp_ms,
                        sql::encode_number(at.metric.value).value);
    };
    std::ranges::sort(points, [&](const At& a, const At& b) { return rank(a) < rank(b); });
    for (size_t i = 0; i < points.size(); ++i) {
      const auto& [key_n, metric] = points[i];
      TRY(sql::add_point(tx_, run_n, key_n, metric));
      if (i + 1 == points.size() || points[i + 1].key_n != key_n)
        TRY(sql::raise_latest(tx_, run_n, key_n, metric));
    }
    return {};
  }

  static Status read(const codec::Json& entry, Metric* out) {
    const auto& fields = entry.items();
    if (fields.size() != 4 || !fields[0].is_string() || !fields[1].is_string() ||
        !fields[2].is_int() || !fields[3].is_int())
      return corrupt("store.corrupt", "metric_pending: no metric");
    const auto value = parse_double(fields[1].as_string());
    if (!value) return corrupt("store.corrupt", "metric_pending: no number");
    out->key = fields[0].as_string();
    out->value = *value;
    out->step = fields[2].as_int();
    out->timestamp_ms = fields[3].as_int();
    return {};
  }

  Result<int64_t> number_of(const std::string& project, const std::string& key) {
    const auto [at, is_new] = numbers_.try_emplace({project, key}, 0);
    if (is_new) at->second = TRY(sql::key_number(tx_, project, key));
    return at->second;
  }

  // As if each request had told the ledger when it was made.
  Status tell(const sql::RunOwner& owner, std::span<const sql::PendingRow> rows) {
    std::map<std::tuple<int64_t, std::string_view, std::string_view>, ledger::Ledger::Counted> told;
    for (const sql::PendingRow& row : rows) {
      ledger::Ledger::Counted& counted =
          told[{row.at_us / kMinuteUs, row.actor_uid, row.actor_kind}];
      counted.n += row.points;
      counted.at_us = row.at_us;
      counted.items.push_back(row.logged);
    }
    for (const auto& [who, counted] : told) {
      Ctx ctx;
      ctx.project.text = owner.project;
      ctx.actor_uid = std::get<1>(who);
      ctx.actor_kind = std::get<2>(who);
      TRY(deps_.ledger.count(tx_, ctx, run_event(kMetricsLogged, owner.run_id, owner.experiment_id),
                             counted));
    }
    return {};
  }

  Deps& deps_;
  store::Tx& tx_;
  std::map<std::pair<std::string, std::string>, int64_t> numbers_;
};

}  // namespace

PendingMetrics::PendingMetrics(Deps deps)
    : deps_(std::move(deps)), used_(deps_.db.kind() == "sqlite") {}

bool PendingMetrics::takes(size_t points) const {
  return used_ && points > 0 && points <= kPendingRequestPointsMax &&
         points_.load() < kPendingPointsMax;
}

Status PendingMetrics::put(store::Tx& tx, sql::PendingRow* row) {
  int64_t next = next_n_.load();
  if (next == 0) next = TRY(sql::next_pending(tx));
  next_n_ = next + 1;
  row->pending_n = next;
  return sql::insert_pending(tx, *row);
}

void PendingMetrics::add(Waiting& waiting, const Where& where, const sql::PendingRow& row) {
  OfRun& run = waiting.runs[in_project(where.project, where.run_id)];
  if (run.rows.empty()) {
    run.project = where.project;
    run.experiment_id = where.experiment_id;
    run.run_n = row.run_n;
  }
  if (points_.load() == 0) waiting.since_ns = deps_.clock.steady_ns();
  run.rows.push_back({row.pending_n, row.points});
  points_ += row.points;
}

void PendingMetrics::added(const Where& where, const sql::PendingRow& row) {
  waiting_.with([&](Waiting& waiting) { add(waiting, where, row); });
}

// Rows of this process may be found too: a row that is there twice is folded once.
Status PendingMetrics::load() {
  if (loaded_.load()) return {};
  std::vector<std::pair<sql::RunOwner, sql::PendingRow>> found;
  TRY(deps_.db.read([&](store::Tx& tx) -> Status {
    found.clear();
    return sql::each_pending(tx, [&](const sql::PendingRow& row, const sql::RunOwner& owner) {
      found.emplace_back(owner, row);
    });
  }));
  waiting_.with([&](Waiting& waiting) {
    if (std::exchange(waiting.loaded, true)) return;
    for (const auto& [owner, row] : found)
      add(waiting, {owner.project, owner.run_id, owner.experiment_id}, row);
    loaded_ = true;
  });
  return {};
}

void PendingMetrics::cut(const std::string& key, const OfRun& run, std::vector<Piece>* out) {
  int64_t changes = kChangesAtOnce;
  std::vector<Row> rows = run.rows;
  std::ranges::sort(rows, {}, &Row::pending_n);
  for (const Row& row : rows) {
    if (changes + row.points + kChangesOfRow > kChangesAtOnce) {
      out->push_back({key, run.run_n, {}});
      changes = 0;
    }
    out->back().rows.push_back(row);
    changes += row.points + kChangesOfRow;
  }
}

Status PendingMetrics::settle(const Wanted& wanted) {
  TRY(load());
  std::vector<Piece> pieces;
  waiting_.with([&](const Waiting& waiting) { wanted(waiting, &pieces); });
  // Runs lie in the table as they were made: neighbours share pages. Those of one run keep their
  // order.
  std::ranges::stable_sort(pieces, {}, &Piece::run_n);
  for (size_t begin = 0; begin < pieces.size();) {
    int64_t changes = 0;
    size_t end = begin;
    for (; end < pieces.size(); ++end) {
      int64_t more = 0;
      for (const Row& row : pieces[end].rows) more += row.points + kChangesOfRow;
      if (changes > 0 && changes + more > kChangesAtOnce) break;
      changes += more;
    }
    const auto chunk = std::span<const Piece>(pieces).subspan(begin, end - begin);
    TRY(fold(chunk));
    forget(chunk);
    begin = end;
  }
  return {};
}

Status PendingMetrics::fold(std::span<const Piece> pieces) {
  return deps_.db.write([&](store::Tx& tx) -> Status {
    Folding folding(deps_, tx);
    std::vector<sql::PendingRow> taken;
    for (const Piece& piece : pieces) {
      taken.clear();
      for (const Row& row : piece.rows)
        if (auto found = TRY(sql::take_pending(tx, row.pending_n)))
          taken.push_back(std::move(*found));
      if (!taken.empty()) TRY(folding.fold_run(piece.run_n, taken));
    }
    return {};
  });
}

void PendingMetrics::forget(std::span<const Piece> pieces) {
  waiting_.with([&](Waiting& waiting) {
    for (const Piece& piece : pieces) {
      const auto at = waiting.runs.find(piece.key);
      if (at == waiting.runs.end()) continue;
      const auto folded = [&](const Row& row) {
        const auto found = std::ranges::lower_bound(piece.rows, row.pending_n, {}, &Row::pending_n);
        if (found == piece.rows.end() || found->pending_n != row.pending_n) return false;
        points_ -= row.points;
        return true;
      };
      std::erase_if(at->second.rows, folded);
      if (at->second.rows.empty()) waiting.runs.erase(at);
    }
  });
}

Status PendingMetrics::settle_run(std::string_view project, const std::string& run_id) {
  return settle_runs(project, std::span(&run_id, 1));
}

Status PendingMetrics::settle_runs(std::string_view project, std::span<const std::string> run_ids) {
  if (idle()) return {};
  return settle([&](const Waiting& waiting, std::vector<Piece>* out) {
    for (const std::string& id : run_ids) {
      const std::string key = in_project(project, id);
      if (const auto at = waiting.runs.find(key); at != waiting.runs.end())
        cut(key, at->second, out);
    }
  });
}

Status PendingMetrics::settle_experiments(std::string_view project,
                                          std::span<const int64_t> experiment_ids) {
  if (idle()) return {};
  return settle([&](const Waiting& waiting, std::vector<Piece>* out) {
    for (const auto& [key, run] : waiting.runs)
      if (run.project == project &&
          std::ranges::find(experiment_ids, run.experiment_id) != experiment_ids.end())
        cut(key, run, out);
  });
}

Status PendingMetrics::settle_all() {
  if (idle()) return {};
  return settle([&](const Waiting& waiting, std::vector<Piece>* out) {
    for (const auto& [key, run] : waiting.runs) cut(key, run, out);
  });
}

Status PendingMetrics::fold_when_due() {
  if (idle()) return {};
  TRY(load());
  const int64_t now_ns = deps_.clock.steady_ns();
  const bool due = waiting_.with([&](Waiting& waiting) {
    const bool old = now_ns - waiting.since_ns >= kFoldAgeMs * kNsOfMs;
    if (points_.load() < kFoldPoints && !old) return false;
    waiting.since_ns = now_ns;
    return true;
  });
  return due ? settle_all() : Status();
}

}  // namespace slip::tracking
