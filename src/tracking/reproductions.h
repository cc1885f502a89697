#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "sys/ctx.h"
#include "tracking/deps.h"
#include "tracking/types.h"

// Whether a run came out the same when it was done again. Who did it again says which files came
// out; the metrics are read here, and the verdict is given here, so that nobody can claim one. The
// same pair of runs is judged once. Any thread.
//
// Errors: kNotFound `run.not_found`, kConflict `reproduction.not_ended`, kInvalid
// `reproduction.same_run|reproduction.nothing_to_compare|reproduction.output`.
namespace slip::tracking {

class PendingMetrics;

inline constexpr size_t kOutputsMax = 1'000;
inline constexpr size_t kOutputPathMax = 1'024;
inline constexpr size_t kEnvironmentMax = 500;
inline constexpr size_t kIgnoredMetricsMax = 100;
inline constexpr int64_t kReproductionsMax = 1'000;  // A page.

enum class Verdict : uint8_t { kBitIdentical = 1, kMetricIdentical = 2, kDifferent = 3 };
std::string_view verdict_name(Verdict verdict);  // "bit-identical"

// A file that both runs should have made: SHA-256 in 64 hex digits, "" where it is missing.
struct OutputPair {
  std::string path;
  std::string was;
  std::string now;
  bool same() const { return !was.empty() && was == now; }
};
struct MetricPair {
  std::string key;
  std::optional<double> was;
  std::optional<double> now;
  bool same = false;
};

struct Reproduction {
  std::string uid;
  std::string run_id;        // What was to be reproduced.
  std::string again_run_id;  // The run that did it again.
  Verdict verdict = Verdict::kDifferent;
  bool same_status = false;  // Both finished, or both failed.
  std::string environment;   // How it was rebuilt, in words: "uv.lock", "packages.txt", …
  std::vector<OutputPair> outputs;
  std::vector<MetricPair> metrics;
  std::string actor;
  int64_t created_ms = 0;
};

struct Evidence {
  std::string again_run_id;
  std::string environment;
  std::vector<OutputPair> outputs;
  std::vector<std::string> ignored_metrics;  // Those that may differ: a duration.
};

// The latest points of two runs, by key. Bits count: NaN equals NaN. "system/…" measures the
// machine and is left out, and so is what `ignored` names.
std::vector<MetricPair> pair_metrics(std::span<const Metric> was, std::span<const Metric> now,
                                     std::span<const std::string> ignored);
// Bit-identical: status, every metric and every file, at least one. Metric-identical: status and
// every metric, at least one. A single other value makes it different.
Verdict judge(bool same_status, std::span<const OutputPair> outputs,
              std::span<const MetricPair> metrics);

class Reproductions {
 public:
  Reproductions(Deps deps, PendingMetrics& pending) : deps_(deps), pending_(pending) {}

  // Judges and keeps it; the same pair again answers what was found then.
  Result<Reproduction> add(const Ctx& ctx, const std::string& run_id, const Evidence& evidence);
  // Of a run, oldest first, behind the uid `after`.
  Result<std::vector<Reproduction>> list(const Ctx& ctx, const std::string& run_id,
                                         const std::string& after, int64_t limit);

 private:
  Deps deps_;
  PendingMetrics& pending_;
};

}  // namespace slip::tracking
