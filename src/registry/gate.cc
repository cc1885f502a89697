#include <cmath>
#include <utility>

#include "base/text.h"
#include "codec/hash.h"
#include "core/sign/sign.h"
#include "registry/behaviour.h"
#include "registry/gate_checks.h"
#include "registry/policy_json.h"
#include "registry/promotion.h"
#include "registry/registry_internal.h"
#include "registry/registry_store.h"
#include "registry/request_store.h"
#include "sys/clock.h"

// A gate: measures what its checks ask for, signs each verdict, writes them down.
namespace slip::registry {
namespace {

using codec::Json;
using Kind = Check::Kind;

constexpr int kRetriesMax = 8;
constexpr int64_t kHoldoutRowsMax = 1'000'000;

Json gate_body(const Gate& gate) {
  Json checks = Json::array();
  for (const CheckResult& r : gate.checks)
    checks.push(
        Json::object({{"check", r.check.name()}, {"passed", r.passed}, {"detail", r.detail}}));
  return Json::object({{"checks", std::move(checks)}});
}

CheckResult failed(const Check& check, std::string why) {
  CheckResult out;
  out.check = check;
  out.detail = std::move(why);
  return out;
}

std::string_view bare(std::string_view digest) {
  constexpr std::string_view kPrefix = "sha256:";
  return digest.starts_with(kPrefix) ? digest.substr(kPrefix.size()) : digest;
}

// In-toto's test-result v0.1, one test: the check. What it rests on is in the annotations.
Json test_result(const Version& version, const CheckResult& r, int64_t now_ms) {
  Json annotations = Json::object({{"check", check_json(r.check)},
                                   {"detail", r.detail},
                                   {"evaluated_at", format_time_ms(now_ms)}});
  if (r.value) annotations.set("value", *r.value);
  if (r.threshold) annotations.set("threshold", *r.threshold);
  if (r.champion_version > 0) annotations.set("champion_version", r.champion_version);
  if (const Result<Json> evidence = codec::parse_json(r.evidence); evidence.ok())
    annotations.set("evidence", *evidence);
  const std::string spec = codec::to_json(check_json(r.check));
  Json configuration = Json::array();
  configuration.push(
      Json::object({{"name", r.check.name()},
                    {"digest", Json::object({{"sha256", codec::sha256(spec).hex()}})},
                    {"annotations", std::move(annotations)}}));
  Json names = Json::array();
  names.push(r.check.name());
  Json predicate = Json::object({{"result", r.passed ? "PASSED" : "FAILED"}});
  predicate.set("configuration", std::move(configuration));
  predicate.set(r.passed ? "passedTests" : "failedTests", std::move(names));
  return sign::statement(
      {{.name = concat({"models:/", version.model, "/", std::to_string(version.number)}),
        .sha256_hex = std::string(bare(version.digest))}},
      sign::kTestResultType, std::move(predicate));
}

}  // namespace

// One evaluation, outside of any transaction.
class GateRun {
 public:
  GateRun(Registry& registry, const Ctx& ctx, const Version& version,
          const std::optional<Version>& champion)
      : registry_(registry),
        deps_(registry.deps_),
        ctx_(ctx),
        version_(version),
        champion_(champion) {}

  Result<CheckResult> run(const Check& check) {
    CheckResult out = TRY(measure(check));
    if (compares(check.kind)) out.champion_version = champion_ ? champion_->number : 0;
    // Doubles that are no numbers don't reach the database.
    if (out.value && !std::isfinite(*out.value)) out.value.reset();
    if (out.champion_value && !std::isfinite(*out.champion_value)) out.champion_value.reset();
    if (out.threshold && !std::isfinite(*out.threshold)) out.threshold.reset();
    if (deps_.signer && !version_.digest.empty())
      out.envelope = deps_.signer->sign(test_result(version_, out, deps_.clock.now_ms()));
    return out;
  }

 private:
  Result<CheckResult> measure(const Check& check) {
    switch (check.kind) {
      case Kind::kFloor:
      case Kind::kChampion:
        return metric(check);
      case Kind::kHoldout:
      case Kind::kSlices:
        return holdout(check);
      case Kind::kLatency:
        return latency(check);
      case Kind::kSize:
        return size(check);
      case Kind::kSignature:
        return signature(check);
      case Kind::kScan:
        return scan(check);
      case Kind::kBehaviour:
        return behaviour(check);
    }
    CHECK(false);
  }

