#pragma once

#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_set>
#include <vector>

#include "base/result.h"
#include "features/catalog.h"
#include "features/history.h"
#include "features/online.h"
#include "features/quarantine.h"
#include "features/read_plan.h"
#include "features/request.h"
#include "features/served.h"
#include "features/turns.h"
#include "features/verify.h"
#include "sys/sync.h"

namespace slip {
class Fs;
}
// The feature store: rows arrive once, are kept in the history under a sequence number, and make
// what is served now; a training set is joined from the same history by the same code.
//
// Invariants: a row that was acknowledged is on the disk and served; what is served is a function
// of the rows in order of their numbers (a restart replays them); a push is taken whole or refused
// and nothing changes. Reading is for any thread and takes no database; the rest may block, as
// reading does from a mirror.
//
// Errors: kNotFound `feature_source.not_found|feature_view.not_found`, kInvalid
// `feature.column|feature.value|feature.null_key|feature.time|expr.row`, kExhausted `log.full`.
namespace slip::features {

struct Intake;
struct Intaken;
struct Materialization;
class Functions;
class HistoryOwner;
class RedisMirror;
class Features {
 public:
  struct Deps {
    store::Db& db;
    ledger::Ledger& ledger;
    store::Blobs& blobs;
    store::SegmentLog& log;
    store::SegmentLog& served;  // Of served vectors; its oldest segments go when it is full.
    Fs& fs;
    Clock& clock;
    Rng& rng;
    Log& notes;
    std::string dir;  // Of the snapshots of the online table.
    Functions* functions = nullptr;
    bool ignore_ttl = false;                      // Of what is served: as Feast's own servers do.
    RedisMirror* mirror = nullptr;                // Where what is served lies besides, and is read.
    int64_t quarantine_bytes = kQuarantineBytes;  // Of one source.
    HistoryOwner* owner = nullptr;                // Null: the history is this server's.
  };
  explicit Features(Deps deps);

  // Catalogue, snapshot, then the log from there on. Once, before anything else.
  Status open();
  Status own();  // That rows are taken here, and definitions: kConflict `feature.history_owner`.
  Catalog& catalog() { return catalog_; }
  const Catalog& catalog() const { return catalog_; }
  History& history() { return history_; }
  Quarantine& quarantine() { return quarantine_; }
  const Quarantine& quarantine() const { return quarantine_; }
  // What apply() would do, with the rows of history that new versions would read.
  Result<std::vector<Change>> plan(const Ctx& ctx, std::vector<Definition> definitions);
  // Then brings the history online for views that are new.
  Result<std::vector<Change>> apply(const Ctx& ctx, std::vector<Definition> definitions,
                                    Severity allow = Severity::kBreaking);
  Status remove(const Ctx& ctx, Kind kind, const std::string& name);

  // `batch`: source (or view, with its source left empty), columns, event and created times.
  struct Pushed {
    int64_t rows = 0;
    int64_t first_seq = 0;
    int64_t quarantined = 0;
    std::vector<std::string> warnings;  // Of the contract; the first ones.
  };
  // A row that the source's contract rejects refuses the push (kInvalid `contract.violation`), one
  // that it quarantines is kept apart with the reason.
  Result<Pushed> push(const Ctx& ctx, Batch batch);
  // The columns that a push to a source, or past it to a view, may have.
  Result<Source> source_for(const Ctx& ctx, const std::string& source,
                            const std::string& view) const;
  // Of a request; its bytes go with the next sweep of the blobs.
  Result<std::unique_ptr<FileRows>> open_file(codec::Format format,
                                              std::unique_ptr<store::BlobDraft> draft);
  // A file's rows as one segment: all of them or none. kInvalid names the row.
  struct Loading {
    std::string source;
    To to = To::kBoth;
    std::function<bool(int64_t row)> wanted = {};  // Of the file's rows; empty: all.
    std::optional<int64_t> computed = {};  // By the source's query, of that state (erasures.h).
  };
  Result<Pushed> load(const Ctx& ctx, const Loading& loading, codec::TableReader& rows);

