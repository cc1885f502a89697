#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "core/hold/hold.h"
#include "sys/ctx.h"
#include "tracking/deps.h"
#include "tracking/types.h"

// Deletion that ends: what has lain in the bin (lifecycle deleted) for its time is purged, online,
// in steps. Retention rules say how long the bin keeps, and how old traces and runs may get.
//
// Invariants: nothing live, held or claimed is purged; each object is looked at again in the
// transaction that removes it, so what was restored, held or registered meanwhile survives. That
// transaction takes away the row by which everything finds the object, so it is gone at once; what
// hung on it is removed by later steps that its tombstone remembers, across crashes. A purged
// experiment's name is free, its number is never given again. Any thread.
//
// Errors: kInvalid `retention.days|gc.older_than|gc.too_many`, kNotFound `experiment.not_found|
// run.not_found|gc.not_found`.
namespace slip::tracking {

class PendingMetrics;

inline constexpr int64_t kRetentionDaysMax = 36'500;
inline constexpr int64_t kPurgeAtOnce = 100;      // Objects of one step.
inline constexpr int64_t kPurgeRowsAtOnce = 900;  // Of what hung on them.
inline constexpr int64_t kPurgeNamesMax = 1'000;  // Objects that one request may name.
inline constexpr int64_t kPlanListedMax = 1'000;  // Objects that a plan lists.
inline constexpr int64_t kPlanTreesMax = 10'000;  // Objects whose files a plan sums up.
inline constexpr int64_t kWholeProject = -1;      // Of a rule.

struct RetentionRule {
  int64_t experiment_id = kWholeProject;  // A rule of an experiment goes before the project's.
  std::optional<int64_t> deleted_days;    // Days in the bin.
  std::optional<int64_t> runs_days;       // Runs that began before are put into the bin.
  std::optional<int64_t> traces_days;     // Traces that began before are purged: they have no bin.
  int64_t updated_ms = 0;
  std::string actor_uid;
};

struct PurgeSpec {
  std::optional<int64_t> older_than_ms;  // In the bin; absent: as the rules say, else at once.
  bool by_rules = false;                 // Only what a rule names; also ages.
  std::vector<int64_t> experiment_ids;   // Only in these; empty: everywhere.
  std::vector<std::string> run_ids;      // Only these runs.
  std::string reason;
};

struct Purged {
  std::map<std::string, int64_t> objects;  // By kind.
  int64_t rows = 0;                        // Of what hung on them.
};

struct PurgePlan {
  struct Item {
    std::string kind;
    std::string uid;
    std::string name;
    int64_t since_ms = 0;  // In the bin since; of a trace: when it began.
    std::string blocked;   // "": it would be purged.
  };
  std::map<std::string, int64_t> objects;
  int64_t bytes = 0;            // Of their files, as written; shared ones count each time.
  int64_t bytes_uncounted = 0;  // Objects beyond kPlanTreesMax.
  std::vector<Item> items;      // The first kPlanListedMax.
  std::vector<Item> blocked;    // Likewise.
  int64_t blocked_count = 0;
};

struct PurgeRun {
  std::string uid;    // Of the job.
  std::string state;  // "running", "done"
  std::string actor_uid;
  std::string reason;
  int64_t started_ms = 0;
  int64_t ended_ms = 0;
  Purged purged;
};

// Who else needs what tracking keeps; app/ fills it from the registry.
class Claims {
 public:
  struct Thing {
    std::string run_id;
    std::string model_id;
    std::string uri;  // Of its files.
  };
  virtual ~Claims() = default;
  // For people: "model version fraud@3"; "": nobody.
  virtual Result<std::string> claimant(store::Tx& tx, const std::string& project,
                                       const Thing& thing) = 0;
};

namespace sql {
struct Candidate;
struct Sieve;
}  // namespace sql

class Purge {
 public:
  Purge(Deps deps, PendingMetrics& pending) : deps_(std::move(deps)), pending_(pending) {}
  // Before anything is purged.
  void set_claims(Claims* claims) { claims_ = claims; }

  // ---- rules
  Result<RetentionRule> set_rule(const Ctx& ctx, RetentionRule rule);
  Status drop_rule(const Ctx& ctx, int64_t experiment_id);
  Result<std::vector<RetentionRule>> rules(const Ctx& ctx);
  Result<std::vector<std::string>> projects_with_rules();

  // ---- purging
  Result<PurgePlan> plan(const Ctx& ctx, const PurgeSpec& spec);
  // Writes down that it begins, in the caller's transaction; again: harmless.
  Status begin(store::Tx& tx, const Ctx& ctx, const std::string& uid, const PurgeSpec& spec);
  // One step of it; the next cursor, "" when it is done. Repeating a step is harmless.
  Result<std::string> step(const Ctx& ctx, const std::string& uid, const PurgeSpec& spec,
                           const std::string& cursor);
  Result<std::vector<PurgeRun>> runs(const Ctx& ctx, std::string_view before, int64_t limit);
  Result<PurgeRun> run(const Ctx& ctx, const std::string& uid);
  // kInvalid when the spec names too much; kNotFound `experiment.not_found|run.not_found`.
  Status check(const Ctx& ctx, const PurgeSpec& spec);
  // Everything in the project but experiment 0 itself goes to the bin, for a purge to follow.
  Status discard_all(const Ctx& ctx);

  // For holds: a run, experiment (by number or name), logged model or trace.
  static Result<std::optional<hold::Object>> find_object(store::Tx& tx, const std::string& project,
                                                         const hold::Reference& ref);

 private:
  Result<std::string> blocked(store::Tx& tx, const std::string& project,
                              const sql::Candidate& candidate);
  Status remove_head(store::Tx& tx, const Ctx& ctx, const sql::Candidate& candidate,
                     const PurgeSpec& spec);
  Status expire(store::Tx& tx, const Ctx& ctx, const sql::Candidate& candidate);
  Result<std::string> step_objects(const Ctx& ctx, const std::string& uid, const PurgeSpec& spec,
                                   const sql::Sieve& sieve);
  Result<bool> step_leftovers(const Ctx& ctx, const std::string& uid, const PurgeSpec& spec);
  Status remove_files(const Ctx& ctx, const std::string& uri);

  Deps deps_;
  PendingMetrics& pending_;
  Claims* claims_ = nullptr;
};

}  // namespace slip::tracking
