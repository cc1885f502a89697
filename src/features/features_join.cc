#include <algorithm>
#include <span>
#include <unordered_map>

#include "base/text.h"
#include "engine/pit/pit.h"
#include "features/features.h"
#include "features/functions.h"
#include "features/history_owner.h"
#include "features/materialized.h"
#include "features/packed.h"
#include "features/rebuild.h"
#include "features/windows.h"

// History joined to moments: point-in-time look-ups by engine/pit, windows by engine/window, and
// the same transforms as online.
namespace slip::features {
namespace {

using engine::Column;
using engine::Values;

// The keys of a read, as columns of the request.
Result<std::vector<Values>> key_values(const ReadPlan::Read& read, const RequestColumns& request) {
  std::vector<Values> out;
  for (size_t k = 0; k < read.request_keys.size(); ++k) {
    const FeatureType& type = read.view->join_keys[k].type;
    Values values = values_for(type);
    const auto found = request.columns.find(read.request_keys[k]);
    if (found == request.columns.end())
      return invalid("feature.missing_key",
                     concat({"Missing join key values for key ", read.request_keys[k]}));
    for (const Cell& cell : found->second) {
      Result<Cell> fitted = fit(cell, type);
      if (!fitted.ok())
        return std::move(fitted).error().within(concat({"key ", read.request_keys[k]}));
      add_cell(&values, *fitted);
    }
    out.push_back(std::move(values));
  }
  return out;
}

std::vector<Column> views_of(const std::vector<Values>& values) {
  std::vector<Column> out;
  for (const Values& v : values) out.push_back(v.view());
  return out;
}

// A chunk's rows as one view's source sees them.
struct Seen {
  std::vector<Values> columns;               // The source's.
  Values event{engine::Type::kTimestampUs};  // Null: no row of this view.
  std::vector<Column> keys;
};

Result<Seen> see(const CompiledView& view, const ViewPtr& ptr, const Batch& batch,
                 int64_t max_seq) {
  Seen out;
  out.columns = columns_as(batch, view.source.columns);
  const Column event = batch.event.view();
  Transform::Output made;
  if (view.filter) made = TRY(Transform(ptr).run(views_of(out.columns), event));
  for (int64_t i = 0; i < batch.rows(); ++i) {
    const bool in = (!view.filter || made.concerns(i, batch.is_deleted(i))) &&
                    batch.seq(i) <= max_seq && (batch.view.empty() || batch.view == view.name);
    in ? out.event.add_i64(event.i64(i)) : out.event.add_null();
  }
  for (const size_t k : view.key_columns) out.keys.push_back(out.columns[k].view());
  return out;
}

// Winning rows' source columns, fetched in a second pass and computed at once.
class Winners {
 public:
  Winners(ViewPtr view, std::vector<int64_t> rows)
      : view_(std::move(view)), rows_(std::move(rows)) {
    for (const int64_t r : rows_)
      if (r != engine::kNoRow) wanted_.push_back(r);
    std::sort(wanted_.begin(), wanted_.end());
    wanted_.erase(std::unique(wanted_.begin(), wanted_.end()), wanted_.end());
    for (const FeatureField& f : view_->source.columns) gathered_.push_back(values_for(f.type));
  }

  void take(const Batch& batch, int64_t first_row) {
    auto at = std::lower_bound(wanted_.begin(), wanted_.end(), first_row);
    if (at == wanted_.end() || *at >= first_row + batch.rows()) return;
    const std::vector<Values> columns = columns_as(batch, view_->source.columns);
    const Column event = batch.event.view();
    for (; at != wanted_.end() && *at < first_row + batch.rows(); ++at) {
      const int64_t row = *at - first_row;
      for (size_t c = 0; c < columns.size(); ++c) gathered_[c].add_from(columns[c].view(), row);
      event_.add_i64(event.i64(row));
    }
  }