  Result<CheckResult> metric(const Check& check) {
    Measured measured;
    measured.value = TRY(deps_.origins.metric(ctx_, version_, check.metric));
    if (champion_ && check.kind == Kind::kChampion) {
      measured.champion = champion_->number;
      measured.champion_value = TRY(deps_.origins.metric(ctx_, *champion_, check.metric));
    }
    return evaluate(check, measured);
  }

  // The predictions of a version on the holdout; nothing when it has none.
  Result<std::optional<Holdouts::Rows>> predictions(const Version& v, const Check& check,
                                                    Json* pin) {
    const Json options = options_of(check);
    std::optional<sql::Evidence> found;
    TRY(deps_.db.read([&](store::Tx& tx) -> Status {
      const Model model = TRY(must_find_model(tx, ctx_, v.model));
      for (sql::Evidence& e : TRY(sql::evidence(tx, {ctx_.project.text, model.uid}, v.number)))
        if (e.dataset == options.find("dataset")->as_string() &&
            e.dataset_version == options.find("version")->as_int())
          found = std::move(e);
      return {};
    }));
    if (!found) return std::optional<Holdouts::Rows>();
    Holdouts::Rows rows =
        TRY(deps_.holdouts->read(ctx_, found->predictions_dataset, found->predictions_version,
                                 {std::string(prediction_column(check.metric))}, kHoldoutRowsMax));
    *pin = Json::object({{"version", v.number},
                         {"dataset", found->predictions_dataset},
                         {"dataset_version", found->predictions_version},
                         {"digest", rows.digest}});
    return std::optional(std::move(rows));
  }

  Result<CheckResult> holdout(const Check& check) {
    if (!deps_.holdouts) return failed(check, "this server reads no datasets");
    Result<CheckResult> out = on_rows(check);
    if (out.ok() || out.error().code == Code::kUnavailable) return out;
    return failed(check, out.error().text);  // A dataset or column that isn't there.
  }

  Result<CheckResult> on_rows(const Check& check) {
    const Json options = options_of(check);
    const std::string& dataset = options.find("dataset")->as_string();
    std::vector<std::string> columns = {options.find("label")->as_string()};
    if (check.kind == Kind::kSlices) columns.push_back(options.find("slice")->as_string());
    const Holdouts::Rows rows = TRY(deps_.holdouts->read(
        ctx_, dataset, options.find("version")->as_int(), columns, kHoldoutRowsMax));
    Json pins = Json::object({{"holdout", Json::object({{"dataset", dataset},
                                                        {"version", *options.find("version")},
                                                        {"digest", rows.digest}})}});
    Json pin;
    const auto candidate = TRY(predictions(version_, check, &pin));
    if (!candidate) return failed(check, concat({"the version has no predictions on ", dataset}));
    pins.set("candidate", std::move(pin));
    std::optional<Holdouts::Rows> champion;
    const bool compared =
        champion_ && (check.kind == Kind::kHoldout || options.find("max_regression"));
    if (compared) {
      champion = TRY(predictions(*champion_, check, &pin));
      if (!champion)
        return failed(check, concat({"the champion, version ", std::to_string(champion_->number),
                                     ", has no predictions on ", dataset}));
      pins.set("champion", std::move(pin));
    }
    const HoldoutRows tables{.holdout = rows.table,
                             .candidate = candidate->table,
                             .champion = champion ? &champion->table : nullptr};
    return check.kind == Kind::kHoldout ? judge_holdout(check, tables, pins)
                                        : judge_slices(check, tables, pins);
  }

