#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/snapshot.h"
#include "base/uuid.h"
#include "codec/json.h"
#include "serving/local_models.h"
#include "serving/prediction.h"
#include "serving/routing.h"
#include "store/db.h"
#include "store/log.h"
#include "sys/ctx.h"
#include "sys/sync.h"

namespace slip {
class Budget;
class Clock;
class Log;
class Rng;
}  // namespace slip
namespace slip::ledger {
class Ledger;
}

// Deployments: a name that answers predictions with a version of a model, a second version on a
// part of the traffic (canary), and the way back. A deployment is a row; `refresh()` turns rows
// into the routing table, loading what is missing and keeping what is loaded. A version that fails
// to load never replaces one that serves.
//
// Invariants: one stable version; at most one canary; promote and roll back change the row and
// write the ledger event in one transaction; predictions are in the log before they are answered.
// predict() is for any thread and takes no database; the rest may block.
namespace slip::serving {

struct BatchTimes;
class FeatureLookups;
struct LoadedModel;
inline constexpr size_t kNameBytesMax = 128;
inline constexpr size_t kClientRefBytesMax = 256;
inline constexpr int64_t kModelBytesMax = int64_t{2} << 30;

// What serving needs of the registry; app/ fills it.
class ModelSource {
 public:
  struct Files {
    std::string bytes;   // As load_model() takes them.
    std::string digest;  // Of the model version.
  };
  virtual ~ModelSource() = default;
  // Which version `target` means now: "7", "@champion", "stage:Production". kNotFound.
  virtual Result<int64_t> resolve(const Ctx& ctx, const std::string& model,
                                  const std::string& target) = 0;
  virtual Result<Files> fetch(const Ctx& ctx, const std::string& model, int64_t version) = 0;
  // Of how it is to be served (kLookupParameters), by name; what isn't said isn't there.
  virtual Result<std::map<std::string, std::string>> parameters(const Ctx& ctx,
                                                                const std::string& model,
                                                                int64_t version);
};

struct Canary {
  int64_t version = 0;
  double weight = 0;
  std::string state;  // "running", "promoted", "rolled_back"
  double alpha = 0;   // Of the guard on label errors; 0: no guard.
  int64_t started_ms = 0;
  int64_t ended_ms = 0;  // 0: not yet.
  codec::Json verdict;   // Null until there is one.
};

struct Deployment {
  std::string project;
  std::string name;
  std::string uid;
  std::string model;
  std::string target;  // As ModelSource::resolve takes it; followed when it is not a number.
  Ack log_ack = Ack::kKernel;
  int64_t stable_version = 0;
  int64_t previous_version = 0;  // What was stable before; 0: nothing.
  std::optional<Canary> canary;  // The last one, running or not.
  int64_t created_ms = 0;
  int64_t updated_ms = 0;
  int64_t revision = 0;
};

struct DeploySpec {
  std::string name;
  std::string model;
  std::string target;
  Ack log_ack = Ack::kKernel;
};

struct Prediction {
  Uuid id;
  int64_t model_version = 0;
  std::string_view platform;
  std::vector<Tensor> outputs;
};

class Serving {
 public:
  struct Deps {
    store::Db& db;
    ledger::Ledger& ledger;
    ModelSource& source;
    store::SegmentLog& log;
    Budget& budget;
    Clock& clock;
    Rng& rng;
    Log& notes;
    LocalModels& local;
    const Batching* batching = nullptr;  // Null: requests are run one by one.
    FeatureLookups* lookups = nullptr;   // Null: there is no feature store.
  };
  explicit Serving(Deps deps);
  ~Serving();

  // Creates or changes. Loads first: kInvalid `onnx.*` leaves everything as it was.
  Result<Deployment> deploy(const Ctx& ctx, const DeploySpec& spec);
  Status remove(const Ctx& ctx, const std::string& name);
  // `weight` of the traffic, 0 < weight < 1. kConflict `canary.running` when another one runs (the
  // same version and weight again: unchanged).
  struct CanarySpec {
    int64_t version = 0;
    double weight = 0.1;
    double alpha = 0.01;  // 0: no guard.
  };
  Result<Deployment> start_canary(const Ctx& ctx, const std::string& name, const CanarySpec& spec);
  Result<Deployment> promote_canary(const Ctx& ctx, const std::string& name);
  // A running canary is taken back; without one the previous stable version returns.
  Result<Deployment> roll_back(const Ctx& ctx, const std::string& name, const std::string& reason);
  // The guard's own way: inside its transaction, with its verdict (an object). False when that
  // canary no longer runs. The caller refreshes after the commit.
  Result<bool> roll_back_canary(store::Tx& tx, const Ctx& ctx, const std::string& uid,
                                int64_t version, const codec::Json& verdict);

