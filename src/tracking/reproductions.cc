#include "tracking/reproductions.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <map>
#include <utility>

#include "base/text.h"
#include "base/uuid.h"
#include "codec/hash.h"
#include "core/ledger/ledger.h"
#include "sys/clock.h"
#include "sys/rng.h"
#include "tracking/pending.h"
#include "tracking/reproduction_store.h"
#include "tracking/run_rules.h"
#include "tracking/run_store.h"
#include "tracking/validate.h"

namespace slip::tracking {
namespace {

constexpr std::string_view kOfTheMachine = "system/";

bool same_bits(double a, double b) {
  if (std::isnan(a) || std::isnan(b)) return std::isnan(a) && std::isnan(b);
  return std::bit_cast<uint64_t>(a) == std::bit_cast<uint64_t>(b);
}

Status check_output(OutputPair& pair) {
  if (pair.path.empty() || pair.path.size() > kOutputPathMax)
    return invalid("reproduction.output", concat({"the path of an output has 1 to ",
                                                  std::to_string(kOutputPathMax), " bytes"}));
  for (std::string* digest : {&pair.was, &pair.now}) {
    if (digest->empty()) continue;
    const Result<codec::Sha256> parsed = codec::parse_sha256(*digest);
    if (!parsed.ok())
      return invalid("reproduction.output", concat({pair.path, ": '", *digest, "' is no SHA-256"}));
    *digest = parsed->hex();
  }
  return {};
}

Status check(const std::string& run_id, Evidence* evidence) {
  if (evidence->again_run_id == run_id)
    return invalid("reproduction.same_run", "a run doesn't reproduce itself");
  if (evidence->outputs.size() > kOutputsMax)
    return invalid("reproduction.output",
                   concat({"at most ", std::to_string(kOutputsMax), " outputs"}));
  if (evidence->ignored_metrics.size() > kIgnoredMetricsMax)
    return invalid("reproduction.ignored_metrics",
                   concat({"at most ", std::to_string(kIgnoredMetricsMax), " ignored metrics"}));
  TRY(check_length("environment", evidence->environment, kEnvironmentMax));
  std::ranges::sort(evidence->outputs, {}, &OutputPair::path);
  for (size_t i = 0; i < evidence->outputs.size(); ++i) {
    TRY(check_output(evidence->outputs[i]));
    if (i > 0 && evidence->outputs[i].path == evidence->outputs[i - 1].path)
      return invalid("reproduction.output", concat({evidence->outputs[i].path, " is named twice"}));
  }
  return {};
}

Result<Run> ended_run(store::Tx& tx, const Ctx& ctx, std::string_view run_id) {
  auto found = TRY(sql::find_run(tx, ctx.project.text, run_id));
  if (!found) return no_run(run_id);
  TRY(check_active(run_id, found->lifecycle));
  if (found->status == RunStatus::kRunning || found->status == RunStatus::kScheduled)
    return conflict("reproduction.not_ended", concat({"run ", run_id, " has not ended"}));
  TRY(sql::load_run_data(tx, std::span(&*found, 1)));
  return std::move(*found);
}

ledger::Draft event(const Reproduction& r, int64_t experiment_id) {
  ledger::Draft draft = run_event("run.reproduced", r.run_id, experiment_id);
  draft.decision = r.verdict == Verdict::kDifferent ? "fail" : "pass";
  draft.body.set("again_run_id", r.again_run_id);
  draft.body.set("verdict", verdict_name(r.verdict));
  return draft;
}

}  // namespace

std::string_view verdict_name(Verdict verdict) {
  switch (verdict) {
    case Verdict::kBitIdentical:
      return "bit-identical";
    case Verdict::kMetricIdentical:
      return "metric-identical";
    case Verdict::kDifferent:
      return "different";
  }
  return "different";
}

std::vector<MetricPair> pair_metrics(std::span<const Metric> was, std::span<const Metric> now,
                                     std::span<const std::string> ignored) {
  struct Sides {
    const Metric* was = nullptr;
    const Metric* now = nullptr;
  };
  std::map<std::string_view, Sides> by_key;
  for (const Metric& m : was) by_key[m.key].was = &m;
  for (const Metric& m : now) by_key[m.key].now = &m;
  std::vector<MetricPair> out;
  for (const auto& [key, sides] : by_key) {
    if (key.starts_with(kOfTheMachine)) continue;
    if (std::ranges::find(ignored, key) != ignored.end()) continue;
    MetricPair& pair = out.emplace_back();
    pair.key = std::string(key);
    if (sides.was != nullptr) pair.was = sides.was->value;
    if (sides.now != nullptr) pair.now = sides.now->value;
    pair.same = pair.was && pair.now && same_bits(*pair.was, *pair.now) &&
                sides.was->step == sides.now->step;
  }
  return out;
}

Verdict judge(bool same_status, std::span<const OutputPair> outputs,
              std::span<const MetricPair> metrics) {
  if (!same_status || !std::ranges::all_of(metrics, &MetricPair::same)) return Verdict::kDifferent;
  if (!outputs.empty() && std::ranges::all_of(outputs, &OutputPair::same))
    return Verdict::kBitIdentical;
  return metrics.empty() ? Verdict::kDifferent : Verdict::kMetricIdentical;
}

Result<Reproduction> Reproductions::add(const Ctx& ctx, const std::string& run_id,
                                        const Evidence& given) {
  Evidence evidence = given;
  TRY(check(run_id, &evidence));
  const int64_t now_ms = deps_.clock.now_ms();
  const std::string uid = make_uuid7(now_ms, deps_.rng.u64(), deps_.rng.u64()).text();
  TRY(pending_.settle_runs(ctx.project.text, std::array{run_id, evidence.again_run_id}));
  Reproduction out;
  TRY(deps_.db.write([&](store::Tx& tx) -> Status {
    const Run was = TRY(ended_run(tx, ctx, run_id));
    const Run now = TRY(ended_run(tx, ctx, evidence.again_run_id));
    if (auto known =
            TRY(sql::find_reproduction(tx, ctx.project.text, run_id, evidence.again_run_id))) {
      out = std::move(*known);
      return {};
    }
    out = {};
    out.uid = uid;
    out.run_id = run_id;
    out.again_run_id = evidence.again_run_id;
    out.same_status = was.status == now.status;
    out.environment = evidence.environment;
    out.outputs = evidence.outputs;
    out.metrics = pair_metrics(was.metrics, now.metrics, evidence.ignored_metrics);
    if (out.outputs.empty() && out.metrics.empty())
      return invalid("reproduction.nothing_to_compare",
                     "neither run has a metric, and no output was named");
    out.verdict = judge(out.same_status, out.outputs, out.metrics);
    out.actor = ctx.actor_uid;
    out.created_ms = now_ms;
    TRY(sql::insert_reproduction(tx, ctx.project.text, out));
    return deps_.ledger.append(tx, ctx, event(out, was.experiment_id));
  }));
  return out;
}

Result<std::vector<Reproduction>> Reproductions::list(const Ctx& ctx, const std::string& run_id,
                                                      const std::string& after, int64_t limit) {
  std::vector<Reproduction> out;
  TRY(deps_.db.read([&](store::Tx& tx) -> Status {
    TRY(must_find_ref(tx, ctx.project.text, run_id));
    out = TRY(sql::list_reproductions(tx, ctx.project.text,
                                      {run_id, after, std::min(limit, kReproductionsMax)}));
    return {};
  }));
  return out;
}

}  // namespace slip::tracking
