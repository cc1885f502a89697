#include <algorithm>
#include <set>

#include "base/text.h"
#include "features/features.h"
#include "features/file_batches.h"
#include "features/intake.h"
#include "features/ready.h"
#include "features/redis_mirror.h"
#include "features/screened.h"
#include "features/stream_rows.h"
#include "sys/clock.h"

// Messages of a topic into the history and online.
namespace slip::features {
namespace {

// Columns that no row may lack: the keys of every view.
std::vector<std::string> keys_of(const std::vector<ViewPtr>& views) {
  std::set<std::string> out;
  for (const ViewPtr& v : views)
    for (const FeatureField& key : v->join_keys) out.insert(key.name);
  return {out.begin(), out.end()};
}

Batch part_of(const Batch& b, const std::function<bool(int64_t row)>& wanted) {
  Batch out = wanted_rows(b, 0, wanted);
  out.project = b.project;
  out.source = b.source;
  out.to = b.to;
  return out;
}

// Of messages whose rows the store can't have.
class Apart {
 public:
  Apart(const std::string& topic, std::span<const kafka::Record> records, int64_t now_ms)
      : topic_(topic), records_(records), now_ms_(now_ms) {}

  void add(const Stray& stray) {
    const kafka::Record& from = records_[stray.record];
    Quarantined& q = rows.emplace_back();
    q.uid = stray_uid(topic_, from);
    q.created_ms = now_ms_;
    q.reason = concat({origin_text(topic_, from), ": ", stray.reason});
    q.record = codec::to_json(stray.kept, 0, codec::NonFinite::kString);
    if (q.record.size() > kStrayRecordBytesMax)
      q.record = codec::to_json(text_of_record(topic_, from), 0, codec::NonFinite::kString);
  }
  std::vector<Quarantined> rows;

 private:
  const std::string& topic_;
  std::span<const kafka::Record> records_;
  int64_t now_ms_;
};

}  // namespace

// By halves: most rows are fine.
Status Features::find_unfit(const Batch& part, int64_t first,
                            std::map<int64_t, std::string>* out) const {
  const Result<std::vector<Ready>> ready = transform(part);
  if (ready.ok()) return {};
  if (ready.error().code != Code::kInvalid) return ready.error();
  if (part.rows() == 1) {
    (*out)[first] = ready.error().text;
    return {};
  }
  const int64_t half = part.rows() / 2;
  TRY(find_unfit(part_of(part, [&](int64_t row) { return row < half; }), first, out));
  return find_unfit(part_of(part, [&](int64_t row) { return row >= half; }), first + half, out);
}

Result<Intaken> Features::take_in(const Ctx& ctx, const Intake& what) {
  TRY(own());
  const std::shared_ptr<const Shelf> shelf = catalog_.shelf(ctx.project.text);
  const Source source = TRY(source_for(ctx, what.source, ""));
  if (!source.kafka)
    return conflict("feature.stream", concat({"the source ", what.source, " reads no topic"}));
  const std::string& topic = source.kafka->topic;
  const std::vector<ViewPtr> views = shelf->views_of(what.source);
  StreamRows decoded = rows_of_records(what.records, source, keys_of(views), what.unfit);
  Batch batch = std::move(decoded.batch);
  batch.project = ctx.project.text;
  batch.source = what.source;
  TRY(check(batch, source, views));
  if (deps_.mirror != nullptr) TRY(deps_.mirror->claim(views));
  Apart apart(topic, what.records, deps_.clock.now_ms());
  for (const Stray& s : decoded.strays) apart.add(s);
  Intaken out;
  out.strays = static_cast<int64_t>(decoded.strays.size());

  Screening how;
  how.stream.emplace(Screening::Stream{topic, what.records, decoded.records});
  Screened screened = TRY(screen(ctx, std::move(batch), how));
  batch = std::move(screened.batch);
  batch.project = ctx.project.text;
  batch.source = what.source;
  out.warned = screened.warned;
  std::vector<size_t> records;
  for (size_t i = 0; i < decoded.records.size(); ++i)
    if (screened.goes_on.empty() || screened.goes_on[i]) records.push_back(decoded.records[i]);
  std::move(screened.apart.begin(), screened.apart.end(), std::back_inserter(apart.rows));

  Result<std::vector<Ready>> ready = transform(batch);
  if (!ready.ok()) {
    std::map<int64_t, std::string> unfit;
    TRY(find_unfit(batch, 0, &unfit));
    for (const auto& [row, why] : unfit) {
      Stray stray{records[static_cast<size_t>(row)], why, record_of(batch, source, row)};
      stray.kept.set(kOriginMember, origin_json(topic, what.records[stray.record]));
      apart.add(stray);
    }
    batch = part_of(batch, [&](int64_t row) { return !unfit.contains(row); });
    ready = transform(batch);
    if (!ready.ok()) return std::move(ready).error();
  }
  out.rows = batch.rows();
  out.rejected = static_cast<int64_t>(apart.rows.size()) - out.strays;
  if (!apart.rows.empty()) out.reason = apart.rows.front().reason;
  // First, and under uids that say the same again: a crash before the marks hands them over again.
  TRY(quarantine_.keep(ctx, what.source, apart.rows));
  batch.marks = what.marks;
  Arrival arrival;
  TRY(arrive(&batch, *ready, &arrival));
  if (deps_.mirror != nullptr) ignore(deps_.mirror->write_through(), "it waits in the log");
  if (!arrival.applied.ok()) out.trouble = arrival.applied.error().text;
  return out;
}

}  // namespace slip::features
