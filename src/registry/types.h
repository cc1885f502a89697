#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "core/search/page.h"

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
inline constexpr size_t kCheckOptionsBytesMax = 64 << 10;
inline constexpr size_t kStageNameMax = 64;
inline constexpr size_t kStagesMax = 50;  // Of one model, beside MLflow's.
inline constexpr int64_t kSearchModelsMax = 1'000;
inline constexpr int64_t kSearchVersionsMax = 200'000;
inline constexpr int64_t kMlmodelBytesMax = 1 << 20;

// The alias that follows Production.
inline constexpr std::string_view kChampionAlias = "champion";

// One of MLflow's four, or one that the model's owners have declared.
struct Stage {
  std::string name;

  bool operator==(const Stage&) const = default;
  static const Stage kNone;
  static const Stage kStaging;
  static const Stage kProduction;
  static const Stage kArchived;
};
inline const Stage Stage::kNone{"None"};
inline const Stage Stage::kStaging{"Staging"};
inline const Stage Stage::kProduction{"Production"};
inline const Stage Stage::kArchived{"Archived"};
// MLflow's, in any case; nothing for other names.
std::optional<Stage> builtin_stage(std::string_view text);

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
  // Set by the first gate, request, approval or rejection of any version, or by a policy for
  // Production: from then on only promote() and rollback() move Production and the champion alias.
  bool is_protected = false;
  int64_t last_version = 0;  // Highest number given, of deleted versions too.
  std::vector<Tag> tags;
  std::vector<Alias> aliases;
};

// What a gate asks of a version. gate_checks.h says what each kind means; its JSON form is there.
struct Check {
  enum class Kind : uint8_t {
    kFloor,      // value >= bound
    kChampion,   // value >= the champion's value - bound
    kHoldout,    // Not worse than the champion on the same rows, by a test.
    kSlices,     // Every slice of a holdout above a floor, and not worse than the champion there.
    kLatency,    // As it is served, in milliseconds <= bound.
    kSize,       // Bytes of its files <= bound.
    kSignature,  // Takes what the champion takes, gives what it gives.
    kScan,       // Its files hold nothing dangerous.
    kBehaviour,  // Invariance, direction and minimum tests pass.
  };
  Kind kind = Kind::kFloor;
  std::string metric = "";
  double bound = 0;
  std::string options = "";  // Canonical JSON object of what else the kind takes.

  bool operator==(const Check&) const = default;
  std::string name() const;  // "floor:accuracy", "scan": unique within a gate, named by waivers.
};

struct CheckResult {
  Check check = {};
  std::optional<double> value = {};  // Absent: nothing was measured.
  std::optional<double> threshold = {};
  int64_t champion_version = 0;  // 0: none held Production, or none was asked for.
  std::optional<double> champion_value = {};
  bool passed = false;
  std::string detail = {};
  std::string evidence = "";  // JSON object: what the verdict rests on, with digests.
  std::string envelope = "";  // The signed statement (DSSE); "" when the server has no key.
};

struct Gate {
  bool passed = false;
  int64_t evaluated_ms = 0;
  std::string actor;
  std::string digest;  // Of the version, when it was judged.
  std::vector<CheckResult> checks;
};

// Somebody's standing word on a request for the version; void ones are with the request alone.
struct Approval {
  std::string actor;
  bool approved = false;  // Else rejected.
  std::string comment;
  int64_t created_ms = 0;
  std::string digest;  // Of the version's files, when it was given.
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
  std::string user_id;  // As another server said it; "" for one that was made here.
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
  // The tenure that a rollback of this one brings back; 0: none.
  int64_t back_n = 0;
};

// One stretch of a model's past: a version held a stage or an alias, or a policy was in force.
struct Span {
  enum class Kind : uint8_t { kStage, kAlias, kPolicy };
  Kind kind = Kind::kStage;
  int64_t n = 0;        // 1, 2, 3 … per model and kind.
  std::string target;   // "Production", "@shadow"
  int64_t version = 0;  // 0: of a policy.
  std::string policy;   // Of a policy: its JSON; "": the default one.
  int64_t from_ms = 0;
  // False: it began at some time from `from_ms` on, before such times were kept.
  bool from_known = true;
  std::optional<int64_t> to_ms;
  std::string actor;
  std::string reason;
};

using search::Page;

}  // namespace slip::registry
