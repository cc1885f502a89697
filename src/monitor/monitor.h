#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "codec/json.h"
#include "monitor/profile.h"
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

inline constexpr int64_t kRowsPerStep = 250;  // Of the log in one transaction.
inline constexpr int64_t kLabelsPerRequestMax = 10'000;
inline constexpr int64_t kLabelsPerStep = 200;
inline constexpr size_t kLabelBytesMax = 1024;
inline constexpr int64_t kReferenceRowsMax = 50'000;
inline constexpr int64_t kWindowRowsMin = 20;
inline constexpr int64_t kWindowRowsMax = 100'000;
inline constexpr int64_t kScoreBaselineRows = 400;

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

struct Labelled {
  std::string prediction_id;
  int64_t row = 0;
  int64_t model_version = 0;
  bool on_canary = false;
  double canary_weight = 0;
  bool correct = false;
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

// Texts that a vocabulary is made of: what the model was trained on.
struct TextColumn {
  std::string dataset;
  int64_t version = 0;
  std::string column;
};

struct Config {
  std::string deployment;
  std::string deployment_uid;
  std::string dataset;
  int64_t dataset_version = 0;
  std::map<std::string, std::string> columns;  // Input → column of the dataset; else its own name.
  std::vector<InputSpec> inputs;
  std::map<std::string, TextColumn> vocabularies;  // By text input; may lack some.
  int64_t reference_rows_max = kReferenceRowsMax;
  int64_t window_rows = 200;
  Thresholds thresholds;
  int64_t updated_ms = 0;
  codec::Json to_json() const;
  static Result<Config> from_json(const codec::Json& json);
};

struct Window {
  int64_t number = 0;
  int64_t start_us = 0;
  int64_t end_us = 0;
  int64_t rows = 0;
  std::map<int64_t, int64_t> versions;  // Version → rows.
  double score_sum = 0;
  std::vector<Distance> features;  // Of a closed window.
  bool closed = false;
  bool alarm = false;
};

struct Performance {
  int64_t window = 0;
  int64_t start_us = 0;
  int64_t end_us = 0;
  int64_t version = 0;
  int64_t labeled = 0;
  int64_t correct = 0;
};

struct Alert {
  std::string id;
  std::string deployment;
  std::string kind;  // "drift"
  std::string feature;
  double value = 0;
  double threshold = 0;
  int64_t window = 0;
  int64_t fired_us = 0;
  int64_t resolved_us = 0;  // 0: still on.
};

struct LoggedRow {
  std::string prediction_id;
  int64_t row = 0;
  std::string deployment_uid;
  int64_t ts_us = 0;
  int64_t model_version = 0;
  bool on_canary = false;
  double canary_weight = 0;
  std::string client_ref;
  std::string predicted;
  double score = 0;
  int64_t window = 0;
  std::optional<std::string> label;
};

namespace sql {
struct OpenWindow;
}

struct Label {
  std::string prediction_id;  // "<uuid>" or "<uuid>/<row>"; or
  std::string client_ref;
  std::string label;
  int64_t event_ms = 0;
};
struct LabelCounts {
  int64_t joined = 0;
  int64_t pending = 0;
  int64_t duplicates = 0;
};

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

  // Idempotent. kInvalid `labels.*` refuses all of them.
  Result<LabelCounts> add_labels(const Ctx& ctx, const std::string& deployment,
                                 std::span<const Label> labels);

  Result<std::vector<Window>> windows(const Ctx& ctx, const std::string& deployment,
                                      int64_t limit);  // Oldest first, the last `limit`.
  Result<std::vector<Performance>> performance(const Ctx& ctx, const std::string& deployment,
                                               int64_t limit);
  Result<std::vector<Alert>> alerts(const Ctx& ctx, const std::string& deployment,
                                    int64_t limit);  // Newest first; "" for all deployments.
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
  Status close_window(store::Tx& tx, const Ctx& ctx, const Watch& watch, sql::OpenWindow* open);
  Status fire(store::Tx& tx, const Ctx& ctx, const Watch& watch, const Window& window);

  Deps deps_;
  sys::Guarded<std::map<std::string, std::shared_ptr<const Watch>>> watches_;
  sys::Mutex ingesting_;
};

std::span<const store::Migration> migrations();

}  // namespace slip::monitor