  // A file's rows as the history would have them; which of them the contract kept apart before.
  // `more`, unless null: those that belong apart and aren't there yet.
  Result<std::vector<bool>> as_kept(const Ctx& ctx, const Quarantine::Hashes& apart,
                                    int64_t first_row, Batch* batch,
                                    std::vector<Quarantined>* more = nullptr) const;
  // Messages of a topic and how far it was read with them, together or not at all (intake.h).
  Result<Intaken> take_in(const Ctx& ctx, const Intake& what);

  // Brings rows of the history online: those with event times in [start_us, end_us], or
  // (incremental) all that have arrived since the last time, and before end_us. Rows looked at.
  struct Materializing {
    std::vector<std::string> views;  // Empty: all that are online.
    std::optional<int64_t> start_us;
    int64_t end_us = INT64_MAX;
    bool rebuild = false;  // Of the mirror, from memory, instead. Entities.
  };
  Result<int64_t> materialize(const Ctx& ctx, const Materializing& wanted);

  struct ReadOptions {
    bool ignore_ttl = false;
    int64_t now_us = 0;  // 0: the clock's.
  };
  // kInvalid `feature.missing_key|feature.request`; of a mirror, kUnavailable `redis.…`.
  Status read(const ReadPlan& plan, const RequestColumns& request, const ReadOptions& options,
              OnlineReply* out);
  // Reads now, and logs the vectors of keys that the plan's service samples (served.h), if it can.
  Status serve(const Ctx& ctx, const ReadPlan& plan, const RequestColumns& request,
               OnlineReply* out);
  Result<VerifyReport> verify(const Ctx& ctx, const VerifyWanted& wanted);
  // "1h": so long ago; or a time. kInvalid `feature.time`.
  Result<int64_t> moment(std::string_view text) const;
  bool ignores_ttl() const { return deps_.ignore_ttl; }
  bool reads_elsewhere() const { return deps_.mirror != nullptr; }  // So that reading waits.
  int64_t unlogged() const { return unlogged_.load(std::memory_order_relaxed); }

  // The features at each row's time. Rows and order are the request's.
  struct Joining {
    JoinMode mode = JoinMode::kAsOf;
    int64_t max_seq = INT64_MAX;  // Only rows up to there.
    bool ignore_ttl = false;
    // With kAsKnown: a row counts from when it could be served: rows of the history from when they
    // were brought online, rows that were pushed past it too.
    bool served = false;
  };
  struct Joined {
    std::vector<std::vector<Cell>> values;  // By ReadPlan::outs.
    std::vector<std::vector<int64_t>> event_us;
  };
  Result<Joined> join(const std::string& project, const ReadPlan& plan,
                      const RequestColumns& request, const std::vector<int64_t>& times_us,
                      const Joining& joining);

  // The rows leave history, aggregates, logged vectors and quarantine, after a crash too. Rows that
  // arrive later are new. kConflict `hold.held`, kInvalid `feature.erase` (a column's type).
  Result<Erased> erase(const Ctx& ctx, const Erasing& what);
  // Rows older than their source's `retention` go, small segments become large ones. Rows gone.
  Result<int64_t> retain();

  Status snapshot();
  Status tidy();
  Status mark(const std::function<void(const store::Digest&)>& keep) { return history_.mark(keep); }

  const Online& online() const { return online_; }
  int64_t newest_event_us(const CompiledView& view) const;  // Whose time has come; 0: none.
  int64_t now_us() const;
  int64_t applied_seq() const { return turns_.applied_seq(); }

  // Kept by the names it was asked under while the catalogue stays as it is.
  Result<std::shared_ptr<const ReadPlan>> cached_plan(
      const Ctx& ctx, const std::string& key,
      const std::function<Result<ReadPlan>(const Shelf&)>& make);

