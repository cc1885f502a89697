#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "serving/model.h"
#include "serving/model_config.h"
#include "sys/sync.h"

// What a request needs to know to be answered: an immutable table of deployments and local models,
// their arms and loaded models, published as one snapshot. A swap is a pointer; a request that has
// begun ends on the table it began with. The counters of an arm are shared by all tables that hold
// the arm.
namespace slip::serving {

class Batcher;

// Latencies in buckets of 2^(1/4): within 9 % of any quantile from 1 µs to 70 min. Any thread.
class LatencyHistogram {
 public:
  void add(int64_t nanoseconds);
  // Microseconds; 0 when empty. 0 < q ≤ 1.
  double quantile_us(double q) const;

 private:
  static constexpr int kBuckets = 128;
  std::array<std::atomic<int64_t>, kBuckets> counts_{};
};

// What runs of one number of rows have cost.
struct BatchSizeStats {
  int64_t runs = 0;
  int64_t input_ns = 0;
  int64_t infer_ns = 0;
  int64_t output_ns = 0;
};
inline constexpr size_t kBatchSizesMax = 256;  // Further sizes are not told apart.

struct ArmStats {
  std::atomic<int64_t> requests{0};
  std::atomic<int64_t> errors{0};
  std::atomic<int64_t> successes{0};
  std::atomic<int64_t> rows{0};        // Of the successes.
  std::atomic<int64_t> busy_ns{0};     // Of all runs that succeeded.
  std::atomic<int64_t> failed_ns{0};   // Of the others.
  std::atomic<int64_t> last_ms{0};     // When the last success was.
  std::atomic<int64_t> cost_ns{0};     // Moving average of one run.
  std::atomic<int64_t> executions{0};  // Of the model: a batch of many requests is one.
  std::atomic<int64_t> queue_ns{0};    // Of the successes, as are the next three.
  std::atomic<int64_t> input_ns{0};    // Rows into the batch.
  std::atomic<int64_t> infer_ns{0};
  std::atomic<int64_t> output_ns{0};  // Answers out of it.
  std::atomic<int64_t> cache_hits{0};
  std::atomic<int64_t> cache_hit_ns{0};
  std::atomic<int64_t> cache_misses{0};
  std::atomic<int64_t> cache_miss_ns{0};
  LatencyHistogram latency;
  sys::Guarded<std::map<int64_t, BatchSizeStats>> by_rows;  // Of executions.

  // `model_ns`: of the model alone, which decides where it runs.
  void succeeded(int64_t took_ns, int64_t of_rows, int64_t at_ms, int64_t model_ns);
  void failed(int64_t took_ns);
  // A request's own run of the model.
  void ran_alone(int64_t of_rows, int64_t took_ns);
  // One run of the model, for whichever requests.
  void executed(int64_t of_rows, const BatchSizeStats& cost);
};

enum class Role : uint8_t { kStable, kCanary };
std::string_view role_name(Role role);

struct Arm {
  Role role = Role::kStable;
  int64_t version = 0;
  double weight = 1;                   // Share of the traffic; the arms of a deployment sum to 1.
  std::shared_ptr<const Model> model;  // Null: not loaded, see `error`.
  std::shared_ptr<const ModelConfig> config;  // Complete; null as long as the model is.
  std::shared_ptr<ArmStats> stats;
  // Puts requests together; null where the model takes no batches. Cheap models are run by whoever
  // asks: see goes_to_batcher().
  std::shared_ptr<Batcher> batcher = nullptr;
  std::string loaded_as = {};  // Of a deployment: the version, and its parameters then.

  bool goes_to_batcher() const;
};
inline constexpr int64_t kInlineCostNs = 150'000;  // Dearer models are worth a hand-over.

enum class Ack : uint8_t { kKernel, kDisk, kNone };
std::string_view ack_name(Ack ack);
std::optional<Ack> parse_ack(std::string_view name);

struct Route {
  bool local = false;  // From a file of the server's machine (local_models.h), not a deployment.
  std::string project;
  std::string name;
  std::string uid;
  std::string model;
  Ack log_ack = Ack::kKernel;
  std::vector<Arm> arms;   // Stable first; at most one canary.
  std::string error;       // Why nothing is served.
  int64_t revision = 0;    // Of the row that this was built from.
  uint64_t draw_seed = 0;  // See draw_seed_of().

  // Where in [0, 1) the client's reference falls: always the same place while the same canary runs,
  // so that a user stays on an arm and a repeated request meets the version that answered it.
  double draw_of(std::string_view client_ref) const;
  // `draw` in [0, 1).
  const Arm& choose(double draw) const;
  const Arm* arm_of(int64_t version) const;
  double canary_weight() const;  // 0: none runs.
};

struct RoutingTable {
  // Key: project, '\0', name.
  std::map<std::string, std::shared_ptr<const Route>, std::less<>> routes;
  const Route* find(std::string_view project, std::string_view name) const;
  std::shared_ptr<const Route> hold(std::string_view project, std::string_view name) const;
};
std::string routing_key(std::string_view project, std::string_view name);
// Names and numbers alone decide, no identity or time: the same requests meet the same arms when a
// history is replayed elsewhere. Another canary divides the same references anew.
uint64_t draw_seed_of(std::string_view project, std::string_view name, int64_t canary_version);

}  // namespace slip::serving
