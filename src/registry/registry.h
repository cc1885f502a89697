#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "registry/behaviour.h"
#include "registry/governance_types.h"
#include "registry/sources.h"
#include "registry/types.h"
#include "store/blobs.h"
#include "store/db.h"
#include "store/tree/tree.h"
#include "sys/ctx.h"

namespace slip {
class Clock;
class Rng;
}  // namespace slip
namespace slip::ledger {
class Ledger;
struct Scope;
}  // namespace slip::ledger
namespace slip::sign {
class Signer;
}

// The registry: what was made, who vouched for it, which version is live and which was before.
//
// Invariants: a model's versions are numbered 1, 2, 3 … and no number is used twice; of a protected
// model at most one version holds Production; stage_tenure tells exactly what the versions' stages
// tell; each change of a fact has its ledger event in the same transaction. Any thread.
//
// Errors: kNotFound `model.not_found|model_version.not_found|model_alias.not_found`, kExists
// `model.exists`, kForbidden `model.protected`, kInvalid `stage.unknown`, kConflict those of
// promotion.h and `model_version.no_previous`.
namespace slip::codec {
class Regex;
}

namespace slip::registry {

struct NewVersion {
  std::string model;
  std::string source;
  std::string run_id;
  std::optional<std::string> run_link;
  std::optional<std::string> description;
  std::string logged_model_id;
  std::vector<Tag> tags;
};

// What the registry asks of whoever keeps runs and files; app/ fills it.
class Origins {
 public:
  struct Located {
    std::string location;
    std::string run_id;  // As wanted, or what the logged model tells.
  };
  virtual ~Origins() = default;
  // Where the files of `wanted.source` are: models:/m-…, runs:/…, mlflow-artifacts:/…, others.
  // kInvalid `model_version.source` when it is not below the run or logged model that is named.
  virtual Result<Located> locate(const Ctx& ctx, const NewVersion& wanted) = 0;
  // "sha256:…" of the tree of files there; "" when there is none (yet) or it is not ours.
  virtual Result<std::string> digest(const Ctx& ctx, const std::string& location) = 0;
  virtual Result<std::optional<double>> metric(const Ctx& ctx, const Version& version,
                                               const std::string& key) = 0;
  // Principals that made the version's run and files.
  virtual Result<std::vector<std::string>> authors(const Ctx& ctx, const Version& version) = 0;
};

struct Query {
  std::string filter;
  std::vector<std::string> order_by;
  int64_t max_results = 100;
  std::string page_token;
};

// A version's files, pinned by digest.
struct Bundle {
  Version version;
  store::Digest root;
  std::vector<store::tree::Entry> entries;
  std::string mlmodel;  // "" when there is no such file.
};

class Registry {
 public:
  struct Deps {
    store::Db& db;
    store::Blobs& blobs;
    ledger::Ledger& ledger;
    Clock& clock;
    Rng& rng;
    Origins& origins;
    const sign::Signer* signer = nullptr;  // Signs what gates find, when there is one.
    Holdouts* holdouts = nullptr;          // Null: checks that need it fail and say so.
    Trials* trials = nullptr;              // Likewise.
    const codec::Regex* sources =
        nullptr;  // What sources of new versions must match; null: all do.
  };
  explicit Registry(Deps deps) : deps_(deps) {}

  // ---- models
  Result<Model> create_model(const Ctx& ctx, const std::string& name,
                             const std::optional<std::string>& description,
                             const std::vector<Tag>& tags);
  Result<Model> get_model(const Ctx& ctx, const std::string& name);
  // Names of those of `uids` that there are and that the caller may read, by uid.
  Result<std::map<std::string, std::string>> model_names(const Ctx& ctx,
                                                         std::span<const std::string> uids);
  Result<Model> describe_model(const Ctx& ctx, const std::string& name,
                               const std::string& description);
  Result<Model> rename_model(const Ctx& ctx, const std::string& name, const std::string& to);
  Status delete_model(const Ctx& ctx, const std::string& name);
  Status set_model_tag(const Ctx& ctx, const std::string& name, const Tag& tag);
  Status delete_model_tag(const Ctx& ctx, const std::string& name, const std::string& key);
  Result<Page<Model>> search_models(const Ctx& ctx, const Query& query);

  // ---- versions
  Result<Version> create_version(const Ctx& ctx, const NewVersion& wanted);
  Result<Version> get_version(const Ctx& ctx, const std::string& name, int64_t number);
  Result<std::vector<Version>> list_versions(const Ctx& ctx, const std::string& name);
  Result<Version> describe_version(const Ctx& ctx, const std::string& name, int64_t number,
                                   const std::optional<std::string>& description);
  Status delete_version(const Ctx& ctx, const std::string& name, int64_t number);
  Status set_version_tag(const Ctx& ctx, const std::string& name, int64_t number, const Tag& tag);
  Status delete_version_tag(const Ctx& ctx, const std::string& name, int64_t number,
                            const std::string& key);
  Result<Page<Version>> search_versions(const Ctx& ctx, const Query& query);
  // The highest version in each of `stages` (none named: in every stage).
  Result<std::vector<Version>> latest_versions(const Ctx& ctx, const std::string& name,
                                               const std::vector<Stage>& stages);