  Result<CheckResult> latency(const Check& check) {
    if (!deps_.trials) return failed(check, "this server serves no models");
    const Result<Bundle> files = registry_.open_bundle(ctx_, version_.model, version_.number);
    if (!files.ok()) return failed(check, files.error().text);
    const Result<Trials::Latency> timed = deps_.trials->time(ctx_, *files);
    if (!timed.ok()) return failed(check, timed.error().text);
    CheckResult out;
    out.check = check;
    out.value = check.metric == "p50"   ? timed->p50_ms
                : check.metric == "p90" ? timed->p90_ms
                : check.metric == "p95" ? timed->p95_ms
                                        : timed->p99_ms;
    out.threshold = check.bound;
    out.passed = *out.value <= check.bound;
    out.detail = concat({check.metric, " ", format_double(*out.value), " ms",
                         out.passed ? " <= " : " > ", format_double(check.bound), " ms"});
    out.evidence = codec::to_json(Json::object({{"runs", timed->runs},
                                                {"p50_ms", timed->p50_ms},
                                                {"p90_ms", timed->p90_ms},
                                                {"p95_ms", timed->p95_ms},
                                                {"p99_ms", timed->p99_ms}}));
    return out;
  }

  Result<CheckResult> size(const Check& check) {
    const Result<Bundle> bundle = registry_.open_bundle(ctx_, version_.model, version_.number);
    if (!bundle.ok()) return failed(check, bundle.error().text);
    int64_t bytes = 0;
    for (const store::tree::Entry& e : bundle->entries) bytes += e.size;
    CheckResult out;
    out.check = check;
    out.value = static_cast<double>(bytes);
    out.threshold = check.bound;
    out.passed = *out.value <= check.bound;
    out.detail = concat({format_size(bytes), out.passed ? " <= " : " > ",
                         format_size(static_cast<int64_t>(check.bound))});
    out.evidence = codec::to_json(
        Json::object({{"files", static_cast<int64_t>(bundle->entries.size())}, {"bytes", bytes}}));
    return out;
  }

  Result<CheckResult> signature(const Check& check) {
    const Result<Bundle> own = registry_.open_bundle(ctx_, version_.model, version_.number);
    if (!own.ok()) return failed(check, own.error().text);
    CheckResult out;
    out.check = check;
    if (!champion_) {
      out.passed = true;
      out.detail = "no version holds Production: nothing to compare with";
      return out;
    }
    const Result<Bundle> other = registry_.open_bundle(ctx_, champion_->model, champion_->number);
    if (!other.ok()) return failed(check, concat({"the champion: ", other.error().text}));
    SignatureFit fit = fit_signatures(own->mlmodel, other->mlmodel);
    out.passed = fit.ok;
    out.detail = std::move(fit.detail);
    out.evidence =
        codec::to_json(Json::object({{"candidate_mlmodel", codec::sha256(own->mlmodel).text()},
                                     {"champion_mlmodel", codec::sha256(other->mlmodel).text()}}));
    return out;
  }

  Result<CheckResult> scan(const Check& check) {
    const Result<Registry::Scan> scanned = registry_.scan(ctx_, version_.model, version_.number);
    if (!scanned.ok()) return failed(check, scanned.error().text);
    CheckResult out;
    out.check = check;
    const Json* lenient = options_of(check).find("allow_unknown");
    out.passed = scanned->verdict == "clean" ||
                 (scanned->verdict == "unknown" && lenient && lenient->as_bool());
    out.detail = concat({"the scan says ", scanned->verdict});
    out.evidence =
        codec::to_json(Json::object({{"verdict", scanned->verdict},
                                     {"report_digest", codec::sha256(scanned->report).text()},
                                     {"scanned_ms", scanned->scanned_ms}}));
    return out;
  }

  Result<CheckResult> behaviour(const Check& check) {
    const Json options = options_of(check);
    const std::vector<BehaviourTest> tests = TRY(read_behaviour(*options.find("tests")));
    const Result<std::vector<BehaviourResult>> results =
        registry_.run_behaviour(ctx_, version_.model, version_.number, tests);
    if (!results.ok()) return failed(check, results.error().text);
    int64_t passed = 0;
    Json list = Json::array();
    std::string wrong;
    for (const BehaviourResult& r : *results) {
      passed += r.passed;
      if (!r.passed && wrong.size() < kTagKeyMax)
        wrong += concat({wrong.empty() ? "" : "; ", r.name, ": ", r.detail});
      list.push(Json::object({{"name", r.name}, {"passed", r.passed}, {"detail", r.detail}}));
    }
    CheckResult out;
    out.check = check;
    out.value = static_cast<double>(passed);
    out.threshold = static_cast<double>(tests.size());
    out.passed = passed == static_cast<int64_t>(tests.size());
    out.detail = concat({std::to_string(passed), " of ", std::to_string(tests.size()),
                         " behavioural tests pass", wrong.empty() ? "" : "; ", wrong});
    out.evidence = codec::to_json(Json::object({{"tests", std::move(list)}}));
    return out;
  }

