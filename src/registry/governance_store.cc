#include "registry/registry_store.h"

// Gates and who held which stage when.
namespace slip::registry::sql {

Status put_gate(store::Tx& tx, std::string_view project, std::string_view model_uid,
                const Version& v) {
  const Gate& gate = *v.gate;
  TRY(
      tx.exec("INSERT INTO model_version_gate (project, model_uid, version, passed, evaluated_ms,"
              " actor, digest) VALUES (?, ?, ?, ?, ?, ?, ?)"
              " ON CONFLICT (project, model_uid, version) DO UPDATE SET passed = excluded.passed,"
              " evaluated_ms = excluded.evaluated_ms, actor = excluded.actor,"
              " digest = excluded.digest",
              {project, model_uid, v.number, static_cast<int64_t>(gate.passed), gate.evaluated_ms,
               gate.actor, gate.digest}));
  TRY(
      tx.exec("DELETE FROM model_version_check WHERE project = ? AND model_uid = ?"
              " AND version = ?",
              {project, model_uid, v.number}));
  int64_t n = 0;
  for (const CheckResult& r : gate.checks)
    TRY(tx.exec(
        "INSERT INTO model_version_check (project, model_uid, version, n, kind, metric,"
        " bound, value, threshold, champion_version, champion_value, passed, detail, options,"
        " evidence, envelope) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        {project, model_uid, v.number, n++, static_cast<int64_t>(r.check.kind), r.check.metric,
         r.check.bound, store::maybe(r.value), store::maybe(r.threshold), r.champion_version,
         store::maybe(r.champion_value), static_cast<int64_t>(r.passed), r.detail, r.check.options,
         r.evidence, r.envelope}));
  return {};
}

Status begin_tenure(store::Tx& tx, std::string_view project, std::string_view model_uid,
                    Tenure* t) {
  TRY(tx.first("SELECT MAX(n) FROM stage_tenure WHERE project = ? AND model_uid = ?",
               {project, model_uid}, [&](const store::Row& row) { t->n = row.i64(0) + 1; }));
  TRY(
      tx.exec("INSERT INTO stage_tenure (project, model_uid, n, stage, version, from_ms, actor,"
              " reason, back_n) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
              {project, model_uid, t->n, t->stage.name, t->version, t->from_ms, t->actor, t->reason,
               t->back_n}));
  return {};
}

Result<int64_t> open_tenure(store::Tx& tx, std::string_view project, std::string_view model_uid,
                            const Stage& stage) {
  int64_t n = 0;
  TRY(
      tx.first("SELECT MAX(n) FROM stage_tenure WHERE project = ? AND model_uid = ?"
               " AND stage = ? AND to_ms IS NULL",
               {project, model_uid, stage.name}, [&](const store::Row& row) { n = row.i64(0); }));
  return n;
}

Status end_tenures(store::Tx& tx, std::string_view project, std::string_view model_uid,
                   int64_t version, int64_t now_ms) {
  TRY(
      tx.exec("UPDATE stage_tenure SET to_ms = ? WHERE project = ? AND model_uid = ?"
              " AND version = ? AND to_ms IS NULL",
              {now_ms, project, model_uid, version}));
  return {};
}

Result<std::vector<Tenure>> tenures(store::Tx& tx, std::string_view project,
                                    std::string_view model_uid) {
  std::vector<Tenure> out;
  TRY(
      tx.each("SELECT n, stage, version, from_ms, to_ms, actor, reason, back_n"
              " FROM stage_tenure WHERE project = ? AND model_uid = ? ORDER BY n",
              {project, model_uid}, [&](const store::Row& row) {
                Tenure t;
                t.n = row.i64(0);
                t.stage = Stage{row.str(1)};
                t.version = row.i64(2);
                t.from_ms = row.i64(3);
                if (!row.is_null(4)) t.to_ms = row.i64(4);
                t.actor = row.str(5);
                t.reason = row.str(6);
                t.back_n = row.i64(7);
                out.push_back(std::move(t));
              }));
  return out;
}

Status each_digest(store::Tx& tx, const std::function<void(std::string_view)>& on_digest) {
  return tx.each("SELECT digest FROM model_version WHERE digest <> '' AND deleted_ms IS NULL", {},
                 [&](const store::Row& row) { on_digest(row.text(0)); });
}

}  // namespace slip::registry::sql
