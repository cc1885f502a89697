#include "core/later/later_store.h"

#include <array>

#include "base/check.h"
#include "base/text.h"
#include "core/later/later.h"

namespace slip::later {

std::span<const store::Migration> migrations() {
  static constexpr std::array<store::Migration, 1> kSteps = {{
      {"later", 1,
       "CREATE TABLE later_request ("
       " project TEXT NOT NULL, uid TEXT NOT NULL,"
       " actor_uid TEXT NOT NULL, actor_kind TEXT NOT NULL, credential TEXT NOT NULL,"
       " trace_id TEXT NOT NULL, key TEXT NOT NULL, fingerprint TEXT NOT NULL,"
       " method TEXT NOT NULL, target TEXT NOT NULL,"
       " head BYTEA NOT NULL, body BYTEA NOT NULL, body_digest TEXT NOT NULL,"
       " body_bytes BIGINT NOT NULL, state TEXT NOT NULL, attempts BIGINT NOT NULL,"
       " next_ms BIGINT NOT NULL, lease_token TEXT NOT NULL, lease_until_ms BIGINT NOT NULL,"
       " created_ms BIGINT NOT NULL, started_ms BIGINT NOT NULL, ended_ms BIGINT NOT NULL,"
       " expires_ms BIGINT NOT NULL, status BIGINT NOT NULL, answer_head BYTEA NOT NULL,"
       " answer BYTEA NOT NULL, answer_digest TEXT NOT NULL, answer_bytes BIGINT NOT NULL,"
       " error TEXT NOT NULL,"
       " PRIMARY KEY (project, uid));"
       "CREATE UNIQUE INDEX later_request_key ON later_request (project, actor_uid, key);"
       "CREATE INDEX later_request_queue ON later_request"
       " (state, project, actor_uid, uid, next_ms, created_ms, body_bytes);"
       "CREATE INDEX later_request_end ON later_request (expires_ms, state)"},
  }};
  return kSteps;
}

std::string_view state_name(State state) {
  static constexpr std::array<std::string_view, 6> kNames = {"queued", "running",   "done",
                                                             "failed", "cancelled", "expired"};
  return kNames[static_cast<size_t>(state)];
}

std::optional<State> parse_state(std::string_view name) {
  for (int i = 0; i <= static_cast<int>(State::kExpired); ++i)
    if (state_name(static_cast<State>(i)) == name) return static_cast<State>(i);
  return std::nullopt;
}

namespace sql {
namespace {

constexpr std::string_view kColumns =
    "project, uid, actor_uid, actor_kind, credential, trace_id, method, target, state, attempts,"
    " next_ms, created_ms, started_ms, ended_ms, expires_ms, body_bytes, status, answer_bytes,"
    " error";

Job decode(const store::Row& row) {
  Job j;
  j.project = row.str(0);
  j.uid = row.str(1);
  j.actor_uid = row.str(2);
  j.actor_kind = row.str(3);
  j.credential = row.str(4);
  j.trace_id = row.str(5);
  j.method = row.str(6);
  j.target = row.str(7);
  const std::optional<State> state = parse_state(row.text(8));
  CHECK(state);  // Only we write this column.
  j.state = *state;
  j.attempts = row.i64(9);
  j.next_ms = row.i64(10);
  j.created_ms = row.i64(11);
  j.started_ms = row.i64(12);
  j.ended_ms = row.i64(13);
  j.expires_ms = row.i64(14);
  j.body_bytes = row.i64(15);
  j.status = row.i64(16);
  j.answer_bytes = row.i64(17);
  j.error = row.str(18);
  return j;
}

store::Blob blob(std::string_view bytes) { return {bytes}; }

}  // namespace

Status insert(store::Tx& tx, const NewJob& made) {
  const Job& j = made.job;
  TRY(tx.exec(
      "INSERT INTO later_request (project, uid, actor_uid, actor_kind, credential, trace_id,"
      " key, fingerprint, method, target, head, body, body_digest, body_bytes, state,"
      " attempts, next_ms, lease_token, lease_until_ms, created_ms, started_ms, ended_ms,"
      " expires_ms, status, answer_head, answer, answer_digest, answer_bytes, error)"
      " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 'queued', 0, ?, '', 0, ?, 0, 0, ?,"
      " 0, ?, ?, '', 0, '')",
      {j.project, j.uid, j.actor_uid, j.actor_kind, j.credential, j.trace_id, made.key,
       made.fingerprint, j.method, j.target, blob(made.head), blob(made.body.inside),
       made.body.digest, j.body_bytes, j.next_ms, j.created_ms, j.expires_ms, blob(""), blob("")}));
  return {};
}

Result<std::optional<Job>> find(store::Tx& tx, std::string_view project, std::string_view uid) {
  std::optional<Job> out;
  TRY(tx.first(concat({"SELECT ", kColumns, " FROM later_request WHERE project = ? AND uid = ?"}),
               {project, uid}, [&](const store::Row& row) { out = decode(row); }));
  return out;
}

Result<std::optional<Known>> find_key(store::Tx& tx, const Job& whose, std::string_view key) {
  std::optional<Known> out;
  TRY(tx.first(concat({"SELECT ", kColumns,
                       ", fingerprint FROM later_request"
                       " WHERE project = ? AND actor_uid = ? AND key = ?"}),
               {whose.project, whose.actor_uid, key},
               [&](const store::Row& row) { out = Known{decode(row), row.str(19)}; }));
  return out;
}

Result<Waiting> waiting(store::Tx& tx, std::string_view project, std::string_view actor_uid) {
  Waiting out;
  TRY(
      tx.each("SELECT project, actor_uid, COUNT(*), CAST(SUM(body_bytes) AS BIGINT)"
              " FROM later_request WHERE state IN ('queued', 'running')"
              " GROUP BY project, actor_uid",
              {}, [&](const store::Row& row) {
                out.all += row.i64(2);
                out.bytes += row.i64(3);
                if (row.text(0) == project && row.text(1) == actor_uid) out.own += row.i64(2);
              }));
  return out;
}

Result<std::vector<Job>> list(store::Tx& tx, const Query& query) {
  std::string where = "WHERE project = ?";
  std::vector<store::Value> args = {std::string_view(query.project)};
  if (!query.actor_uid.empty()) {
    where += " AND actor_uid = ?";
    args.emplace_back(std::string_view(query.actor_uid));
  }
  if (query.state) {
    where += " AND state = ?";
    args.emplace_back(state_name(*query.state));
  }
  if (!query.before.empty()) {
    where += " AND uid < ?";
    args.emplace_back(std::string_view(query.before));
  }
  args.emplace_back(query.limit);
  std::vector<Job> out;
  TRY(tx.each(
      concat({"SELECT ", kColumns, " FROM later_request ", where, " ORDER BY uid DESC LIMIT ?"}),
      args, [&](const store::Row& row) { out.push_back(decode(row)); }));
  return out;
}

Result<std::vector<Due>> due(store::Tx& tx, int64_t now_ms) {
  std::vector<Due> out;
  TRY(
      tx.each("SELECT project, actor_uid, MIN(uid) FROM later_request WHERE state = 'queued'"
              " AND next_ms <= ? GROUP BY project, actor_uid",
              {now_ms},
              [&](const store::Row& row) { out.push_back({row.str(0), row.str(1), row.str(2)}); }));
  return out;
}

Result<bool> take(store::Tx& tx, const Due& what, const Lease& lease, int64_t now_ms) {
  return TRY(tx.exec("UPDATE later_request SET state = 'running', lease_token = ?,"
                     " lease_until_ms = ?, attempts = attempts + 1, started_ms = ?"
                     " WHERE project = ? AND uid = ? AND state = 'queued' AND next_ms <= ?",
                     {lease.token, lease.until_ms, now_ms, what.project, what.uid, now_ms})) == 1;
}

Result<Request> request_of(store::Tx& tx, const Job& job) {
  Request out;
  TRY(tx.first("SELECT head, body, body_digest FROM later_request WHERE project = ? AND uid = ?",
               {job.project, job.uid}, [&](const store::Row& row) {
                 out.head = row.blob(0);
                 out.body.inside = row.blob(1);
                 out.body.digest = row.str(2);
               }));
  return out;
}

Status extend(store::Tx& tx, std::string_view token, int64_t until_ms) {
  TRY(
      tx.exec("UPDATE later_request SET lease_until_ms = ? WHERE state = 'running'"
              " AND lease_token = ?",
              {until_ms, token}));
  return {};
}

Result<bool> settle(store::Tx& tx, const Outcome& outcome, std::string_view token) {
  const Job& j = outcome.job;
  const int64_t changed =
      TRY(tx.exec("UPDATE later_request SET state = ?, attempts = ?, next_ms = ?, ended_ms = ?,"
                  " expires_ms = ?, status = ?, answer_head = ?, answer = ?, answer_digest = ?,"
                  " answer_bytes = ?, error = ?, lease_token = '', lease_until_ms = 0"
                  " WHERE project = ? AND uid = ? AND state = 'running' AND lease_token = ?",
                  {state_name(j.state), j.attempts, j.next_ms, j.ended_ms, j.expires_ms, j.status,
                   blob(outcome.answer_head), blob(outcome.answer.inside), outcome.answer.digest,
                   j.answer_bytes, j.error, j.project, j.uid, token}));
  if (changed == 0) return false;
  if (outcome.forgets_request)
    TRY(
        tx.exec("UPDATE later_request SET head = ?, body = ?, body_digest = ''"
                " WHERE project = ? AND uid = ?",
                {blob(""), blob(""), j.project, j.uid}));
  return true;
}

Result<Answered> answer_of(store::Tx& tx, const Job& job) {
  Answered out;
  TRY(
      tx.first("SELECT answer_head, answer, answer_digest FROM later_request"
               " WHERE project = ? AND uid = ?",
               {job.project, job.uid}, [&](const store::Row& row) {
                 out.head = row.blob(0);
                 out.body.inside = row.blob(1);
                 out.body.digest = row.str(2);
               }));
  return out;
}

Result<bool> cancel(store::Tx& tx, const Job& job) {
  return TRY(tx.exec("UPDATE later_request SET state = 'cancelled', ended_ms = ?, expires_ms = ?,"
                     " lease_token = '', lease_until_ms = 0, head = ?, body = ?, body_digest = ''"
                     " WHERE project = ? AND uid = ? AND state IN ('queued', 'running')",
                     {job.ended_ms, job.expires_ms, blob(""), blob(""), job.project, job.uid})) ==
         1;
}

Result<bool> requeue(store::Tx& tx, const Job& job, int64_t now_ms) {
  return TRY(tx.exec("UPDATE later_request SET state = 'queued', attempts = 0, next_ms = ?,"
                     " ended_ms = 0, expires_ms = ?, status = 0, answer_head = ?, answer = ?,"
                     " answer_digest = '', answer_bytes = 0, error = ''"
                     " WHERE project = ? AND uid = ? AND state = 'failed'",
                     {now_ms, job.expires_ms, blob(""), blob(""), job.project, job.uid})) == 1;
}

Result<std::vector<Job>> lapsed(store::Tx& tx, int64_t now_ms) {
  std::vector<Job> out;
  TRY(tx.each(concat({"SELECT ", kColumns,
                      " FROM later_request WHERE state = 'running' AND lease_until_ms <= ?"
                      " LIMIT 500"}),
              {now_ms}, [&](const store::Row& row) { out.push_back(decode(row)); }));
  return out;
}

Result<bool> take_back(store::Tx& tx, const Job& after, int64_t now_ms) {
  return TRY(tx.exec("UPDATE later_request SET state = ?, next_ms = ?, ended_ms = ?,"
                     " expires_ms = ?, error = ?, lease_token = '', lease_until_ms = 0"
                     " WHERE project = ? AND uid = ? AND state = 'running'"
                     " AND lease_until_ms <= ?",
                     {state_name(after.state), after.next_ms, after.ended_ms, after.expires_ms,
                      after.error, after.project, after.uid, now_ms})) == 1;
}

Result<int64_t> expire(store::Tx& tx, int64_t now_ms, int64_t limit) {
  return tx.exec(
      "UPDATE later_request SET state = 'expired', expires_ms = ?, head = ?, body = ?,"
      " body_digest = '', answer_head = ?, answer = ?, answer_digest = ''"
      " WHERE (project, uid) IN (SELECT project, uid FROM later_request WHERE expires_ms <= ?"
      " AND state IN ('queued', 'done', 'failed', 'cancelled') LIMIT ?)",
      {now_ms + kRememberedMs, blob(""), blob(""), blob(""), blob(""), now_ms, limit});
}

Result<int64_t> remove_expired(store::Tx& tx, int64_t now_ms, int64_t limit) {
  return tx.exec(
      "DELETE FROM later_request WHERE (project, uid) IN (SELECT project, uid FROM later_request"
      " WHERE expires_ms <= ? AND state = 'expired' LIMIT ?)",
      {now_ms, limit});
}

Result<Counts> counts(store::Tx& tx) {
  Counts out;
  TRY(
      tx.each("SELECT state, COUNT(*), MIN(created_ms) FROM later_request"
              " WHERE state IN ('queued', 'running') GROUP BY state",
              {}, [&](const store::Row& row) {
                if (row.text(0) == "running") {
                  out.running = row.i64(1);
                } else {
                  out.queued = row.i64(1);
                  out.oldest_ms = row.i64(2);
                }
              }));
  return out;
}

Status each_digest(store::Tx& tx, const std::function<void(std::string_view)>& tell) {
  return tx.each(
      "SELECT body_digest, answer_digest FROM later_request"
      " WHERE body_digest <> '' OR answer_digest <> ''",
      {}, [&](const store::Row& row) {
        for (int i = 0; i < 2; ++i)
          if (!row.text(i).empty()) tell(row.text(i));
      });
}

}  // namespace sql
}  // namespace slip::later
