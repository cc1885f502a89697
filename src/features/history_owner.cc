#include "features/history_owner.h"

#include "base/text.h"
#include "features/history_store.h"
#include "sys/clock.h"

namespace slip::features {
namespace {

constexpr std::string_view kUnknown = "unknown";

Error elsewhere(const StreamOwner& owner) {
  return conflict("feature.history_owner",
                  concat({"another server on this database keeps the rows of features, in its data "
                          "directory: ",
                          owner.shown}))
      .with_hint(concat({"ask there, or read from Redis; if that is gone for good: serve "
                         "--take-features-from ",
                         owner.uid}));
}

}  // namespace

Result<StreamOwner> HistoryOwner::noted() {
  StreamOwner out;
  TRY(db_.read([&](store::Tx& tx) -> Status {
    out = {};
    TRY(tx.first("SELECT owner, owner_shown FROM feature_history_owner WHERE only_one = 1", {},
                 [&](const store::Row& row) { out = {row.str(0), row.str(1)}; }));
    return {};
  }));
  return out;
}

Result<bool> HistoryOwner::manifest_empty() {
  int64_t rows = 0;
  TRY(db_.read([&](store::Tx& tx) -> Status {
    rows = 0;
    for (const char* table : {"feature_segment", "feature_archived", "feature_stream_mark"})
      TRY(tx.first(concat({"SELECT COUNT(*) FROM ", table}), {},
                   [&](const store::Row& row) { rows += row.i64(0); }));
    return {};
  }));
  return rows == 0;
}

Status HistoryOwner::put(const std::string& instead_of) {
  return db_.write([&](store::Tx& tx) -> Status {
    TRY(put(tx, instead_of));
    return {};
  });
}

// False: by now it is somebody else's.
Result<bool> HistoryOwner::put(store::Tx& tx, const std::string& instead_of) {
  const int64_t rows = TRY(
      tx.exec("INSERT INTO feature_history_owner (only_one, owner, owner_shown, since_ms)"
              " VALUES (1, ?, ?, ?) ON CONFLICT (only_one) DO UPDATE SET owner = excluded.owner,"
              " owner_shown = excluded.owner_shown, since_ms = excluded.since_ms"
              " WHERE feature_history_owner.owner = ?",
              {self_.uid, self_.shown, clock_.now_ms(), instead_of}));
  return rows > 0;
}

void HistoryOwner::set(StreamOwner owner) {
  const Whose whose = owner.uid.empty()        ? Whose::kNobodys
                      : owner.uid == self_.uid ? Whose::kOurs
                                               : Whose::kOthers;
  owner_.with([&](StreamOwner& known) { known = std::move(owner); });
  whose_.store(whose, std::memory_order_release);
}

Status HistoryOwner::open(const std::function<Result<bool>()>& here) {
  if (self_.uid.empty()) return {};
  StreamOwner owner = TRY(noted());
  if (owner.uid.empty()) {
    // Of a version that noted nobody: whoever has something of it has it.
    if (TRY(here())) {
      TRY(put(""));
      owner = TRY(noted());
    } else if (!TRY(manifest_empty())) {
      owner = {std::string(kUnknown), "(it hasn't been started since servers note whose they are)"};
    }
  }
  if (!owner.uid.empty() && owner.uid != self_.uid && owner.uid == taken_from_) {
    TRY(take_over(owner.uid));
    owner = TRY(noted());
  }
  set(std::move(owner));
  return {};
}

// What lay in the other's log and blobs is gone with it; what the database says of it goes as well.
Status HistoryOwner::take_over(const std::string& from) {
  std::vector<Segment> lost;
  std::vector<Segment> all;
  TRY(db_.read([&](store::Tx& tx) -> Status {
    all.clear();
    return sql::each_segment(tx, [&](Segment s) { all.push_back(std::move(s)); });
  }));
  for (Segment& s : all) {
    if (blobs_ == nullptr || TRY(blobs_->contains(TRY(codec::parse_sha256(s.digest))))) continue;
    lost_rows_ += s.rows;
    lost.push_back(std::move(s));
  }
  return db_.write([&](store::Tx& tx) -> Status {
    if (!TRY(put(tx, from))) return {};
    for (const Segment& s : lost) TRY(sql::delete_segment(tx, s));
    TRY(tx.exec("DELETE FROM feature_archived", {}));
    // Files and queries are compared with what is left.
    TRY(tx.exec("DELETE FROM feature_file", {}));
    TRY(tx.exec("DELETE FROM feature_run", {}));
    return {};
  });
}

Status HistoryOwner::check() const {
  if (whose() != Whose::kOthers) return {};
  return owner_.with([](const StreamOwner& owner) { return elsewhere(owner); });
}

Status HistoryOwner::claim() {
  if (whose() == Whose::kOurs) return {};
  TRY(check());
  TRY(put(""));
  set(TRY(noted()));  // Somebody else may have been first.
  return check();
}

Status HistoryOwner::refresh() {
  if (self_.uid.empty()) return {};
  StreamOwner owner = TRY(noted());
  const bool unknown = owner.uid.empty() && whose() == Whose::kOthers;
  if (!unknown) set(std::move(owner));
  return {};
}

}  // namespace slip::features
