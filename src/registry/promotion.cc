#include "registry/promotion.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "base/text.h"

namespace slip::registry {
namespace {

constexpr std::array<std::string_view, 4> kStages = {"None", "Staging", "Production", "Archived"};

bool contains(const std::vector<std::string>& list, std::string_view item) {
  return std::find(list.begin(), list.end(), item) != list.end();
}

Status check_gate(const Candidate& c) {
  const Version& v = c.version;
  if (v.digest.empty())
    return conflict(
        "model_version.no_digest",
        "its files are not on this server: nothing would bind gate and approval to them");
  if (!v.gate)
    return conflict("model_version.gate_missing", "no gate was evaluated for this version");
  if (v.gate->digest != v.digest)
    return conflict("model_version.gate_missing", "the gate judged other bytes: evaluate it again");
  for (const CheckResult& r : v.gate->checks)
    if (r.check.kind == Check::Kind::kChampion && r.champion_version != c.champion)
      return conflict("model_version.gate_missing",
                      "the champion has changed since the gate was evaluated: evaluate it again");
  if (v.gate->passed) return {};
  std::string failed;
  for (const CheckResult& r : v.gate->checks)
    if (!r.passed) failed += concat({failed.empty() ? "" : "; ", r.detail});
  return conflict("model_version.gate_failed", concat({"the gate failed: ", failed}));
}

}  // namespace

std::string_view stage_name(Stage stage) { return kStages[static_cast<size_t>(stage)]; }

Result<Stage> parse_stage(std::string_view text) {
  for (size_t i = 0; i < kStages.size(); ++i)
    if (iequals(text, kStages[i])) return static_cast<Stage>(i);
  return invalid("stage.unknown",
                 concat({"Invalid Model Version stage: ", text,
                         ". Value must be one of None, Staging, Production, Archived."}));
}

Status may_promote(const Candidate& c) {
  TRY(check_gate(c));
  bool approved = false;
  for (const Approval& a : c.version.approvals) {
    if (a.digest != c.version.digest || contains(c.authors, a.actor)) continue;  // Void.
    if (!a.approved)
      return conflict("model_version.not_approved",
                      concat({a.actor, " has rejected this version"}));
    approved = true;
  }
  if (approved) return {};
  return conflict("model_version.not_approved", "nobody but its authors has approved these bytes");
}

Status may_judge(std::string_view actor, const std::vector<std::string>& authors) {
  if (!contains(authors, actor)) return {};
  return forbidden("model_version.own_work",
                   concat({actor, " made or registered this version and cannot judge it"}));
}

CheckResult evaluate(const Check& check, const Measured& measured) {
  CheckResult out{.check = check,
                  .value = measured.value,
                  .threshold = {},
                  .champion_version = 0,
                  .champion_value = {},
                  .passed = false,
                  .detail = {}};
  if (check.kind == Check::Kind::kFloor) out.threshold = check.bound;
  if (check.kind == Check::Kind::kChampion) {
    out.champion_version = measured.champion;
    out.champion_value = measured.champion_value;
    if (out.champion_value) out.threshold = *out.champion_value - check.bound;
  }
  if (!out.value) {
    out.detail = concat({"the version's run has no metric '", check.metric, "'"});
    return out;
  }
  if (std::isnan(*out.value)) {
    out.detail = concat({"metric '", check.metric, "' is NaN"});
    return out;
  }
  if (check.kind == Check::Kind::kChampion && measured.champion == 0) {
    out.passed = true;
    out.detail = "no version holds Production: nothing to compare with";
    return out;
  }
  if (!out.threshold || std::isnan(*out.threshold)) {
    out.detail = concat({"the champion, version ", std::to_string(measured.champion),
                         ", has no usable metric '", check.metric, "'"});
    return out;
  }
  out.passed = *out.value >= *out.threshold;
  out.detail = concat({check.metric, " ", format_double(*out.value), out.passed ? " >= " : " < ",
                       format_double(*out.threshold)});
  return out;
}

const Tenure* rollback_target(const std::vector<Tenure>& tenures, const Tenure& current,
                              const std::vector<int64_t>& living) {
  const auto find = [&](int64_t n) -> const Tenure* {
    for (const Tenure& t : tenures)
      if (t.n == n) return &t;
    return nullptr;
  };
  // Links only point back, so this ends.
  for (const Tenure* t = find(current.back_n); t; t = find(t->back_n)) {
    const bool alive = std::find(living.begin(), living.end(), t->version) != living.end();
    if (alive && t->version != current.version) return t;
  }
  return nullptr;
}

}  // namespace slip::registry