  // ---- aliases; "latest" reads as the highest version
  Status set_alias(const Ctx& ctx, const std::string& name, const std::string& alias,
                   int64_t number);
  Status delete_alias(const Ctx& ctx, const std::string& name, const std::string& alias);
  Result<Version> find_alias(const Ctx& ctx, const std::string& name, const std::string& alias);

  // ---- stages as MLflow has them, and those the model has declared; a target with a policy asks
  // may_promote() first and answers kForbidden `model.protected` with what is missing
  Result<Version> set_stage(const Ctx& ctx, const std::string& name, int64_t number,
                            const Stage& stage, bool archive_existing);

  // ---- governance (governance.cc)
  // No checks given: those of the policy for Production.
  Result<Gate> evaluate_gate(const Ctx& ctx, const std::string& name, int64_t number,
                             const std::vector<Check>& checks);
  // Archives what held Production and moves the champion alias. Promoting the holder changes
  // nothing and succeeds.
  Result<Version> promote(const Ctx& ctx, const std::string& name, int64_t number,
                          const std::string& reason = {});
  // The version that held the stage before, or that the rollback plan names, returns. `from` (0:
  // whatever holds it): a repeat after a lost reply finds the work done and changes nothing.
  Result<Version> rollback(const Ctx& ctx, const std::string& name, const std::string& reason,
                           int64_t from = 0, const std::string& stage = "Production");
  // Who held which stage when; `at_ms`: only who held one at that moment.
  Result<std::vector<Tenure>> history(const Ctx& ctx, const std::string& name,
                                      std::optional<int64_t> at_ms = {});

  // ---- scans (scans.cc): of a version's files, kept by their digest
  struct Scan {
    std::string verdict;  // "clean", "unknown", "dangerous"; "" when it was never scanned.
    std::string report;   // JSON.
    int64_t scanned_ms = 0;
  };
  // Scans unless this scanner has done it already. kNotFound `model_version.no_files`.
  Result<Scan> scan(const Ctx& ctx, const std::string& name, int64_t number);
  Result<Scan> find_scan(const Ctx& ctx, const std::string& name, int64_t number);

  // ---- files, for serving
  Result<Bundle> open_bundle(const Ctx& ctx, const std::string& name, int64_t number);
  // Behavioural tests, run now and kept nowhere. kUnsupported `gate.no_trials` when this server
  // serves nothing.
  Result<std::vector<BehaviourResult>> run_behaviour(const Ctx& ctx, const std::string& name,
                                                     int64_t number,
                                                     const std::vector<BehaviourTest>& tests);
  // Every blob that a version pins. For the garbage collector.
  Status mark(const std::function<void(const store::Digest&)>& keep);

 private:
  friend class Governance;
  friend class Imports;
  friend class GateRun;
  struct Found;    // A model and one of its versions, inside a transaction.
  struct Weighed;  // What the rules of promotion look at, read inside a transaction.
  struct Move {
    std::string_view verb = {};  // Of take_stage(): names the event besides `stage.transitioned`.
    std::string reason = {};
    int64_t back_n = 0;
    bool archive_existing = false;
    int64_t at_ms = 0;  // 0: now. What is archived by a move moves at its moment.
  };
  struct Target {           // What promote_to() is asked for.
    std::string name = {};  // A stage, or "@alias".
    std::string reason = {};
    bool archive_existing = false;
  };
  Result<Found> must_find(store::Tx& tx, const Ctx& ctx, const std::string& name, int64_t number);
  Status change_version(const Ctx& ctx, const std::string& name, int64_t number,
                        const std::function<Status(store::Tx&, Found&)>& body);
  // A gate was evaluated, a request made, …: from now on Production is protected.
  Status protect(store::Tx& tx, const Ctx& ctx, Model* model);
  // Stage, tenure and event of one move.
  Status move_stage(store::Tx& tx, const Ctx& ctx, Found* found, const Stage& stage,
                    const Move& move);
  // A move into a protected stage, or back.
  Status take_stage(store::Tx& tx, const Ctx& ctx, Found* found, const Stage& stage,
                    const Move& move);
  Result<Weighed> weigh(store::Tx& tx, const Ctx& ctx, const Found& found, const Policy& policy,
                        std::vector<std::string> authors);
  // Applies what is approved, or says what is missing.
  Status enter(store::Tx& tx, const Ctx& ctx, Found* found, Weighed weighed, const Target& target);
  Result<Version> promote_to(const Ctx& ctx, const std::string& name, int64_t number,
                             const Target& target);
  // Approvals of open requests that no longer bind to what is there become void.
  Status void_stale(store::Tx& tx, const Ctx& ctx, const Found& found);
  Result<std::vector<std::string>> authors_of(const Ctx& ctx, const Version& version);
  // The digest of the version's files when it had none at registration.
  Result<std::string> digest_of(const Ctx& ctx, const Version& version);

  Deps deps_;
};

std::span<const store::Migration> migrations();
std::span<const ledger::Scope> event_scopes();

}  // namespace slip::registry
