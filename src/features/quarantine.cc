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
constexpr size_t kStep = 400;  // Rows of one body, each with its tally,
constexpr int64_t kStepBytes = 4 << 20;

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

// Rows [from, end) of one body.
size_t step_end(const std::vector<Quarantined>& rows, size_t from) {
  size_t end = from;
  for (int64_t bytes = 0; end < rows.size() && end - from < kStep && bytes < kStepBytes; ++end)
    bytes += bytes_of(rows[end]);
  return end;
}

// The bytes of those that weren't there.
Result<int64_t> insert(store::Tx& tx, const std::string& project, const std::string& source,
                       const std::string& load, std::span<const Quarantined> rows) {
  int64_t bytes = 0;
  for (const Quarantined& q : rows) {
    const int64_t fresh = TRY(
        tx.exec("INSERT INTO feature_quarantine (project, source, uid, created_ms, reason, record,"
                " bytes, load_uid) VALUES (?, ?, ?, ?, ?, ?, ?, ?)"
                " ON CONFLICT (project, source, uid) DO NOTHING",
                {project, source, q.uid, q.created_ms, q.reason, q.record, bytes_of(q), load}));
    if (fresh > 0) bytes += bytes_of(q);
  }
  return bytes;
}

struct Oldest {
  std::vector<std::string> uids;
  int64_t bytes = 0;
};
// As many of the oldest, of a load or of what is there (""), as have `over` bytes; of one step.
Result<Oldest> oldest_of(store::Tx& tx, const std::string& project, const std::string& source,
                         const std::string& load, int64_t over) {
  Oldest out;
  TRY(
      tx.each("SELECT uid, bytes FROM feature_quarantine WHERE project = ? AND source = ?"
              " AND load_uid = ? ORDER BY created_ms, uid LIMIT ?",
              {project, source, load, static_cast<int64_t>(kStep)}, [&](const store::Row& row) {
                if (out.bytes >= over) return;
                out.bytes += row.i64(1);
                out.uids.push_back(row.str(0));
              }));
  return out;
}

}  // namespace

Status Quarantine::open() {
  return deps_.db.write([&](store::Tx& tx) -> Status {
    TRY(tx.exec("DELETE FROM feature_quarantine WHERE load_uid <> ''", {}));
    return {};
  });
}

Status Quarantine::keep(const Ctx& ctx, const std::string& source,
                        const std::vector<Quarantined>& rows) {
  for (size_t from = 0; from < rows.size();) {
    const size_t end = step_end(rows, from);
    TRY(deps_.db.write([&](store::Tx& tx) -> Status {
      const int64_t bytes =
          TRY(insert(tx, ctx.project.text, source, "", std::span(rows).subspan(from, end - from)));
      return bytes == 0 ? Status() : add_bytes(tx, ctx.project.text, source, bytes);
    }));
    TRY(trim(ctx, source));  // Before more comes.
    from = end;
  }
  return {};
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
  TRY(
      tx.first("SELECT bytes, dropped_rows - told_rows FROM feature_quarantine_tally"
               " WHERE project = ? AND source = ?",
               {project, source}, [&](const store::Row& row) {
                 bytes = row.i64(0);
                 untold = row.i64(1);
               }));
  const int64_t over = bytes - deps_.bytes_max;
  if (over > 0) {
    const Oldest oldest = TRY(oldest_of(tx, project, source, "", over));
    for (const std::string& uid : oldest.uids) TRY(remove(tx, project, source, uid));
    *rows = static_cast<int64_t>(oldest.uids.size());
    bytes -= oldest.bytes;
  }
  if (untold + *rows > 0) TRY(tell(tx, ctx, source, *rows));
  return bytes > deps_.bytes_max && *rows > 0;
}

// That so many more have gone; at most once a minute, then of all.
Status Quarantine::tell(store::Tx& tx, const Ctx& ctx, const std::string& source, int64_t rows) {
  TRY(
      tx.exec("UPDATE feature_quarantine_tally SET dropped_rows = dropped_rows + ?"
              " WHERE project = ? AND source = ?",
              {rows, ctx.project.text, source}));
  int64_t untold = 0;
  int64_t told_ms = 0;
  TRY(
      tx.first("SELECT dropped_rows - told_rows, told_ms FROM feature_quarantine_tally"
               " WHERE project = ? AND source = ?",
               {ctx.project.text, source}, [&](const store::Row& row) {
                 untold = row.i64(0);
                 told_ms = row.i64(1);
               }));
  const int64_t now_ms = deps_.clock.now_ms();
  if (told_ms != 0 && now_ms - told_ms < kToldMs) return {};
  TRY(
      tx.exec("UPDATE feature_quarantine_tally SET told_rows = dropped_rows, told_ms = ?"
              " WHERE project = ? AND source = ?",
              {now_ms, ctx.project.text, source}));
  ledger::Draft event;
  event.verb = "feature_quarantine.dropped";
  event.subject = {
      .kind = "feature_source", .uid = source, .name = source, .version = "", .digest = ""};
  event.body = codec::Json::object({{"rows", untold}, {"bytes_max", deps_.bytes_max}});
  return deps_.ledger.append(tx, ctx, event);
}