  // The features' cells, one each row of the request.
  Status finish(const std::vector<size_t>& features, std::vector<std::vector<Cell>>* values,
                std::vector<int64_t>* event_us) {
    const Transform::Output made = TRY(Transform(view_).run(views_of(gathered_), event_.view()));
    values->assign(features.size(), std::vector<Cell>(rows_.size()));
    event_us->assign(rows_.size(), 0);
    for (size_t i = 0; i < rows_.size(); ++i) {
      if (rows_[i] == engine::kNoRow) continue;
      const int64_t at =
          std::lower_bound(wanted_.begin(), wanted_.end(), rows_[i]) - wanted_.begin();
      for (size_t f = 0; f < features.size(); ++f)
        (*values)[f][i] = cell_at(made.columns[features[f]], at);
      (*event_us)[i] = event_.view().i64(at);
    }
    return {};
  }

 private:
  ViewPtr view_;
  std::vector<int64_t> rows_;
  std::vector<int64_t> wanted_;
  std::vector<Values> gathered_;
  Values event_{engine::Type::kTimestampUs};
};

struct Frame {
  std::vector<Values> keys;
  Values times{engine::Type::kTimestampUs};
};

// Of one read: its features' cells and events' times, by row of the request.
struct Found {
  std::vector<std::vector<Cell>> values;
  std::vector<int64_t> event_us;
};

// When a row became known: as History says, or (`materialized`) when it could be served.
struct Known {
  const std::vector<Materialization>* materialized = nullptr;

  int64_t at(const History::Chunk& chunk, int64_t row) const {
    const Batch& b = chunk.batch;
    if (materialized == nullptr) return b.known_at(row, chunk.loaded);
    if (!chunk.loaded && goes_online(b.to)) return b.ingest(row);
    return came_online(*materialized, b.seq(row), b.event.view().i64(row));
  }
};

// What is joined to a frame, and how.
struct From {
  const History::View& history;
  const Features::Joining& joining;
  Known known;
};

Status look_up(const ReadPlan::Read& read, const Frame& frame, const From& from, Found* out) {
  const Features::Joining& joining = from.joining;
  engine::Look look;
  look.as_known = joining.mode == JoinMode::kAsKnown;
  if (!joining.ignore_ttl) look.ttl = read.view->view().ttl_us;
  engine::Workers workers;
  engine::PitJoin join =
      TRY(engine::PitJoin::make(views_of(frame.keys), frame.times.view(), {look}, workers));
  TRY(from.history.visit([&](const History::Chunk& chunk) -> Status {
    const Batch& b = chunk.batch;
    const Seen seen = TRY(see(*read.view, read.view, b, joining.max_seq));
    Values created(engine::Type::kTimestampUs);
    Values known(engine::Type::kTimestampUs);
    Values seq(engine::Type::kInt64);
    Values deleted(engine::Type::kBool);
    for (int64_t i = 0; i < b.rows(); ++i) {
      created.add_i64(b.created_at(i));
      known.add_i64(from.known.at(chunk, i));
      seq.add_i64(b.seq(i));
      deleted.add_bool(b.is_deleted(i));
    }
    engine::SourceRows rows;
    rows.keys = seen.keys;
    rows.event = seen.event.view();
    rows.created = created.view();
    rows.known = known.view();
    rows.sequence = seq.view();
    rows.tombstone = deleted.view();
    rows.first_row = chunk.first_row;
    return join.add(rows);
  }));
  Winners winners(read.view, join.winners(0));
  TRY(from.history.visit([&](const History::Chunk& chunk) -> Status {
    winners.take(chunk.batch, chunk.first_row);
    return {};
  }));
  return winners.finish(read.features, &out->values, &out->event_us);
}

// ---- windows

struct WindowEvent {
  window::Record record;
  int64_t known_us = 0;
  bool loaded = false;
  bool deleted = false;
};

struct Entity {
  std::vector<WindowEvent> events;
  std::vector<int64_t> queries;  // Rows of the request.
};

Gone gone_of(const WindowEvent& e) { return {e.record.at, e.record.note}; }

// All tombstones of some events.
Tombstones gone_in(std::span<const WindowEvent> events) {
  Tombstones out;
  for (const WindowEvent& e : events)
    if (e.deleted) out.add(gone_of(e));
  return out;
}

// Both answer nothing while the entity is unknown: no event of it has come yet, or none is left.
//
// With hindsight: every event counts from its own time on, and none that was ever taken back.
class AsOf {
 public:
  AsOf(const window::Plan& plan, Entity& entity) : plan_(plan), events_(entity.events) {
    const Tombstones gone = gone_in(events_);
    std::erase_if(events_, [&](const WindowEvent& e) {
      return e.deleted || gone.take_back(e.record.at, e.record.note);
    });
    std::sort(events_.begin(), events_.end(), [](const WindowEvent& a, const WindowEvent& b) {
      return std::tie(a.record.at.ts_us, a.record.at.seq) <
             std::tie(b.record.at.ts_us, b.record.at.seq);
    });
  }
  Result<std::vector<window::Answer>> at(int64_t t) {
    for (; next_ < events_.size() && events_[next_].record.at.ts_us < t; ++next_) {
      const window::Record& record = events_[next_].record;
      // Lists of another length than those before are left out, as at a push.
      ignore(windows_.add(plan_, record, record.at.ts_us), "a row that no window holds");
    }
    if (windows_.unknown()) return std::vector<window::Answer>();
    windows_.advance(plan_, t);
    return windows_.blob().read(plan_, t);
  }

