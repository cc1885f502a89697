#include "registry/timeline_store.h"

namespace slip::registry::sql {
namespace {

constexpr std::string_view kKinds[] = {"stage", "alias", "policy"};

Result<int64_t> next_n(store::Tx& tx, std::string_view select, Of of) {
  int64_t n = 1;
  TRY(tx.first(select, {of.project, of.model_uid},
               [&](const store::Row& row) { n = row.i64(0) + 1; }));
  return n;
}

Span decode(const store::Row& row) {
  Span out;
  for (size_t i = 0; i < std::size(kKinds); ++i)
    if (row.text(0) == kKinds[i]) out.kind = static_cast<Span::Kind>(i);
  out.n = row.i64(1);
  out.target = row.str(2);
  out.version = row.i64(3);
  out.policy = row.str(4);
  out.from_ms = row.i64(5);
  out.from_known = row.i64(6) != 0;
  if (!row.is_null(7)) out.to_ms = row.i64(7);
  out.actor = row.str(8);
  out.reason = row.str(9);
  return out;
}

}  // namespace

Status begin_alias(store::Tx& tx, Of of, const Alias& alias, const Turn& turn) {
  bool holds = false;
  TRY(
      tx.first("SELECT 1 FROM alias_tenure WHERE project = ? AND model_uid = ? AND alias = ?"
               " AND version = ? AND to_ms IS NULL",
               {of.project, of.model_uid, alias.alias, alias.version},
               [&](const store::Row&) { holds = true; }));
  if (holds) return {};
  TRY(end_alias(tx, of, alias.alias, turn.now_ms));
  const int64_t n =
      TRY(next_n(tx, "SELECT MAX(n) FROM alias_tenure WHERE project = ? AND model_uid = ?", of));
  TRY(tx.exec(
      "INSERT INTO alias_tenure (project, model_uid, n, alias, version, from_ms, from_known, to_ms,"
      " actor, reason) VALUES (?, ?, ?, ?, ?, ?, 1, NULL, ?, ?)",
      {of.project, of.model_uid, n, alias.alias, alias.version, turn.now_ms, turn.actor,
       turn.reason}));
  return {};
}

Status end_alias(store::Tx& tx, Of of, std::string_view alias, int64_t now_ms) {
  TRY(
      tx.exec("UPDATE alias_tenure SET to_ms = ? WHERE project = ? AND model_uid = ? AND alias = ?"
              " AND to_ms IS NULL",
              {now_ms, of.project, of.model_uid, alias}));
  return {};
}

Status end_aliases_of(store::Tx& tx, Of of, int64_t version, int64_t now_ms) {
  TRY(tx.exec(
      "UPDATE alias_tenure SET to_ms = ? WHERE project = ? AND model_uid = ? AND version = ?"
      " AND to_ms IS NULL",
      {now_ms, of.project, of.model_uid, version}));
  return {};
}

Status begin_policy(store::Tx& tx, Of of, const PolicyRow& row, const Turn& turn) {
  TRY(end_policy(tx, of, row.target, turn.now_ms));
  const int64_t n =
      TRY(next_n(tx, "SELECT MAX(n) FROM policy_tenure WHERE project = ? AND model_uid = ?", of));
  TRY(tx.exec(
      "INSERT INTO policy_tenure (project, model_uid, n, target, body, from_ms, from_known, to_ms,"
      " actor) VALUES (?, ?, ?, ?, ?, ?, 1, NULL, ?)",
      {of.project, of.model_uid, n, row.target, row.body, turn.now_ms, turn.actor}));
  return {};
}

Status end_policy(store::Tx& tx, Of of, std::string_view target, int64_t now_ms) {
  TRY(tx.exec(
      "UPDATE policy_tenure SET to_ms = ? WHERE project = ? AND model_uid = ? AND target = ?"
      " AND to_ms IS NULL",
      {now_ms, of.project, of.model_uid, target}));
  return {};
}

Status end_timeline(store::Tx& tx, Of of, int64_t now_ms) {
  TRY(tx.exec(
      "UPDATE alias_tenure SET to_ms = ? WHERE project = ? AND model_uid = ? AND to_ms IS NULL",
      {now_ms, of.project, of.model_uid}));
  TRY(tx.exec(
      "UPDATE policy_tenure SET to_ms = ? WHERE project = ? AND model_uid = ? AND to_ms IS NULL",
      {now_ms, of.project, of.model_uid}));
  return {};
}

Result<Page<Span>> search_spans(store::Tx& tx, std::string_view project,
                                const search::PageQuery& query) {
  constexpr search::Select kList = {
      "t.kind, t.n, t.target, t.version, t.body, t.from_ms, t.from_known, t.to_ms, t.actor,"
      " t.reason",
      10,
      "(SELECT project, model_uid, 'stage' AS kind, n, stage AS target, version, '' AS body,"
      " from_ms, CAST(1 AS BIGINT) AS from_known, to_ms, actor, reason FROM stage_tenure"
      " UNION ALL SELECT project, model_uid, 'alias', n, '@' || alias, version, '', from_ms,"
      " from_known, to_ms, actor, reason FROM alias_tenure"
      " UNION ALL SELECT project, model_uid, 'policy', n, target, CAST(0 AS BIGINT), body, from_ms,"
      " from_known, to_ms, actor, '' FROM policy_tenure) t WHERE t.project = ?"};
  return search::read_page(tx, project, kList, query, decode);
}

}  // namespace slip::registry::sql