  // Of the deployment with that uid, read in the caller's transaction; nothing when none runs.
  Result<std::optional<Canary>> running_canary(store::Tx& tx, const std::string& uid);

  Result<std::vector<Deployment>> list(const Ctx& ctx, std::string_view after, int64_t limit);
  Result<Deployment> find(const Ctx& ctx, const std::string& name);
  // Names of all that the caller may read: deployments, then local models that are served.
  Status each_name(const Ctx& ctx, const std::function<void(const std::string&)>& tell);

  // Follows aliases and stages, then rebuilds the routing table from the rows. Idempotent; after
  // every change, at start, and whenever the ledger tells of a change in the registry.
  Status refresh(const Ctx& ctx);

  const Snapshot<RoutingTable>& table() const { return table_; }

  // Local models (local_models.h), and the routing table after them. A name that a deployment has
  // is refused: kConflict `local_model.is_deployment`.
  Status load_local(const Ctx& ctx, const std::string& name, const LocalModels::Parts& parts);
  Status unload_local(const Ctx& ctx, const std::string& name, bool dependents);
  const LocalModels& local() const { return deps_.local; }
  // Of LocalModels::index what the caller may read; nothing outside the project `default`.
  Result<std::vector<LocalVersion>> local_index(const Ctx& ctx, bool ready);

  struct Ask {
    std::vector<Tensor> inputs;
    std::vector<std::string> outputs;  // Empty: all.
    std::string client_ref;            // Decides the arm when there is one: Route::draw_of.
    int64_t version = 0;               // 0: whatever the split says.
    int64_t priority = 0;              // Among those that wait; 1 is the highest, 0: as usual.
    int64_t timeout_us = 0;            // Of waiting; 0: none.
  };
  // kUnavailable `deployment.not_ready`, kNotFound `model_version.not_served`, and Model::run's
  // and log()'s.
  // For a thread that may wait.
  Result<Prediction> predict(const Ctx& ctx, std::shared_ptr<const Route> route, Ask ask);

  // predict() in its two steps, for whoever logs many at once. A prediction is shown to nobody
  // before log() has taken its record.
  struct Unlogged {
    Prediction prediction;
    std::string record;
  };
  Result<Unlogged> run(const Ctx& ctx, const Route& route, const Ask& ask);
  // The same with others' requests in one batch, where the arm that is chosen does that
  // (Arm::goes_to_batcher): `done` is called once, perhaps later and on another thread. Also
  // kUnavailable `batch.*`.
  using Done = std::function<void(Result<Unlogged>)>;
  void run_later(const Ctx& ctx, std::shared_ptr<const Route> route, Ask ask, Done done);
  // run_later() for a thread that may wait.
  Result<Unlogged> run_together(const Ctx& ctx, std::shared_ptr<const Route> route, Ask ask);
  // All of them or none. kUnavailable `prediction_log.unavailable`; Ack::kNone never fails.
  Status log(std::span<const std::string_view> records, Ack ack);

 private:
  struct Chosen;
  struct Later;
  void give(Later& later, Result<std::vector<Tensor>> ran, const BatchTimes& times) const;
  Result<Chosen> choose(const Route& route, const Ask& ask) const;
  Result<Unlogged> run_on(const Ctx& ctx, const Route& route, const Ask& ask, Chosen chosen) const;
  Unlogged answered(const Ctx& ctx, const Route& route, const Ask& ask, const Chosen& chosen,
                    std::vector<Tensor> outputs) const;
  Result<std::string> load_key(const Ctx& ctx, const std::string& model, int64_t version,
                               ModelConfig* config);
  bool is_outdated(const Ctx& ctx, const Route& route);
  Result<std::shared_ptr<const LoadedModel>> load(const Ctx& ctx, const std::string& model,
                                                  int64_t version);
  Result<std::shared_ptr<const Route>> build_route(const Ctx& ctx, const Deployment& d);
  Status follow_targets(const Ctx& ctx);
  Result<Deployment> change(const Ctx& ctx, const std::string& name, std::string_view verb,
                            const std::string& reason,
                            const std::function<Status(Deployment&)>& edit);

  Deps deps_;
  Snapshot<RoutingTable> table_;
  sys::Mutex later_mutex_;
  sys::CondVar later_done_;
  int64_t later_ = 0;      // Requests that batchers have; the end waits for them.
  sys::Mutex refreshing_;  // One refresh at a time; never held together with a transaction's locks.
  sys::Guarded<std::map<std::string, std::weak_ptr<const LoadedModel>>> loaded_;
};

std::span<const store::Migration> migrations();

}  // namespace slip::serving
