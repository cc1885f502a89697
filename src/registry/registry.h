#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
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
}

// The registry: what was made, who vouched for it, which version is live and which was before.
//
// Invariants: a model's versions are numbered 1, 2, 3 … and no number is used twice; of a protected
// model at most one version holds Production; stage_tenure tells exactly what the versions' stages
// tell; each change of a fact has its ledger event in the same transaction. Any thread.
//
// Errors: kNotFound `model.not_found|model_version.not_found|model_alias.not_found`, kExists
// `model.exists`, kForbidden `model.protected|model_version.own_work`, kConflict
// `model_version.gate_missing|gate_failed|not_approved|no_previous`.
namespace slip::registry {

// What the registry asks of whoever keeps runs and files; app/ fills it.
class Origins {
 public:
  struct Located {
    std::string location;  // "" when the source itself is the location.
    std::string run_id;    // When the source tells.
  };
  virtual ~Origins() = default;
  // `source`: models:/m-…, runs:/…, mlflow-artifacts:/…
  virtual Result<Located> locate(const Ctx& ctx, const std::string& source) = 0;
  // "sha256:…" of the tree of files there; "" when there is none (yet) or it is not ours.
  virtual Result<std::string> digest(const Ctx& ctx, const std::string& location) = 0;
  virtual Result<std::optional<double>> metric(const Ctx& ctx, const Version& version,
                                               const std::string& key) = 0;
  // Principals that made the version's run and files.
  virtual Result<std::vector<std::string>> authors(const Ctx& ctx, const Version& version) = 0;
};

struct NewVersion {
  std::string model;
  std::string source;
  std::string run_id;
  std::optional<std::string> run_link;
  std::optional<std::string> description;
  std::string logged_model_id;
  std::vector<Tag> tags;
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
  };
  explicit Registry(Deps deps) : deps_(deps) {}

  // ---- models
  Result<Model> create_model(const Ctx& ctx, const std::string& name,
                             const std::optional<std::string>& description,
                             const std::vector<Tag>& tags);
  Result<Model> get_model(const Ctx& ctx, const std::string& name);
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

  // ---- stages without rules, as MLflow has them; a protected model asks may_promote() first
  Result<Version> set_stage(const Ctx& ctx, const std::string& name, int64_t number, Stage stage,
                            bool archive_existing);

  // ---- governance (governance.cc)
  Result<Gate> evaluate_gate(const Ctx& ctx, const std::string& name, int64_t number,
                             const std::vector<Check>& checks);
  Result<Version> judge(const Ctx& ctx, const std::string& name, int64_t number, bool approve,
                        const std::string& comment);
  // Archives what held Production and moves the champion alias. Promoting the holder changes
  // nothing and succeeds.
  Result<Version> promote(const Ctx& ctx, const std::string& name, int64_t number,
                          const std::string& reason = {});
  // The version that held Production before returns. `from` (0: whatever holds it): a repeat after
  // a lost reply finds the work done and changes nothing.
  Result<Version> rollback(const Ctx& ctx, const std::string& name, const std::string& reason,
                           int64_t from = 0);
  Result<std::vector<Tenure>> history(const Ctx& ctx, const std::string& name);

  // ---- files, for serving
  Result<Bundle> open_bundle(const Ctx& ctx, const std::string& name, int64_t number);
  // Every blob that a version pins. For the garbage collector.
  Status mark(const std::function<void(const store::Digest&)>& keep);

 private:
  struct Found;  // A model and one of its versions, inside a transaction.
  Result<Found> must_find(store::Tx& tx, const Ctx& ctx, const std::string& name, int64_t number);
  Status change_version(const Ctx& ctx, const std::string& name, int64_t number,
                        const std::function<Status(store::Tx&, Found&)>& body);
  // Moves Production to `found` in this transaction; `verb` names the event.
  struct Move {
    std::string_view verb;
    std::string reason;
    int64_t back_n = 0;
  };
  Status take_production(store::Tx& tx, const Ctx& ctx, Found* found, const Move& move);
  Status end_tenures(store::Tx& tx, const Ctx& ctx, const Found& found, int64_t number);
  // A version that this transaction has listed.
  Status archive(store::Tx& tx, const Ctx& ctx, const Model& model, int64_t number);
  Result<std::vector<std::string>> authors_of(const Ctx& ctx, const Version& version);
  // The digest of the version's files when it had none at registration.
  Result<std::string> digest_of(const Ctx& ctx, const Version& version);

  Deps deps_;
};

std::span<const store::Migration> migrations();

}  // namespace slip::registry
