#include "core/ledger/ledger_store.h"

#include <algorithm>
#include <array>

#include "base/text.h"

namespace slip::ledger {

std::span<const store::Migration> migrations() {
  static constexpr std::array<store::Migration, 2> kSteps = {{
      {"ledger", 1,
       "CREATE TABLE ledger_event ("
       " project TEXT NOT NULL, id TEXT NOT NULL, seq BIGINT, ts_us BIGINT NOT NULL,"
       " actor_uid TEXT NOT NULL, actor_kind TEXT NOT NULL, verb TEXT NOT NULL,"
       " kind TEXT NOT NULL, uid TEXT NOT NULL, version TEXT NOT NULL,"
       " object_digest TEXT NOT NULL, before_digest TEXT NOT NULL, after_digest TEXT NOT NULL,"
       " decision TEXT NOT NULL, request_id TEXT NOT NULL, trace_id TEXT NOT NULL,"
       " leaf TEXT NOT NULL, PRIMARY KEY (project, id));"
       "CREATE UNIQUE INDEX ledger_event_seq ON ledger_event (seq);"
       "CREATE INDEX ledger_event_uid ON ledger_event (uid, seq);"
       "CREATE INDEX ledger_event_verb ON ledger_event (verb, seq);"
       "CREATE TABLE event_body ("
       " project TEXT NOT NULL, id TEXT NOT NULL, salt BYTEA NOT NULL, content TEXT NOT NULL,"
       " PRIMARY KEY (project, id));"
       "CREATE TABLE ledger_head ("
       " name TEXT NOT NULL PRIMARY KEY, seq BIGINT NOT NULL, ts_us BIGINT NOT NULL);"
       "INSERT INTO ledger_head (name, seq, ts_us) VALUES ('head', 0, 0);"
       "CREATE TABLE ledger_cursor (name TEXT NOT NULL PRIMARY KEY, seq BIGINT NOT NULL);"
       "CREATE TABLE ledger_count ("
       " project TEXT NOT NULL, actor_uid TEXT NOT NULL, verb TEXT NOT NULL, uid TEXT NOT NULL,"
       " minute BIGINT NOT NULL, actor_kind TEXT NOT NULL, kind TEXT NOT NULL,"
       " name TEXT NOT NULL, version TEXT NOT NULL, n BIGINT NOT NULL, digest TEXT NOT NULL,"
       " PRIMARY KEY (project, actor_uid, verb, uid, minute));"
       "CREATE INDEX ledger_count_minute ON ledger_count (minute)"},
      // In order of time, so that a minute's counts lie together and need no index.
      {"ledger", 2,
       "CREATE TABLE ledger_tally ("
       " minute BIGINT NOT NULL, uid TEXT NOT NULL, verb TEXT NOT NULL, actor_uid TEXT NOT NULL,"
       " project TEXT NOT NULL, actor_kind TEXT NOT NULL, kind TEXT NOT NULL,"
       " name TEXT NOT NULL, version TEXT NOT NULL, n BIGINT NOT NULL, digest TEXT NOT NULL,"
       " PRIMARY KEY (minute, uid, verb, actor_uid, project)) /* clustered */;"
       "INSERT INTO ledger_tally (minute, uid, verb, actor_uid, project, actor_kind, kind, name,"
       " version, n, digest) SELECT minute, uid, verb, actor_uid, project, actor_kind, kind, name,"
       " version, n, digest FROM ledger_count;"
       "DROP TABLE ledger_count"},
  }};
  return kSteps;
}

namespace sql {
namespace {

constexpr std::string_view kSelect =
    "SELECT e.seq, e.ts_us, e.id, e.project, e.actor_uid, e.actor_kind, e.verb, e.kind, e.uid,"
    " e.version, e.object_digest, e.before_digest, e.after_digest, e.decision, e.request_id,"
    " e.trace_id, e.leaf, b.content FROM ledger_event e"
    " LEFT JOIN event_body b ON b.project = e.project AND b.id = e.id WHERE e.seq > ?"
    " AND e.seq < ?";

// What event_body holds: {"name","reason","body"}, each only when there is one.
void decode_content(std::string_view content, Event* event) {
  const Result<codec::Json> json = codec::parse_json(content, codec::NonFinite::kString);
  if (!json.ok()) return;  // Written by us; a damaged page must not hide the leaf.
  if (const codec::Json* name = json->find("name"); name && name->is_string())
    event->subject.name = name->as_string();
  if (const codec::Json* reason = json->find("reason"); reason && reason->is_string())
    event->reason = reason->as_string();
  if (const codec::Json* body = json->find("body")) event->body = *body;
}

Event decode(const store::Row& row) {
  Event e;
  e.seq = row.i64(0);
  e.ts_us = row.i64(1);
  e.id = row.str(2);
  e.project = row.str(3);
  e.actor_uid = row.str(4);
  e.actor_kind = row.str(5);
  e.verb = row.str(6);
  e.subject.kind = row.str(7);
  e.subject.uid = row.str(8);
  e.subject.version = row.str(9);
  e.subject.digest = row.str(10);
  e.before_digest = row.str(11);
  e.after_digest = row.str(12);
  e.decision = row.str(13);
  e.request_id = row.str(14);
  e.trace_id = row.str(15);
  e.leaf = row.str(16);
  if (!row.is_null(17)) decode_content(row.text(17), &e);
  return e;
}

std::string object_kind(std::span<const Scope> scopes) {
  std::string out = "CASE e.kind";
  for (const Scope& s : scopes) out += concat({" WHEN '", s.kind, "' THEN ", s.object_kind});
  return scopes.empty() ? "e.kind" : out + " ELSE e.kind END";
}

std::string object_uid(std::span<const Scope> scopes) {
  std::string out = "CASE e.kind";
  for (const Scope& s : scopes) out += concat({" WHEN '", s.kind, "' THEN (", s.uid, ")"});
  return scopes.empty() ? "e.uid" : out + " ELSE e.uid END";
}

Result<Head> one_head(store::Tx& tx, std::string_view statement,
                      std::initializer_list<store::Value> args) {
  Head head;
  const bool found = TRY(
      tx.first(statement, args, [&](const store::Row& row) { head = {row.i64(0), row.i64(1)}; }));
  if (!found) return corrupt("ledger.head_missing", "the ledger's head row is missing");
  return head;
}

}  // namespace

Result<Head> advance_head(store::Tx& tx, int64_t now_us) {
  return one_head(tx,
                  "UPDATE ledger_head SET seq = seq + 1,"
                  " ts_us = CASE WHEN ts_us < CAST(? AS BIGINT) THEN CAST(? AS BIGINT)"
                  " ELSE ts_us END WHERE name = 'head' RETURNING seq, ts_us",
                  {now_us, now_us});
}

Result<Head> read_head(store::Tx& tx) {
  return one_head(tx, "SELECT seq, ts_us FROM ledger_head WHERE name = 'head'", {});
}

Result<Head> lock_head(store::Tx& tx) {
  return one_head(tx, "UPDATE ledger_head SET seq = seq WHERE name = 'head' RETURNING seq, ts_us",
                  {});
}

Status set_head(store::Tx& tx, const Head& head) {
  TRY(tx.exec("UPDATE ledger_head SET seq = ?, ts_us = ? WHERE name = 'head'",
              {head.seq, head.ts_us}));
  return {};
}

Status insert(store::Tx& tx, const Event& e, std::string_view salt, std::string_view content) {
  const store::Value seq = e.seq ? store::Value(e.seq) : store::Value(nullptr);
  TRY(
      tx.exec("INSERT INTO ledger_event (project, id, seq, ts_us, actor_uid, actor_kind, verb,"
              " kind, uid, version, object_digest, before_digest, after_digest, decision,"
              " request_id, trace_id, leaf)"
              " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
              {e.project, e.id, seq, e.ts_us, e.actor_uid, e.actor_kind, e.verb, e.subject.kind,
               e.subject.uid, e.subject.version, e.subject.digest, e.before_digest, e.after_digest,
               e.decision, e.request_id, e.trace_id, e.leaf}));
  if (salt.empty()) return {};
  TRY(tx.exec("INSERT INTO event_body (project, id, salt, content) VALUES (?, ?, ?, ?)",
              {e.project, e.id, store::Blob{salt}, content}));
  return {};
}

Result<std::vector<Event>> list(store::Tx& tx, const Filter& filter,
                                std::span<const Scope> scopes) {
  std::string statement(kSelect);
  std::vector<store::Value> args{filter.after_seq, filter.before_seq};
  if (!filter.project.empty()) {
    statement += " AND e.project = ?";
    args.emplace_back(filter.project);
  }
  if (!filter.uid.empty()) {
    statement += " AND e.uid = ?";
    args.emplace_back(filter.uid);
  }
  std::string verb_end;
  if (filter.verb.ends_with('.')) {  // '/' follows '.' in bytewise order.
    verb_end = filter.verb.substr(0, filter.verb.size() - 1) + "/";
    statement += " AND e.verb >= ? AND e.verb < ?";
    args.emplace_back(filter.verb);
    args.emplace_back(verb_end);
  } else if (!filter.verb.empty()) {
    statement += " AND e.verb = ?";
    args.emplace_back(filter.verb);
  }
  const store::RowTest readable =
      filter.caller ? filter.caller->readable_of_any("o.kind", "o.uid") : store::RowTest();
  if (!readable.sql.empty()) {
    statement += concat({" AND EXISTS (SELECT 1 FROM (SELECT ", object_kind(scopes), " AS kind, ",
                         object_uid(scopes), " AS uid) o WHERE 1 = 1", readable.sql, ")"});
    args.insert(args.end(), readable.args.begin(), readable.args.end());
  }
  statement += filter.newest_first ? " ORDER BY e.seq DESC LIMIT ?" : " ORDER BY e.seq LIMIT ?";
  args.emplace_back(std::clamp<int64_t>(filter.limit, 0, kListMax));
  std::vector<Event> out;
  TRY(tx.each(statement, args, [&](const store::Row& row) { out.push_back(decode(row)); }));
  return out;
}

Result<std::string> object_of(store::Tx& tx, int64_t seq, std::span<const Scope> scopes) {
  std::string uid;
  TRY(tx.first(concat({"SELECT COALESCE(", object_uid(scopes),
                       ", '') FROM ledger_event e"
                       " WHERE e.seq = ?"}),
               {seq}, [&](const store::Row& row) { uid = row.str(0); }));
  return uid;
}

Result<int64_t> seq_of(store::Tx& tx, std::string_view project, std::string_view id) {
  int64_t seq = 0;
  TRY(tx.first("SELECT seq FROM ledger_event WHERE project = ? AND id = ?", {project, id},
               [&](const store::Row& row) { seq = row.i64(0); }));
  return seq;
}

Result<std::vector<Pending>> pending(store::Tx& tx, int64_t limit) {
  std::vector<Pending> out;
  TRY(
      tx.each("SELECT project, id, ts_us, leaf FROM ledger_event WHERE seq IS NULL"
              " ORDER BY ts_us, id LIMIT ?",
              {limit}, [&](const store::Row& row) {
                out.push_back({row.str(0), row.str(1), row.i64(2), row.str(3)});
              }));
  return out;
}

Status number(store::Tx& tx, const Pending& event, int64_t seq) {
  TRY(tx.exec("UPDATE ledger_event SET seq = ?, ts_us = ?, leaf = ? WHERE project = ? AND id = ?",
              {seq, event.ts_us, event.leaf, event.project, event.id}));
  return {};
}

Result<int64_t> read_cursor(store::Tx& tx, std::string_view name) {
  int64_t seq = 0;
  TRY(tx.first("SELECT seq FROM ledger_cursor WHERE name = ?", {name},
               [&](const store::Row& row) { seq = row.i64(0); }));
  return seq;
}

Status set_cursor(store::Tx& tx, std::string_view name, int64_t seq) {
  TRY(
      tx.exec("INSERT INTO ledger_cursor (name, seq) VALUES (?, ?)"
              " ON CONFLICT (name) DO UPDATE SET seq = excluded.seq",
              {name, seq}));
  return {};
}

Result<int64_t> erase_body(store::Tx& tx, std::string_view project, std::string_view id) {
  return tx.exec("DELETE FROM event_body WHERE project = ? AND id = ?", {project, id});
}

namespace {

constexpr std::string_view kCountColumns =
    "SELECT project, actor_uid, actor_kind, verb, kind, uid, name, version, minute, n, digest"
    " FROM ledger_tally";

Count decode_count(const store::Row& row) {
  Count c;
  c.project = row.str(0);
  c.actor_uid = row.str(1);
  c.actor_kind = row.str(2);
  c.verb = row.str(3);
  c.subject.kind = row.str(4);
  c.subject.uid = row.str(5);
  c.subject.name = row.str(6);
  c.subject.version = row.str(7);
  c.minute = row.i64(8);
  c.n = row.i64(9);
  c.digest = row.str(10);
  return c;
}

}  // namespace

Result<bool> add_to_count(store::Tx& tx, Count* count) {
  return tx.first(
      "SELECT n, digest FROM ledger_tally WHERE minute = ? AND uid = ? AND verb = ?"
      " AND actor_uid = ? AND project = ?",
      {count->minute, count->subject.uid, count->verb, count->actor_uid, count->project},
      [&](const store::Row& row) {
        count->n += row.i64(0);
        count->digest = row.str(1);
      });
}

Status put_count(store::Tx& tx, const Count& c, bool known) {
  if (known) {
    TRY(
        tx.exec("UPDATE ledger_tally SET n = ?, digest = ? WHERE minute = ? AND uid = ?"
                " AND verb = ? AND actor_uid = ? AND project = ?",
                {c.n, c.digest, c.minute, c.subject.uid, c.verb, c.actor_uid, c.project}));
    return {};
  }
  TRY(
      tx.exec("INSERT INTO ledger_tally (minute, uid, verb, actor_uid, project, actor_kind, kind,"
              " name, version, n, digest) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
              {c.minute, c.subject.uid, c.verb, c.actor_uid, c.project, c.actor_kind,
               c.subject.kind, c.subject.name, c.subject.version, c.n, c.digest}));
  return {};
}

Result<std::vector<Count>> counts_before(store::Tx& tx, int64_t minute, int64_t limit) {
  std::vector<Count> out;
  TRY(tx.each(concat({kCountColumns,
                      " WHERE minute < ? ORDER BY minute, uid, verb, actor_uid, project LIMIT ?"}),
              {minute, limit}, [&](const store::Row& row) { out.push_back(decode_count(row)); }));
  return out;
}

Status drop_count(store::Tx& tx, const Count& c) {
  TRY(
      tx.exec("DELETE FROM ledger_tally WHERE minute = ? AND uid = ? AND verb = ?"
              " AND actor_uid = ? AND project = ?",
              {c.minute, c.subject.uid, c.verb, c.actor_uid, c.project}));
  return {};
}

}  // namespace sql
}  // namespace slip::ledger
