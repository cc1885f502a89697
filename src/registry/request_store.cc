#include "registry/request_store.h"

#include "base/text.h"
#include "registry/timeline_store.h"

namespace slip::registry::sql {
namespace {

constexpr std::string_view kColumns =
    "r.uid, r.version, r.target, r.from_stage, r.requester, r.comment, r.state, r.created_ms,"
    " r.updated_ms, r.expires_ms, r.archive_existing, r.plan_version, r.plan_digest, r.plan_owner,"
    " r.plan_valid, r.plan_detail, r.plan_checked_ms, r.closed_by, r.closed_reason";

Request decode(const store::Row& row) {
  Request r;
  r.uid = row.str(0);
  r.version = row.i64(1);
  r.target = row.str(2);
  r.from_stage = row.str(3);
  r.requester = row.str(4);
  r.comment = row.str(5);
  r.state = static_cast<RequestState>(row.i64(6));
  r.created_ms = row.i64(7);
  r.updated_ms = row.i64(8);
  r.expires_ms = row.i64(9);
  r.archive_existing = row.i64(10) != 0;
  if (!row.is_null(11))
    r.plan = {.version = row.i64(11),
              .digest = row.str(12),
              .owner = row.str(13),
              .valid = row.i64(14) != 0,
              .detail = row.str(15),
              .checked_ms = row.i64(16)};
  r.closed_by = row.str(17);
  r.closed_reason = row.str(18);
  return r;
}

Status load_approvals(store::Tx& tx, std::string_view project, Request* r) {
  return tx.each(
      "SELECT actor, approved, comment, created_ms, binding, digest, voided_ms"
      " FROM request_approval WHERE project = ? AND request_uid = ? ORDER BY n",
      {project, r->uid}, [&](const store::Row& row) {
        r->approvals.push_back({.actor = row.str(0),
                                .approved = row.i64(1) != 0,
                                .comment = row.str(2),
                                .created_ms = row.i64(3),
                                .binding = row.str(4),
                                .digest = row.str(5),
                                .voided_ms = row.i64(6)});
      });
}

Due decode_due(const store::Row& row) {
  return {.project = row.str(0),
          .model_uid = row.str(1),
          .model = row.str(2),
          .version = row.i64(3),
          .target = row.str(4),
          .uid = row.str(5)};
}

// Of models that still are.
constexpr std::string_view kDue =
    "SELECT r.project, r.model_uid, m.name, r.version, r.target, r.uid FROM transition_request r"
    " JOIN registered_model m ON m.project = r.project AND m.uid = r.model_uid"
    " AND m.deleted_ms IS NULL WHERE ";

}  // namespace

Result<std::vector<std::string>> stages(store::Tx& tx, Of of) {
  std::vector<std::string> out;
  TRY(tx.each("SELECT name FROM model_stage WHERE project = ? AND model_uid = ? ORDER BY name",
              {of.project, of.model_uid},
              [&](const store::Row& row) { out.push_back(row.str(0)); }));
  return out;
}

Status put_stage(store::Tx& tx, Of of, std::string_view name, std::string_view actor,
                 int64_t now_ms) {
  TRY(
      tx.exec("INSERT INTO model_stage (project, model_uid, name, actor, created_ms)"
              " VALUES (?, ?, ?, ?, ?)",
              {of.project, of.model_uid, name, actor, now_ms}));
  return {};
}

Status drop_stage(store::Tx& tx, Of of, std::string_view name) {
  TRY(tx.exec("DELETE FROM model_stage WHERE project = ? AND model_uid = ? AND name = ?",
              {of.project, of.model_uid, name}));
  return {};
}

Result<std::vector<PolicyRow>> policies(store::Tx& tx, Of of) {
  std::vector<PolicyRow> out;
  TRY(tx.each(
      "SELECT target, body FROM stage_policy WHERE project = ? AND model_uid = ?"
      " ORDER BY target",
      {of.project, of.model_uid},
      [&](const store::Row& row) { out.push_back({.target = row.str(0), .body = row.str(1)}); }));
  return out;
}

Result<std::optional<std::string>> policy(store::Tx& tx, Of of, std::string_view target) {
  std::optional<std::string> out;
  TRY(tx.first("SELECT body FROM stage_policy WHERE project = ? AND model_uid = ? AND target = ?",
               {of.project, of.model_uid, target},
               [&](const store::Row& row) { out = row.str(0); }));
  return out;
}

Status put_policy(store::Tx& tx, Of of, const PolicyRow& row, const Turn& turn) {
  TRY(
      tx.exec("INSERT INTO stage_policy (project, model_uid, target, body, actor, updated_ms)"
              " VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (project, model_uid, target) DO UPDATE SET"
              " body = excluded.body, actor = excluded.actor, updated_ms = excluded.updated_ms",
              {of.project, of.model_uid, row.target, row.body, turn.actor, turn.now_ms}));
  return begin_policy(tx, of, row, turn);
}

Status drop_policy(store::Tx& tx, Of of, std::string_view target, int64_t now_ms) {
  TRY(tx.exec("DELETE FROM stage_policy WHERE project = ? AND model_uid = ? AND target = ?",
              {of.project, of.model_uid, target}));
  return end_policy(tx, of, target, now_ms);
}

Status insert_request(store::Tx& tx, Of of, const Request& r) {
  const RollbackPlan plan = r.plan.value_or(RollbackPlan());
  TRY(tx.exec(
      "INSERT INTO transition_request (project, uid, model_uid, version, target, from_stage,"
      " requester, comment, state, created_ms, updated_ms, expires_ms, archive_existing,"
      " plan_version, plan_digest, plan_owner, plan_valid, plan_detail, plan_checked_ms,"
      " closed_by, closed_reason)"
      " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
      {of.project,
       r.uid,
       of.model_uid,
       r.version,
       r.target,
       r.from_stage,
       r.requester,
       r.comment,
       static_cast<int64_t>(r.state),
       r.created_ms,
       r.updated_ms,
       r.expires_ms,
       static_cast<int64_t>(r.archive_existing),
       r.plan ? store::Value(plan.version) : store::Value(nullptr),
       plan.digest,
       plan.owner,
       static_cast<int64_t>(plan.valid),
       plan.detail,
       plan.checked_ms,
       r.closed_by,
       r.closed_reason}));
  return {};
}

Status update_request(store::Tx& tx, std::string_view project, const Request& r) {
  const RollbackPlan plan = r.plan.value_or(RollbackPlan());
  TRY(
      tx.exec("UPDATE transition_request SET state = ?, updated_ms = ?, plan_version = ?,"
              " plan_digest = ?, plan_owner = ?, plan_valid = ?, plan_detail = ?,"
              " plan_checked_ms = ?, closed_by = ?, closed_reason = ?"
              " WHERE project = ? AND uid = ?",
              {static_cast<int64_t>(r.state), r.updated_ms,
               r.plan ? store::Value(plan.version) : store::Value(nullptr), plan.digest, plan.owner,
               static_cast<int64_t>(plan.valid), plan.detail, plan.checked_ms, r.closed_by,
               r.closed_reason, project, r.uid}));
  return {};
}

Result<std::optional<Request>> open_request(store::Tx& tx, Of of, int64_t version,
                                            std::string_view target) {
  std::optional<Request> out;
  TRY(tx.first(concat({"SELECT ", kColumns,
                       " FROM transition_request r WHERE r.project = ? AND r.model_uid = ?"
                       " AND r.version = ? AND r.target = ? AND r.state = 0"}),
               {of.project, of.model_uid, version, target},
               [&](const store::Row& row) { out = decode(row); }));
  if (out) TRY(load_approvals(tx, of.project, &*out));
  return out;
}

Result<std::optional<Request>> find_request(store::Tx& tx, std::string_view project,
                                            std::string_view uid) {
  std::optional<Request> out;
  TRY(tx.first(
      concat({"SELECT ", kColumns, " FROM transition_request r WHERE r.project = ? AND r.uid = ?"}),
      {project, uid}, [&](const store::Row& row) { out = decode(row); }));
  if (out) TRY(load_approvals(tx, project, &*out));
  return out;
}

Result<std::vector<Request>> requests(store::Tx& tx, Of of, int64_t version, bool open_only) {
  std::vector<Request> out;
  TRY(tx.each(concat({"SELECT ", kColumns,
                      " FROM transition_request r WHERE r.project = ? AND r.model_uid = ?"
                      " AND (CAST(? AS BIGINT) = 0 OR r.version = ?)",
                      open_only ? " AND r.state = 0" : "",
                      " ORDER BY r.created_ms DESC, r.uid DESC LIMIT CAST(? AS BIGINT)"}),
              {of.project, of.model_uid, version, version, kListedMax},
              [&](const store::Row& row) { out.push_back(decode(row)); }));
  for (Request& r : out) TRY(load_approvals(tx, of.project, &r));
  return out;
}

Result<Page<Request>> search_requests(store::Tx& tx, std::string_view project,
                                      const search::PageQuery& query) {
  constexpr int kColumnCount = 20;
  const std::string columns = concat({kColumns, ", m.name"});
  const search::Select list = {
      columns, kColumnCount,
      "transition_request r JOIN registered_model m ON m.project = r.project"
      " AND m.uid = r.model_uid AND m.deleted_ms IS NULL WHERE r.project = ?"};
  Page<Request> out = TRY(search::read_page(tx, project, list, query, [](const store::Row& row) {
    Request r = decode(row);
    r.model = row.str(kColumnCount - 1);
    return r;
  }));
  for (Request& r : out.items) TRY(load_approvals(tx, project, &r));
  return out;
}

Status add_approval(store::Tx& tx, std::string_view project, std::string_view request_uid,
                    const RequestApproval& a) {
  int64_t n = 0;
  TRY(tx.first("SELECT MAX(n) FROM request_approval WHERE project = ? AND request_uid = ?",
               {project, request_uid}, [&](const store::Row& row) { n = row.i64(0) + 1; }));
  TRY(
      tx.exec("INSERT INTO request_approval (project, request_uid, n, actor, approved, comment,"
              " created_ms, binding, digest, voided_ms) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
              {project, request_uid, n, a.actor, static_cast<int64_t>(a.approved), a.comment,
               a.created_ms, a.binding, a.digest, a.voided_ms}));
  return {};
}

Result<int64_t> void_approvals(store::Tx& tx, std::string_view project,
                               std::string_view request_uid, std::string_view binding,
                               int64_t now_ms) {
  return tx.exec(
      "UPDATE request_approval SET voided_ms = ? WHERE project = ? AND request_uid = ?"
      " AND voided_ms = 0 AND binding <> ?",
      {now_ms, project, request_uid, binding});
}

Result<std::vector<Due>> expired_requests(store::Tx& tx, int64_t now_ms, int64_t limit) {
  std::vector<Due> out;
  TRY(tx.each(concat({kDue,
                      "r.state = 0 AND r.expires_ms <= ?"
                      " ORDER BY r.expires_ms LIMIT CAST(? AS BIGINT)"}),
              {now_ms, limit}, [&](const store::Row& row) { out.push_back(decode_due(row)); }));
  return out;
}

Result<std::vector<Due>> stale_plans(store::Tx& tx, int64_t checked_before_ms, int64_t limit) {
  std::vector<Due> out;
  TRY(tx.each(concat({kDue,
                      "r.state <= 1 AND r.plan_version IS NOT NULL AND r.plan_checked_ms < ?"
                      " ORDER BY r.plan_checked_ms LIMIT CAST(? AS BIGINT)"}),
              {checked_before_ms, limit},
              [&](const store::Row& row) { out.push_back(decode_due(row)); }));
  return out;
}

}  // namespace slip::registry::sql
