#include "features/stream_owner.h"

#include "base/text.h"
#include "sys/clock.h"

namespace slip::features {

Result<StreamOwner> StreamOwners::owner(const Ctx& ctx, const std::string& source) {
  StreamOwner out;
  TRY(db_.read([&](store::Tx& tx) -> Status {
    out = {};
    TRY(tx.first("SELECT owner, owner_shown FROM feature_stream WHERE project = ? AND source = ?",
                 {ctx.project.text, source},
                 [&](const store::Row& row) { out = {row.str(0), row.str(1)}; }));
    return {};
  }));
  return out;
}

Status StreamOwners::claim(const Ctx& ctx, const std::string& source) {
  if (self_.uid.empty()) return {};
  StreamOwner has = TRY(owner(ctx, source));
  if (has.uid.empty()) {
    TRY(put(ctx, source, has));
    has = TRY(owner(ctx, source));  // Somebody else may have been first.
  }
  if (has.uid == self_.uid) return {};
  return conflict(
             "feature.stream_owner",
             concat({"another server on this database reads the topic, and has what it read in "
                     "its data directory: ",
                     has.shown}))
      .with_hint("if that is gone for good: `slipway feature stream reset` reads it here");
}

Result<bool> StreamOwners::take_over(const Ctx& ctx, const std::string& source) {
  if (self_.uid.empty()) return false;
  const StreamOwner had = TRY(owner(ctx, source));
  if (had.uid == self_.uid) return false;
  TRY(put(ctx, source, had));
  return !had.uid.empty();
}

Status StreamOwners::put(const Ctx& ctx, const std::string& source, const StreamOwner& instead_of) {
  return db_.write([&](store::Tx& tx) -> Status {
    TRY(
        tx.exec("INSERT INTO feature_stream (project, source, paused, updated_ms, updated_by,"
                " owner, owner_shown) VALUES (?, ?, 0, ?, ?, ?, ?)"
                " ON CONFLICT (project, source) DO UPDATE SET owner = excluded.owner,"
                " owner_shown = excluded.owner_shown WHERE feature_stream.owner = ?",
                {ctx.project.text, source, clock_.now_ms(), ctx.actor_uid, self_.uid, self_.shown,
                 instead_of.uid}));
    return {};
  });
}

}  // namespace slip::features
