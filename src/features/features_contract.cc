#include <algorithm>

#include "base/text.h"
#include "codec/hash.h"
#include "features/screened.h"
#include "features/stream_rows.h"
#include "sys/clock.h"
#include "sys/rng.h"

// The source's contract at the door: what is rejected, kept apart, nulled or only told.
namespace slip::features {
namespace {

using codec::Json;

constexpr size_t kWarningsMax = 20;

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

Result<Features::Screened> Features::screen(const Ctx& ctx, Batch batch,
                                            const Screening& how) const {
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
    Json record = record_of(batch, source, row);
    const contract::RecordVerdict verdict = checker.check_record(record);
    std::vector<std::string> nulled;
    if (!verdict.clean) {
      const std::string why = reasons_of(checker, verdict);
      const std::string where =
          how.stream ? concat({origin_text(how.stream->topic, how.stream->at(row)), ": "})
                     : concat({"row ", std::to_string(how.first_row + row), ": "});
      const bool rejected = verdict.action == contract::OnViolation::kReject;
      if (rejected && !how.stream) return invalid("contract.violation", concat({where, why}));
      if (rejected || verdict.action == contract::OnViolation::kQuarantine) {
        Quarantined& q = out.apart.emplace_back();
        q.created_ms = deps_.clock.now_ms();
        if (how.stream) {
          const kafka::Record& from = how.stream->at(row);
          q.uid = stray_uid(how.stream->topic, from);
          q.reason = concat({where, rejected ? "rejected: " : "", why});
          record.set(kOriginMember, origin_json(how.stream->topic, from));
        } else {
          q.uid = new_uuid7(deps_.clock, deps_.rng).text();
          q.reason = why;
        }
        q.record = codec::to_json(record, 0, codec::NonFinite::kString);
        out.goes_on.push_back(false);
        continue;
      }
      ++out.warned;
      if (out.warnings.size() < kWarningsMax) out.warnings.push_back(concat({where, why}));
      for (const size_t p : verdict.nulled) nulled.push_back(checker.properties()[p]);
    }
    add_row(batch, row, nulled, &out.batch);
    out.goes_on.push_back(true);
  }
  return out;
}

Result<std::vector<bool>> Features::as_kept(const Ctx& ctx, const Quarantine::Hashes& apart,
                                            int64_t first_row, Batch* batch,
                                            std::vector<Quarantined>* more) const {
  std::vector<bool> known(static_cast<size_t>(batch->rows()), false);
  Screened screened = TRY(screen(ctx, *batch, {.first_row = first_row}));
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

}  // namespace slip::features
