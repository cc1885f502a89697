#include "features/catalog_store.h"

#include "codec/json.h"

namespace slip::features {

namespace {

constexpr store::Migration kSteps[] = {
    {"features", 1,
     "CREATE TABLE feature_definition ("
     " project TEXT NOT NULL, kind TEXT NOT NULL, name TEXT NOT NULL, version BIGINT NOT NULL,"
     " uid TEXT NOT NULL, digest TEXT NOT NULL, document TEXT NOT NULL,"
     " created_ms BIGINT NOT NULL, created_by TEXT NOT NULL,"
     " PRIMARY KEY (project, kind, name, version));"
     "CREATE UNIQUE INDEX feature_definition_uid ON feature_definition (uid);"
     "CREATE TABLE feature_segment ("
     " project TEXT NOT NULL, source TEXT NOT NULL, first_seq BIGINT NOT NULL,"
     " last_seq BIGINT NOT NULL, loaded BIGINT NOT NULL, ingest_us BIGINT NOT NULL,"
     " digest TEXT NOT NULL, schema_json TEXT NOT NULL, rows_count BIGINT NOT NULL,"
     " bytes BIGINT NOT NULL, min_event_us BIGINT NOT NULL, max_event_us BIGINT NOT NULL,"
     " PRIMARY KEY (project, source, first_seq));"
     "CREATE TABLE feature_archived ("
     " log_segment BIGINT NOT NULL, last_seq BIGINT NOT NULL, PRIMARY KEY (log_segment));"
     "CREATE TABLE feature_materialized ("
     " project TEXT NOT NULL, view_uid TEXT NOT NULL, through_seq BIGINT NOT NULL,"
     " end_us BIGINT NOT NULL, updated_ms BIGINT NOT NULL, PRIMARY KEY (project, view_uid));"
     "CREATE TABLE feature_quarantine ("
     " project TEXT NOT NULL, source TEXT NOT NULL, uid TEXT NOT NULL, created_ms BIGINT NOT "
     "NULL,"
     " reason TEXT NOT NULL, record TEXT NOT NULL, PRIMARY KEY (project, source, uid))"},
    {"features", 2,
     "ALTER TABLE feature_segment ADD COLUMN went_to BIGINT NOT NULL DEFAULT 3;"
     "ALTER TABLE feature_segment ADD COLUMN view_name TEXT NOT NULL DEFAULT '';"
     "CREATE TABLE feature_materialization ("
     " project TEXT NOT NULL, view_uid TEXT NOT NULL, begin_us BIGINT NOT NULL,"
     " end_us BIGINT NOT NULL, after_seq BIGINT NOT NULL, through_seq BIGINT NOT NULL,"
     " start_us BIGINT NOT NULL, until_us BIGINT NOT NULL, after_until_us BIGINT NOT NULL,"
     " PRIMARY KEY (project, view_uid, begin_us));"
     "CREATE TABLE feature_erasure ("
     " project TEXT NOT NULL, uid TEXT NOT NULL, actor_uid TEXT NOT NULL, actor_kind TEXT NOT "
     "NULL, keys_json TEXT NOT NULL,"
     " reason TEXT NOT NULL, begin_us BIGINT NOT NULL, done_us BIGINT NOT NULL,"
     " through_seq BIGINT NOT NULL, rows_count BIGINT NOT NULL, PRIMARY KEY (project, uid))"},
    {"features", 3,
     "CREATE TABLE feature_file ("
     " project TEXT NOT NULL, source TEXT NOT NULL, path TEXT NOT NULL, size BIGINT NOT NULL,"
     " modified_us BIGINT NOT NULL, columns_text TEXT NOT NULL,"
     " PRIMARY KEY (project, source, path));"
     "CREATE TABLE feature_kept ("
     " project TEXT NOT NULL, kind TEXT NOT NULL, name TEXT NOT NULL, content TEXT NOT NULL,"
     " updated_ms BIGINT NOT NULL, PRIMARY KEY (project, kind, name))"},
    {"features", 4,
     "CREATE TABLE feature_run ("
     " project TEXT NOT NULL, source TEXT NOT NULL, number BIGINT NOT NULL,"
     " begin_us BIGINT NOT NULL, end_us BIGINT NOT NULL, query_digest TEXT NOT NULL,"
     " inputs_json TEXT NOT NULL, added BIGINT NOT NULL, taken_back BIGINT NOT NULL,"
     " through_seq BIGINT NOT NULL, PRIMARY KEY (project, source, number))"},
    {"feature_streams", 1,
     "CREATE TABLE feature_stream_mark ("
     " project TEXT NOT NULL, source TEXT NOT NULL, topic TEXT NOT NULL,"
     " partition_number BIGINT NOT NULL, seq BIGINT NOT NULL, next_offset BIGINT NOT NULL,"
     " last_offset BIGINT NOT NULL, print BIGINT NOT NULL,"
     " PRIMARY KEY (project, source, topic, partition_number));"
     "CREATE TABLE feature_stream ("
     " project TEXT NOT NULL, source TEXT NOT NULL, paused BIGINT NOT NULL,"
     " updated_ms BIGINT NOT NULL, updated_by TEXT NOT NULL, PRIMARY KEY (project, source))"},
    {"features", 5,
     "ALTER TABLE feature_quarantine ADD COLUMN bytes BIGINT NOT NULL DEFAULT 0;"
     "UPDATE feature_quarantine SET bytes = LENGTH(reason) + LENGTH(record);"
     "CREATE INDEX feature_quarantine_by_age ON feature_quarantine"
     " (project, source, created_ms, uid);"
     "CREATE TABLE feature_quarantine_tally ("
     " project TEXT NOT NULL, source TEXT NOT NULL, bytes BIGINT NOT NULL,"
     " dropped_rows BIGINT NOT NULL, told_rows BIGINT NOT NULL, told_ms BIGINT NOT NULL,"
     " PRIMARY KEY (project, source));"
     "INSERT INTO feature_quarantine_tally (project, source, bytes, dropped_rows, told_rows,"
     " told_ms) SELECT project, source, SUM(bytes), 0, 0, 0 FROM feature_quarantine"
     " GROUP BY project, source"},
    {"feature_streams", 2,
     "ALTER TABLE feature_stream ADD COLUMN owner TEXT NOT NULL DEFAULT '';"
     "ALTER TABLE feature_stream ADD COLUMN owner_shown TEXT NOT NULL DEFAULT ''"},
    {"features", 6,
     "ALTER TABLE feature_quarantine ADD COLUMN load_uid TEXT NOT NULL DEFAULT '';"
     "CREATE TABLE feature_history_owner ("
     " only_one BIGINT NOT NULL, owner TEXT NOT NULL, owner_shown TEXT NOT NULL,"
     " since_ms BIGINT NOT NULL, PRIMARY KEY (only_one))"},
};

}  // namespace

std::span<const store::Migration> migrations() { return kSteps; }

namespace sql {

Status insert_definition(store::Tx& tx, const std::string& project, const Applied& a) {
  const std::string document = codec::to_json(a.definition.document());
  TRY(
      tx.exec("INSERT INTO feature_definition (project, kind, name, version, uid, digest, document,"
              " created_ms, created_by) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
              {project, kind_name(a.definition.kind), a.definition.name, a.definition.version,
               a.uid, a.digest, document, a.created_ms, a.created_by}));
  return {};
}

Status update_document(store::Tx& tx, const std::string& project, const Applied& a) {
  const std::string document = codec::to_json(a.definition.document());
  TRY(tx.exec(
      "UPDATE feature_definition SET document = ? WHERE project = ? AND kind = ?"
      " AND name = ? AND version = ?",
      {document, project, kind_name(a.definition.kind), a.definition.name, a.definition.version}));
  return {};
}

Status delete_definition(store::Tx& tx, const std::string& project, Kind kind,
                         const std::string& name) {
  TRY(tx.exec("DELETE FROM feature_definition WHERE project = ? AND kind = ? AND name = ?",
              {project, kind_name(kind), name}));
  return {};
}

Status each_definition(store::Tx& tx, const std::function<void(Stored)>& on_definition) {
  return tx.each(
      "SELECT project, kind, document, uid, digest, created_ms, created_by, version"
      " FROM feature_definition ORDER BY project, kind, name, version",
      {}, [&](const store::Row& row) {
        Stored s;
        s.project = row.str(0);
        s.kind = row.str(1);
        s.document = row.str(2);
        s.applied.uid = row.str(3);
        s.applied.digest = row.str(4);
        s.applied.created_ms = row.i64(5);
        s.applied.created_by = row.str(6);
        s.applied.definition.version = row.i64(7);
        on_definition(std::move(s));
      });
}

}  // namespace sql
}  // namespace slip::features