// ---- of one load

QuarantineLoad::~QuarantineLoad() {
  if (published_ || rows_ == 0) return;
  ignore(of_.deps_.db.write([&](store::Tx& tx) -> Status {
    TRY(tx.exec("DELETE FROM feature_quarantine WHERE project = ? AND source = ? AND load_uid = ?",
                {ctx_.project.text, source_, uid_}));
    return {};
  }),
         "the next start removes them");
}

Status QuarantineLoad::add(const std::vector<Quarantined>& rows) {
  for (size_t from = 0; from < rows.size();) {
    const size_t end = step_end(rows, from);
    rows_ += static_cast<int64_t>(end - from);
    int64_t bytes = 0;
    TRY(of_.deps_.db.write([&](store::Tx& tx) -> Status {
      bytes = TRY(
          insert(tx, ctx_.project.text, source_, uid_, std::span(rows).subspan(from, end - from)));
      return {};
    }));
    bytes_ += bytes;
    TRY(make_room());
    from = end;
  }
  return {};
}

Status QuarantineLoad::make_room() {
  while (bytes_ > of_.deps_.bytes_max) {
    Oldest oldest;
    TRY(of_.deps_.db.write([&](store::Tx& tx) -> Status {
      oldest = TRY(oldest_of(tx, ctx_.project.text, source_, uid_, bytes_ - of_.deps_.bytes_max));
      for (const std::string& uid : oldest.uids)
        TRY(
            tx.exec("DELETE FROM feature_quarantine WHERE project = ? AND source = ? AND uid = ?"
                    " AND load_uid = ?",
                    {ctx_.project.text, source_, uid, uid_}));
      return {};
    }));
    if (oldest.uids.empty()) return {};
    bytes_ -= oldest.bytes;
    dropped_ += static_cast<int64_t>(oldest.uids.size());
  }
  return {};
}

Status QuarantineLoad::publish(store::Tx& tx) {
  if (rows_ == 0) return {};
  const std::string& project = ctx_.project.text;
  TRY(
      tx.exec("UPDATE feature_quarantine SET load_uid = '' WHERE project = ? AND source = ?"
              " AND load_uid = ?",
              {project, source_, uid_}));
  TRY(add_bytes(tx, project, source_, bytes_));
  TRY(
      tx.exec("UPDATE feature_quarantine_tally SET dropped_rows = dropped_rows + ?"
              " WHERE project = ? AND source = ?",
              {dropped_, project, source_}));
  return {};
}

Status QuarantineLoad::publish_alone() {
  TRY(of_.deps_.db.write([&](store::Tx& tx) { return publish(tx); }));
  ignore(published(), "what comes next makes room");
  return {};
}

Status QuarantineLoad::published() {
  published_ = true;
  if (rows_ == 0) return {};
  if (dropped_ > 0)
    of_.dropped_.with(
        [&](Quarantine::Dropped& all) { all[{ctx_.project.text, source_}] += dropped_; });
  return of_.trim(ctx_, source_);
}

Result<int64_t> Quarantine::remove(store::Tx& tx, const std::string& project,
                                   const std::string& source, const std::string& uid) {
  int64_t bytes = 0;
  const bool there =
      TRY(tx.first("SELECT bytes FROM feature_quarantine WHERE project = ? AND source = ?"
                   " AND uid = ? AND load_uid = ''",
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
        " AND source = ? AND uid > ? AND load_uid = '' ORDER BY uid LIMIT ?",
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
    return tx.each(
        "SELECT record FROM feature_quarantine WHERE project = ? AND source = ?"
        " AND load_uid = ''",
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
    return tx.each(
        "SELECT source, uid, record FROM feature_quarantine WHERE project = ?"
        " AND load_uid = ''",
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
