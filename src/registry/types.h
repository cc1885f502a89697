#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

// The nouns of the registry as plain records, and its limits.
namespace slip::registry {

// Limits, in characters.
inline constexpr size_t kModelNameMax = 250;
inline constexpr size_t kTagKeyMax = 250;
inline constexpr size_t kTagValueMax = 100'000;
inline constexpr size_t kAliasMax = 255;
inline constexpr size_t kDescriptionMax = 5'000'000;
inline constexpr size_t kCommentMax = 4'000;
inline constexpr size_t kSourceMax = 2'000;
inline constexpr size_t kGateChecksMax = 50;
inline constexpr int64_t kSearchModelsMax = 1'000;
inline constexpr int64_t kSearchVersionsMax = 200'000;
inline constexpr int64_t kMlmodelBytesMax = 1 << 20;

// The alias that follows Production.
inline constexpr std::string_view kChampionAlias = "champion";

enum class Stage : uint8_t { kNone = 0, kStaging = 1, kProduction = 2, kArchived = 3 };
std::string_view stage_name(Stage stage);
Result<Stage> parse_stage(std::string_view text);  // Any case; kInvalid `stage.unknown`.

struct Tag {
  std::string key;
  std::string value;
};

struct Alias {
  std::string alias;
  int64_t version = 0;
};

struct Model {
  std::string uid;
  std::string name;
  std::optional<std::string> description;
  int64_t created_ms = 0;
  int64_t updated_ms = 0;
  std::string author;
  // Set by the first gate, approval or rejection of any version: from then on only promote() and
  // rollback() move Production and the champion alias.
  bool is_protected = false;
  int64_t last_version = 0;  // Highest number given, of deleted versions too.
  std::vector<Tag> tags;
  std::vector<Alias> aliases;
};

struct Check {
  enum class Kind : uint8_t {
    kFloor,     // value >= bound
    kChampion,  // value >= the champion's value - bound
  };
  Kind kind = Kind::kFloor;
  std::string metric;
  double bound = 0;
};

struct CheckResult {
  Check check;
  std::optional<double> value;  // Absent: the run never logged it.
  std::optional<double> threshold;
  int64_t champion_version = 0;  // 0: none held Production.
  std::optional<double> champion_value;
  bool passed = false;
  std::string detail;
};

struct Gate {
  bool passed = false;
  int64_t evaluated_ms = 0;
  std::string actor;
  std::string digest;  // Of the version, when it was judged.
  std::vector<CheckResult> checks;
};

struct Approval {
  std::string actor;
  bool approved = false;  // Else rejected. An actor's latest word counts.
  std::string comment;
  int64_t created_ms = 0;
  std::string digest;  // What was approved.
};

struct Version {
  std::string uid;
  std::string model;  // Name.
  int64_t number = 0;
  Stage stage = Stage::kNone;
  std::string source;    // As given.
  std::string location;  // Where its files are: "mlflow-artifacts:/7/models/m-…/artifacts".
  std::string run_id;
  std::optional<std::string> run_link;
  std::string logged_model_id;
  std::optional<std::string> description;
  std::string author;
  int64_t created_ms = 0;
  int64_t updated_ms = 0;
  std::string digest;  // "sha256:…" of its tree of files; "" when the files are not ours.
  std::vector<Tag> tags;
  std::vector<std::string> aliases;
  std::optional<Gate> gate;
  std::vector<Approval> approvals;
};

// One stretch of time in which a version held a stage.
struct Tenure {
  int64_t n = 0;  // 1, 2, 3 … per model.
  Stage stage = Stage::kNone;
  int64_t version = 0;
  int64_t from_ms = 0;
  std::optional<int64_t> to_ms;
  std::string actor;
  std::string reason;
  // Production: the tenure that a rollback of this one brings back; 0: none.
  int64_t back_n = 0;
};

template <class T>
struct Page {
  std::vector<T> items;
  std::string next_page_token;
};

}  // namespace slip::registry
