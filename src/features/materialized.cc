#include "features/materialized.h"

namespace slip::features {

Status put_materialization(store::Tx& tx, const std::string& project, const std::string& view_uid,
                           const Materialization& m) {
  TRY(
      tx.exec("INSERT INTO feature_materialization (project, view_uid, begin_us, end_us, after_seq,"
              " through_seq, start_us, until_us, after_until_us) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)"
              " ON CONFLICT (project, view_uid, begin_us) DO UPDATE SET end_us = excluded.end_us,"
              " after_seq = excluded.after_seq, through_seq = excluded.through_seq,"
              " start_us = excluded.start_us, until_us = excluded.until_us,"
              " after_until_us = excluded.after_until_us",
              {project, view_uid, m.begin_us, m.end_us, m.after_seq, m.through_seq, m.start_us,
               m.until_us, m.after_until_us}));
  return {};
}

Result<std::vector<Materialization>> materializations(store::Db& db, const std::string& project,
                                                      const std::string& view_uid) {
  std::vector<Materialization> out;
  TRY(db.read([&](store::Tx& tx) -> Status {
    out.clear();
    return tx.each(
        "SELECT begin_us, end_us, after_seq, through_seq, start_us, until_us, after_until_us"
        " FROM feature_materialization WHERE project = ? AND view_uid = ? ORDER BY begin_us",
        {project, view_uid}, [&](const store::Row& row) {
          out.push_back({.begin_us = row.i64(0),
                         .end_us = row.i64(1),
                         .after_seq = row.i64(2),
                         .through_seq = row.i64(3),
                         .start_us = row.i64(4),
                         .until_us = row.i64(5),
                         .after_until_us = row.i64(6)});
        });
  }));
  return out;
}

int64_t came_online(const std::vector<Materialization>& all, int64_t seq, int64_t event_us) {
  for (const Materialization& m : all) {
    if (m.end_us == 0 || seq > m.through_seq) continue;
    if (event_us < m.start_us || event_us > m.until_us) continue;
    if (seq <= m.after_seq && event_us <= m.after_until_us) continue;
    return m.end_us;
  }
  return INT64_MAX;
}

bool in_motion(const std::vector<Materialization>& all, int64_t at_us) {
  for (size_t i = 0; i < all.size(); ++i) {
    const Materialization& m = all[i];
    const int64_t end = m.end_us != 0 ? m.end_us : i + 1 < all.size() ? all[i + 1].end_us : 0;
    if (at_us >= m.begin_us && (end == 0 || at_us <= end)) return true;
  }
  return false;
}

}  // namespace slip::features