 private:
  const window::Plan& plan_;
  std::vector<WindowEvent>& events_;
  EntityWindows windows_;
  size_t next_ = 0;
};

// What could be served: rows in the order in which they became known, refused as late as the online
// table refuses them; a loaded file's are counted however old they are. A row that is too old for
// the state, or takes back what is, has it built anew.
class AsKnown {
 public:
  AsKnown(const window::Plan& plan, Entity& entity) : plan_(plan), events_(entity.events) {
    std::sort(events_.begin(), events_.end(), [](const WindowEvent& a, const WindowEvent& b) {
      return std::tie(a.known_us, a.record.at.seq) < std::tie(b.known_us, b.record.at.seq);
    });
  }
  Result<std::vector<window::Answer>> at(int64_t t) {
    bool anew = false;
    for (; next_ < events_.size() && events_[next_].known_us <= t; ++next_)
      anew = anew || !count(events_[next_]);
    if (anew) build(t);
    if (windows_.unknown()) return std::vector<window::Answer>();
    windows_.advance(plan_, t);
    return windows_.blob().read(plan_, t);
  }

 private:
  // False: the windows must be built anew.
  bool count(const WindowEvent& e) {
    if (e.deleted) return windows_.take_back(plan_, gone_of(e), e.known_us) && !e.loaded;
    if (e.loaded && too_old(e)) return false;
    ignore(windows_.add(plan_, e.record, e.known_us), "a row that no window holds");
    return true;
  }
  void build(int64_t t) {
    const auto known = std::span(events_).first(next_);
    const Tombstones gone = gone_in(known);
    windows_ = EntityWindows();
    windows_.advance(plan_, t);
    for (const WindowEvent& e : known) {
      if (e.deleted) windows_.remember(plan_, gone_of(e));
      if (e.deleted || (!e.loaded && too_old(e))) continue;
      if (gone.take_back(e.record.at, e.record.note)) continue;
      ignore(windows_.recall(plan_, e.record), "a row that no window holds");
    }
  }
  bool too_old(const WindowEvent& e) const {
    return e.record.at.ts_us < e.known_us - plan_.lateness_us();
  }

