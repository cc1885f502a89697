#include <algorithm>
#include <set>
#include <unordered_set>

#include "base/text.h"
#include "core/hold/hold.h"
#include "core/ledger/ledger.h"
#include "features/building.h"
#include "features/features.h"
#include "features/materialized.h"
#include "features/packed.h"
#include "features/ready.h"
#include "features/rebuild.h"
#include "features/redis_mirror.h"
#include "features/served.h"
#include "sys/clock.h"
#include "sys/rng.h"

// One entity's rows leave everything that was made of them. What was begun is noted first, so that
// a crash in the middle is finished at the next start; the keys are in that note only until then.
namespace slip::features {

// Of the views over one source: the entities whose rows went, as the online table knows them.
struct Features::Affected {
  std::string source;
  int64_t through_seq = INT64_MAX;  // Rows that arrived later stay.
  std::vector<ViewPtr> views;
  std::vector<std::unordered_set<std::string>> keys;  // By view.
};

// An erasure that is noted. Whenever it is finished, what had arrived after it was asked for stays.
struct Features::Begun {
  Ctx ctx;
  std::string uid;
  Erasing what;
  int64_t through_seq = INT64_MAX;
  bool interrupted = false;
};

struct Features::Returning {
  const ViewPtr& view;
  const std::unordered_set<std::string>& keys;
  const std::vector<Materialization>& came;
};

namespace {

using codec::Json;

Json keys_json(const Erasing& what) {
  Json out = Json::object();
  for (const auto& [name, value] : what.keys) out.set(name, value);
  return out;
}

// Places of the keys' columns in a schema, with the values as the columns have them; nothing when
// one is missing. kInvalid: a value that the column can't hold.
struct Match {
  std::vector<std::pair<size_t, Cell>> columns;
};
Result<std::optional<Match>> match_of(const std::string& source,
                                      const std::vector<FeatureField>& schema,
                                      const Erasing& what) {
  Match out;
  for (const auto& [name, value] : what.keys) {
    const auto at = std::find_if(schema.begin(), schema.end(),
                                 [&, &key = name](const FeatureField& f) { return f.name == key; });
    if (at == schema.end()) return std::optional<Match>();
    Result<Cell> cell = cell_of_json(value, at->type);
    if (!cell.ok() || is_null(*cell))
      return invalid("feature.erase",
                     concat({"column ", name, " of source ", source, " is of type ",
                             at->type.text(), ": name the key as one"}));
    out.columns.emplace_back(static_cast<size_t>(at - schema.begin()), std::move(*cell));
  }
  return std::optional<Match>(std::move(out));
}

bool matches(const Match& match, const Batch& b, int64_t row) {
  return std::all_of(match.columns.begin(), match.columns.end(), [&](const auto& c) {
    return cell_at(b.columns[c.first].view(), row) == c.second;
  });
}

}  // namespace

Status Features::settle() {
  const Turn turn = turns_.take(0);
  turns_.await(turn);
  turns_.end(turn, turn.first_seq - 1);
  return {};
}

Result<int64_t> Features::erase_rows(const std::string& project, const std::string& source,
                                     const Erasing& what, Affected* affected) {
  const std::shared_ptr<const Shelf> shelf = catalog_.shelf(project);
  affected->source = source;
  affected->views = shelf->views_of(source);
  affected->keys.assign(affected->views.size(), {});
  const History::Drop mark = [&](const Batch& b, std::vector<bool>* drop) -> Status {
    const std::optional<Match> match = TRY(match_of(source, b.schema, what));
    if (!match) return {};
    std::vector<std::vector<engine::Values>> columns;
    for (const ViewPtr& view : affected->views) columns.push_back(columns_as(b, view->join_keys));
    for (int64_t i = 0; i < b.rows(); ++i) {
      if (b.seq(i) > affected->through_seq || !matches(*match, b, i)) continue;
      (*drop)[static_cast<size_t>(i)] = true;
      for (size_t v = 0; v < affected->views.size(); ++v) {
        if (auto key = key_at(columns[v], i)) affected->keys[v].insert(std::move(*key));
      }
    }
    return {};
  };
  if (!what.dry_run) return history_.drop_rows(project, source, INT64_MAX, mark);
  int64_t n = 0;
  const History::View all =
      TRY(history_.read({.project = project, .source = source, .online_only = true}));
  TRY(all.visit([&](const History::Chunk& chunk) -> Status {
    std::vector<bool> drop(static_cast<size_t>(chunk.batch.rows()), false);
    TRY(mark(chunk.batch, &drop));
    n += std::count(drop.begin(), drop.end(), true);
    return {};
  }));
  return n;
}

// Of an erasure that was interrupted: rows may have gone whose entities nobody knows any more, and
// the online table may have been saved between their going and their coming again.
Status Features::affect_all(const std::string& project, Affected* affected) {
  affected->views = catalog_.shelf(project)->views_of(affected->source);
  affected->keys.assign(affected->views.size(), {});
  for (size_t v = 0; v < affected->views.size(); ++v)
    for (std::string& key : online_.keys(*affected->views[v]))
      affected->keys[v].insert(std::move(key));
  const History::View left =
      TRY(history_.read({.project = project, .source = affected->source, .online_only = true}));
  return left.visit([&](const History::Chunk& chunk) -> Status {
    for (size_t v = 0; v < affected->views.size(); ++v) {
      const auto columns = columns_as(chunk.batch, affected->views[v]->join_keys);
      for (int64_t i = 0; i < chunk.batch.rows(); ++i)
        if (auto key = key_at(columns, i)) affected->keys[v].insert(std::move(*key));
    }
    return {};
  });
}

// The online entries of the affected keys go, and come again from what is left.
Status Features::compute_again(const std::string& project, const Affected& affected,
                               int64_t* entities) {
  const History::Reading reading{
      .project = project, .source = affected.source, .online_only = true};
  for (size_t v = 0; v < affected.views.size(); ++v) {
    const ViewPtr& view = affected.views[v];
    const auto& keys = affected.keys[v];
    if (keys.empty() || !view->view().online) continue;
    *entities += static_cast<int64_t>(keys.size());
    const std::vector<Materialization> came = TRY(materializations(deps_.db, project, view->uid));
    const Turn turn = turns_.take(0);
    turns_.await(turn);
    const Status done = [&]() -> Status {
      for (const std::string& key : keys) online_.erase(*view, key);
      const History::View left = TRY(history_.read(reading));
      return view->plan ? build_windows({view, keys, turn.first_seq - 1, turn.ingest_us}, left)
                        : bring_back({view, keys, came}, left);
    }();
    turns_.end(turn, turn.first_seq - 1);
    TRY(done);
  }
  return {};
}

namespace {

// Whether a row of the history is one that the online table holds.
bool is_online(const std::vector<Materialization>& came, const History::Chunk& chunk, int64_t row) {
  if (goes_online(chunk.batch.to) && !chunk.loaded) return true;
  const int64_t event_us = chunk.batch.event.view().i64(row);
  return came_online(came, chunk.batch.seq(row), event_us) != INT64_MAX;
}

}  // namespace

// In a turn: the windows of some entities, of the rows of the history that are online.
Status Features::build_windows(const Building& what, const History::View& history) {
  const ViewPtr& view = what.view;
  std::vector<Materialization> came = TRY(materializations(deps_.db, view->project, view->uid));
  installed_.with([&](auto& all) {
    if (const auto at = all.find(view->uid); at != all.end())
      came.push_back({.end_us = what.now_us, .through_seq = at->second});
  });
  WindowsBuilder builder(
      view, {.looking = {.wanted = [&](const std::string& key) { return what.keys.contains(key); },
                         .max_seq = what.upto_seq},
             .counts = [&](const History::Chunk& chunk,
                           int64_t row) { return is_online(came, chunk, row); },
             .now_us = what.now_us});
  int64_t rows = 0;
  TRY(builder.read(history, &rows));
  for (const std::string& key : what.keys)
    if (!builder.built().contains(key)) online_.erase(*view, key);
  for (auto& [key, built] : builder.built())
    online_.install(*view, key, std::move(built.windows), built.newest_event_us);
  return {};
}

Status Features::bring_back(const Returning& what, const History::View& left) {
  const ViewPtr& view = what.view;
  return left.visit([&](const History::Chunk& chunk) -> Status {
    const Batch& b = chunk.batch;
    if (!b.view.empty() && b.view != view->name) return {};
    const std::vector<engine::Values> key_columns = columns_as(b, view->join_keys);
    std::vector<bool> drop(static_cast<size_t>(b.rows()), true);
    bool any = false;
    for (int64_t i = 0; i < b.rows(); ++i) {
      const std::optional<std::string> key = key_at(key_columns, i);
      const bool stays = key && what.keys.contains(*key) && is_online(what.came, chunk, i);
      drop[static_cast<size_t>(i)] = !stays;
      any = any || stays;
    }
    if (!any) return {};
    const Batch part = rows_that_stay(b, drop);
    Again none;  // Of a view without windows.
    return apply_ready(part, TRY(transform_for(part, view)), &none);
  });
}

// ---- logged vectors and rows that are kept apart

Result<int64_t> Features::erase_served(const std::string& project, const Erasing& what) {
  const std::shared_ptr<const Shelf> shelf = catalog_.shelf(project);
  std::map<std::pair<std::string, int64_t>, std::optional<ReadPlan>> plans;
  // Of a service that is gone nobody knows whose vectors they are: they go.
  const auto concerns = [&](const ServedVector& v) -> Result<bool> {
    if (v.project != project) return false;
    auto [at, fresh] = plans.try_emplace({v.service, v.service_version});
    if (fresh) {
      Result<ReadPlan> plan = plan_service(*shelf, v.service, v.service_version, false);
      if (plan.ok()) at->second = std::move(*plan);
    }
    if (!at->second || at->second->keys.size() != v.keys.size()) return true;
    const std::optional<Match> match = TRY(match_of(v.service, at->second->keys, what));
    return match && std::all_of(match->columns.begin(), match->columns.end(),
                                [&](const auto& c) { return v.keys[c.first] == c.second; });
  };
  TRY(deps_.served.rotate());
  int64_t gone = 0;
  for (const store::LogSegment& s : deps_.served.segments()) {
    if (!s.closed) continue;
    std::vector<std::string> kept;
    int64_t n = 0;
    TRY(deps_.served.read(s.number, 0, [&](std::string_view bytes, int64_t) -> Result<bool> {
      if (TRY(concerns(TRY(decode_served(bytes)))))
        ++n;
      else
        kept.emplace_back(bytes);
      return true;
    }));
    if (n == 0) continue;
    const std::vector<std::string_view> views(kept.begin(), kept.end());
    if (!views.empty()) TRY(deps_.served.append(views, store::LogAck::kDisk));
    TRY(deps_.served.remove(s.number));
    gone += n;
  }
  return gone;
}

namespace {

// What was written there by others, of the entity that the keys name, goes as well.
Status erase_mirrored(RedisMirror& mirror, const Shelf& shelf, const Erasing& what) {
  for (const auto& [name, view] : shelf.views) {
    std::string key;
    bool named = !view->join_keys.empty();
    for (const FeatureField& field : view->join_keys) {
      const auto at = std::find_if(what.keys.begin(), what.keys.end(),
                                   [&](const auto& k) { return k.first == field.name; });
      if (at == what.keys.end()) {
        named = false;
        break;
      }
      const Result<Cell> cell = cell_of_json(at->second, field.type);
      named = named && cell.ok() && append_key(&key, *cell);
    }
    if (named) mirror.changed(*view, key, true);
  }
  return mirror.write_through(true);
}

}  // namespace

// ---- the whole of it

Result<Erased> Features::erase(const Ctx& ctx, const Erasing& what) {
  TRY(own());
  if (what.keys.empty()) return invalid("feature.erase", "which entity? no key is named");
  for (const auto& [name, value] : what.keys)
    if (value.is_null() || value.is_object() || value.is_array())
      return invalid("feature.erase", concat({"key ", name, ": one value is wanted"}));
  const sys::Lock lock(materializing_);
  const std::string& project = ctx.project.text;
  Erased out;
  if (what.dry_run) {
    for (const std::string& source : TRY(sources_with_rows(project))) {
      Affected affected;
      const int64_t n = TRY(erase_rows(project, source, what, &affected));
      out.rows += n;
      if (n > 0) out.sources.push_back(source);
    }
    return out;
  }
  // Nothing is begun that a source's types refuse or that is held.
  std::vector<hold::Object> objects;
  for (const std::string& source : TRY(sources_with_rows(project))) {
    if (const Result<Source> known = source_for(ctx, source, ""); known.ok())
      TRY(match_of(source, known->columns, what));
    objects.push_back({.kind = "feature_source", .uid = source, .name = source});
  }
  // What is computed and not here yet doesn't come any more; what has its turn is awaited, and so
  // is among the rows that go.
  history_.erasures().begin(project);
  Begun begun{ctx, new_uuid7(deps_.clock, deps_.rng).text(), what, -1, false};
  const Status noted = [&]() -> Status {
    TRY(settle());
    if (const int64_t arrived = applied_seq(); arrived > 0) begun.through_seq = arrived;
    begun_ = true;
    return deps_.db.write([&](store::Tx& tx) -> Status {
      TRY(hold::refuse_held(tx, project, objects));
      TRY(tx.exec(
          "INSERT INTO feature_erasure (project, uid, actor_uid, actor_kind, keys_json, reason,"
          " begin_us, done_us, through_seq, rows_count) VALUES (?, ?, ?, ?, ?, ?, ?, 0, ?, 0)",
          {project, begun.uid, ctx.actor_uid, ctx.actor_kind, codec::to_json(keys_json(what)),
           what.reason, deps_.clock.now_us(), begun.through_seq}));
      return {};
    });
  }();
  if (!noted.ok()) {
    history_.erasures().end(project, true);
    return noted.error();
  }
  TRY(finish_erasing(begun, &out));
  return out;
}

Result<std::vector<std::string>> Features::sources_with_rows(const std::string& project) {
  std::vector<std::string> all = TRY(history_.sources_of(project));
  std::set<std::string> out(all.begin(), all.end());
  for (const auto& [key, view] : catalog_.shelf(project)->views) out.insert(view->source_name);
  return std::vector<std::string>(out.begin(), out.end());
}

Status Features::finish_erasing(const Begun& begun, Erased* out) {
  const std::string& project = begun.ctx.project.text;
  const Erasing& what = begun.what;
  RedisMirror::Unlogged unlogged(deps_.mirror);
  const Status gone = [&]() -> Status {
    TRY(unlogged.begin());
    // All that has arrived goes from the log into segments; whoever appends to a part of the log
    // that is closed now has its turn before settle() returns.
    TRY(history_.rotate());
    TRY(settle());
    TRY(snapshot());
    TRY(history_.archive(saved_seq_));
    for (const std::string& source : TRY(sources_with_rows(project))) {
      Affected affected;
      affected.through_seq = begun.through_seq;
      const int64_t n = TRY(erase_rows(project, source, what, &affected));
      if (n == 0 && !begun.interrupted) continue;
      out->rows += n;
      if (n > 0) out->sources.push_back(source);
      if (begun.interrupted) TRY(affect_all(project, &affected));
      TRY(compute_again(project, affected, &out->entities));
    }
    return {};
  }();
  history_.erasures().end(project, gone.ok());
  TRY(gone);
  // Before the snapshot, which says whose entries these were.
  if (deps_.mirror != nullptr) TRY(erase_mirrored(*deps_.mirror, *catalog_.shelf(project), what));
  if (out->rows > 0 || begun.interrupted) TRY(snapshot());
  out->vectors = TRY(erase_served(project, what));
  out->quarantined = TRY(quarantine_.erase(project, what, [&](const std::string& source) {
    const Result<Source> of = source_for(begun.ctx, source, "");
    return !of.ok() || std::all_of(what.keys.begin(), what.keys.end(),
                                   [&](const auto& key) { return of->find(key.first) != nullptr; });
  }));
  return deps_.db.write([&](store::Tx& tx) -> Status {
    TRY(tx.exec(
        "UPDATE feature_erasure SET keys_json = '', done_us = ?, through_seq = ?, rows_count = ?"
        " WHERE project = ? AND uid = ?",
        {std::max(deps_.clock.now_us(), turns_.applied_ingest_us()), applied_seq(), out->rows,
         project, begun.uid}));
    ledger::Draft event;
    event.verb = "feature_entity.erased";
    event.subject.kind = "feature_erasure";
    event.subject.uid = begun.uid;
    event.reason = what.reason;
    event.body = Json::object({{"sources", slip::join(out->sources, ", ")},
                               {"rows", out->rows},
                               {"entities", out->entities},
                               {"vectors", out->vectors},
                               {"quarantined", out->quarantined}});
    return deps_.ledger.append(tx, begun.ctx, event);
  });
}

Status Features::finish_erasures() {
  std::vector<Begun> all;
  std::vector<std::string> keys;
  TRY(deps_.db.read([&](store::Tx& tx) -> Status {
    all.clear();
    keys.clear();
    return tx.each(
        "SELECT project, uid, actor_uid, actor_kind, keys_json, reason, through_seq"
        " FROM feature_erasure WHERE done_us = 0",
        {}, [&](const store::Row& row) {
          Begun& b = all.emplace_back();
          b.interrupted = true;
          b.ctx.project.text = row.str(0);
          b.uid = row.str(1);
          b.ctx.actor_uid = row.str(2);
          b.ctx.actor_kind = row.str(3);
          keys.push_back(row.str(4));
          b.what.reason = row.str(5);
          if (row.i64(6) != 0) b.through_seq = row.i64(6);  // 0: of an older version.
        });
  }));
  for (size_t i = 0; i < all.size(); ++i) {
    const Json named = TRY(codec::parse_json(keys[i]));
    for (const auto& [name, value] : named.members()) all[i].what.keys.emplace_back(name, value);
  }
  for (const Begun& b : all) history_.erasures().begin(b.ctx.project.text, true);
  Status done;
  for (const Begun& b : all) {
    Erased out;
    if (done.ok())
      done = finish_erasing(b, &out);
    else
      history_.erasures().end(b.ctx.project.text, false);
  }
  return done;
}

}  // namespace slip::features
