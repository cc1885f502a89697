#include "tracking/purge_store.h"

#include <array>

#include "base/text.h"
#include "store/sql.h"
#include "tracking/artifact_store.h"

namespace slip::tracking::sql {
namespace {

constexpr int64_t kDayMs = int64_t{24} * 3'600'000;

// Rules of the candidate's experiment and of its project.
constexpr std::string_view kRules =
    " LEFT JOIN retention_rule re ON re.project = x.project AND re.experiment_id = x.experiment_id"
    " LEFT JOIN retention_rule rp ON rp.project = x.project AND rp.experiment_id = -1";

// Has lain in the bin for its time. Arguments: now, what was asked for, what holds without a rule.
std::string lain(std::string_view since) {
  return concat({since,
                 " <= CAST(? AS BIGINT) - COALESCE(CAST(? AS BIGINT), re.deleted_ms,"
                 " rp.deleted_ms, CAST(? AS BIGINT))"});
}

// What is in an experiment that goes as a whole; not while anything in it lives or is held.
std::string in_dying_experiment() {
  return concat({"(e.lifecycle = 1 AND e.experiment_id <> 0 AND ", lain("e.updated_ms"),
                 " AND NOT EXISTS (SELECT 1 FROM run lr WHERE lr.project = x.project"
                 " AND lr.experiment_id = x.experiment_id AND lr.lifecycle = 0))"});
}

constexpr std::string_view kExperimentHolds =
    "(h.kind = 'experiment' AND h.object_uid = CAST(x.experiment_id AS TEXT))";

struct Shape {
  std::string_view kind;
  std::string_view uid;
  std::string_view columns;  // name, n, uri, since
  std::string_view from;
  std::string_view holds;  // What holds it besides its experiment and project, alias h.
};

// A hold on a run covers its logged models, their inputs and outputs, and the traces linked to it;
// one on a logged model or a trace covers the run that it came from.
constexpr std::array<Shape, 5> kShapes = {{
    {"run", "x.run_id", "x.name, x.run_n, x.artifact_uri, x.start_ms", "run x",
     "(h.kind = 'run' AND h.object_uid = x.run_id)"
     " OR (h.kind = 'logged_model' AND EXISTS (SELECT 1 FROM logged_model hl"
     "  WHERE hl.project = x.project AND hl.model_id = h.object_uid"
     "  AND hl.source_run_id = x.run_id))"
     " OR (h.kind = 'trace' AND EXISTS (SELECT 1 FROM trace_link ht WHERE ht.project = x.project"
     "  AND ht.kind = 'run' AND ht.target = x.run_id AND ht.trace_id = h.object_uid))"
     " OR (h.kind = 'trace' AND EXISTS (SELECT 1 FROM trace_metadata hm"
     "  WHERE hm.project = x.project AND hm.trace_id = h.object_uid"
     "  AND hm.key = 'mlflow.sourceRun' AND hm.value = x.run_id))"},
    {"run", "x.run_id", "x.name, x.run_n, x.artifact_uri, x.deleted_ms", "run x", ""},
    {"logged_model", "x.model_id", "x.name, 0, x.artifact_uri, x.updated_ms", "logged_model x",
     "(h.kind = 'logged_model' AND h.object_uid = x.model_id)"
     " OR (h.kind = 'run' AND h.object_uid = x.source_run_id)"
     " OR (h.kind = 'run' AND EXISTS (SELECT 1 FROM run hr JOIN run_model_input hi"
     "  ON hi.run_n = hr.run_n AND hi.model_id = x.model_id"
     "  WHERE hr.project = x.project AND hr.run_id = h.object_uid))"
     " OR (h.kind = 'run' AND EXISTS (SELECT 1 FROM run hr JOIN run_model_output ho"
     "  ON ho.run_n = hr.run_n AND ho.model_id = x.model_id"
     "  WHERE hr.project = x.project AND hr.run_id = h.object_uid))"},
    {"trace", "x.trace_id",
     "COALESCE(x.name, ''), 0, COALESCE((SELECT g.value FROM trace_tag g"
     " WHERE g.project = x.project AND g.trace_id = x.trace_id"
     " AND g.key = 'mlflow.artifactLocation'), ''), x.request_us / 1000",
     "trace x",
     "(h.kind = 'trace' AND h.object_uid = x.trace_id)"
     " OR (h.kind = 'run' AND EXISTS (SELECT 1 FROM trace_link ht WHERE ht.project = x.project"
     "  AND ht.kind = 'run' AND ht.target = h.object_uid AND ht.trace_id = x.trace_id))"
     " OR (h.kind = 'run' AND EXISTS (SELECT 1 FROM trace_metadata hm"
     "  WHERE hm.project = x.project AND hm.trace_id = x.trace_id"
     "  AND hm.key = 'mlflow.sourceRun' AND hm.value = h.object_uid))"},
    {"experiment", "CAST(x.experiment_id AS TEXT)", "x.name, x.experiment_id, '', x.updated_ms",
     "experiment x",
     "(h.kind = 'run' AND EXISTS (SELECT 1 FROM run hr WHERE hr.project = x.project"
     "  AND hr.run_id = h.object_uid AND hr.experiment_id = x.experiment_id))"},
}};

std::string holds_of(Phase phase) {
  const size_t at = phase == Phase::kRuns ? 0 : static_cast<size_t>(phase);
  return concat({"(", kExperimentHolds, " OR ", kShapes[at].holds, ")"});
}

// A statement and its arguments, in order.
struct Query {
  std::string text;
  std::vector<store::Value> args;
  void add(std::string_view more) { text.append(more); }
};

void add_lain(Query* q, const PurgeSpec& spec, int64_t now_ms) {
  q->args.emplace_back(now_ms);
  q->args.push_back(store::maybe(spec.older_than_ms));
  q->args.push_back(spec.by_rules ? store::Value(nullptr) : store::Value(int64_t{0}));
}

void add_age(Query* q, std::string_view of, std::string_view rule, int64_t now_ms) {
  q->add(concat({of, " <= CAST(? AS BIGINT) - COALESCE(re.", rule, ", rp.", rule, ")"}));
  q->args.emplace_back(now_ms);
}

void add_condition(Query* q, const PurgeSpec& spec, const Sieve& sieve) {
  const int64_t now = sieve.now_ms;
  switch (sieve.phase) {
    case Phase::kExpire:  // Neither running nor scheduled.
      q->add(" AND x.lifecycle = 0 AND x.status >= 3 AND ");
      return add_age(q, "x.start_ms", "runs_ms", now);
    case Phase::kRuns:
      q->add(concat({" AND x.lifecycle = 1 AND ", lain("x.deleted_ms")}));
      return add_lain(q, spec, now);
    case Phase::kModels:
      q->add(concat({" AND ((x.lifecycle = 1 AND ", lain("x.updated_ms"), ") OR ",
                     in_dying_experiment(), ")"}));
      add_lain(q, spec, now);
      return add_lain(q, spec, now);
    case Phase::kTraces:
      q->add(" AND (");
      add_age(q, "x.request_us / 1000", "traces_ms", now);
      q->add(concat({" OR ", in_dying_experiment(), ")"}));
      return add_lain(q, spec, now);
    case Phase::kExperiments:
      q->add(concat({" AND x.lifecycle = 1 AND x.experiment_id <> 0 AND ", lain("x.updated_ms")}));
      return add_lain(q, spec, now);
  }
}

void add_names(Query* q, const PurgeSpec& spec, const Sieve& sieve, std::string_view uid) {
  const bool runs = sieve.phase == Phase::kRuns;
  if (runs && !spec.run_ids.empty()) {
    q->add(concat({" AND x.run_id IN (", store::placeholders(spec.run_ids.size()), ")"}));
    for (const std::string& id : spec.run_ids) q->args.emplace_back(std::string_view(id));
  }
  if (!spec.experiment_ids.empty()) {
    q->add(concat(
        {" AND x.experiment_id IN (", store::placeholders(spec.experiment_ids.size()), ")"}));
    for (const int64_t id : spec.experiment_ids) q->args.emplace_back(id);
  }
  if (sieve.uids.empty()) return;
  q->add(concat({" AND ", uid, " IN (", store::placeholders(sieve.uids.size()), ")"}));
  for (const std::string& id : sieve.uids) q->args.emplace_back(std::string_view(id));
}

constexpr std::string_view kParts =
    "(SELECT COUNT(*) FROM run r WHERE r.project = x.project"
    " AND r.experiment_id = x.experiment_id)"
    " + (SELECT COUNT(*) FROM logged_model l WHERE l.project = x.project"
    " AND l.experiment_id = x.experiment_id)"
    " + (SELECT COUNT(*) FROM trace t WHERE t.project = x.project"
    " AND t.experiment_id = x.experiment_id)";

// Where the parts of an object lie: each table's key behind what names the object.
struct PartTable {
  std::string_view kind;
  std::string_view table;
  std::string_view key;
  std::string_view where = "project = ? AND uid = ?";
};
constexpr std::string_view kByRun = "run_n = ?";
constexpr std::string_view kByModel = "project = ? AND model_id = ?";
constexpr std::string_view kByTrace = "project = ? AND trace_id = ?";
constexpr std::string_view kByExperiment = "project = ? AND experiment_id = ?";
constexpr std::array<PartTable, 20> kPartTables = {{
    {"run", "metric_point", "key_n, step, timestamp_ms, value, flag", kByRun},
    {"run", "metric_latest", "key_n", kByRun},
    {"run", "run_param", "key", kByRun},
    {"run", "run_tag", "key", kByRun},
    {"run", "run_input_tag", "name, digest, key", kByRun},
    {"run", "run_input", "name, digest", kByRun},
    {"run", "run_model_input", "model_id", kByRun},
    {"run", "run_model_output", "model_id, step", kByRun},
    {"run", "run_reproduction", "uid", "project = ? AND run_id = ?"},
    {"run", "trace_link", "trace_id", "project = ? AND target = ? AND kind = 'run'"},
    {"logged_model", "logged_model_tag", "key", kByModel},
    {"logged_model", "logged_model_param", "key", kByModel},
    {"logged_model", "logged_model_metric", "key, timestamp_ms, step, run_id", kByModel},
    {"trace", "trace_tag", "key", kByTrace},
    {"trace", "trace_metadata", "key", kByTrace},
    {"trace", "trace_span", "span_id", kByTrace},
    {"trace", "trace_assessment", "assessment_id", kByTrace},
    {"trace", "trace_link", "kind, target", kByTrace},
    {"experiment", "experiment_tag", "key", kByExperiment},
    {"experiment", "dataset_seen", "name, digest", kByExperiment},
}};

std::vector<store::Value> args_of(const PartTable& part, std::string_view project,
                                  const Leftover& o) {
  if (part.where == kByRun) return {o.n};
  if (part.where == kByExperiment) return {project, o.n};
  return {project, std::string_view(o.uid)};
}

std::optional<int64_t> days_of(const store::Row& row, int column) {
  if (row.is_null(column)) return std::nullopt;
  return row.i64(column) / kDayMs;
}

std::optional<int64_t> ms_of(const std::optional<int64_t>& days) {
  if (!days) return std::nullopt;
  return *days * kDayMs;
}

}  // namespace

std::string_view kind_of(Phase phase) { return kShapes[static_cast<size_t>(phase)].kind; }

Result<std::vector<Candidate>> candidates(store::Tx& tx, std::string_view project,
                                          const PurgeSpec& spec, const Sieve& sieve) {
  const Shape& shape = kShapes[static_cast<size_t>(sieve.phase)];
  const bool members = sieve.phase == Phase::kModels || sieve.phase == Phase::kTraces;
  Query q;
  q.add(concat({"SELECT ", shape.uid, ", x.experiment_id, ", shape.columns, ", ",
                holder_text(sieve.phase), ", ", sieve.phase == Phase::kExperiments ? kParts : "0",
                " FROM ", shape.from, kRules,
                members ? " LEFT JOIN experiment e ON e.project = x.project"
                          " AND e.experiment_id = x.experiment_id"
                        : "",
                " WHERE x.project = ?"}));
  q.args.emplace_back(project);
  add_condition(&q, spec, sieve);
  add_names(&q, spec, sieve, shape.uid);
  q.add(concat({" AND ", shape.uid, " > ? ORDER BY ", shape.uid, " LIMIT CAST(? AS BIGINT)"}));
  q.args.emplace_back(std::string_view(sieve.after));
  q.args.emplace_back(sieve.limit);
  std::vector<Candidate> out;
  TRY(tx.each(q.text, q.args, [&](const store::Row& row) {
    out.push_back({.kind = std::string(shape.kind),
                   .uid = row.str(0),
                   .name = row.str(2),
                   .experiment_id = row.i64(1),
                   .n = row.i64(3),
                   .uri = row.str(4),
                   .since_ms = row.i64(5),
                   .hold = row.str(6),
                   .parts = row.i64(7)});
  }));
  return out;
}

std::string holder_text(Phase phase) { return hold::holder_sql("x.project", holds_of(phase)); }

namespace {

Result<std::string> holder_of(store::Tx& tx, std::string_view project, Phase phase,
                              std::string_view uid) {
  const Shape& shape = kShapes[static_cast<size_t>(phase)];
  std::string out;
  TRY(tx.first(concat({"SELECT ", holder_text(phase), " FROM ", shape.from,
                       " WHERE x.project = ? AND ", shape.uid, " = ?"}),
               {project, uid}, [&](const store::Row& row) { out = row.str(0); }));
  return out;
}

}  // namespace

Result<std::string> holder_of_trace(store::Tx& tx, std::string_view project, std::string_view id) {
  return holder_of(tx, project, Phase::kTraces, id);
}

Result<std::string> holder_of_tree(store::Tx& tx, std::string_view project, std::string_view base) {
  const bool any =
      TRY(tx.first("SELECT 1 FROM legal_hold WHERE project = ? AND released_ms IS NULL LIMIT 1",
                   {project}, [](const store::Row&) {}));
  if (!any) return std::string();
  const std::vector<std::string_view> parts = split(base, '/');
  if (parts.size() >= 2) {
    const std::string_view id = parts[parts.size() - 2];
    if (const auto keeper = TRY(find_keeper(tx, project, id)))
      return holder_of(tx, project,
                       keeper->kind == "run"     ? Phase::kRuns
                       : keeper->kind == "trace" ? Phase::kTraces
                                                 : Phase::kModels,
                       id);
  }
  std::string out;
  TRY(tx.first(concat({"SELECT ", hold::holder_sql("?",
                                                   "(h.kind = 'experiment'"
                                                   " AND h.object_uid = ?)")}),
               {project, parts.empty() ? std::string_view() : parts.front()},
               [&](const store::Row& row) { out = row.str(0); }));
  return out;
}

Result<bool> drop_head(store::Tx& tx, std::string_view project, const Candidate& c) {
  if (c.kind == "run") return TRY(tx.exec("DELETE FROM run WHERE run_n = ?", {c.n})) > 0;
  if (c.kind == "experiment")
    return TRY(tx.exec("DELETE FROM experiment WHERE project = ? AND experiment_id = ?",
                       {project, c.experiment_id})) > 0;
  const bool model = c.kind == "logged_model";
  return TRY(tx.exec(model ? "DELETE FROM logged_model WHERE project = ? AND model_id = ?"
                           : "DELETE FROM trace WHERE project = ? AND trace_id = ?",
                     {project, c.uid})) > 0;
}

Status bury(store::Tx& tx, std::string_view project, const Candidate& c) {
  TRY(
      tx.exec("INSERT INTO purge_leftover (project, kind, uid, n, artifact_uri)"
              " VALUES (?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
              {project, c.kind, c.uid, c.n, c.uri}));
  return {};
}

Result<std::optional<std::string>> drop_tree(store::Tx& tx, std::string_view project,
                                             std::string_view base) {
  std::optional<std::string> out;
  TRY(tx.first("DELETE FROM artifact_tree WHERE project = ? AND base = ? RETURNING root",
               {project, base}, [&](const store::Row& row) { out = row.str(0); }));
  return out;
}

Status remember_id(store::Tx& tx, std::string_view project, int64_t experiment_id) {
  TRY(
      tx.exec("INSERT INTO experiment_counter (project, last_id) VALUES (?, ?)"
              " ON CONFLICT (project) DO UPDATE SET last_id ="
              " CASE WHEN excluded.last_id > experiment_counter.last_id THEN excluded.last_id"
              " ELSE experiment_counter.last_id END",
              {project, experiment_id}));
  return {};
}

Result<std::optional<Leftover>> next_leftover(store::Tx& tx, std::string_view project) {
  std::optional<Leftover> out;
  TRY(
      tx.first("SELECT kind, uid, n, artifact_uri FROM purge_leftover WHERE project = ?"
               " ORDER BY kind, uid LIMIT 1",
               {project}, [&](const store::Row& row) {
                 out = Leftover{row.str(0), row.str(1), row.i64(2), row.str(3)};
               }));
  return out;
}

Result<int64_t> drop_parts(store::Tx& tx, std::string_view project, const Leftover& o,
                           int64_t limit) {
  if (o.kind == "trace") {  // Its sender has sent it again: then the parts are that one's.
    const bool again = TRY(tx.first("SELECT 1 FROM trace WHERE project = ? AND trace_id = ?",
                                    {project, std::string_view(o.uid)}, [](const store::Row&) {}));
    if (again) return int64_t{0};
  }
  int64_t gone = 0;
  for (const PartTable& part : kPartTables) {
    if (part.kind != o.kind) continue;
    std::vector<store::Value> args = args_of(part, project, o);
    const size_t once = args.size();
    for (size_t i = 0; i < once; ++i) args.push_back(args[i]);
    args.emplace_back(limit - gone);
    gone += TRY(tx.exec(concat({"DELETE FROM ", part.table, " WHERE ", part.where, " AND (",
                                part.key, ") IN (SELECT ", part.key, " FROM ", part.table,
                                " WHERE ", part.where, " LIMIT CAST(? AS BIGINT))"}),
                        args));
    if (gone >= limit) break;
  }
  return gone;
}

Status drop_leftover(store::Tx& tx, std::string_view project, const Leftover& o) {
  TRY(tx.exec("DELETE FROM purge_leftover WHERE project = ? AND kind = ? AND uid = ?",
              {project, o.kind, o.uid}));
  return {};
}

Status put_rule(store::Tx& tx, std::string_view project, const RetentionRule& r) {
  TRY(
      tx.exec("INSERT INTO retention_rule (project, experiment_id, deleted_ms, runs_ms, traces_ms,"
              " updated_ms, actor) VALUES (?, ?, ?, ?, ?, ?, ?)"
              " ON CONFLICT (project, experiment_id) DO UPDATE SET"
              " deleted_ms = excluded.deleted_ms, runs_ms = excluded.runs_ms,"
              " traces_ms = excluded.traces_ms, updated_ms = excluded.updated_ms,"
              " actor = excluded.actor",
              {project, r.experiment_id, store::maybe(ms_of(r.deleted_days)),
               store::maybe(ms_of(r.runs_days)), store::maybe(ms_of(r.traces_days)), r.updated_ms,
               r.actor_uid}));
  return {};
}

Result<bool> drop_rule(store::Tx& tx, std::string_view project, int64_t experiment_id) {
  return TRY(tx.exec("DELETE FROM retention_rule WHERE project = ? AND experiment_id = ?",
                     {project, experiment_id})) > 0;
}

Result<std::vector<RetentionRule>> rules(store::Tx& tx, std::string_view project) {
  std::vector<RetentionRule> out;
  TRY(
      tx.each("SELECT experiment_id, deleted_ms, runs_ms, traces_ms, updated_ms, actor"
              " FROM retention_rule WHERE project = ? ORDER BY experiment_id",
              {project}, [&](const store::Row& row) {
                out.push_back({.experiment_id = row.i64(0),
                               .deleted_days = days_of(row, 1),
                               .runs_days = days_of(row, 2),
                               .traces_days = days_of(row, 3),
                               .updated_ms = row.i64(4),
                               .actor_uid = row.str(5)});
              }));
  return out;
}

Result<std::vector<std::string>> projects_with_rules(store::Tx& tx) {
  std::vector<std::string> out;
  TRY(tx.each("SELECT DISTINCT project FROM retention_rule ORDER BY project", {},
              [&](const store::Row& row) { out.push_back(row.str(0)); }));
  return out;
}

Status insert_purge(store::Tx& tx, std::string_view project, const PurgeRun& r) {
  TRY(
      tx.exec("INSERT INTO purge_run (project, uid, started_ms, actor, reason)"
              " VALUES (?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
              {project, r.uid, r.started_ms, r.actor_uid, r.reason}));
  return {};
}

Status count_purged(store::Tx& tx, std::string_view project, std::string_view uid,
                    std::string_view kind, int64_t n) {
  TRY(
      tx.exec("INSERT INTO purge_count (project, run_uid, kind, n) VALUES (?, ?, ?, ?)"
              " ON CONFLICT (project, run_uid, kind) DO UPDATE SET n = purge_count.n + excluded.n",
              {project, uid, kind, n}));
  return {};
}

Status end_purge(store::Tx& tx, std::string_view project, std::string_view uid, int64_t now_ms) {
  TRY(tx.exec("UPDATE purge_run SET ended_ms = ? WHERE project = ? AND uid = ?",
              {now_ms, project, uid}));
  return {};
}

namespace {

Result<std::vector<PurgeRun>> read_purges(store::Tx& tx, std::string_view where,
                                          std::initializer_list<store::Value> args) {
  std::vector<PurgeRun> out;
  TRY(tx.each(
      concat({"SELECT uid, started_ms, ended_ms, actor, reason FROM purge_run WHERE ", where}),
      args, [&](const store::Row& row) {
        out.push_back({.uid = row.str(0),
                       .state = row.is_null(2) ? "running" : "done",
                       .actor_uid = row.str(3),
                       .reason = row.str(4),
                       .started_ms = row.i64(1),
                       .ended_ms = row.i64(2),
                       .purged = {}});
      }));
  for (PurgeRun& r : out)
    TRY(tx.each("SELECT kind, n FROM purge_count WHERE project = ? AND run_uid = ?",
                {*args.begin(), std::string_view(r.uid)}, [&](const store::Row& row) {
                  if (row.text(0) == "row")
                    r.purged.rows = row.i64(1);
                  else
                    r.purged.objects[row.str(0)] = row.i64(1);
                }));
  return out;
}

}  // namespace

Result<std::vector<PurgeRun>> purges(store::Tx& tx, std::string_view project,
                                     std::string_view before, int64_t limit) {
  if (before.empty())
    return read_purges(tx, "project = ? ORDER BY uid DESC LIMIT CAST(? AS BIGINT)",
                       {project, limit});
  return read_purges(tx, "project = ? AND uid < ? ORDER BY uid DESC LIMIT CAST(? AS BIGINT)",
                     {project, before, limit});
}

Result<std::optional<PurgeRun>> find_purge(store::Tx& tx, std::string_view project,
                                           std::string_view uid) {
  std::vector<PurgeRun> found = TRY(read_purges(tx, "project = ? AND uid = ?", {project, uid}));
  if (found.empty()) return std::optional<PurgeRun>();
  return std::optional(std::move(found.front()));
}

Result<int64_t> discard(store::Tx& tx, std::string_view project, int64_t now_ms, int64_t limit) {
  constexpr std::array<std::string_view, 3> kSteps = {
      "UPDATE run SET lifecycle = 1, deleted_ms = ? WHERE run_n IN (SELECT r.run_n FROM run r"
      " WHERE r.project = ? AND r.lifecycle = 0 LIMIT CAST(? AS BIGINT))",
      "UPDATE logged_model SET lifecycle = 1, updated_ms = ? WHERE (project, model_id) IN"
      " (SELECT l.project, l.model_id FROM logged_model l WHERE l.project = ? AND l.lifecycle = 0"
      " LIMIT CAST(? AS BIGINT))",
      "UPDATE experiment SET lifecycle = 1, updated_ms = ? WHERE (project, experiment_id) IN"
      " (SELECT e.project, e.experiment_id FROM experiment e WHERE e.project = ?"
      " AND e.lifecycle = 0 AND e.experiment_id <> 0 LIMIT CAST(? AS BIGINT))",
  };
  int64_t changed = 0;
  for (const std::string_view step : kSteps)
    if (changed < limit) changed += TRY(tx.exec(step, {now_ms, project, limit - changed}));
  return changed;
}

}  // namespace slip::tracking::sql
