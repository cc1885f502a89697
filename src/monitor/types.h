#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "codec/json.h"
#include "monitor/profile.h"

// The nouns of monitoring as plain records, and the limits of its services. Values.
namespace slip::monitor {

inline constexpr int64_t kRowsPerStep = 250;  // Of the log in one transaction.
inline constexpr int64_t kLabelsPerRequestMax = 10'000;
inline constexpr int64_t kLabelsPerStep = 200;
inline constexpr size_t kLabelBytesMax = 1024;
inline constexpr int64_t kRetentionDaysDefault = 90;
inline constexpr int64_t kRetentionDaysMax = 3650;
inline constexpr int64_t kLabelAheadMsMax = 86'400'000;  // A label's event_ms before the clock.
inline constexpr int64_t kReferenceRowsMax = 50'000;
inline constexpr int64_t kWindowRowsMin = 20;
inline constexpr int64_t kWindowRowsMax = 100'000;
inline constexpr int64_t kScoreBaselineRows = 400;

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
  int64_t retention_days = kRetentionDaysDefault;  // Of rows and of labels that wait for theirs.
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
  int64_t event_ms_max = 0;  // Of its labels: the latest.
  int64_t delay_ms_sum = 0;  // From the prediction to its label's event, of `delay_n` labels.
  int64_t delay_n = 0;
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
  std::string event_id;     // Of its alert.fired in the ledger; "": from before they were kept.
  int64_t event_seq = 0;    // Where that stands in the ledger; filled by alerts().
};

// A label as it is kept. Event time and arrival time are two things: what turned out to be true may
// be told much later.
struct KeptLabel {
  std::string label;
  int64_t event_ms = 0;    // When it turned out to be true; the arrival where nobody says.
  int64_t labeled_us = 0;  // When it arrived here.
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
  std::optional<KeptLabel> label;
};

struct Label {
  std::string prediction_id;  // "<uuid>" or "<uuid>/<row>"; or
  std::string client_ref;
  std::string label;
  std::optional<int64_t> event_ms{};  // When it turned out to be true.
};
struct LabelCounts {
  int64_t joined = 0;
  int64_t pending = 0;
  int64_t duplicates = 0;
  int64_t expired = 0;            // Their predictions' rows are no longer kept: nothing joined.
  int64_t expired_before_ms = 0;  // When something expired: rows from before are gone.
};

struct Labelled {
  std::string prediction_id;
  int64_t row = 0;
  int64_t model_version = 0;
  bool on_canary = false;
  double canary_weight = 0;
  std::string client_ref;
  std::string label;
  bool correct = false;
};

}  // namespace slip::monitor