  const window::Plan& plan_;
  std::vector<WindowEvent>& events_;
  EntityWindows windows_;
  size_t next_ = 0;
};

Status answer(const ReadPlan::Read& read, Entity& entity,
              const std::function<Result<std::vector<window::Answer>>(int64_t)>& at,
              const Column& times, std::vector<std::vector<Cell>>* values) {
  std::sort(entity.queries.begin(), entity.queries.end(),
            [&](int64_t a, int64_t b) { return times.i64(a) < times.i64(b); });
  for (const int64_t q : entity.queries) {
    const std::vector<window::Answer> answers = TRY(at(times.i64(q)));
    if (answers.empty()) continue;
    for (size_t f = 0; f < read.features.size(); ++f) {
      const size_t i = read.features[f];
      (*values)[f][static_cast<size_t>(q)] = cell_of_answer(*read.view, i, answers[i]);
    }
  }
  return {};
}

Status window_join(const ReadPlan::Read& read, const Frame& frame, const From& from, Found* out) {
  const Features::Joining& joining = from.joining;
  const CompiledView& view = *read.view;
  const Column times = frame.times.view();
  const std::vector<Column> keys = views_of(frame.keys);
  std::unordered_map<std::string, Entity> entities;
  for (int64_t i = 0; i < times.n; ++i) {
    if (times.is_null(i)) continue;
    if (auto key = key_at(keys, i)) entities[std::move(*key)].queries.push_back(i);
  }
  const Looking looking{.wanted = [&](const std::string& key) { return entities.contains(key); },
                        .max_seq = joining.max_seq};
  TRY(from.history.visit([&](const History::Chunk& chunk) -> Status {
    return each_seen(read.view, chunk, looking, [&](SeenRow seen) -> Status {
      const Batch& b = chunk.batch;
      WindowEvent e;
      e.known_us = from.known.at(chunk, seen.row);
      e.loaded = chunk.loaded;
      e.deleted = seen.deleted;
      if (e.known_us != b.known_at(seen.row, chunk.loaded) && !chunk.loaded) {
        // Brought online from the history: the windows are built anew, of what was in time then.
        const int64_t oldest = b.ingest(seen.row) - view.plan->lateness_us();
        if (!e.deleted && seen.record.at.ts_us < oldest) return {};
        e.loaded = true;
      }
      e.record = std::move(seen.record);
      entities[seen.key].events.push_back(std::move(e));
      return {};
    });
  }));
  out->values.assign(read.features.size(), std::vector<Cell>(static_cast<size_t>(times.n)));
  out->event_us.assign(static_cast<size_t>(times.n), 0);
  for (auto& [key, entity] : entities) {
    if (joining.mode == JoinMode::kAsKnown) {
      AsKnown run(*view.plan, entity);
      TRY(answer(read, entity, [&](int64_t t) { return run.at(t); }, times, &out->values));
    } else {
      AsOf run(*view.plan, entity);
      TRY(answer(read, entity, [&](int64_t t) { return run.at(t); }, times, &out->values));
    }
  }
  return {};
}

}  // namespace

Result<Features::Joined> Features::join(const std::string& project, const ReadPlan& plan,
                                        const RequestColumns& request,
                                        const std::vector<int64_t>& times_us,
                                        const Joining& joining) {
  if (deps_.owner != nullptr) TRY(deps_.owner->check());
  Frame frame;
  for (const int64_t t : times_us) t == INT64_MIN ? frame.times.add_null() : frame.times.add_i64(t);
  const size_t rows = times_us.size();
  std::vector<Found> got(plan.reads.size());
  for (size_t r = 0; r < plan.reads.size(); ++r) {
    const ReadPlan::Read& read = plan.reads[r];
    frame.keys = TRY(key_values(read, request));
    History::Reading reading;
    reading.project = project;
    reading.source = read.view->source_name;
    reading.online_only = joining.served;
    const History::View history = TRY(history_.read(reading));
    std::vector<Materialization> materialized;
    if (joining.served) materialized = TRY(materializations(deps_.db, project, read.view->uid));
    const From from{history, joining, {joining.served ? &materialized : nullptr}};
    TRY(read.view->plan ? window_join(read, frame, from, &got[r])
                        : look_up(read, frame, from, &got[r]));
  }
  std::vector<std::vector<std::vector<Cell>>> computed(plan.computed.size());
  for (size_t c = 0; c < plan.computed.size(); ++c) {
    std::vector<std::vector<Cell>> inputs;
    for (const auto& [read, place] : plan.computed[c].inputs)
      inputs.push_back(got[read].values[place]);
    TRY(compute_on_demand(deps_.functions, *plan.computed[c].what, inputs, request, &computed[c]));
  }
  Joined out;
  for (const ReadPlan::Out& o : plan.outs) {
    out.values.push_back(o.computed ? computed[o.from][o.at] : got[o.from].values[o.at]);
    out.event_us.push_back(o.computed ? std::vector<int64_t>(rows, 0) : got[o.from].event_us);
  }
  return out;
}

}  // namespace slip::features