 private:
  struct Ready;  // A batch with what each view makes of it.
  struct Screened;
  struct Screening;
  Result<Screened> screen(const Ctx& ctx, Batch batch, const Screening& how) const;
  Status find_unfit(const Batch& part, int64_t first, std::map<int64_t, std::string>* out) const;
  struct Arrival;
  Status arrive(Batch* batch, const std::vector<Ready>& ready, Arrival* out);
  Result<std::vector<Ready>> transform(const Batch& batch) const;
  Result<std::vector<Ready>> transform_for(const Batch& batch, const ViewPtr& view) const;
  void made_visible(const Batch& batch, const std::vector<Ready>& ready);
  // Whose windows must be built anew: a tombstone takes back what lies too far behind.
  using Again = std::map<ViewPtr, std::unordered_set<std::string>>;
  Status apply_ready(const Batch& batch, const std::vector<Ready>& ready, Again* again);
  Status apply_in_turn(const Batch& batch, const std::vector<Ready>& ready, const Turn& turn);
  Status build_again(const Again& again, int64_t upto_seq, int64_t now_us);
  struct Building;
  Status build_windows(const Building& what, const History::View& history);
  struct Affected;
  Result<int64_t> erase_rows(const std::string& project, const std::string& source,
                             const Erasing& what, Affected* affected);
  Status affect_all(const std::string& project, Affected* affected);
  Status compute_again(const std::string& project, const Affected& affected, int64_t* entities);
  struct Returning;
  Status bring_back(const Returning& what, const History::View& left);
  Result<std::vector<std::string>> sources_with_rows(const std::string& project);
  Status finish_erasures();  // That a crash or a failure has left.
  Result<int64_t> drop_old(const std::string& project, const std::string& source,
                           int64_t retention_us);
  struct Begun;
  Status finish_erasing(const Begun& begun, Erased* out);
  Result<int64_t> erase_served(const std::string& project, const Erasing& what);
  bool owned() const;  // The history is this server's.
  Status open_owner();
  Status settle();  // Every turn that was taken has been applied.
  Status log_served(const ReadPlan& plan, const RequestColumns& request, const OnlineReply& reply,
                    const ServedVector& as);
  Status drop_old_served();
  Status check(const Batch& batch, const Source& source, const std::vector<ViewPtr>& views) const;
  Status bring(const ViewPtr& view, Materialization what, int64_t* rows);
  Status bring_online(const ViewPtr& view, const Materialization& what, int64_t* rows);
  Status rebuild_windows(const ViewPtr& view, int64_t* through_seq, int64_t* rows);
  Status finish_materializations();
  using Got = std::vector<std::vector<EntityRead>>;  // By ReadPlan::reads.
  Status read_all(const ReadPlan& plan, const RequestColumns& request, const ReadOptions& options,
                  Got* out);
  Status read_straight(const ReadPlan& plan, const RequestColumns& request,
                       const ReadOptions& options, OnlineReply* out);
  Status load_snapshot(int64_t* seq);
  Status replay(int64_t after_seq, const History::Last& last);

  Deps deps_;
  Catalog catalog_;
  History history_;
  Quarantine quarantine_;
  Online online_;
  Turns turns_;
  std::atomic<int64_t> unlogged_{0};
  sys::Mutex saving_;
  sys::Mutex materializing_;
  std::atomic<bool> begun_{false};  // Something that tidy() finishes, should it have failed.
  // By view: up to where windows hold the history though its materialisation isn't written yet.
  sys::Guarded<std::map<std::string, int64_t>> installed_;
  int64_t saved_seq_ = 0;
  int64_t saved_log_bytes_ = 0;

  struct Plans {
    std::shared_ptr<const Shelf> of;
    std::map<std::string, std::shared_ptr<const ReadPlan>> by_key;
  };
  sys::Guarded<std::map<std::string, Plans>> plans_;
};

}  // namespace slip::features
