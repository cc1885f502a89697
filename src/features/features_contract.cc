#include <algorithm>

#include "base/text.h"
#include "codec/hash.h"
#include "features/screened.h"
#include "sys/clock.h"
#include "sys/rng.h"

// The source's contract at the door: what is rejected, kept apart, nulled or only told.
namespace slip::features {
namespace {

using codec::Json;

constexpr size_t kWarningsMax = 20;
constexpr int64_t kListMax = 1000;

Json record_of(const Batch& b, const Source& source, int64_t row) {
  Json out = Json::object();
  for (size_t i = 0; i < b.schema.size(); ++i)
    out.set(b.schema[i].name, json_of_cell(cell_at(b.columns[i].view(), row), b.schema[i].type));
  static constexpr FeatureType kTime{.type = engine::Type::kTimestampUs};
  out.set(source.event_time, json_of_cell(cell_at(b.event.view(), row), kTime));
  if (!source.created_time.empty())
    out.set(source.created_time, json_of_cell(cell_at(b.created.view(), row), kTime));
  return out;
}

std::string reasons_of(const contract::RecordChecker& checker, const contract::RecordVerdict& v) {
  std::string out;
  for (const contract::Violation& one : v.violations) {
    if (!out.empty()) out += "; ";
    const bool named = one.property < checker.properties().size();
    out += concat({named ? checker.properties()[one.property] : "", named ? ": " : "", one.reason});
  }
  return out;
}

void add_row(const Batch& from, int64_t row, const std::vector<std::string>& nulled, Batch* to) {
  for (size_t i = 0; i < from.columns.size(); ++i) {
    if (std::find(nulled.begin(), nulled.end(), from.schema[i].name) != nulled.end())
      to->columns[i].add_null();
    else
      to->columns[i].add_from(from.columns[i].view(), row);
  }
  to->event.add_from(from.event.view(), row);
  to->created.add_from(from.created.view(), row);
  if (from.deleted.size() > 0) to->deleted.add_bool(from.is_deleted(row));
}

Batch like(const Batch& batch) {
  Batch out = make_batch(batch.schema);
  out.project = batch.project;
  out.source = batch.source;
  out.view = batch.view;
  out.to = batch.to;
  return out;
}

}  // namespace

Status check_given(const Source& source, const std::string& name) {
  if (!source.computed) return {};
  return invalid("feature.computed", concat({"rows of Source ", name, " are computed by its sql"}))
      .with_hint("push to its inputs");
}

Result<Features::Screened> Features::screen(const Ctx& ctx, Batch batch, int64_t first_row) const {
  Screened out;
  const std::shared_ptr<const Shelf> shelf = catalog_.shelf(ctx.project.text);
  const auto found = shelf->contracts.find(batch.source);
  if (found == shelf->contracts.end()) {
    out.batch = std::move(batch);
    return out;
  }
  const contract::RecordChecker& checker = *found->second.checker;
  const Source source = TRY(source_for(ctx, batch.source, ""));
  out.batch = like(batch);
  for (int64_t row = 0; row < batch.rows(); ++row) {
    const Json record = record_of(batch, source, row);
    const contract::RecordVerdict verdict = checker.check_record(record);
    std::vector<std::string> nulled;
    if (!verdict.clean) {
      const std::string why = reasons_of(checker, verdict);
      const std::string where = concat({"row ", std::to_string(first_row + row), ": "});
      if (verdict.action == contract::OnViolation::kReject)
        return invalid("contract.violation", concat({where, why}));
      if (verdict.action == contract::OnViolation::kQuarantine) {
        Quarantined& q = out.apart.emplace_back();
        q.uid = new_uuid7(deps_.clock, deps_.rng).text();
        q.created_ms = deps_.clock.now_ms();
        q.reason = why;
        q.record = codec::to_json(record, 0, codec::NonFinite::kString);
        out.goes_on.push_back(false);
        continue;
      }
      if (out.warnings.size() < kWarningsMax) out.warnings.push_back(concat({where, why}));
      for (const size_t p : verdict.nulled) nulled.push_back(checker.properties()[p]);
    }
    add_row(batch, row, nulled, &out.batch);
    out.goes_on.push_back(true);
  }
  return out;
}

Result<std::vector<bool>> Features::as_kept(const Ctx& ctx, const ApartHashes& apart,
                                            int64_t first_row, Batch* batch,
                                            std::vector<Quarantined>* more) const {
  std::vector<bool> known(static_cast<size_t>(batch->rows()), false);
  Screened screened = TRY(screen(ctx, *batch, first_row));
  if (screened.goes_on.empty()) return known;
  Batch out = like(*batch);
  int64_t on = 0;
  size_t off = 0;
  for (int64_t row = 0; row < batch->rows(); ++row) {
    const auto at = static_cast<size_t>(row);
    if (screened.goes_on[at]) {
      add_row(screened.batch, on++, {}, &out);
    } else {
      add_row(*batch, row, {}, &out);
      Quarantined& q = screened.apart[off++];
      known[at] = apart.contains(codec::xxh3(q.record));
      if (!known[at] && more != nullptr) {
        more->push_back(std::move(q));
        known[at] = true;
      }
    }
  }
  *batch = std::move(out);
  return known;
}

Result<Features::ApartHashes> Features::apart_hashes(const Ctx& ctx, const std::string& source) {
  ApartHashes out;
  TRY(deps_.db.read([&](store::Tx& tx) {
    return tx.each("SELECT record FROM feature_quarantine WHERE project = ? AND source = ?",
                   {ctx.project.text, source},
                   [&](const store::Row& row) { out.insert(codec::xxh3(row.text(0))); });
  }));
  return out;
}

Status Features::keep_apart(const Ctx& ctx, const std::string& source,
                            const std::vector<Quarantined>& rows) {
  constexpr auto kStep = static_cast<size_t>(store::kWriteRowsMax);
  for (size_t from = 0; from < rows.size(); from += kStep) {
    const size_t to = std::min(rows.size(), from + kStep);
    TRY(deps_.db.write([&](store::Tx& tx) -> Status {
      for (size_t i = from; i < to; ++i)
        TRY(tx.exec(
            "INSERT INTO feature_quarantine (project, source, uid, created_ms, reason, record)"
            " VALUES (?, ?, ?, ?, ?, ?)",
            {ctx.project.text, source, rows[i].uid, rows[i].created_ms, rows[i].reason,
             rows[i].record}));
      return {};
    }));
  }
  return {};
}

Result<std::vector<Features::Quarantined>> Features::quarantine(const Ctx& ctx,
                                                                const std::string& source,
                                                                std::string_view after,
                                                                int64_t limit) {
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

Result<int64_t> Features::release(const Ctx& ctx, const std::string& source,
                                  const std::vector<std::string>& uids) {
  int64_t n = 0;
  TRY(deps_.db.write([&](store::Tx& tx) -> Status {
    n = 0;
    for (const std::string& uid : uids)
      n +=
          TRY(tx.exec("DELETE FROM feature_quarantine WHERE project = ? AND source = ? AND uid = ?",
                      {ctx.project.text, source, uid}));
    return {};
  }));
  return n;
}

}  // namespace slip::features
