#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "monitor/types.h"
#include "serving/prediction.h"
#include "store/db.h"
#include "store/log.h"
#include "sys/ctx.h"
#include "sys/sync.h"

namespace slip {
class Clock;
class Log;
class Rng;
}  // namespace slip
namespace slip::ledger {
class Ledger;
}

// Watches deployments: reads the prediction log in order, counts windows of requests against the
// reference (drift per feature and of the score), joins labels to predictions by id or by the
// client's reference, counts accuracy per window and version, and writes alerts with their ledger
// events.
//
// Invariants: each logged row is counted exactly once (the cursor moves in the transaction that
// counts); a label counts once, whichever comes first, it or the prediction; an alert and its event
// commit together. Deployments without a monitor are passed over. Any thread.
namespace slip::monitor {

// Columns of a dataset version, for the reference; app/ fills it from the data domain.
class ReferenceSource {
 public:
  virtual ~ReferenceSource() = default;
  // Values of `columns` (name → kind), at most `rows_max` rows from the start. kNotFound for an
  // unknown dataset or version, kInvalid for an unknown column.
  virtual Result<std::map<std::string, InputValues>> read(
      const Ctx& ctx, const std::string& dataset, int64_t version,
      const std::map<std::string, InputKind>& columns, int64_t rows_max) = 0;
};

// Which deployments there are; app/ fills it from serving.
class DeploymentSource {
 public:
  virtual ~DeploymentSource() = default;
  virtual Result<std::string> uid_of(const Ctx& ctx, const std::string& deployment) = 0;
};

// Hears of labels in the transaction in which they join; app/ connects the canary's guard.
class OutcomeSink {
 public:
  virtual ~OutcomeSink() = default;
  // True when something was decided that serving must hear of after the commit.
  virtual Result<bool> on_outcomes(store::Tx& tx, const Ctx& ctx, const std::string& deployment_uid,
                                   std::span<const Labelled> outcomes) = 0;
  virtual void after_commit() = 0;
};

namespace sql {
struct OpenWindow;
}

class Monitor {
 public:
  struct Deps {
    store::Db& db;
    ledger::Ledger& ledger;
    store::SegmentLog& log;
    ReferenceSource& reference;
    DeploymentSource& deployments;
    OutcomeSink& outcomes;
    Clock& clock;
    Rng& rng;
    Log& notes;
  };
  explicit Monitor(Deps deps);
  ~Monitor();

  // Creates or changes; builds the reference first. A changed reference starts with a new window.
  Result<Config> configure(const Ctx& ctx, Config config);
  Result<Config> find(const Ctx& ctx, const std::string& deployment);

  // Reads the log onwards for at most one transaction; true when there may be more.
  Result<bool> ingest(const Ctx& ctx);
  // Where ingest() is: every segment below it has been read.
  Result<int64_t> segment_in_progress();

  // Removes rows of predictions that are older than their monitor keeps them, and labels that have
  // waited as long, in transactions of at most store::kWriteRowsMax; how many. Windows, accuracy
  // and alerts stay; the predictions themselves lie in serving's archive.
  Result<int64_t> expire(const Ctx& ctx);

  // Idempotent. kInvalid `labels.*` refuses all of them.
  Result<LabelCounts> add_labels(const Ctx& ctx, const std::string& deployment,
                                 std::span<const Label> labels);

  Result<std::vector<Window>> windows(const Ctx& ctx, const std::string& deployment,
                                      int64_t limit);  // Oldest first, the last `limit`.
  Result<std::vector<Performance>> performance(const Ctx& ctx, const std::string& deployment,
                                               int64_t limit);
  // Newest first, those before the alert `before_id` ("": from the newest); deployment "": all.
  Result<std::vector<Alert>> alerts(const Ctx& ctx, const std::string& deployment,
                                    const std::string& before_id, int64_t limit);
  // kNotFound `prediction.not_found|prediction.expired`.
  Result<LoggedRow> prediction(const Ctx& ctx, const std::string& id);

 private:
  struct Watch;
  struct Step;
  Result<std::shared_ptr<const Watch>> watch_of(const Ctx& ctx, const std::string& project,
                                                const std::string& uid);
  Result<std::map<std::string, words::Vocabulary>> read_vocabularies(const Ctx& ctx,
                                                                     const Config& config);
  Result<std::shared_ptr<const Watch>> build_watch(const Ctx& ctx, const std::string& project,
                                                   Config config);
  Status take(store::Tx& tx, const Ctx& ctx, const Step& step, bool* decided);
  Status count_predictions(store::Tx& tx, const Step& step);
  Status close_window(store::Tx& tx, const Ctx& ctx, const Watch& watch, sql::OpenWindow* open);
  Status fire(store::Tx& tx, const Ctx& ctx, const Watch& watch, const Window& window);

  Deps deps_;
  sys::Guarded<std::map<std::string, std::shared_ptr<const Watch>>> watches_;
  sys::Mutex ingesting_;
};

std::span<const store::Migration> migrations();

}  // namespace slip::monitor
