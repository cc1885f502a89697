#include "features/quarantine.h"

#include <algorithm>

#include "base/text.h"
#include "codec/hash.h"
#include "core/ledger/ledger.h"
#include "sys/clock.h"

namespace slip::features {
namespace {

constexpr int64_t kListMax = 1000;
constexpr int64_t kToldMs = 60'000;
constexpr size_t kStep = 400;  // Rows of one body, each with its tally.

int64_t bytes_of(const Quarantined& q) {
  return static_cast<int64_t>(q.reason.size() + q.record.size());
}

Status add_bytes(store::Tx& tx, const std::string& project, const std::string& source,
                 int64_t bytes) {
  TRY(
      tx.exec("INSERT INTO feature_quarantine_tally (project, source, bytes, dropped_rows,"
              " told_rows, told_ms) VALUES (?, ?, ?, 0, 0, 0) ON CONFLICT (project, source)"
              " DO UPDATE SET bytes = feature_quarantine_tally.bytes + excluded.bytes",
              {project, source, bytes}));
  return {};
}

}  // namespace

Status Quarantine::keep(const Ctx& ctx, const std::string& source,
                        const std::vector<Quarantined>& rows) {
  for (size_t from = 0; from < rows.size(); from += kStep) {
    const size_t to = std::min(rows.size(), from + kStep);
    TRY(deps_.db.write([&](store::Tx& tx) -> Status {
      int64_t bytes = 0;
      for (size_t i = from; i < to; ++i) {
        const int64_t fresh = TRY(tx.exec(
            "INSERT INTO feature_quarantine (project, source, uid, created_ms, reason, record,"
            " bytes) VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT (project, source, uid) DO NOTHING",
            {ctx.project.text, source, rows[i].uid, rows[i].created_ms, rows[i].reason,
             rows[i].record, bytes_of(rows[i])}));
        if (fresh > 0) bytes += bytes_of(rows[i]);
      }
      return bytes == 0 ? Status() : add_bytes(tx, ctx.project.text, source, bytes);
    }));
  }
  return rows.empty() ? Status() : trim(ctx, source);
}

Status Quarantine::trim(const Ctx& ctx, const std::string& source) {
  for (bool more = true; more;) {
    int64_t rows = 0;
    TRY(deps_.db.write([&](store::Tx& tx) -> Status {
      rows = 0;
      more = TRY(trim_some(tx, ctx, source, &rows));
      return {};
    }));
    if (rows == 0) return {};
    dropped_.with([&](Dropped& all) { all[{ctx.project.text, source}] += rows; });
  }
  return {};
}

// The oldest, until the rest has room; true: there may be more.
Result<bool> Quarantine::trim_some(store::Tx& tx, const Ctx& ctx, const std::string& source,
                                   int64_t* rows) {
  const std::string& project = ctx.project.text;
  int64_t bytes = 0;
  int64_t untold = 0;
  int64_t told_ms = 0;
  TRY(
      tx.first("SELECT bytes, dropped_rows - told_rows, told_ms FROM feature_quarantine_tally"
               " WHERE project = ? AND source = ?",
               {project, source}, [&](const store::Row& row) {
                 bytes = row.i64(0);
                 untold = row.i64(1);
                 told_ms = row.i64(2);
               }));
  if (bytes <= deps_.bytes_max) return false;
  std::vector<std::string> uids;
  TRY(
      tx.each("SELECT uid, bytes FROM feature_quarantine WHERE project = ? AND source = ?"
              " ORDER BY created_ms, uid LIMIT ?",
              {project, source, static_cast<int64_t>(kStep)}, [&](const store::Row& row) {
                if (bytes <= deps_.bytes_max) return;
                bytes -= row.i64(1);
                uids.push_back(row.str(0));
              }));
  for (const std::string& uid : uids) TRY(remove(tx, project, source, uid));
  *rows = static_cast<int64_t>(uids.size());
  const int64_t now_ms = deps_.clock.now_ms();
  const bool tells = *rows > 0 && (told_ms == 0 || now_ms - told_ms >= kToldMs);
  TRY(
      tx.exec("UPDATE feature_quarantine_tally SET dropped_rows = dropped_rows + ?"
              " WHERE project = ? AND source = ?",
              {*rows, project, source}));
  if (tells) {
    TRY(
        tx.exec("UPDATE feature_quarantine_tally SET told_rows = dropped_rows, told_ms = ?"
                " WHERE project = ? AND source = ?",
                {now_ms, project, source}));
    ledger::Draft event;
    event.verb = "feature_quarantine.dropped";
    event.subject = {
        .kind = "feature_source", .uid = source, .name = source, .version = "", .digest = ""};
    event.body = codec::Json::object({{"rows", untold + *rows}, {"bytes_max", deps_.bytes_max}});
    TRY(deps_.ledger.append(tx, ctx, event));
  }
  return bytes > deps_.bytes_max && *rows > 0;
}

Result<int64_t> Quarantine::remove(store::Tx& tx, const std::string& project,
                                   const std::string& source, const std::string& uid) {
  int64_t bytes = 0;
  const bool there =
      TRY(tx.first("SELECT bytes FROM feature_quarantine WHERE project = ? AND source = ?"
                   " AND uid = ?",
                   {project, source, uid}, [&](const store::Row& row) { bytes = row.i64(0); }));
  if (!there) return 0;
  TRY(tx.exec("DELETE FROM feature_quarantine WHERE project = ? AND source = ? AND uid = ?",
              {project, source, uid}));
  TRY(add_bytes(tx, project, source, -bytes));
  return 1;
}

Result<std::vector<Quarantined>> Quarantine::list(const Ctx& ctx, const std::string& source,
                                                  std::string_view after, int64_t limit) {
  std::vector<Quarantined> out;
  TRY(deps_.db.read([&](store::Tx& tx) {
    out.clear();
    return tx.each(
        "SELECT uid, created_ms, reason, record FROM feature_quarantine WHERE project = ?"
        " AND source = ? AND uid > ? ORDER BY uid LIMIT ?",
        {ctx.project.text, source, after, std::min(limit, kListMax)}, [&](const store::Row& row) {
          out.push_back({row.str(0), row.i64(1), row.str(2), row.str(3)});
        });
  }));
  return out;
}

Result<int64_t> Quarantine::release(const Ctx& ctx, const std::string& source,
                                    const std::vector<std::string>& uids) {
  int64_t n = 0;
  for (size_t from = 0; from < uids.size(); from += kStep) {
    int64_t some = 0;
    TRY(deps_.db.write([&](store::Tx& tx) -> Status {
      some = 0;
      for (size_t i = from; i < std::min(uids.size(), from + kStep); ++i)
        some += TRY(remove(tx, ctx.project.text, source, uids[i]));
      return {};
    }));
    n += some;
  }
  return n;
}

Result<Quarantine::Hashes> Quarantine::hashes(const Ctx& ctx, const std::string& source) {
  Hashes out;
  TRY(deps_.db.read([&](store::Tx& tx) {
    return tx.each("SELECT record FROM feature_quarantine WHERE project = ? AND source = ?",
                   {ctx.project.text, source},
                   [&](const store::Row& row) { out.insert(codec::xxh3(row.text(0))); });
  }));
  return out;
}

Result<int64_t> Quarantine::erase(const std::string& project, const Erasing& what,
                                  const std::function<bool(const std::string& source)>& may_have) {
  std::map<std::string, std::vector<std::string>> found;
  TRY(deps_.db.read([&](store::Tx& tx) -> Status {
    found.clear();
    return tx.each("SELECT source, uid, record FROM feature_quarantine WHERE project = ?",
                   {project}, [&](const store::Row& row) {
                     if (may_concern(row.text(2), what)) found[row.str(0)].push_back(row.str(1));
                   });
  }));
  Ctx ctx;
  ctx.project.text = project;
  int64_t n = 0;
  for (const auto& [source, uids] : found)
    if (may_have(source)) n += TRY(release(ctx, source, uids));
  return n;
}

}  // namespace slip::features
