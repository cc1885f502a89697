#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "core/search/page.h"
#include "store/tree/tree.h"

// The nouns of tracking as plain records, and the limits that its services enforce.
namespace slip::tracking {

// Limits, in characters (code points) unless a name says otherwise.
inline constexpr size_t kExperimentNameMax = 500;
inline constexpr size_t kExperimentTagValueMax = 20'000;
inline constexpr size_t kKeyMax = 250;
inline constexpr size_t kParamValueMax = 6'000;
inline constexpr size_t kTagValueMax = 8'000;
inline constexpr size_t kBatchMetricsMax = 1'000;
inline constexpr size_t kBatchParamsMax = 100;
inline constexpr size_t kBatchTagsMax = 100;
inline constexpr size_t kBatchEntitiesMax = 1'000;
inline constexpr size_t kDatasetNameMax = 500;
inline constexpr size_t kDatasetDigestMax = 36;
inline constexpr size_t kDatasetSourceMax = 65'535;
inline constexpr size_t kDatasetSchemaMax = 1'048'575;
inline constexpr size_t kDatasetProfileMax = 16'777'215;
inline constexpr size_t kInputTagKeyMax = 255;
inline constexpr size_t kInputTagValueMax = 500;
inline constexpr size_t kInputsMax = 100;
inline constexpr int64_t kSearchRunsMax = 50'000;
inline constexpr int64_t kSearchExperimentsMax = 50'000;
inline constexpr int64_t kSearchModelsMax = 100;
inline constexpr int64_t kSearchTracesMax = 500;
inline constexpr int64_t kHistoryPageMax = 25'000;
inline constexpr int64_t kHistoryStretchMax = 200'000;
inline constexpr size_t kBulkRunsMax = 100;
inline constexpr int64_t kSampledPointsMax = 2'500;  // A run.
inline constexpr size_t kDatasetExperimentsMax = 20;
inline constexpr int64_t kDatasetSummariesMax = 1'000;
inline constexpr size_t kTraceTagValueMax = 8'000;
inline constexpr size_t kTraceBatchMax = 100;

enum class Lifecycle : uint8_t { kActive = 0, kDeleted = 1 };
enum class View : uint8_t { kActiveOnly = 1, kDeletedOnly = 2, kAll = 3 };

struct Tag {  // Also a parameter.
  std::string key;
  std::string value;
  bool operator==(const Tag&) const = default;
};

// A new value from the old one, if there is one.
using TagEdit = std::function<std::string(const std::optional<std::string>&)>;

struct Experiment {
  int64_t id = 0;
  std::string name;
  std::string artifact_location;
  Lifecycle lifecycle = Lifecycle::kActive;
  int64_t created_ms = 0;
  int64_t updated_ms = 0;
  std::vector<Tag> tags;
};

enum class RunStatus : uint8_t {  // Numbers as on the wire.
  kRunning = 1,
  kScheduled = 2,
  kFinished = 3,
  kFailed = 4,
  kKilled = 5,
};

// One point. NaN and the infinities are ordinary values here.
struct Metric {
  std::string key;
  double value = 0;
  int64_t timestamp_ms = 0;
  int64_t step = 0;
  std::string model_id;  // Also a metric of that logged model.
  std::string dataset_name;
  std::string dataset_digest;
  std::string run_id;  // Set where points of several runs are mixed.
};

// A point of a curve whose run and key are known.
struct Point {
  int64_t timestamp_ms = 0;
  int64_t step = 0;
  double value = 0;
};

struct Dataset {
  std::string name;
  std::string digest;
  std::string source_type;
  std::string source;
  std::optional<std::string> schema;
  std::optional<std::string> profile;
};

struct DatasetInput {
  std::vector<Tag> tags;
  Dataset dataset;
  int64_t position = 0;  // Set by reads; inputs are listed as they were first logged.
};

// A dataset as the runs of an experiment name it.
struct DatasetSummary {
  int64_t experiment_id = 0;
  std::string name;
  std::string digest;
  std::optional<std::string> context;  // "training"
};

struct ModelOutput {
  std::string model_id;
  int64_t step = 0;
};

struct Run {
  int64_t run_n = 0;  // Its number in the tables; never shown.
  std::string id;
  int64_t experiment_id = 0;
  std::string name;
  std::string user_id;  // As the client says; `author` is the principal.
  RunStatus status = RunStatus::kRunning;
  int64_t start_ms = 0;
  std::optional<int64_t> end_ms;
  Lifecycle lifecycle = Lifecycle::kActive;
  std::string artifact_uri;
  std::string author;
  std::vector<Metric> metrics;  // The latest point of each key.
  std::vector<Tag> params;
  std::vector<Tag> tags;
  std::vector<DatasetInput> dataset_inputs;
  std::vector<std::string> model_inputs;
  std::vector<ModelOutput> model_outputs;
};

enum class ModelStatus : uint8_t { kUnspecified = 0, kPending = 1, kReady = 2, kUploadFailed = 3 };

struct LoggedModel {
  std::string id;  // "m-" and 32 hex digits.
  int64_t experiment_id = 0;
  std::string name;
  std::string model_type;
  std::string source_run_id;
  ModelStatus status = ModelStatus::kPending;
  std::string status_message;
  int64_t created_ms = 0;
  int64_t updated_ms = 0;
  Lifecycle lifecycle = Lifecycle::kActive;
  std::string artifact_uri;
  std::string author;
  std::vector<Tag> tags;
  std::vector<Tag> params;
  std::vector<Metric> metrics;
};

struct FileInfo {
  std::string path;  // Relative to the directory that was listed.
  bool is_dir = false;
  int64_t size = 0;
};

using search::Page;

}  // namespace slip::tracking
