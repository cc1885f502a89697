#include "core/jobs/jobs_store.h"

#include <array>

namespace slip::jobs {

std::span<const store::Migration> migrations() {
  static constexpr std::array<store::Migration, 1> kSteps = {{
      {"jobs", 1,
       "CREATE TABLE job ("
       " project TEXT NOT NULL, uid TEXT NOT NULL, kind TEXT NOT NULL, state TEXT NOT NULL,"
       " payload TEXT NOT NULL, cursor TEXT NOT NULL, attempts BIGINT NOT NULL,"
       " next_run_ms BIGINT NOT NULL, lease_token TEXT NOT NULL, lease_until_ms BIGINT NOT NULL,"
       " error TEXT NOT NULL, created_ms BIGINT NOT NULL, updated_ms BIGINT NOT NULL,"
       " PRIMARY KEY (project, uid));"
       "CREATE INDEX job_due ON job (state, next_run_ms)"},
  }};
  return kSteps;
}

namespace sql {

Status put(store::Tx& tx, const JobRow& row, int64_t now_ms) {
  TRY(
      tx.exec("INSERT INTO job (project, uid, kind, state, payload, cursor, attempts,"
              " next_run_ms, lease_token, lease_until_ms, error, created_ms, updated_ms)"
              " VALUES (?, ?, ?, 'ready', ?, '', 0, ?, '', 0, '', ?, ?)"
              " ON CONFLICT (project, uid) DO UPDATE SET state = 'ready',"
              " payload = excluded.payload, cursor = '', attempts = 0,"
              " next_run_ms = excluded.next_run_ms, lease_token = '', lease_until_ms = 0,"
              " error = '', updated_ms = excluded.updated_ms WHERE job.state <> 'ready'",
              {row.project, row.uid, row.kind, row.payload, now_ms, now_ms, now_ms}));
  return {};
}

Result<std::optional<JobRow>> due(store::Tx& tx, std::span<const std::string> kinds,
                                  int64_t now_ms) {
  std::optional<JobRow> out;
  if (kinds.empty()) return out;
  std::string statement =
      "SELECT project, uid, kind, payload, cursor, attempts FROM job WHERE state = 'ready'"
      " AND next_run_ms <= ? AND lease_until_ms <= ? AND kind IN (";
  std::vector<store::Value> args{now_ms, now_ms};
  for (size_t i = 0; i < kinds.size(); ++i) {
    statement += i ? ", ?" : "?";
    args.emplace_back(kinds[i]);
  }
  statement += ") ORDER BY next_run_ms, uid LIMIT 1";
  TRY(tx.each(statement, args, [&](const store::Row& row) {
    out = {row.str(0), row.str(1), row.str(2), row.str(3), row.str(4), row.i64(5)};
  }));
  return out;
}

Result<int64_t> take(store::Tx& tx, const JobRow& row, const Lease& lease, int64_t now_ms) {
  return tx.exec(
      "UPDATE job SET lease_token = ?, lease_until_ms = ?, attempts = attempts + 1,"
      " updated_ms = ? WHERE project = ? AND uid = ? AND state = 'ready'"
      " AND next_run_ms <= ? AND lease_until_ms <= ?",
      {lease.token, lease.until_ms, now_ms, row.project, row.uid, now_ms, now_ms});
}

Result<int64_t> record(store::Tx& tx, const JobRow& row, std::string_view lease_token,
                       const Record& r, int64_t now_ms) {
  return tx.exec(
      "UPDATE job SET state = ?, cursor = ?, attempts = ?, next_run_ms = ?,"
      " error = ?, lease_token = '', lease_until_ms = 0, updated_ms = ?"
      " WHERE project = ? AND uid = ? AND lease_token = ?",
      {r.state, r.cursor, r.attempts, r.next_run_ms, r.error, now_ms, row.project, row.uid,
       lease_token});
}

Result<std::vector<Info>> list(store::Tx& tx, std::string_view project, std::string_view after,
                               int64_t limit) {
  std::vector<Info> out;
  TRY(
      tx.each("SELECT project, uid, kind, state, attempts, next_run_ms, error FROM job"
              " WHERE project = ? AND uid > ? ORDER BY uid LIMIT ?",
              {project, after, limit}, [&](const store::Row& row) {
                out.push_back({row.str(0), row.str(1), row.str(2), row.str(3), row.i64(4),
                               row.i64(5), row.str(6)});
              }));
  return out;
}

Result<int64_t> purge(store::Tx& tx, int64_t before_ms, int64_t limit) {
  return tx.exec(
      "DELETE FROM job WHERE (project, uid) IN (SELECT project, uid FROM job"
      " WHERE state = 'done' AND updated_ms < ? LIMIT ?)",
      {before_ms, limit});
}

}  // namespace sql
}  // namespace slip::jobs
