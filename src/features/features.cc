#include "features/features.h"

#include <algorithm>

#include "base/text.h"
#include "core/ledger/ledger.h"
#include "features/building.h"
#include "features/history_owner.h"
#include "features/packed.h"
#include "features/ready.h"
#include "features/redis_mirror.h"
#include "features/screened.h"
#include "features/windows.h"
#include "sys/clock.h"
#include "sys/fs.h"
#include "sys/log.h"

namespace slip::features {

Features::Features(Deps deps)
    : deps_(std::move(deps)),
      catalog_(Catalog::Deps{deps_.db, deps_.ledger, deps_.clock, deps_.rng}),
      history_(History::Deps{deps_.db, deps_.blobs, deps_.log, deps_.clock, deps_.notes}),
      quarantine_(Quarantine::Deps{deps_.db, deps_.ledger, deps_.clock, deps_.quarantine_bytes}),
      turns_(deps_.clock) {}

Status Features::open() {
  TRY(catalog_.load());
  TRY(open_owner());
  if (owned()) TRY(quarantine_.open());
  if (deps_.mirror != nullptr)
    deps_.mirror->attach({online_, catalog_, [this] { return applied_seq(); }});
  int64_t from = 0;
  TRY(load_snapshot(&from));
  const History::Last last = TRY(history_.last());
  TRY(replay(from, last));
  saved_seq_ = from;
  turns_.go_on(std::max(last.seq, from), last.ingest_us);
  if (deps_.mirror != nullptr) deps_.mirror->begin(from);
  begun_ = true;
  if (!owned()) return {};  // Should it become ours, tidy() finishes what others have begun.
  const Status erased = finish_erasures();
  if (!erased.ok() && (deps_.mirror == nullptr || erased.error().code != Code::kUnavailable))
    return erased;  // A mirror that doesn't answer is asked again by tidy(); it isn't read till
                    // then.
  const Status online = finish_materializations();
  begun_ = !online.ok() || !erased.ok();
  if (!online.ok())  // tidy() tries again; what is there is served.
    deps_.notes.warn("history isn't online yet",
                     {{"reason", std::string_view(online.error().reason)}});
  if (deps_.mirror != nullptr) ignore(deps_.mirror->write_through(), "its duty goes on");
  return {};
}

Status Features::open_owner() {
  if (deps_.owner == nullptr) return {};
  deps_.owner->set_blobs(&deps_.blobs);
  TRY(deps_.owner->open([this]() -> Result<bool> {
    if (deps_.fs.stat(deps_.dir + "/online").ok()) return true;
    return history_.lies_here();
  }));
  if (const Status ours = deps_.owner->check(); !ours.ok())
    deps_.notes.warn("this server doesn't keep the rows of features",
                     {{"reason", std::string_view(ours.error().text)},
                      {"hint", std::string_view(ours.error().hint)}});
  if (deps_.owner->lost_rows() > 0)
    deps_.notes.warn("rows of features lay in the directory from which they were taken over",
                     {{"rows", deps_.owner->lost_rows()}});
  return {};
}

Status Features::own() { return deps_.owner == nullptr ? Status() : deps_.owner->claim(); }

bool Features::owned() const {
  return deps_.owner == nullptr || deps_.owner->whose() == HistoryOwner::Whose::kOurs;
}

Status Features::remove(const Ctx& ctx, Kind kind, const std::string& name) {
  TRY(own());
  return catalog_.remove(ctx, kind, name);
}

Status Features::replay(int64_t after_seq, const History::Last& last) {
  Again again;
  TRY(history_.replay(after_seq, [&](const Batch& batch) -> Status {
    if (!goes_online(batch.to)) return {};
    Result<std::vector<Ready>> ready = transform(batch);
    if (!ready.ok()) {  // A view that came later can't read these rows.
      deps_.notes.warn("arrivals left out of the online table",
                       {{"source", std::string_view(batch.source)},
                        {"reason", std::string_view(ready.error().reason)}});
      return {};
    }
    return apply_ready(batch, *ready, &again);
  }));
  return build_again(again, last.seq, last.ingest_us);
}

// ---- rows

Result<Source> Features::source_for(const Ctx& ctx, const std::string& source,
                                    const std::string& view) const {
  const std::shared_ptr<const Shelf> shelf = catalog_.shelf(ctx.project.text);
  if (!view.empty()) {
    const ViewPtr found = shelf->view(view);
    if (!found)
      return not_found(
          "feature_view.not_found",
          concat({"Feature view ", view, " does not exist in project ", ctx.project.text}));
    return found->source;
  }
  const auto& sources = shelf->latest[static_cast<size_t>(Kind::kSource)];
  if (const auto found = sources.find(source); found != sources.end())
    return found->second->definition.source;
  for (const ViewPtr& v : shelf->views_of(source))
    if (shelf->view(v->name) == v) return v->source;
  return not_found("feature_source.not_found",
                   concat({"no source of rows '", source, "' in project ", ctx.project.text}));
}

namespace {

Error row_error(std::string_view reason, int64_t row, std::string_view what) {
  return invalid(reason, concat({"row ", std::to_string(row), ": ", what}));
}

}  // namespace

Status Features::check(const Batch& batch, const Source& source,
                       const std::vector<ViewPtr>& views) const {
  for (const FeatureField& f : batch.schema) {
    const FeatureField* known = source.find(f.name);
    if (known == nullptr)
      return invalid("feature.column", concat({"no column '", f.name, "' in the source"}));
    if (known->type.type != f.type.type)
      return invalid("feature.value",
                     concat({"column ", f.name, " is of type ", known->type.text()}));
  }
  for (size_t i = 0; i < batch.columns.size(); ++i)
    if (batch.columns[i].size() != batch.rows())
      return invalid(
          "feature.column",
          concat({"column ", batch.schema[i].name, " has ", std::to_string(batch.columns[i].size()),
                  " values for ", std::to_string(batch.rows()), " rows"}));
  const engine::Column event = batch.event.view();
  for (int64_t i = 0; i < batch.rows(); ++i) {
    if (event.is_null(i))
      return row_error("feature.time", i, concat({"no event time (", source.event_time, ")"}));
    if (event.i64(i) <= -window::kMaxTimeUs || event.i64(i) >= window::kMaxTimeUs)
      return row_error("feature.time", i, "the event time is out of range");
  }
  for (const ViewPtr& view : views)
    for (const FeatureField& key : view->join_keys) {
      const engine::Values* values = batch.find(key.name);
      if (values == nullptr)
        return invalid("feature.missing_key", concat({"no column for the key '", key.name, "'"}));
      if (values->nulls() == 0) continue;
      for (int64_t i = 0; i < batch.rows(); ++i)
        if (values->view().is_null(i))
          return row_error("feature.null_key", i, concat({"the key ", key.name, " is null"}));
    }
  return {};
}

Result<std::vector<Features::Ready>> Features::transform_for(const Batch& batch,
                                                             const ViewPtr& view) const {
  std::vector<Ready> out;
  Ready& one = out.emplace_back();
  one.view = view;
  one.source_columns = columns_as(batch, view->source.columns);
  std::vector<engine::Column> columns;
  for (const engine::Values& v : one.source_columns) columns.push_back(v.view());
  Transform run(view);
  Result<Transform::Output> made = run.run(columns, batch.event.view());
  if (!made.ok()) return std::move(made).error().within(concat({"view ", view->name}));
  one.made = std::move(*made);
  return out;
}

Result<std::vector<Features::Ready>> Features::transform(const Batch& batch) const {
  std::vector<Ready> out;
  const std::shared_ptr<const Shelf> shelf = catalog_.shelf(batch.project);
  for (const ViewPtr& view : shelf->views_of(batch.source)) {
    if (!view->view().online || (!batch.view.empty() && batch.view != view->name)) continue;
    for (Ready& one : TRY(transform_for(batch, view))) out.push_back(std::move(one));
  }
  return out;
}

Status Features::apply_ready(const Batch& batch, const std::vector<Ready>& ready, Again* again) {
  const engine::Column event = batch.event.view();
  for (const Ready& one : ready) {
    ViewClocks& clocks = *one.view->clocks;
    std::vector<engine::Column> source_columns;
    for (const engine::Values& v : one.source_columns) source_columns.push_back(v.view());
    std::vector<engine::Column> keys;
    for (const size_t k : one.view->key_columns) keys.push_back(source_columns[k]);
    std::optional<RowMarks> marks;
    if (one.view->plan) marks.emplace(*one.view, source_columns);
    for (int64_t i = 0; i < batch.rows(); ++i) {
      if (!one.made.concerns(i, batch.is_deleted(i))) continue;
      Online::Arrival at;
      at.event_us = event.i64(i);
      at.created_us = batch.created_at(i);
      at.ingest_us = batch.ingest(i);
      at.seq = batch.seq(i);
      at.deleted = batch.is_deleted(i);
      if (!batch.seqs) clocks.lateness.add(at.ingest_us - at.event_us);
      if (at.event_us <= at.ingest_us) raise(&clocks.newest_event_us, at.event_us);
      raise(&clocks.newest_received_us, at.ingest_us);
      std::optional<std::string> key = key_at(keys, i);
      if (!key) continue;
      const std::string row_marks = marks ? marks->at(i) : std::string();
      at.marks = row_marks;
      const Result<bool> done = online_.apply(*one.view, *key, at, one.made.columns, i);
      if (done.ok() && !*done) (*again)[one.view].insert(std::move(*key));
      if (!done.ok())  // Lists of another length than the ones before: no window holds both.
        deps_.notes.warn("row left out of windows",
                         {{"view", std::string_view(one.view->name)},
                          {"seq", at.seq},
                          {"reason", std::string_view(done.error().reason)}});
    }
  }
  return {};
}

// In a turn: what tombstones ask for is read from the history before anybody reads.
Status Features::apply_in_turn(const Batch& batch, const std::vector<Ready>& ready,
                               const Turn& turn) {
  Again again;
  TRY(apply_ready(batch, ready, &again));
  return build_again(again, turn.first_seq + batch.rows() - 1, turn.ingest_us);
}

Status Features::build_again(const Again& again, int64_t upto_seq, int64_t now_us) {
  for (const auto& [view, keys] : again) {
    History::Reading reading;
    reading.project = view->project;
    reading.source = view->source_name;
    reading.online_only = true;
    TRY(build_windows({view, keys, upto_seq, now_us}, TRY(history_.read(reading))));
  }
  return {};
}

void Features::made_visible(const Batch& batch, const std::vector<Ready>& ready) {
  const int64_t now_us = deps_.clock.now_us();
  for (const Ready& one : ready) {
    raise(&one.view->clocks->newest_visible_us, now_us);
    one.view->clocks->lag.add(now_us - batch.ingest_us, batch.rows());
  }
}

int64_t Features::now_us() const { return deps_.clock.now_us(); }

int64_t Features::newest_event_us(const CompiledView& view) const {
  return std::max(view.clocks->newest_event_us.load(), online_.newest_event_us(view.number));
}

Result<int64_t> Features::moment(std::string_view text) const {
  if (const Result<int64_t> ago = parse_duration_us(text); ago.ok())
    return deps_.clock.now_us() - *ago;
  return parse_time_us(text);
}

Result<Features::Pushed> Features::push(const Ctx& ctx, Batch batch) {
  TRY(own());
  const std::shared_ptr<const Shelf> shelf = catalog_.shelf(ctx.project.text);
  const Source source = TRY(source_for(ctx, batch.source, batch.view));
  if (batch.view.empty()) TRY(check_given(source, batch.source));
  if (!batch.view.empty()) batch.source = shelf->view(batch.view)->source_name;
  batch.project = ctx.project.text;
  std::vector<ViewPtr> views = shelf->views_of(batch.source);
  std::erase_if(views,
                [&](const ViewPtr& v) { return !batch.view.empty() && v->name != batch.view; });
  TRY(check(batch, source, views));
  if (batch.rows() > kBatchRowsMax)
    return exhausted("feature.too_many_rows",
                     concat({"a push has at most ", std::to_string(kBatchRowsMax), " rows"}))
        .with_hint("load a file: slipway feature load");
  Screened screened = TRY(screen(ctx, std::move(batch), {}));
  batch = std::move(screened.batch);
  Pushed out;
  out.rows = batch.rows();
  out.quarantined = static_cast<int64_t>(screened.apart.size());
  out.warnings = std::move(screened.warnings);
  if (batch.rows() == 0) {
    TRY(quarantine_.keep(ctx, batch.source, screened.apart));
    return out;
  }
  if (deps_.mirror != nullptr && goes_online(batch.to)) TRY(deps_.mirror->claim(views));
  // Before anything is written: a row that a view can't compute refuses the push.
  const std::vector<Ready> ready =
      goes_online(batch.to) ? TRY(transform(batch)) : std::vector<Ready>();
  TRY(quarantine_.keep(ctx, batch.source, screened.apart));
  Arrival arrival;
  TRY(arrive(&batch, ready, &arrival));
  TRY(arrival.applied);
  // It is acknowledged by the log: while Redis is gone it waits there.
  if (deps_.mirror != nullptr) ignore(deps_.mirror->write_through(), "it waits in the log");
  out.first_seq = arrival.first_seq;
  return out;
}

// Marks alone have a number of their own, so that a snapshot covers their record and it leaves the
// log. An error: nothing was kept.
Status Features::arrive(Batch* batch, const std::vector<Ready>& ready, Arrival* out) {
  const int64_t numbers = std::max<int64_t>(1, batch->rows());
  const Turn turn = turns_.take(numbers);
  batch->first_seq = turn.first_seq;
  batch->ingest_us = turn.ingest_us;
  out->first_seq = turn.first_seq;
  const Status kept = history_.append(*batch);
  turns_.await(turn);
  if (kept.ok()) {
    history_.note_marks(*batch);
    if (batch->rows() > 0) out->applied = apply_in_turn(*batch, ready, turn);
  }
  if (!kept.ok()) history_.give_up(turn.first_seq);
  turns_.end(turn, turn.first_seq + numbers - 1);
  if (kept.ok()) made_visible(*batch, ready);
  return kept;
}

Result<std::vector<Change>> Features::plan(const Ctx& ctx, std::vector<Definition> definitions) {
  std::map<std::string, std::string> sources;
  for (const Definition& d : definitions)
    if (d.kind == Kind::kView) sources[d.name] = d.view.source;
  std::vector<Change> out = TRY(catalog_.plan(ctx, std::move(definitions)));
  for (Change& c : out) {
    if (c.kind != Kind::kView || c.action == "unchanged" || c.action == "describe") continue;
    History::Reading reading;
    reading.project = ctx.project.text;
    reading.source = sources[c.name];
    c.backfill_rows = TRY(history_.read(reading)).rows();
  }
  return out;
}

Result<std::vector<Change>> Features::apply(const Ctx& ctx, std::vector<Definition> definitions,
                                            Severity allow) {
  TRY(own());
  if (deps_.mirror != nullptr) TRY(deps_.mirror->fits(definitions));
  std::vector<Change> changes = TRY(catalog_.apply(ctx, std::move(definitions), allow));
  begun_ = true;
  Materializing wanted;
  for (const Change& c : changes)
    if (c.kind == Kind::kView && (c.action == "create" || c.action == "new_version"))
      wanted.views.push_back(c.name);
  if (!wanted.views.empty()) TRY(materialize(ctx, wanted));
  return changes;
}

Result<std::shared_ptr<const ReadPlan>> Features::cached_plan(
    const Ctx& ctx, const std::string& key,
    const std::function<Result<ReadPlan>(const Shelf&)>& make) {
  constexpr size_t kPlansMax = 1000;
  const std::shared_ptr<const Shelf> shelf = catalog_.shelf(ctx.project.text);
  std::shared_ptr<const ReadPlan> found =
      plans_.with([&](auto& all) -> std::shared_ptr<const ReadPlan> {
        const auto plans = all.find(ctx.project.text);
        if (plans == all.end() || plans->second.of != shelf) return nullptr;
        const auto known = plans->second.by_key.find(key);
        return known == plans->second.by_key.end() ? nullptr : known->second;
      });
  if (found) return found;
  auto made = std::make_shared<const ReadPlan>(TRY(make(*shelf)));
  plans_.with([&](auto& all) {
    Plans& plans = all[ctx.project.text];
    if (plans.of != shelf || plans.by_key.size() >= kPlansMax) plans.by_key.clear();
    plans.of = shelf;
    plans.by_key[key] = made;
  });
  return made;
}

}  // namespace slip::features
