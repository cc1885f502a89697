#include "registry/gate_checks.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <map>

#include "base/text.h"
#include "codec/hash.h"
#include "codec/yaml.h"
#include "engine/stats/paired.h"
#include "engine/stats/sum.h"
#include "registry/policy_json.h"

namespace slip::registry {
namespace {

using codec::Column;
using codec::ColumnType;
using codec::Json;

constexpr size_t kSlicesMax = 1000;
constexpr size_t kNamedMax = 20;           // Slices that a verdict names.
constexpr double kProbabilityMin = 1e-15;  // As sklearn's log_loss clips.

std::optional<double> number_at(const Column& c, int64_t i) {
  if (c.is_null(i)) return std::nullopt;
  switch (c.type) {
    case ColumnType::kBool:
      return c.boolean(i) ? 1 : 0;
    case ColumnType::kInt64:
      return static_cast<double>(c.i64(i));
    case ColumnType::kDouble:
      return c.f64(i);
    default:
      return std::nullopt;
  }
}

std::string text_at(const Column& c, int64_t i) {
  if (c.is_null(i)) return "";
  if (c.type == ColumnType::kText || c.type == ColumnType::kBytes) return std::string(c.text(i));
  if (c.type == ColumnType::kTimestampUs) return std::to_string(c.i64(i));
  return format_double(number_at(c, i).value_or(std::nan("")));
}

// What each row adds to the metric, for one model.
struct Scored {
  std::vector<double> values;      // Loss or rightness a row; for auc the scores.
  std::vector<uint8_t> positives;  // auc only.
  std::string why;                 // Why there is none.
};

std::string row_says(int64_t row, std::string_view what) {
  return concat({"row ", std::to_string(row), ": ", what});
}

double loss(std::string_view metric, double label, double said) {
  if (metric == "log_loss") {
    const double p = std::clamp(said, kProbabilityMin, 1 - kProbabilityMin);
    return label != 0 ? -std::log(p) : -std::log(1 - p);
  }
  const double off = said - label;
  return metric == "mae" ? std::abs(off) : off * off;
}

Scored score(std::string_view metric, const Column& label, const Column& said,
             const std::vector<int64_t>& rows) {
  Scored out;
  const bool probability = prediction_column(metric) == "score";
  for (const int64_t i : rows) {
    if (label.is_null(i) || said.is_null(i)) {
      out.why =
          row_says(i, label.is_null(i) ? "the label is missing" : "the prediction is missing");
      return out;
    }
    const std::optional<double> y = number_at(label, i);
    const std::optional<double> p = number_at(said, i);
    if (metric == "accuracy") {
      out.values.push_back(y && p ? *y == *p : text_at(label, i) == text_at(said, i));
      continue;
    }
    if (!y || !p || !std::isfinite(*y) || !std::isfinite(*p)) {
      out.why = row_says(i, "label and prediction are finite numbers");
      return out;
    }
    if (probability && *y != 0 && *y != 1) {
      out.why = row_says(i, "the label is neither 0 nor 1");
      return out;
    }
    if (probability && metric != "auc" && (*p < 0 || *p > 1)) {
      out.why = row_says(i, "the score is no probability");
      return out;
    }
    if (metric == "auc") {
      out.values.push_back(*p);
      out.positives.push_back(*y == 1);
    } else {
      out.values.push_back(loss(metric, *y, *p));
    }
  }
  if (rows.empty()) out.why = "there are no rows";
  return out;
}

double value_of(std::string_view metric, const Scored& s) {
  if (metric == "auc") return stats::auc(s.values, s.positives);
  stats::Sum sum;
  for (const double v : s.values) sum.add(v);
  const double mean = sum.value() / static_cast<double>(s.values.size());
  return metric == "rmse" ? std::sqrt(mean) : mean;
}

// The columns of one comparison; null when a table lacks its own.
struct Columns {
  const Column* label = nullptr;
  const Column* candidate = nullptr;
  const Column* champion = nullptr;
  std::string why;
};

Columns columns_of(const Check& check, const HoldoutRows& rows) {
  Columns out;
  const Json options = options_of(check);
  const Json* label = options.find("label");
  const std::string_view column = prediction_column(check.metric);
  out.label = label ? rows.holdout.find(label->as_string()) : nullptr;
  out.candidate = rows.candidate.find(column);
  if (rows.champion) out.champion = rows.champion->find(column);
  if (!out.label)
    out.why = "the holdout has no label column";
  else if (!out.candidate || (rows.champion && !out.champion))
    out.why = concat({"the predictions have no column '", column, "'"});
  else if (rows.candidate.rows != rows.holdout.rows ||
           (rows.champion && rows.champion->rows != rows.holdout.rows))
    out.why = "the predictions are not as many as the holdout's rows";
  return out;
}

uint64_t seed_of(const Check& check, const Json& pins) {
  const codec::Sha256 digest =
      codec::sha256(codec::to_json(check_json(check)) + codec::to_json(pins));
  uint64_t seed = 0;
  for (size_t i = 0; i < 8; ++i) seed = seed << 8 | digest.bytes[i];
  return seed;
}

// candidate - champion with one-sided limits, however it was tested.
struct Compared {
  std::string test = {};
  double difference = 0;
  double lower = 0;
  double upper = 0;
  std::optional<double> p_worse = {};
  Json extra = Json::object();
};

struct Comparing {
  std::string_view metric;
  std::string_view test;
  double alpha = 0.05;
  uint64_t seed = 0;
};

Compared compare(const Comparing& how, const Scored& a, const Scored& b) {
  Compared out;
  out.test = std::string(how.test);
  if (how.test == "delong") {
    const stats::Delong d = stats::delong(a.values, b.values, a.positives);
    out.difference = d.difference();
    out.lower = d.lower(how.alpha);
    out.upper = d.upper(how.alpha);
    out.p_worse = d.p_worse();
    out.extra.set("z", d.z());
    return out;
  }
  if (how.test == "mcnemar") {
    const std::vector<uint8_t> right_a(a.values.begin(), a.values.end());
    const std::vector<uint8_t> right_b(b.values.begin(), b.values.end());
    const stats::Mcnemar m = stats::mcnemar(right_a, right_b);
    const auto n = static_cast<int64_t>(right_a.size());
    out.difference = static_cast<double>(m.only_a - m.only_b) / static_cast<double>(n);
    out.p_worse = m.p_worse();
    out.lower = m.lower(how.alpha, n);
    out.upper = m.upper(how.alpha, n);
    out.extra.set("only_candidate_right", m.only_a);
    out.extra.set("only_champion_right", m.only_b);
    return out;
  }
  const stats::Bootstrap boot = stats::paired_bootstrap(
      a.values, b.values,
      {.root = how.metric == "rmse" ? stats::Root::kSquare : stats::Root::kNone,
       .alpha = how.alpha,
       .seed = how.seed});
  out.difference = boot.difference;
  out.lower = boot.lower;
  out.upper = boot.upper;
  out.extra.set("samples", boot.samples);
  return out;
}

// `margin`: how much worse it may be; 0: not significantly worse.
bool good_enough(const Compared& c, std::string_view metric, double margin) {
  if (std::isnan(c.lower) || std::isnan(c.upper)) return false;
  if (less_is_better(metric)) return margin > 0 ? c.upper <= margin : !(c.lower > 0);
  return margin > 0 ? c.lower >= -margin : !(c.upper < 0);
}

CheckResult begun(const Check& check) {
  CheckResult out;
  out.check = check;
  return out;
}

std::vector<int64_t> all_rows(int64_t n) {
  std::vector<int64_t> out(static_cast<size_t>(n));
  for (int64_t i = 0; i < n; ++i) out[static_cast<size_t>(i)] = i;
  return out;
}

void tell_comparison(Json* row, const Compared& c, double champion_value) {
  if (!std::isnan(champion_value)) row->set("champion_value", champion_value);
  row->set("difference", c.difference);
  if (!std::isnan(c.lower)) row->set("lower", c.lower);
  if (!std::isnan(c.upper)) row->set("upper", c.upper);
  if (c.p_worse) row->set("p_worse", *c.p_worse);
}

// Not worse than the champion on these rows by more than `margin`; the row tells by how much.
bool holds_against(const Comparing& how, const Scored& a, const Scored& b, double margin,
                   Json* row) {
  if (!b.why.empty()) return false;
  const Compared c = compare(how, a, b);
  tell_comparison(row, c, value_of(how.metric, b));
  return good_enough(c, how.metric, margin);
}

std::map<std::string, std::vector<int64_t>> groups_of(const Column& slice, int64_t rows) {
  std::map<std::string, std::vector<int64_t>> out;
  for (int64_t i = 0; i < rows; ++i) out[text_at(slice, i)].push_back(i);
  return out;
}

double alpha_of(const Json& options) {
  const Json* alpha = options.find("alpha");
  return alpha ? alpha->as_double() : 0.05;
}

}  // namespace

std::string_view prediction_column(std::string_view metric) {
  return metric == "auc" || metric == "log_loss" || metric == "brier" ? "score" : "prediction";
}

bool less_is_better(std::string_view metric) { return metric != "auc" && metric != "accuracy"; }

CheckResult judge_holdout(const Check& check, const HoldoutRows& rows, const Json& pins) {
  CheckResult out = begun(check);
  const Json options = options_of(check);
  const Columns columns = columns_of(check, rows);
  Json evidence = pins;
  evidence.set("rows", rows.holdout.rows);
  out.evidence = codec::to_json(evidence);
  out.detail = columns.why;
  if (!columns.why.empty()) return out;
  const std::vector<int64_t> every = all_rows(rows.holdout.rows);
  const Scored a = score(check.metric, *columns.label, *columns.candidate, every);
  out.detail = a.why;
  if (!a.why.empty()) return out;
  out.value = value_of(check.metric, a);
  if (std::isnan(*out.value)) {
    out.value.reset();
    out.detail = "the holdout has rows of one class only";
    return out;
  }
  if (!columns.champion) {
    out.passed = true;
    out.detail = "no version holds Production: nothing to compare with";
    return out;
  }
  const Scored b = score(check.metric, *columns.label, *columns.champion, every);
  out.detail = b.why.empty() ? "" : concat({"the champion's predictions, ", b.why});
  if (!b.why.empty()) return out;
  out.champion_value = value_of(check.metric, b);
  const double alpha = alpha_of(options);
  const Compared c = compare({.metric = check.metric,
                              .test = options.find("test")->as_string(),
                              .alpha = alpha,
                              .seed = seed_of(check, pins)},
                             a, b);
  out.passed = good_enough(c, check.metric, check.bound);
  out.threshold = less_is_better(check.metric) ? *out.champion_value + check.bound
                                               : *out.champion_value - check.bound;
  evidence.set("test", c.test);
  evidence.set("alpha", alpha);
  evidence.set("rule", check.bound > 0 ? "confidence limit within max_regression"
                                       : "not significantly worse");
  tell_comparison(&evidence, c, *out.champion_value);
  for (const auto& [key, value] : c.extra.members()) evidence.set(key, value);
  out.evidence = codec::to_json(evidence);
  out.detail = concat({check.metric, " ", format_double(*out.value), " against ",
                       format_double(*out.champion_value), ": difference ",
                       format_double(c.difference), " [", format_double(c.lower), ", ",
                       format_double(c.upper), "] by ", c.test, out.passed ? "" : ", worse"});
  return out;
}

CheckResult judge_slices(const Check& check, const HoldoutRows& rows, const Json& pins) {
  CheckResult out = begun(check);
  const Json options = options_of(check);
  Columns columns = columns_of(check, rows);
  const Column* slice = rows.holdout.find(options.find("slice")->as_string());
  if (columns.why.empty() && !slice) columns.why = "the holdout has no such slice column";
  out.detail = columns.why;
  if (!columns.why.empty()) return out;
  const auto groups = groups_of(*slice, rows.holdout.rows);
  if (groups.size() > kSlicesMax) {
    out.detail = concat({"the slice column has more than ", std::to_string(kSlicesMax), " values"});
    return out;
  }
  const auto min_rows = static_cast<size_t>(options.find("min_rows")->as_int());
  const auto judged = std::count_if(groups.begin(), groups.end(),
                                    [&](const auto& g) { return g.second.size() >= min_rows; });
  const Json* regression = options.find("max_regression");
  const bool less = less_is_better(check.metric);
  const Comparing how{.metric = check.metric,
                      .test = check.metric == "auc" ? "delong" : "bootstrap",
                      .alpha = alpha_of(options) / static_cast<double>(judged),  // Of one slice.
                      .seed = seed_of(check, pins)};
  Json list = Json::array();
  std::string failed;
  size_t named = 0;
  out.passed = judged > 0;
  for (const auto& [name, members] : groups) {
    Json row = Json::object({{"slice", name}, {"rows", static_cast<int64_t>(members.size())}});
    const Scored a = members.size() < min_rows
                         ? Scored{.values = {}, .positives = {}, .why = "insufficient data"}
                         : score(check.metric, *columns.label, *columns.candidate, members);
    const double value = a.why.empty() ? value_of(check.metric, a) : std::nan("");
    bool good = less ? value <= check.bound : value >= check.bound;
    std::string state = a.why.empty() ? (good ? "passed" : "failed") : a.why;
    if (!std::isnan(value)) row.set("value", value);
    if (a.why.empty() && std::isnan(value)) state = "insufficient data";
    if (good && regression && columns.champion) {
      const Scored b = score(check.metric, *columns.label, *columns.champion, members);
      good = holds_against(how, a, b, regression->as_double(), &row);
      if (!good) state = "worse than the champion";
    }
    row.set("state", state);
    list.push(std::move(row));
    if (state == "insufficient data") continue;
    // The value of the whole is that of its worst slice.
    if (!std::isnan(value) && (!out.value || (less ? value > *out.value : value < *out.value)))
      out.value = value;
    if (good) continue;
    out.passed = false;
    if (++named <= kNamedMax)
      failed += concat({failed.empty() ? "" : ", ", name.substr(0, kTagKeyMax), " (", state, ")"});
  }
  Json evidence = pins;
  evidence.set("rows", rows.holdout.rows);
  if (regression && columns.champion && judged > 0)
    evidence.set("test", how.test).set("slice_alpha", how.alpha);
  evidence.set("slices", std::move(list));
  out.evidence = codec::to_json(evidence);
  out.threshold = check.bound;
  if (judged == 0)
    out.detail = concat({"no slice has ", std::to_string(min_rows), " rows"});
  else if (!out.passed)
    out.detail = concat({"slices that fail: ", failed});
  else
    out.detail = concat({std::to_string(judged), " slices reach ", format_double(check.bound)});
  return out;
}

namespace {

struct ColumnSpec {
  std::string name;
  std::string type;
  bool required = true;
};

// MLmodel keeps the two lists as JSON inside YAML strings.
std::optional<std::vector<ColumnSpec>> columns_in(const std::string& mlmodel,
                                                  std::string_view which) {
  const Result<Json> parsed = codec::parse_yaml(mlmodel);
  const Json* signature = parsed.ok() ? parsed->find("signature") : nullptr;
  const Json* text = signature ? signature->find(which) : nullptr;
  if (!text || !text->is_string()) return std::nullopt;
  const Result<Json> list = codec::parse_json(text->as_string());
  if (!list.ok() || !list->is_array()) return std::nullopt;
  std::vector<ColumnSpec> out;
  for (const Json& item : list->items()) {
    ColumnSpec column;
    const Json* name = item.find("name");
    const Json* type = item.find("type");
    const Json* required = item.find("required");
    if (name && name->is_string()) column.name = name->as_string();
    if (type && type->is_string()) column.type = type->as_string();
    if (column.type == "tensor" && item.find("tensor-spec"))
      column.type += codec::to_json(*item.find("tensor-spec"));
    column.required = !required || !required->is_bool() || required->as_bool();
    out.push_back(std::move(column));
  }
  return out;
}

bool type_fits(std::string_view wanted, std::string_view given) {
  return wanted == given || (wanted == "long" && given == "integer") ||
         (wanted == "double" && (given == "float" || given == "integer"));
}

const ColumnSpec* named(const std::vector<ColumnSpec>& list, std::string_view name) {
  for (const ColumnSpec& c : list)
    if (c.name == name) return &c;
  return nullptr;
}

}  // namespace

SignatureFit fit_signatures(const std::string& candidate, const std::string& champion) {
  const auto wants = columns_in(candidate, "inputs");
  if (!wants) return {false, "its MLmodel has no signature"};
  const auto has = columns_in(champion, "inputs");
  if (!has) return {false, "the champion's MLmodel has no signature to compare with"};
  for (const ColumnSpec& input : *wants) {
    const ColumnSpec* given = named(*has, input.name);
    if (!given && input.required)
      return {false, concat({"it needs the input '", input.name, "', which nobody sends today"})};
    if (given && !type_fits(input.type, given->type))
      return {false,
              concat({"the input '", input.name, "' is ", input.type, ", today ", given->type})};
  }
  for (const ColumnSpec& output :
       columns_in(champion, "outputs").value_or(std::vector<ColumnSpec>())) {
    const auto gives = columns_in(candidate, "outputs").value_or(std::vector<ColumnSpec>());
    const ColumnSpec* given = named(gives, output.name);
    if (!given) return {false, concat({"it no longer gives the output '", output.name, "'"})};
    if (!type_fits(output.type, given->type))
      return {false,
              concat({"the output '", output.name, "' is ", given->type, ", today ", output.type})};
  }
  return {true, "takes and gives what the champion does"};
}

}  // namespace slip::registry
