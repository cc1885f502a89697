#include "registry/policy_json.h"

#include <array>
#include <cmath>
#include <set>

#include "base/text.h"
#include "registry/behaviour.h"

namespace slip::registry {
namespace {

using codec::Json;
using Kind = Check::Kind;

struct KindRow {
  Kind kind;
  std::string_view name;
  std::string_view metric;  // The field that Check::metric is written as; "" none.
  std::string_view bound;   // The field that Check::bound is written as; "" none.
  bool bound_required;
};
constexpr std::array<KindRow, 9> kKinds = {{
    {Kind::kFloor, "floor", "metric", "min", true},
    {Kind::kChampion, "champion", "metric", "max_regression", false},
    {Kind::kHoldout, "holdout", "metric", "max_regression", false},
    {Kind::kSlices, "slices", "metric", "min", true},
    {Kind::kLatency, "latency", "quantile", "max_ms", true},
    {Kind::kSize, "size", "", "max_bytes", true},
    {Kind::kSignature, "signature", "", "", false},
    {Kind::kScan, "scan", "", "", false},
    {Kind::kBehaviour, "behaviour", "", "", false},
}};

constexpr std::array<std::string_view, 6> kMetrics = {"auc",   "accuracy", "log_loss",
                                                      "brier", "mae",      "rmse"};
constexpr std::array<std::string_view, 4> kQuantiles = {"p50", "p90", "p95", "p99"};

template <size_t N>
bool among(const std::array<std::string_view, N>& list, std::string_view item) {
  for (const std::string_view one : list)
    if (one == item) return true;
  return false;
}

Error bad_option(std::string text) { return invalid("gate.option", std::move(text)); }

std::string default_test(std::string_view metric) {
  if (metric == "auc") return "delong";
  return metric == "accuracy" ? "mcnemar" : "bootstrap";
}

Result<double> read_alpha(const Json& in) {
  const double alpha = TRY(codec::double_or(in, "alpha", 0.05));
  if (!(alpha > 0 && alpha < 0.5)) return bad_option("alpha lies between 0 and 0.5");
  return alpha;
}

// Where the rows and their true answers are.
Status read_holdout(const Json& in, Json* out) {
  for (const char* key : {"dataset", "label"}) {
    std::string text = TRY(codec::want_string(in, key));
    if (text.empty() || text.size() > kTagKeyMax)
      return bad_option(concat({key, " is a name of 1 to 250 characters"}));
    out->set(key, std::move(text));
  }
  const int64_t version = TRY(codec::want_int(in, "version"));
  if (version < 1) return bad_option("version is that of the dataset, from 1 on");
  out->set("version", version);
  out->set("alpha", TRY(read_alpha(in)));
  return {};
}

Status read_test(const Json& in, const Check& check, Json* out) {
  const std::string test = TRY(codec::string_or(in, "test", default_test(check.metric)));
  const bool fits = test == "bootstrap" ? check.metric != "auc"
                    : test == "delong"  ? check.metric == "auc"
                                        : test == "mcnemar" && check.metric == "accuracy";
  if (!fits)
    return bad_option(
        concat({"no test '", test, "' for ", check.metric,
                ": delong for auc, mcnemar for accuracy, bootstrap for all but auc"}));
  if (test == "mcnemar" && check.bound != 0)
    return bad_option("McNemar's test knows no margin: max_regression is 0, or test is bootstrap");
  out->set("test", test);
  return {};
}

Status read_slice(const Json& in, Json* out) {
  std::string slice = TRY(codec::want_string(in, "slice"));
  if (slice.empty() || slice.size() > kTagKeyMax) return bad_option("slice names a column");
  out->set("slice", std::move(slice));
  const int64_t rows = TRY(codec::int_or(in, "min_rows", 30));
  if (rows < 1) return bad_option("min_rows is at least 1");
  out->set("min_rows", rows);
  const Json* regression = in.find("max_regression");
  if (!regression || regression->is_null()) return {};
  const double most = TRY(codec::want_double(in, "max_regression"));
  if (!(most >= 0 && std::isfinite(most))) return bad_option("max_regression is not negative");
  out->set("max_regression", most);
  return {};
}

Result<Json> read_options(const Json& in, const Check& check) {
  Json out = Json::object();
  switch (check.kind) {
    case Kind::kHoldout:
      TRY(read_holdout(in, &out));
      TRY(read_test(in, check, &out));
      break;
    case Kind::kSlices:
      TRY(read_holdout(in, &out));
      TRY(read_slice(in, &out));
      break;
    case Kind::kScan:
      out.set("allow_unknown", TRY(codec::bool_or(in, "allow_unknown", false)));
      break;
    case Kind::kBehaviour: {
      const Json* tests = in.find("tests");
      TRY(read_behaviour(tests ? *tests : Json()));
      out.set("tests", *tests);
      break;
    }
    default:
      break;
  }
  std::string name = TRY(codec::string_or(in, "name", ""));
  if (name.size() > kTagKeyMax || !is_utf8(name))
    return invalid("gate.name", "a check's name has at most 250 characters");
  if (!name.empty()) out.set("name", std::move(name));
  return out;
}

Status check_metric(const Check& check) {
  switch (check.kind) {
    case Kind::kFloor:
    case Kind::kChampion:
      if (!check.metric.empty() && check.metric.size() <= kTagKeyMax && is_utf8(check.metric))
        return {};
      return invalid("gate.metric", "A check names a metric of 1 to 250 characters");
    case Kind::kHoldout:
    case Kind::kSlices:
      if (among(kMetrics, check.metric)) return {};
      return invalid("gate.metric",
                     "a holdout is judged by auc, accuracy, log_loss, brier, mae or rmse");
    case Kind::kLatency:
      if (among(kQuantiles, check.metric)) return {};
      return invalid("gate.metric", "quantile is p50, p90, p95 or p99");
    default:
      return {};
  }
}

Status check_bound(const Check& check, const KindRow& row) {
  if (!std::isfinite(check.bound))
    return invalid("gate.bound", "The bound of a check is a finite number");
  const bool signless = check.kind == Kind::kFloor || check.kind == Kind::kSlices;
  if (!signless && check.bound < 0)
    return invalid("gate.bound", concat({row.bound, " is not negative"}));
  return {};
}

Result<std::vector<std::string>> read_names(const Json& in, std::string_view key) {
  std::vector<std::string> out;
  const Json* list = in.find(key);
  if (!list || list->is_null()) return out;
  if (!list->is_array() || list->items().size() > 100)
    return invalid("policy.principals", concat({key, " is a list of at most 100 principals"}));
  for (const Json& item : list->items()) {
    if (!item.is_string() || item.as_string().empty())
      return invalid("policy.principals", concat({key, " is a list of principals"}));
    out.push_back(item.as_string());
  }
  return out;
}

Json names_json(const std::vector<std::string>& names) {
  Json out = Json::array();
  for (const std::string& name : names) out.push(name);
  return out;
}

}  // namespace

Json options_of(const Check& check) {
  if (check.options.empty()) return Json::object();
  Result<Json> parsed = codec::parse_json(check.options);
  return parsed.ok() ? std::move(parsed).value() : Json::object();
}

std::string Check::name() const {
  const Json own = options_of(*this);
  if (const Json* given = own.find("name"); given && given->is_string()) return given->as_string();
  const KindRow& row = kKinds[static_cast<size_t>(kind)];
  if (row.metric.empty()) return std::string(row.name);
  return concat({row.name, ":", metric});
}

Json check_json(const Check& check) {
  const KindRow& row = kKinds[static_cast<size_t>(check.kind)];
  Json out = Json::object({{"name", check.name()}, {"kind", row.name}});
  if (!row.metric.empty()) out.set(row.metric, check.metric);
  if (!row.bound.empty()) out.set(row.bound, check.bound);
  const Json options = options_of(check);
  for (const auto& [key, value] : options.members())
    if (key != "name") out.set(key, value);
  return out;
}

Result<Check> read_check(const Json& json) {
  const std::string kind = TRY(codec::want_string(json, "kind"));
  const KindRow* row = nullptr;
  for (const KindRow& one : kKinds)
    if (one.name == kind) row = &one;
  if (!row)
    return invalid("gate.kind", concat({"no kind of check '", kind, "'"}))
        .with_hint("floor, champion, holdout, slices, latency, size, signature, scan or behaviour");
  Check check;
  check.kind = row->kind;
  if (!row->metric.empty()) check.metric = TRY(codec::want_string(json, row->metric));
  if (!row->bound.empty())
    check.bound = row->bound_required ? TRY(codec::want_double(json, row->bound))
                                      : TRY(codec::double_or(json, row->bound, 0));
  TRY(check_metric(check));
  TRY(check_bound(check, *row));
  const Json options = TRY(read_options(json, check));
  if (!options.members().empty()) check.options = TRY(codec::to_canonical_json(options));
  // A name that says what it would say anyway is none.
  if (const Json* name = options.find("name")) {
    Check plain = check;
    Json rest = options;
    rest.erase("name");
    plain.options = rest.members().empty() ? "" : TRY(codec::to_canonical_json(rest));
    if (name->as_string() == plain.name()) check = plain;
  }
  if (check.options.size() > kCheckOptionsBytesMax)
    return bad_option("a check is written in at most 64 KiB");
  return check;
}

Result<std::vector<Check>> read_checks(const Json& json) {
  if (!json.is_array()) return invalid("request.missing_field", "checks must be a list of checks");
  if (json.items().size() > kGateChecksMax)
    return invalid("gate.limit",
                   "A gate has at most " + std::to_string(kGateChecksMax) + " checks");
  std::vector<Check> out;
  std::set<std::string> names;
  for (const Json& item : json.items()) {
    out.push_back(TRY(read_check(item)));
    if (!names.insert(out.back().name()).second)
      return invalid("gate.name", concat({"two checks are called ", out.back().name(),
                                          ": give one a \"name\""}));
  }
  return out;
}

Json policy_json(const Policy& p) {
  Json checks = Json::array();
  for (const Check& check : p.checks) checks.push(check_json(check));
  Json out = Json::object({{"target", p.target},
                           {"approvals", p.approvals},
                           {"services_approve", p.services_approve},
                           {"gate", p.gate},
                           {"rollback_plan", p.rollback_plan},
                           {"review", p.review},
                           {"request_ttl_ms", p.request_ttl_ms}});
  out.set("approvers", names_json(p.approvers));
  out.set("waivers", names_json(p.waivers));
  out.set("checks", std::move(checks));
  return out;
}

Result<Policy> read_policy(const Json& json, const std::string& target) {
  Policy p;
  p.target = target;
  const bool stage = !target.starts_with('@');
  p.approvals = TRY(codec::int_or(json, "approvals", 1));
  if (p.approvals < 0 || p.approvals > kApprovalsMax)
    return invalid("policy.approvals", "approvals is 0 to " + std::to_string(kApprovalsMax));
  p.approvers = TRY(read_names(json, "approvers"));
  if (!p.approvers.empty() && static_cast<int64_t>(p.approvers.size()) < p.approvals)
    return invalid("policy.approvals", "more approvals than approvers: nobody could ever enter");
  p.services_approve = TRY(codec::bool_or(json, "services_approve", false));
  p.gate = TRY(codec::bool_or(json, "gate", true));
  if (const Json* checks = json.find("checks"); checks && !checks->is_null())
    p.checks = TRY(read_checks(*checks));
  if (!p.gate && !p.checks.empty())
    return invalid("policy.gate", "checks want a gate: leave out \"gate\": false");
  p.rollback_plan = TRY(codec::bool_or(json, "rollback_plan", stage));
  if (p.rollback_plan && !stage)
    return invalid("policy.rollback_plan", "an alias is set back by setting it: it has no plan");
  p.review = TRY(codec::bool_or(json, "review", false));
  p.waivers = TRY(read_names(json, "waivers"));
  p.request_ttl_ms = TRY(codec::int_or(json, "request_ttl_ms", kRequestTtlMs));
  if (p.request_ttl_ms < 1 || p.request_ttl_ms > kRequestTtlMsMax)
    return invalid("policy.request_ttl", "request_ttl_ms is 1 ms to 366 days");
  return p;
}

}  // namespace slip::registry
