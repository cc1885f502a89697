#include "registry/request_store.h"

// Comments, waivers, reviews, evidence, scans: what hangs on a version beside its requests.
namespace slip::registry::sql {

Status put_comment(store::Tx& tx, Of of, const Comment& c) {
  TRY(
      tx.exec("INSERT INTO model_comment (project, uid, model_uid, version, actor, comment,"
              " created_ms, updated_ms) VALUES (?, ?, ?, ?, ?, ?, ?, ?)"
              " ON CONFLICT (project, uid) DO UPDATE SET comment = excluded.comment,"
              " updated_ms = excluded.updated_ms",
              {of.project, c.uid, of.model_uid, c.version, c.actor, c.comment, c.created_ms,
               c.updated_ms}));
  return {};
}

namespace {

Comment decode_comment(const store::Row& row) {
  return {.uid = row.str(0),
          .version = row.i64(1),
          .actor = row.str(2),
          .comment = row.str(3),
          .created_ms = row.i64(4),
          .updated_ms = row.i64(5)};
}

Status load_items(store::Tx& tx, std::string_view project, Review* review) {
  return tx.each(
      "SELECT n, kind, wording, severity, owner, due_ms, state, note, actor, updated_ms"
      " FROM model_review_item WHERE project = ? AND review_uid = ? ORDER BY n",
      {project, review->uid}, [&](const store::Row& row) {
        review->items.push_back({.n = row.i64(0),
                                 .kind = static_cast<ReviewItem::Kind>(row.i64(1)),
                                 .wording = row.str(2),
                                 .severity = row.str(3),
                                 .owner = row.str(4),
                                 .due_ms = row.i64(5),
                                 .state = static_cast<ReviewItem::State>(row.i64(6)),
                                 .note = row.str(7),
                                 .actor = row.str(8),
                                 .updated_ms = row.i64(9)});
      });
}

}  // namespace

Result<std::optional<Comment>> find_comment(store::Tx& tx, std::string_view project,
                                            std::string_view uid, std::string* model_uid) {
  std::optional<Comment> out;
  TRY(
      tx.first("SELECT uid, version, actor, comment, created_ms, updated_ms, model_uid"
               " FROM model_comment WHERE project = ? AND uid = ?",
               {project, uid}, [&](const store::Row& row) {
                 out = decode_comment(row);
                 *model_uid = row.str(6);
               }));
  return out;
}

Result<std::vector<Comment>> comments(store::Tx& tx, Of of, int64_t version) {
  std::vector<Comment> out;
  TRY(
      tx.each("SELECT uid, version, actor, comment, created_ms, updated_ms FROM model_comment"
              " WHERE project = ? AND model_uid = ? AND version = ? ORDER BY created_ms, uid"
              " LIMIT CAST(? AS BIGINT)",
              {of.project, of.model_uid, version, kListedMax},
              [&](const store::Row& row) { out.push_back(decode_comment(row)); }));
  return out;
}

Status drop_comment(store::Tx& tx, std::string_view project, std::string_view uid) {
  TRY(tx.exec("DELETE FROM model_comment WHERE project = ? AND uid = ?", {project, uid}));
  return {};
}

Status put_waiver(store::Tx& tx, Of of, const Waiver& w) {
  TRY(tx.exec(
      "INSERT INTO gate_waiver (project, uid, model_uid, version, check_name, reason, actor,"
      " created_ms, expires_ms, revoked_ms) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
      " ON CONFLICT (project, uid) DO UPDATE SET revoked_ms = excluded.revoked_ms",
      {of.project, w.uid, of.model_uid, w.version, w.check, w.reason, w.actor, w.created_ms,
       w.expires_ms, w.revoked_ms}));
  return {};
}

Result<std::vector<Waiver>> waivers(store::Tx& tx, Of of, int64_t version) {
  std::vector<Waiver> out;
  TRY(
      tx.each("SELECT uid, version, check_name, reason, actor, created_ms, expires_ms, revoked_ms"
              " FROM gate_waiver WHERE project = ? AND model_uid = ? AND version = ?"
              " ORDER BY created_ms, uid LIMIT CAST(? AS BIGINT)",
              {of.project, of.model_uid, version, kListedMax}, [&](const store::Row& row) {
                out.push_back({.uid = row.str(0),
                               .version = row.i64(1),
                               .check = row.str(2),
                               .reason = row.str(3),
                               .actor = row.str(4),
                               .created_ms = row.i64(5),
                               .expires_ms = row.i64(6),
                               .revoked_ms = row.i64(7)});
              }));
  return out;
}

Status put_review(store::Tx& tx, Of of, const Review& r) {
  TRY(
      tx.exec("INSERT INTO model_review (project, uid, model_uid, version, digest, title, owner,"
              " due_ms, state, conclusion, actor, created_ms, updated_ms)"
              " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (project, uid)"
              " DO UPDATE SET state = excluded.state, conclusion = excluded.conclusion,"
              " actor = excluded.actor, updated_ms = excluded.updated_ms",
              {of.project, r.uid, of.model_uid, r.version, r.digest, r.title, r.owner, r.due_ms,
               static_cast<int64_t>(r.state), r.conclusion, r.actor, r.created_ms, r.updated_ms}));
  return {};
}

Status put_review_item(store::Tx& tx, std::string_view project, std::string_view review_uid,
                       const ReviewItem& i) {
  TRY(tx.exec(
      "INSERT INTO model_review_item (project, review_uid, n, kind, wording, severity, owner,"
      " due_ms, state, note, actor, updated_ms) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
      " ON CONFLICT (project, review_uid, n) DO UPDATE SET owner = excluded.owner,"
      " due_ms = excluded.due_ms, state = excluded.state, note = excluded.note,"
      " actor = excluded.actor, updated_ms = excluded.updated_ms",
      {project, review_uid, i.n, static_cast<int64_t>(i.kind), i.wording, i.severity, i.owner,
       i.due_ms, static_cast<int64_t>(i.state), i.note, i.actor, i.updated_ms}));
  return {};
}

Result<std::vector<Review>> reviews(store::Tx& tx, Of of, int64_t version) {
  std::vector<Review> out;
  TRY(
      tx.each("SELECT uid, version, digest, title, owner, due_ms, state, conclusion, actor,"
              " created_ms, updated_ms FROM model_review WHERE project = ? AND model_uid = ?"
              " AND version = ? ORDER BY created_ms DESC, uid DESC LIMIT CAST(? AS BIGINT)",
              {of.project, of.model_uid, version, kListedMax}, [&](const store::Row& row) {
                Review r;
                r.uid = row.str(0);
                r.version = row.i64(1);
                r.digest = row.str(2);
                r.title = row.str(3);
                r.owner = row.str(4);
                r.due_ms = row.i64(5);
                r.state = static_cast<ReviewState>(row.i64(6));
                r.conclusion = row.str(7);
                r.actor = row.str(8);
                r.created_ms = row.i64(9);
                r.updated_ms = row.i64(10);
                out.push_back(std::move(r));
              }));
  for (Review& r : out) TRY(load_items(tx, of.project, &r));
  return out;
}

Status put_evidence(store::Tx& tx, Of of, int64_t version, const Evidence& e, Told told) {
  TRY(
      tx.exec("INSERT INTO prediction_evidence (project, model_uid, version, dataset,"
              " dataset_version, predictions_dataset, predictions_version, actor, created_ms)"
              " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)"
              " ON CONFLICT (project, model_uid, version, dataset, dataset_version) DO UPDATE SET"
              " predictions_dataset = excluded.predictions_dataset,"
              " predictions_version = excluded.predictions_version, actor = excluded.actor,"
              " created_ms = excluded.created_ms",
              {of.project, of.model_uid, version, e.dataset, e.dataset_version,
               e.predictions_dataset, e.predictions_version, told.actor, told.ms}));
  return {};
}

Result<std::vector<Evidence>> evidence(store::Tx& tx, Of of, int64_t version) {
  std::vector<Evidence> out;
  TRY(
      tx.each("SELECT dataset, dataset_version, predictions_dataset, predictions_version"
              " FROM prediction_evidence WHERE project = ? AND model_uid = ? AND version = ?"
              " ORDER BY dataset, dataset_version LIMIT CAST(? AS BIGINT)",
              {of.project, of.model_uid, version, kListedMax}, [&](const store::Row& row) {
                out.push_back({.dataset = row.str(0),
                               .dataset_version = row.i64(1),
                               .predictions_dataset = row.str(2),
                               .predictions_version = row.i64(3)});
              }));
  return out;
}

Result<std::optional<ScanRow>> scan(store::Tx& tx, std::string_view project,
                                    std::string_view digest) {
  std::optional<ScanRow> out;
  TRY(
      tx.first("SELECT scanner, verdict, report, scanned_ms FROM model_scan"
               " WHERE project = ? AND digest = ?",
               {project, digest}, [&](const store::Row& row) {
                 out = {.scanner = row.i64(0),
                        .verdict = row.i64(1),
                        .report = row.str(2),
                        .scanned_ms = row.i64(3)};
               }));
  return out;
}

Status put_scan(store::Tx& tx, std::string_view project, std::string_view digest,
                const ScanRow& s) {
  TRY(
      tx.exec("INSERT INTO model_scan (project, digest, scanner, verdict, report, scanned_ms)"
              " VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (project, digest) DO UPDATE SET"
              " scanner = excluded.scanner, verdict = excluded.verdict, report = excluded.report,"
              " scanned_ms = excluded.scanned_ms",
              {project, digest, s.scanner, s.verdict, s.report, s.scanned_ms}));
  return {};
}

}  // namespace slip::registry::sql
