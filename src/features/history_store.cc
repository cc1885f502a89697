#include "features/history_store.h"

#include <bit>

namespace slip::features::sql {

Status insert_segment(store::Tx& tx, const Segment& s) {
  const std::string schema = fields_text(s.schema);
  TRY(tx.exec(
      "INSERT INTO feature_segment (project, source, first_seq, last_seq, loaded, ingest_us,"
      " digest, schema_json, rows_count, bytes, min_event_us, max_event_us, went_to,"
      " view_name) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
      {s.project, s.source, s.first_seq, s.last_seq, int64_t{s.loaded ? 1 : 0}, s.ingest_us,
       s.digest, schema, s.rows, s.bytes, s.min_event_us, s.max_event_us,
       static_cast<int64_t>(s.to), s.view}));
  return {};
}

Result<std::vector<Segment>> list_segments(store::Tx& tx, const std::string& project,
                                           const std::string& source) {
  std::vector<Segment> out;
  std::vector<std::string> schemas;
  TRY(tx.each(
      "SELECT first_seq, last_seq, loaded, ingest_us, digest, schema_json, rows_count, bytes,"
      " min_event_us, max_event_us, went_to, view_name FROM feature_segment WHERE project = ? AND "
      "source = ?"
      " ORDER BY first_seq",
      {project, source}, [&](const store::Row& row) {
        Segment& s = out.emplace_back();
        s.project = project;
        s.source = source;
        s.first_seq = row.i64(0);
        s.last_seq = row.i64(1);
        s.loaded = row.i64(2) != 0;
        s.ingest_us = row.i64(3);
        s.digest = row.str(4);
        schemas.push_back(row.str(5));
        s.rows = row.i64(6);
        s.bytes = row.i64(7);
        s.min_event_us = row.i64(8);
        s.max_event_us = row.i64(9);
        s.to = static_cast<To>(row.i64(10));
        s.view = row.str(11);
      }));
  for (size_t i = 0; i < out.size(); ++i) out[i].schema = TRY(parse_fields_text(schemas[i]));
  return out;
}

Status each_segment(store::Tx& tx, const std::function<void(Segment)>& on_segment) {
  return tx.each("SELECT project, source, first_seq, digest, rows_count FROM feature_segment", {},
                 [&](const store::Row& row) {
                   Segment s;
                   s.project = row.str(0);
                   s.source = row.str(1);
                   s.first_seq = row.i64(2);
                   s.digest = row.str(3);
                   s.rows = row.i64(4);
                   on_segment(std::move(s));
                 });
}

Status delete_segment(store::Tx& tx, const Segment& s) {
  TRY(
      tx.exec("DELETE FROM feature_segment WHERE project = ? AND source = ? AND first_seq = ?"
              " AND digest = ?",
              {s.project, s.source, s.first_seq, s.digest}));
  return {};
}

Status each_source(store::Tx& tx, const std::string& project,
                   const std::function<void(std::string)>& on_source) {
  return tx.each("SELECT DISTINCT source FROM feature_segment WHERE project = ? ORDER BY source",
                 {project}, [&](const store::Row& row) { on_source(row.str(0)); });
}

Status last_of(store::Tx& tx, int64_t* seq, int64_t* ingest_us) {
  TRY(
      tx.first("SELECT MAX(last_seq), MAX(ingest_us) FROM (SELECT last_seq, ingest_us FROM"
               " feature_segment UNION ALL SELECT through_seq, done_us FROM feature_erasure"
               // Whoever takes a history over goes on beyond all that was said of it.
               " UNION ALL SELECT seq, 0 FROM feature_stream_mark"
               " UNION ALL SELECT through_seq, 0 FROM feature_materialization"
               " UNION ALL SELECT last_seq, 0 FROM feature_archived) AS t",
               {}, [&](const store::Row& row) {
                 *seq = row.i64(0);
                 *ingest_us = row.i64(1);
               }));
  return {};
}

Status each_archived(store::Tx& tx, const std::function<void(int64_t, int64_t)>& on_segment) {
  return tx.each("SELECT log_segment, last_seq FROM feature_archived ORDER BY log_segment", {},
                 [&](const store::Row& row) { on_segment(row.i64(0), row.i64(1)); });
}

Status insert_archived(store::Tx& tx, int64_t log_segment, int64_t last_seq) {
  TRY(tx.exec("INSERT INTO feature_archived (log_segment, last_seq) VALUES (?, ?)",
              {log_segment, last_seq}));
  return {};
}

Status delete_archived(store::Tx& tx, int64_t log_segment) {
  TRY(tx.exec("DELETE FROM feature_archived WHERE log_segment = ?", {log_segment}));
  return {};
}

Status put_mark(store::Tx& tx, const std::string& project, const std::string& source, int64_t seq,
                const StreamMark& m) {
  TRY(
      tx.exec("INSERT INTO feature_stream_mark (project, source, topic, partition_number, seq,"
              " next_offset, last_offset, print) VALUES (?, ?, ?, ?, ?, ?, ?, ?)"
              " ON CONFLICT (project, source, topic, partition_number) DO UPDATE SET"
              " seq = excluded.seq, next_offset = excluded.next_offset,"
              " last_offset = excluded.last_offset, print = excluded.print"
              " WHERE excluded.seq >= feature_stream_mark.seq",
              {project, source, m.topic, static_cast<int64_t>(m.partition), seq, m.next, m.last,
               std::bit_cast<int64_t>(m.print)}));
  return {};
}

Status each_mark(store::Tx& tx,
                 const std::function<void(const std::string& project, const std::string& source,
                                          int64_t seq, StreamMark mark)>& on_mark) {
  return tx.each(
      "SELECT project, source, topic, partition_number, seq, next_offset, last_offset, print"
      " FROM feature_stream_mark",
      {}, [&](const store::Row& row) {
        StreamMark m;
        m.topic = row.str(2);
        m.partition = static_cast<int32_t>(row.i64(3));
        m.from = m.next = row.i64(5);
        m.last = row.i64(6);
        m.print = std::bit_cast<uint64_t>(row.i64(7));
        on_mark(row.str(0), row.str(1), row.i64(4), std::move(m));
      });
}

Status each_digest(store::Tx& tx, const std::function<void(std::string)>& on_digest) {
  return tx.each("SELECT digest FROM feature_segment", {},
                 [&](const store::Row& row) { on_digest(row.str(0)); });
}

}  // namespace slip::features::sql
