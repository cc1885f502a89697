#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "store/db.h"
#include "tracking/purge.h"

// SQL of purges and retention rules; no policy. Private to tracking/.
namespace slip::tracking::sql {

inline constexpr std::string_view kPurgeTables = R"sql(
CREATE TABLE experiment_counter (
  project TEXT NOT NULL PRIMARY KEY, last_id BIGINT NOT NULL);
CREATE TABLE retention_rule (
  project TEXT NOT NULL, experiment_id BIGINT NOT NULL, deleted_ms BIGINT, runs_ms BIGINT,
  traces_ms BIGINT, updated_ms BIGINT NOT NULL, actor TEXT NOT NULL,
  PRIMARY KEY (project, experiment_id));
CREATE TABLE purge_leftover (
  project TEXT NOT NULL, kind TEXT NOT NULL, uid TEXT NOT NULL, n BIGINT NOT NULL,
  artifact_uri TEXT NOT NULL,
  PRIMARY KEY (project, kind, uid));
CREATE TABLE purge_run (
  project TEXT NOT NULL, uid TEXT NOT NULL, started_ms BIGINT NOT NULL, ended_ms BIGINT,
  actor TEXT NOT NULL, reason TEXT NOT NULL,
  PRIMARY KEY (project, uid));
CREATE TABLE purge_count (
  project TEXT NOT NULL, run_uid TEXT NOT NULL, kind TEXT NOT NULL, n BIGINT NOT NULL,
  PRIMARY KEY (project, run_uid, kind));
CREATE INDEX run_deleted ON run (project, run_id) WHERE lifecycle = 1;
CREATE INDEX trace_link_to_run ON trace_link (project, target) WHERE kind = 'run';
)sql";

enum class Phase : uint8_t { kExpire, kRuns, kModels, kTraces, kExperiments };
std::string_view kind_of(Phase phase);  // "run", …

// Which objects of one kind are looked at.
struct Sieve {
  Phase phase = Phase::kRuns;
  int64_t now_ms = 0;
  std::string after;              // Uids above this; an experiment's is its number, see uid_key.
  std::vector<std::string> uids;  // When not empty: only these.
  int64_t limit = kPurgeAtOnce;
};

struct Candidate {
  std::string kind;
  std::string uid;
  std::string name;
  int64_t experiment_id = 0;
  int64_t n = 0;  // A run's number.
  std::string uri;
  int64_t since_ms = 0;
  std::string hold;   // Uid of what holds it.
  int64_t parts = 0;  // Runs, logged models and traces of an experiment.
};
// By uid.
Result<std::vector<Candidate>> candidates(store::Tx& tx, std::string_view project,
                                          const PurgeSpec& spec, const Sieve& sieve);

// SQL of one text: the uid of what holds the object of alias x, or ''.
std::string holder_text(Phase phase);
// The uid of what holds the files of an artifact tree; "": nothing does.
Result<std::string> holder_of_tree(store::Tx& tx, std::string_view project, std::string_view base);
Result<std::string> holder_of_trace(store::Tx& tx, std::string_view project, std::string_view id);

// The row by which the object is found; false when it is not there any more.
Result<bool> drop_head(store::Tx& tx, std::string_view project, const Candidate& candidate);
Status bury(store::Tx& tx, std::string_view project, const Candidate& candidate);
Result<std::optional<std::string>> drop_tree(store::Tx& tx, std::string_view project,
                                             std::string_view base);
Status remember_id(store::Tx& tx, std::string_view project, int64_t experiment_id);

struct Leftover {
  std::string kind;
  std::string uid;
  int64_t n = 0;
  std::string uri;
};
Result<std::optional<Leftover>> next_leftover(store::Tx& tx, std::string_view project);
// How many rows went; fewer than `limit`: none is left.
Result<int64_t> drop_parts(store::Tx& tx, std::string_view project, const Leftover& leftover,
                           int64_t limit);
Status drop_leftover(store::Tx& tx, std::string_view project, const Leftover& leftover);

Status put_rule(store::Tx& tx, std::string_view project, const RetentionRule& rule);
Result<bool> drop_rule(store::Tx& tx, std::string_view project, int64_t experiment_id);
Result<std::vector<RetentionRule>> rules(store::Tx& tx, std::string_view project);
Result<std::vector<std::string>> projects_with_rules(store::Tx& tx);

Status insert_purge(store::Tx& tx, std::string_view project, const PurgeRun& run);
Status count_purged(store::Tx& tx, std::string_view project, std::string_view uid,
                    std::string_view kind, int64_t n);
Status end_purge(store::Tx& tx, std::string_view project, std::string_view uid, int64_t now_ms);
// Newest first; `uid` not empty: that one.
Result<std::vector<PurgeRun>> purges(store::Tx& tx, std::string_view project,
                                     std::string_view before, int64_t limit);
Result<std::optional<PurgeRun>> find_purge(store::Tx& tx, std::string_view project,
                                           std::string_view uid);

// Marks everything of the project as deleted; how many rows changed, at most `limit`.
Result<int64_t> discard(store::Tx& tx, std::string_view project, int64_t now_ms, int64_t limit);

}  // namespace slip::tracking::sql