  Registry& registry_;
  Registry::Deps& deps_;
  const Ctx& ctx_;
  const Version& version_;
  const std::optional<Version>& champion_;
};

Result<std::vector<BehaviourResult>> Registry::run_behaviour(
    const Ctx& ctx, const std::string& name, int64_t number,
    const std::vector<BehaviourTest>& tests) {
  const Bundle files = TRY(open_bundle(ctx, name, number));
  if (!deps_.trials) return unsupported("gate.no_trials", "this server serves no models");
  return judge_behaviour(tests, TRY(deps_.trials->answer(ctx, files, behaviour_rows(tests))));
}

Result<Gate> Registry::evaluate_gate(const Ctx& ctx, const std::string& name, int64_t number,
                                     const std::vector<Check>& given) {
  if (given.size() > kGateChecksMax)
    return invalid("gate.limit",
                   "A gate has at most " + std::to_string(kGateChecksMax) + " checks");
  std::vector<Check> checks;
  for (const Check& check : given) {
    if (!std::isfinite(check.bound))
      return invalid("gate.bound", "The bound of a check is a finite number");
    checks.push_back(TRY(read_check(check_json(check))));
  }
  for (int i = 0; i < kRetriesMax; ++i) {
    // 1. Look, outside of a transaction.
    Version version = TRY(get_version(ctx, name, number));
    version.digest = TRY(digest_of(ctx, version));
    std::optional<Version> champion;
    TRY(deps_.db.read([&](store::Tx& tx) -> Status {
      const Model model = TRY(must_find_model(tx, ctx, name));
      const auto holders = TRY(sql::in_stage(tx, ctx.project.text, model.uid, Stage::kProduction));
      champion.reset();
      if (!holders.empty())
        champion = TRY(sql::find_version(tx, ctx.project.text, model, holders.front()));
      const auto policy = TRY(policy_for(tx, ctx, model, Stage::kProduction.name));
      if (given.empty() && policy) checks = policy->checks;
      return {};
    }));
    if (checks.empty())
      return invalid("gate.empty", "A gate needs at least one check, given or by the policy");
    Gate gate{.passed = true,
              .evaluated_ms = 0,
              .actor = ctx.actor_uid,
              .digest = version.digest,
              .checks = {}};
    GateRun run(*this, ctx, version, champion);
    for (const Check& check : checks) {
      gate.checks.push_back(TRY(run.run(check)));
      gate.passed = gate.passed && gate.checks.back().passed;
    }
    // 2. Write, unless the champion has changed meanwhile.
    bool stale = false;
    TRY(change_version(ctx, name, number, [&](store::Tx& tx, Found& found) -> Status {
      const auto holders =
          TRY(sql::in_stage(tx, ctx.project.text, found.model.uid, Stage::kProduction));
      stale = (holders.empty() ? 0 : holders.front()) != (champion ? champion->number : 0);
      if (stale) return {};
      gate.evaluated_ms = deps_.clock.now_ms();
      found.version.gate = gate;
      found.version.digest = version.digest;
      TRY(protect(tx, ctx, &found.model));
      TRY(sql::update_version(tx, ctx.project.text, found.model.uid, found.version));
      TRY(sql::put_gate(tx, ctx.project.text, found.model.uid, found.version));
      ledger::Draft draft = version_event("model_version.gated", found.version);
      draft.decision = gate.passed ? "pass" : "fail";
      draft.body = gate_body(gate);
      TRY(deps_.ledger.append(tx, ctx, draft));
      return void_stale(tx, ctx, found);
    }));
    if (!stale) return gate;
  }
  return unavailable("model.busy", "The champion keeps changing; try again");
}

}  // namespace slip::registry
